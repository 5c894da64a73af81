/* move_links.h - both sides of a move (move.h): links to all Redis of ROOMCAST_MOVE_FROM and
 * ROOMCAST_MOVE_TO, and calls to them as if they were synchronous.
 *
 *     move_links_begin(links, "PTTL");
 *     redis_command_add(&links->cmd, key.base, key.len);
 *     move_links_send(links, MOVE_FROM, &at, on_ttl, key);
 *     ... more of them ...
 *     if (!move_links_wait(links))
 *         return false;                 links->why says what went wrong
 *
 * Many calls may be on their way at once; they are answered before move_links_wait returns. The first one
 * that fails ends the move, and nothing more is sent.
 */
#ifndef ADMIN_MOVE_LINKS_H
#define ADMIN_MOVE_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cluster.h"
#include "common/command.h"
#include "common/reply.h"

enum move_which { MOVE_FROM, MOVE_TO };

enum { MOVE_ID_MAX = 64 };

struct move_links;
struct move_side;

/* One Redis: of a list, or a master of a cluster. */
struct move_place {
    struct move_side *side;
    unsigned number;               /* in its side's places */
    struct redis_link *link;       /* of a list */
    struct cluster_master *master; /* of a cluster */
    const char *lost;              /* why there is no connection; NULL: not said yet */
    char id[MOVE_ID_MAX]; /* the same in two places: they are one Redis and database */
};

struct move_side {
    struct move_links *links;
    const char *name;     /* of the setting */
    struct config config; /* a copy, with this side's URLs; the rest is borrowed */
    bool is_cluster;
    unsigned shards;           /* 64 of a cluster */
    struct move_place *places; /* of a list by shard */
    unsigned count;
    struct cluster cluster;
    struct cluster_maps maps;
};

/* Where a key is on a side: in a list that of a shard, in a cluster that of a slot. */
struct move_at {
    unsigned shard, slot;
};

typedef void (*move_reply_fn)(void *data, const redisReply *reply);

struct move_links {
    uv_loop_t loop;
    uv_timer_t tick;
    struct metrics metrics;
    struct move_side sides[2];
    struct redis_command cmd; /* the one that is being put together */
    unsigned pending;
    bool has_failed;
    char why[400]; /* without anything of a URL */
};

/* Connects to all. False: one cannot be reached, or is of another kind. Close in any case. */
bool move_links_open(struct move_links *links, const struct config *config);
void move_links_close(struct move_links *links);

/* Notes why the move cannot go on; the first time counts. Gives false, for the caller to return. */
bool move_links_fail(struct move_links *links, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where a room's keys are, and those of a shard's registry. */
struct move_at move_links_of_room(const struct move_side *side, struct json_text room);
struct move_at move_links_of_fleet(const struct move_side *side, unsigned shard);

/* A name of the fleet's as it is on this side. */
void move_links_add_fleet_key(struct move_links *links, enum move_which which,
                              unsigned shard, enum fleet_key key);

void move_links_begin(struct move_links *links, const char *verb);

/* `on_reply` may be NULL; it may send more, but not wait. An error reply is a failure. */
void move_links_send(struct move_links *links, enum move_which which,
                     const struct move_at *at, move_reply_fn on_reply, void *data);
void move_links_send_script(struct move_links *links, enum move_which which,
                            const struct move_at *at, enum script script,
                            move_reply_fn on_reply, void *data);

/* To one Redis, whatever the command is about. */
void move_links_send_place(struct move_links *links, const struct move_place *place,
                           move_reply_fn on_reply, void *data);

bool move_links_wait(struct move_links *links);

/* Of one Redis; borrowed, and not for long. */
struct redis_link *move_links_of_place(const struct move_place *place);

#endif
