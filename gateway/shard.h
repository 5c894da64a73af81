/* shard.h - all that a worker has once a shard: its links, its rooms, what brings them together
 * and its life there as a node (SPEC-SCALE S2). shards.h has all of a worker.
 *
 *     link      commands and their replies, by way of `store`
 *     bus       notices, by way of the `feed` of the worker that reads this shard's (SPEC-SCALE S13)
 *     rooms     what is here of them; they ask by room_hooks, which shard.c sets
 *     outbox, joins_leaves, history_cache   what goes out together, or is read once for many
 *     node      heartbeat, canary, and the reaper of dead nodes
 *     index, expiry   the fleet's list of rooms
 *
 * Knows neither clients nor their requests: those are session.h's.
 */
#ifndef GATEWAY_SHARD_H
#define GATEWAY_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/redis_link.h"
#include "gateway/bus.h"
#include "gateway/expiry.h"
#include "gateway/history_cache.h"
#include "gateway/index.h"
#include "gateway/joins_leaves.h"
#include "gateway/link_canaries.h"
#include "gateway/node.h"
#include "gateway/outbox.h"
#include "gateway/room.h"
#include "gateway/store.h"

struct shard;

struct shard_hooks {
    /* `is_up` has changed. */
    void (*on_up)(struct shard *shard);
    /* Clients are to be told of rooms with status.must_tell. */
    void (*on_status)(struct shard *shard);
    /* The link for commands is ready, or is not, or could not be made. */
    void (*on_link)(struct shard *shard, bool is_ready);
    /* Before each notice is handed on; when it was read, as in bus.h. */
    void (*on_notice)(struct shard *shard, uint64_t read_ns);
    /* Something for this node alone (node_commands.h); borrowed. */
    void (*on_command)(struct shard *shard, struct json_text command);
    /* A heartbeat tells the numbers of the policy; of shard 0. */
    void (*on_revs)(struct shard *shard, const redisReply *revs);
    /* A link was opened later than all others: see redis_link_open. */
    void (*on_opened)(void *owner);
    void (*on_forgotten)(struct shard *shard); /* the end of shard_forget */
};

/* All borrowed, for life. */
struct shard_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics; /* of the worker */
    unsigned worker, number;
    unsigned workers;             /* of the process */
    struct inbox *const *inboxes; /* of all workers; with one it may be NULL */
    const char *address;          /* of the gateway, as others see it */
    struct cluster *cluster;      /* NULL: one Redis, or one of a list */
    const struct feed_ops *feed_ops;
    struct cluster_maps *maps;    /* of a cluster, of the process */
    struct cluster_subs *masters; /* the links for notices, of a cluster */
    bool is_marked; /* its Redis may be another list's: it is used after shard_allow */
    void *owner;    /* of the hooks */
    const struct shard_hooks *hooks;
};

struct shard {
    struct shard_opts opts;
    char link_name[64], feed_name[64]; /* as Redis knows the connections */
    struct redis_link *link;
    struct store store;
    struct feed feed; /* open in the worker that reads this shard's notices */
    struct bus bus;
    struct rooms rooms;
    struct outbox outbox;
    struct joins_leaves joins_leaves;
    struct history_cache history_cache;
    struct index index;
    struct expiry expiry; /* at work in the worker that reads */
    struct node node;
    uint64_t retried_ms;            /* when what Redis refused was last tried again */
    bool is_up;                     /* Redis takes requests */
    bool may_write;                 /* its Redis is the right one: marks.h */
    bool has_homeless, map_changed; /* shard_cluster.c has something to look at */
    bool has_down;                  /* shard_status.c has */
    _Atomic int state;              /* enum node_state */
};

/* shard_rooms.c, shard_notices.c */
extern const struct room_hooks shard_room_hooks;
extern const struct bus_hooks shard_bus_hooks;
extern const struct feed_hooks shard_feed_hooks;

/* ---- of a cluster: shard_cluster.c ---- */

/* A new room is to be subscribed; it is, at this master. */
void shard_on_new_room(struct shard *shard, struct room *room);
void shard_on_home(struct shard *shard, struct room *room,
                   const struct cluster_host *host);

/* It is not subscribed any more at the master that has its slot. */
void shard_lose_home(struct shard *shard, struct room *room, enum metric_home why);

/* A call about the room found that its slot has moved. */
void shard_on_moved(struct shard *shard, struct room *room);

/* What the worker that reads this shard, and all others that it reads, has heard by one of its links. */
void shard_on_proof(struct shard *shard, const struct link_proof *proof);

/* Rooms without a home, or with another one than the map says; every 100 ms. */
void shard_tick_homes(struct shard *shard);

/* The registry's link is ready, or was lost. */
void shard_on_registry(struct shard *shard, bool is_ready);

/* ---- what clients are told: shard_status.c ---- */

/* `is_up` has changed; every 100 ms. */
void shard_note_status(struct shard *shard);
void shard_tick_status(struct shard *shard);

/* Connects. `shard` is zeroed. */
void shard_open(struct shard *shard, const struct shard_opts *opts);

/* Whether its Redis may be written to. */
void shard_allow(struct shard *shard, bool may_write);

/* Why it is not ready, or NULL if it is. A literal. From any thread. */
const char *shard_not_ready(const struct shard *shard);

/* Every 100 ms: all that looks at the clock. */
void shard_tick(struct shard *shard, uint64_t now_ms);

/* What another worker has handed over; and that some of it was dropped. */
void shard_take(struct shard *shard, const struct handover *what);
void shard_on_dropped(struct shard *shard);

/* First in the end of a turn: a worker that was stopped past its lease must not write. */
void shard_check_lease(struct shard *shard);

/* Later in it: what the turn has made goes out. */
void shard_flush(struct shard *shard, uint64_t now_ms);

/* One log line a room. */
void shard_dump(const struct shard *shard);

/* It is not ready from now on, and says so in Redis. */
void shard_drain(struct shard *shard);

/* The last clients were sent away: Redis forgets this node; hooks.on_forgotten when it has, or at
 * once where it cannot be asked. */
void shard_forget(struct shard *shard);

static inline struct shard *shard_of_room(const struct room *room)
{
    return list_entry(room->rooms, struct shard, rooms);
}

/* Disconnects. What waits for an answer gets that there is none. Notices are read, if it is here that
 * they are, until no worker listens any more. */
void shard_close(struct shard *shard);
bool shard_is_reading(const struct shard *shard);

/* What is not sent is answered. Of a cluster it follows after its links were closed. */
void shard_fail_calls(struct shard *shard);

/* Once the loop has ended: the last answers; then, once nobody holds a room, the memory. */
void shard_end(struct shard *shard);
void shard_deinit(struct shard *shard);

#endif
