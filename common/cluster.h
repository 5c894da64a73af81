/* cluster.h - a loop's way to a Redis Cluster: which master has a slot, a link for commands to each of
 * them, and calls that wait while a slot is on its way (SPEC-SCALE S6).
 *
 *     cluster_send -> [its turn] -> the slot's master -> on_reply
 *                            ^                  | MOVED, ASK, TRYAGAIN, CLUSTERDOWN ...: not done
 *                            +--- waits <-------+
 *
 * A call that was not done is sent again until its deadline, and then ends with UV_ENOTCONN: it never
 * runs later. Of the calls that share a turn one is in flight at a time, so that they keep their order.
 * ASKING is never sent: a script whose keys are not all there cannot run in an open slot.
 *
 * Which master has which slot is read for all workers of the process by one of them (cluster_maps.h).
 */
#ifndef COMMON_CLUSTER_H
#define COMMON_CLUSTER_H

#include "common/cluster_map.h"
#include "common/cluster_maps.h"
#include "common/cluster_master.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/redis_link.h"
#include "common/scripts.h"
#include "common/shard_of.h"

struct cluster;

/* What calls are about that must keep their order; embedded by its owner. Zeroed but for the list. */
struct cluster_turn {
    struct list calls; /* the first has the turn */
    unsigned waiting;  /* calls that wait for the slot */
};

/* Its owner embeds struct cluster. Those about turns may be NULL where there are none. */
struct cluster_hooks {
    /* The master's link for commands is ready, or was lost. */
    void (*on_master)(struct cluster *cluster, struct cluster_master *master,
                      bool is_ready);
    /* This slot has another owner, or none: the map says so, or a master did. */
    void (*on_owner)(struct cluster *cluster, unsigned slot);
    /* A call was sent to a master that has its slot no more. */
    void (*on_moved)(struct cluster *cluster, struct cluster_turn *turn);
    /* A call may have run half. */
    void (*on_halfway)(struct cluster *cluster, struct cluster_turn *turn);
    /* The owner of a turn must live from the one to the other. */
    void (*hold)(struct cluster_turn *turn);
    void (*release)(struct cluster_turn *turn);
    /* A link was opened: what sends from a prepare handle has to be started again (redis_link.h). */
    void (*on_opened)(struct cluster *cluster);
};

/* All borrowed, for life. */
struct cluster_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    struct cluster_maps *maps; /* of the process */
    const char *name;          /* of the connections */
    unsigned worker;
    const struct cluster_hooks *hooks;
};

struct cluster {
    struct cluster_opts opts;
    struct cluster_masters masters;
    uint64_t version;  /* of the map that was taken over */
    unsigned unserved; /* slots that nobody has in it */
    bool is_reading, wants_map;
    struct list unsent, sent; /* calls */
    struct list spare;        /* calls whose memory serves again */
    unsigned spare_count;
    uv_timer_t again;            /* looks at those that are not sent */
    uint64_t replaced;           /* how often all links were, from 1 on */
    uint64_t said[SHARD_OF_MAX]; /* the same when a room was last changed; 0: never */
    bool is_closed;
};

/* What a call is about. */
struct cluster_target {
    unsigned slot;
    struct cluster_turn *turn; /* that the call is about; NULL: none */
    bool waits_for_turn;       /* else it is only about it */
    bool is_signal;            /* it is worth nothing later: it waits for nothing */
    uint64_t since_ms;         /* its deadline counts from then; 0: from now */
    unsigned shard;
};

/* Begins with the hosts of the URL. `cluster` is zeroed. */
void cluster_open(struct cluster *cluster, const struct cluster_opts *opts);

/* Calls get UV_ECANCELED now. Once the loop has ended, deinit. */
void cluster_close(struct cluster *cluster);
void cluster_deinit(struct cluster *cluster);

/* Sends `cmd` (copied), a call of `script` or, with SCRIPTS_COUNT, any command. `on_reply` comes later in
 * any case; it may be NULL. With UV_EAGAIN its slot was on its way until the deadline. */
void cluster_send(struct cluster *cluster, const struct cluster_target *target,
                  const struct redis_command *cmd, enum script script,
                  redis_reply_fn on_reply, void *data);

/* The owner of a slot, or NULL; whether it can be asked now. A link to it is opened where there is none. */
struct cluster_master *cluster_owner(struct cluster *cluster, unsigned slot);
bool cluster_is_ready(struct cluster *cluster, unsigned slot);

/* Its link; NULL: the slot has no owner, as far as is known. And why nobody can be asked. */
struct redis_link *cluster_link(struct cluster *cluster, unsigned slot);
enum redis_why cluster_why(const struct cluster *cluster);

/* Takes over a new map, asks for one if it is time, closes idle links; every 100 ms. */
void cluster_tick(struct cluster *cluster, uint64_t now_ms);

/* The map may be wrong: it is read soon. */
void cluster_want_map(struct cluster *cluster);

/* What of this shard was not sent yet fails now: it was meant to be said under a name that is none any
 * more. */
void cluster_fail_unsent(struct cluster *cluster, unsigned shard);

/* Makes all links again, so that what is on its way ends. */
void cluster_replace_links(struct cluster *cluster, const char *why);

/* Whether a call that changes a room of this shard was sent by the links that there are now, so that it may
 * still run. */
bool cluster_may_run(const struct cluster *cluster, unsigned shard);

/* cluster_calls.c: for cluster.c. What waits is tried again at once with the next tick. */
void cluster_calls_init(struct cluster *cluster);
void cluster_calls_go_on(struct cluster *cluster);
void cluster_calls_close(struct cluster *cluster);

#endif
