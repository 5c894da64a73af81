/* db.h - commands to Redis, of which there may be several (SPEC-SCALE S2): begin one in db->cmd by
 * saying where it goes, add to it (command.h), send it.
 *
 * Sending is the last thing that a function does: if it cannot be sent, `on_reply` is called at
 * once with a negative status. Answers come in any order: what needs another one first waits for it.
 *
 * In a Redis Cluster a command goes to the master that has its slot (cluster.h), and waits while there is
 * none, until its deadline. A shard counts as down when the master of its registry was away for a second.
 *
 * The Redis of a list are marked by the gateways (rc:shard), one Redis and a cluster by roomcast-admin
 * --move-rooms (shard_mark.h). The mark is read when a link is ready, and again each second. A shard whose
 * mark is not read yet, or is none of a list, or says another number or count than here, or that its rooms
 * are being moved or are gone, counts as down: nothing is sent there but the question. The mark of a cluster
 * is with its first shard, and for all of them.
 */
#ifndef ADMIN_DB_H
#define ADMIN_DB_H

#include <uv.h>

#include "common/cluster.h"
#include "common/command.h"
#include "common/redis_link.h"
#include "common/reply.h"
#include "common/scripts.h"
#include "common/shard_of.h"
#include "common/strbuf.h"

enum db_mark { DB_MARK_UNKNOWN, DB_MARK_NONE, DB_MARK_RIGHT, DB_MARK_WRONG };

struct db;

struct db_shard {
    struct db *db;
    unsigned number;
    bool is_up; /* as was told last */

    struct redis_link *link;  /* NULL: closed, or of a cluster */
    enum db_mark mark;        /* of a cluster: shard 0's is for all */
    bool is_asking;           /* for it */
    unsigned found, found_of; /* what a wrong one says */

    unsigned slot;    /* of a cluster: its registry's */
    uint64_t lost_ms; /* of a cluster: since when its master is away; 0: it is not */
};

/* A shard can be asked now, or cannot any more. */
typedef void (*db_link_fn)(void *owner, unsigned shard, bool is_up);

struct db {
    const struct config *config;
    struct db_shard *shards; /* by number */
    unsigned count;
    unsigned spread; /* for shard_of */
    bool is_cluster, is_closed;
    struct cluster cluster; /* the rest of a cluster */
    struct cluster_maps maps;
    struct redis_command cmd; /* the one that is being put together */
    unsigned at, slot;        /* the shard that it goes to; its slot of a cluster */
    uint64_t begun_ms;
    uint64_t asked_ms; /* of a cluster: for its mark; 0: to be asked for at once */
    uv_timer_t tick;
    db_link_fn on_link;
    void *owner;
};

/* How many shards there are with these settings. */
unsigned db_shards_count(const struct config *config);

/* Opens the links; `config`, `metrics` and `owner` are borrowed. */
void db_open(struct db *db, uv_loop_t *loop, const struct config *config,
             struct metrics *metrics, db_link_fn on_link, void *owner);
void db_close(struct db *db);
void db_deinit(struct db *db);

/* The shard that a room of this name is in. */
unsigned db_shard_of(const struct db *db, struct json_text room);

/* A bit for each. */
uint64_t db_all_shards(const struct db *db);

/* Whether it can be asked now; if not, adds why, without a line's end. */
bool db_is_up(const struct db *db, unsigned shard);
void db_print_why(const struct db *db, unsigned shard, struct strbuf *out);

/* Whether it is answered at once, as far as is known: a shard of a cluster is up for a second longer than its
 * master can be asked. */
bool db_answers(struct db *db, unsigned shard);

/* If its mark is a wrong one: adds what it says. False: it is not. */
bool db_print_wrong_mark(const struct db *db, unsigned shard, struct strbuf *out);

/* Adds where it is, without user and password: of a cluster the master that has its registry now, and
 * nothing where none is known. */
void db_print_where(const struct db *db, unsigned shard, struct strbuf *out);

/* Adds `,"missing_shards":[…]` if there are any: a bit a shard. */
void db_add_missing(struct strbuf *out, uint64_t shards);

/* Whether the master of this room is there, whatever is with that of its shard; false without a cluster. */
bool db_has_master(struct db *db, struct json_text room);

/* A command to a shard, or to the one of a room. */
void db_begin(struct db *db, unsigned shard, const char *verb);
void db_begin_script(struct db *db, unsigned shard, enum script script, unsigned keys);
void db_begin_room(struct db *db, struct json_text room, const char *verb);
void db_begin_room_script(struct db *db, struct json_text room, enum script script,
                          unsigned keys);

/* `on_reply` may be NULL. */
void db_send(struct db *db, redis_reply_fn on_reply, void *data);
void db_send_script(struct db *db, enum script script, redis_reply_fn on_reply,
                    void *data);

/* For db.c and db_cluster.c. A cluster has one mark, with the registry of its first shard. */
static inline const struct db_shard *db_marked(const struct db *db, unsigned shard)
{
    return &db->shards[db->is_cluster ? 0 : shard];
}

/* None is as good as a right one, but in a list. */
static inline bool db_has_fit_mark(const struct db *db, unsigned shard)
{
    enum db_mark mark = db_marked(db, shard)->mark;
    bool is_list = db->count > 1 && !db->is_cluster;

    return mark == DB_MARK_RIGHT || (mark == DB_MARK_NONE && !is_list);
}

/* db_cluster.c: for db.c. */
void db_cluster_open(struct db *db, uv_loop_t *loop, struct metrics *metrics);
void db_cluster_close(struct db *db);
void db_cluster_deinit(struct db *db);
void db_cluster_tick(struct db *db);
void db_cluster_look_at_all(struct db *db);
void db_cluster_print_why(const struct db *db, unsigned shard, struct strbuf *out);
void db_cluster_print_where(const struct db *db, unsigned shard, struct strbuf *out);
void db_cluster_send(struct db *db, enum script script, redis_reply_fn on_reply,
                     void *data);

#endif
