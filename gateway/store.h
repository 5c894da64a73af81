/* store.h - from rooms to Redis: one function a script (lua/ says what each takes and
 * returns). One store a worker, for one shard.
 *
 * What changes a room comes back through the room_on_… functions, what is read through a
 * callback; never from inside the call, also if Redis is away.
 */
#ifndef GATEWAY_STORE_H
#define GATEWAY_STORE_H

#include "common/config.h"
#include "common/map.h"
#include "common/redis_link.h"
#include "common/scripts.h"
#include "gateway/args.h"
#include "gateway/room.h"

enum { STORE_NODE_MAX = PROTO_NODE_MAX + 1 };

struct store {
    struct redis_link *link; /* of one Redis, or one of a list; else NULL */
    struct cluster *cluster; /* else NULL; borrowed */
    const struct config *config;
    struct metrics *metrics;
    char node[STORE_NODE_MAX]; /* this worker's name in Redis; node.h chooses it */
    struct args args;          /* of the command that is being put together */
    struct map broken;         /* rooms that were told of as broken, this minute */
    uint64_t broken_since_ms;
    struct list failed; /* calls that could not be sent; store_run_failed */
    /* A room's members or history changed; for the indexes. */
    void (*on_touched)(struct store *store, const char *room, size_t len, bool is_new);
    /* Redis does not know this node; for its heartbeat. */
    void (*on_unknown)(struct store *store);
};

void store_init(struct store *store, struct redis_link *link,
                const struct config *config, struct metrics *metrics);
void store_deinit(struct store *store);

/* Gives the callbacks of calls that could not be sent; once a turn of the loop. */
void store_run_failed(struct store *store);

/* For room_hooks. */
void store_register(struct store *store, struct room *room);
void store_close(struct store *store, struct room *room);

/* Which members are read. `cursor`: NULL at the start, else of an HSCAN. */
struct store_page {
    const char *cursor;
    unsigned limit, exact_max;
};

/* Reads a page of members. The names are borrowed; next: NULL if these are all, "0" if this was
 * the last page; count UINT64_MAX: it failed. The room has a ref meanwhile. */
struct store_members {
    uint64_t count;
    const char *next;
    const struct json_text *names;
    size_t names_count;
};
typedef void (*store_members_fn)(void *data, const struct store_members *members);
void store_members(struct store *store, struct room *room,
                   const struct store_page *page, store_members_fn on_done, void *data);

/* Tells every gateway a signal; not stored. */
void store_signal(struct store *store, const struct room *room, struct json_text user,
                  const struct strbuf *event, redis_reply_fn on_reply, void *data);

/* A call of any script: on_reply comes later in any case. For node, index and publish. */
void store_send_script(struct store *store, enum script script, redis_reply_fn on_reply,
                       void *data);
void store_send_command(struct store *store, redis_reply_fn on_reply, void *data);

/* The link by which the registry is asked; NULL: there is none, as far as is known. And why it is not
 * ready. */
struct redis_link *store_link(const struct store *store);
enum redis_why store_why(const struct store *store);

/* Of a cluster: what still waits is not sent any more, because it has another name of the node in it. */
void store_fail_unsent(struct store *store);

/* Nothing that is on its way runs later than what is sent from now on. */
void store_replace(struct store *store, const char *why);

/* Whether something that was said of rooms under this name may still be under way: without it there is nothing
 * to end. */
bool store_may_run(const struct store *store);

/* What a script about `room` came to: if a key was of the wrong type, Redis is asked which, and
 * the log names room and key, once a minute. */
void store_note_refusal(struct store *store, const struct room *room, int status,
                        const redisReply *reply);

/* Calls on_touched; is_new: Redis has just created the room. */
void store_touched(struct store *store, const struct room *room, bool is_new);

/* Begins reap.lua for `node` in `room`; send with SCRIPT_REAP. */
void store_begin_reap(struct store *store, const char *room, size_t room_len,
                      const char *node);

#endif
