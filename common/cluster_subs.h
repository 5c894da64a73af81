/* cluster_subs.h - sharded subscriptions in a Redis Cluster: a link for notices to each master of the
 * channels that are wanted (SPEC-SCALE S5, S13).
 *
 * Subscriptions are confirmed by channel, not by turn: a master that gives a slot away says so in between.
 * So each batch of them ends in PING <n>, and what was not confirmed when that comes back was refused. A
 * link that does not answer a PING for three seconds is made again.
 */
#ifndef COMMON_CLUSTER_SUBS_H
#define COMMON_CLUSTER_SUBS_H

#include <uv.h>

#include "common/cluster_map.h"
#include "common/config.h"
#include "common/json.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/redis_link.h"

struct cluster_subs;

enum { CLUSTER_SUBS_LINKS_MAX = 10000 }; /* of all that there ever were */

/* A channel in a Redis Cluster: where it is subscribed. */
struct cluster_sub {
    unsigned short master; /* number of the link; 0: nowhere */
    bool is_pending;       /* its fence is not back yet */
    bool is_acked;         /* and Redis has said that it is subscribed */
};

/* One master. */
struct cluster_subs_link {
    struct cluster_subs *masters;
    unsigned short number; /* from 1 on */
    struct cluster_host at;
    struct redis_host host; /* the same, for url */
    struct redis_url url;
    struct redis_link *link; /* NULL: not used */
    struct list pending; /* subscriptions whose fence is not back, in the order sent */
    uint64_t fence;      /* the last PING that was sent */
    unsigned subs;       /* that are or may be subscribed here */
    uint64_t heard_ms, pinged_ms, used_ms;
    bool wants_fence; /* something was sent since */
    bool is_deaf;     /* it is being lost because it did not answer */
};

/* What it calls; its owner embeds struct cluster_subs. `channel` and `text` are borrowed. */
struct cluster_subs_hooks {
    void (*on_ready)(struct cluster_subs_link *master);
    /* All that is subscribed here is so no more. */
    void (*on_lost)(struct cluster_subs_link *master, const char *why);
    /* The channel's sub, or NULL. */
    struct cluster_sub *(*find)(struct cluster_subs *masters, struct json_text channel);
    /* The end of cluster_subs_subscribe; is_subscribed tells how. */
    void (*on_fence)(void *owner, struct cluster_sub *sub, bool is_subscribed);
    /* It was subscribed here, and is no more, although nobody asked for that. */
    void (*on_ended)(struct cluster_subs *masters, struct json_text channel);
    void (*on_message)(struct cluster_subs *masters, struct json_text channel,
                       struct json_text text);
    /* A master says who has a slot. */
    void (*on_moved)(struct cluster_subs *masters, unsigned slot,
                     const struct cluster_host *owner);
    void (*on_expired)(struct cluster_subs *masters, const char *room, size_t len);
    void (*on_opened)(struct cluster_subs *masters);
};

struct cluster_subs_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    const char *name; /* of the connections */
    const struct cluster_subs_hooks *hooks;
};

struct cluster_subs {
    struct cluster_subs_opts opts;
    struct cluster_subs_link **all;
    unsigned count, cap;
    uint64_t ticked_ms;
    struct redis_command cmd;
};

/* All borrowed, for life. */
void cluster_subs_init(struct cluster_subs *masters,
                       const struct cluster_subs_opts *opts);
void cluster_subs_close(struct cluster_subs *masters);
void cluster_subs_deinit(struct cluster_subs *masters);

/* The one at this address, its link opened; NULL: there are too many. */
struct cluster_subs_link *cluster_subs_use(struct cluster_subs *masters,
                                           const struct cluster_host *at);

/* By number; NULL for 0. */
struct cluster_subs_link *cluster_subs_at(const struct cluster_subs *masters,
                                          unsigned number);

/* Nobody waits for what is pending any more. */
void cluster_subs_forget(struct cluster_subs *masters, struct cluster_sub *sub);

/* The one function that changes sub->master. */
void cluster_subs_place(struct cluster_subs *masters, struct cluster_sub *sub,
                        unsigned number);

bool cluster_subs_link_is_ready(const struct cluster_subs_link *master);

/* Subscribes; `sub` must live until hooks.on_fence, which gets `owner`, or until the link is lost. */
void cluster_subs_link_subscribe(struct cluster_subs_link *master, const char *channel,
                                 struct cluster_sub *sub, void *owner);
void cluster_subs_link_unsubscribe(struct cluster_subs_link *master,
                                   const char *channel);

/* Makes it again, because what should come does not. */
void cluster_subs_link_restart(struct cluster_subs_link *master, const char *why);

/* Notices of rooms that expire, from now on. */
void cluster_subs_link_want_expiry(struct cluster_subs_link *master);

/* Fences, silent and idle links; every 100 ms. */
void cluster_subs_tick(struct cluster_subs *masters, uint64_t now_ms);

/* Sends the fences of what was subscribed in this turn. */
void cluster_subs_flush(struct cluster_subs *masters);

#endif
