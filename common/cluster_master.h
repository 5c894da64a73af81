/* cluster_master.h - the masters of a Redis Cluster as one worker knows them: a link for commands to each
 * that is used, and which of them has a slot.
 *
 * A master is known by its address, and never forgotten; the link of one that was not used for a minute is
 * closed.
 */
#ifndef COMMON_CLUSTER_MASTER_H
#define COMMON_CLUSTER_MASTER_H

#include "common/cluster_map.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/redis_link.h"
#include "common/shard_of.h"

enum {
    CLUSTER_IDLE_MS = 60000,
    CLUSTER_AWAY_MS = 3000 /* without a ready link: its slots are served by nobody */
};

struct cluster_masters;

struct cluster_master {
    struct list link; /* in cluster_masters.all */
    struct cluster_masters *masters;
    struct cluster_host at;
    struct redis_host host;   /* the same, for url */
    struct redis_url url;     /* of its link: one host; the rest is borrowed */
    struct redis_link *redis; /* NULL: not used */
    unsigned slots;
    uint64_t used_ms;
    uint64_t
        missed_ms; /* it has slots and is used, but its link is not ready: since then; 0: it is */
    /* By the worker that reads: what was told before that moment, of uv_hrtime, has come by its link for notices
     * (gateway/link_canaries.h). */
    uint64_t proven_ns[SHARD_OF_MAX];
    bool
        is_lame; /* it last said that it serves nobody: what it knows of the others may be old */
};

/* Its owner embeds struct cluster_masters. */
struct cluster_masters_hooks {
    void (*on_link)(struct cluster_master *master, bool is_ready);
    void (*on_opened)(struct cluster_masters *masters);
    /* The slot has another owner, or none. */
    void (*on_owner)(struct cluster_masters *masters, unsigned slot);
};

struct cluster_masters_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    const char *name; /* of the connections */
    const struct cluster_masters_hooks *hooks;
};

struct cluster_masters {
    struct cluster_masters_opts opts;
    struct list all;
    unsigned count;
    struct cluster_master **owners; /* by slot; NULL: nobody, or not known */
};

/* All borrowed, for life. */
void cluster_masters_init(struct cluster_masters *masters,
                          const struct cluster_masters_opts *opts);

/* Closes the links; what waits for answers gets UV_ECANCELED. */
void cluster_masters_close(struct cluster_masters *masters);
void cluster_masters_deinit(struct cluster_masters *masters);

/* The one at this address, made where it is not known. NULL: there are too many. */
struct cluster_master *cluster_masters_get(struct cluster_masters *masters,
                                           const struct cluster_host *at);

/* The one function that changes owners. */
void cluster_masters_set_owner(struct cluster_masters *masters, unsigned slot,
                               struct cluster_master *master);
void cluster_masters_take_map(struct cluster_masters *masters,
                              const struct cluster_map *map);

/* Its link, opened where there is none. */
struct redis_link *cluster_master_use(struct cluster_master *master);

/* One whose link is ready, if possible none that is lame; or NULL. */
struct cluster_master *cluster_masters_any(struct cluster_masters *masters);

/* Notes which of those that have slots and are used do not answer. Whether there are any; `away_slots` are those
 * of the ones that have not answered for CLUSTER_AWAY_MS. */
bool cluster_masters_miss(struct cluster_masters *masters, uint64_t now_ms,
                          unsigned *away_slots);

/* Closes the links of those that were not used for CLUSTER_IDLE_MS. */
void cluster_masters_tidy(struct cluster_masters *masters, uint64_t now_ms);

#endif
