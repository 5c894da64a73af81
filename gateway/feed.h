/* feed.h - where one worker of a process reads the notices of a shard for all of them (SPEC-SCALE
 * S13). Each worker listens to it, by way of its bus (bus.h): it attaches, asks for rooms, and is told.
 *
 *     ATTACH -> [the link is ready] -> READY
 *     SUBSCRIBE -> [Redis confirms] -> CONFIRMED, NOTICE ...
 *     NODE -> NODE_TEXT ...
 *     [the link is lost] -> LOST -> ATTACH
 *
 * With the link all that was asked for is lost, and is asked for again. So what waits for a worker that
 * is stopped is bounded by what it has asked for.
 */
#ifndef GATEWAY_FEED_H
#define GATEWAY_FEED_H

#include "common/cluster_subs.h"
#include "gateway/feed_link.h"
#include "gateway/feed_rooms.h"
#include "gateway/handover.h"
#include "gateway/inbox.h"

struct feed;

/* Its owner embeds struct feed. */
struct feed_hooks {
    /* For the worker that reads; borrowed, nothing is copied. Never from inside its own request. */
    void (*on_told)(struct feed *feed, const struct handover *what);
    void (*on_expired)(struct feed *feed, const char *room, size_t len);
};

/* What takes the place of the one link. */
struct feed_ops {
    void (*take)(struct feed *feed, const struct handover *request);
    void (*tick)(struct feed *feed);
};

/* All borrowed, for life. */
struct feed_opts {
    uv_loop_t *loop;
    const struct config *config;
    const struct redis_url *url;
    struct metrics *metrics;
    const char *name; /* of the connection */
    unsigned shard;
    unsigned worker;              /* that reads */
    unsigned workers;             /* of the process */
    struct inbox *const *inboxes; /* of all workers; with one it may be NULL */
    const struct feed_ops *ops;   /* of a cluster (feed_cluster.c) */
    struct cluster *cluster;      /* for them */
    struct cluster_subs *masters; /* the links, of all shards that this worker reads */
    const struct feed_hooks *hooks;
};

enum feed_state {
    FEED_AWAY,    /* it has not attached, or not since the link was lost */
    FEED_WAITS,   /* for the link */
    FEED_LISTENS, /* the link is ready, and it was told so */
    FEED_ENDED,
};

/* A worker as the feed knows it. */
struct feed_listener {
    enum feed_state state;
    uint64_t number;        /* of its last request */
    uint64_t heard_ms;      /* when something last came by the channel of its node */
    char *channel;          /* of its node; NULL: none */
    struct cluster_sub sub; /* of that channel, in a cluster */
};

struct feed {
    struct feed_opts opts;
    struct feed_link link;
    struct feed_rooms rooms;         /* none while the link is not ready */
    struct feed_listener *listeners; /* by worker */
    bool is_open;
    bool
        must_look; /* of a cluster: something is not subscribed, or not where it should be */
};

/* `feed` is zeroed. */
void feed_open(struct feed *feed, const struct feed_opts *opts);

/* A request of a worker. After the DETACH of the last one the feed closes. */
void feed_take(struct feed *feed, const struct handover *request);

/* Every 100 ms: of a cluster, what is not subscribed, or elsewhere than it should be. */
void feed_tick(struct feed *feed);

/* Redis is there again, as another link has found. Nothing if it is not open. */
void feed_hurry(struct feed *feed);

bool feed_is_open(const struct feed *feed);

/* Once the loop has ended; also one that was never opened. */
void feed_deinit(struct feed *feed);

/* ---- of a cluster: feed_cluster.c ---- */

extern const struct feed_ops feed_cluster_ops;

/* For cluster_subs' hooks. */
struct cluster_sub *feed_cluster_find(struct feed *feed, struct json_text channel);
void feed_cluster_on_fence(struct feed *feed, struct cluster_sub *sub,
                           bool is_subscribed);
void feed_cluster_on_ended(struct feed *feed, struct json_text channel);
void feed_cluster_on_ready(struct feed *feed);
void feed_cluster_on_lost(struct feed *feed, const struct cluster_subs_link *master);

/* The map has changed. */
void feed_cluster_on_map(struct feed *feed);

/* ---- for feed.c and feed_cluster.c: telling the workers ---- */

struct handover feed_said_to(const struct feed *feed, unsigned worker,
                             enum handover_kind kind);
void feed_tell(struct feed *feed, const struct handover *what);

/* Never from inside the worker's own request. */
void feed_tell_by_inbox(struct feed *feed, const struct handover *what);

/* Of a cluster: `proof` is a struct link_proof; each worker that listens is handed it. */
void feed_tell_proof(struct feed *feed, struct json_text proof);

/* A notice goes to all workers that want the room; what came by the channel of a node, to its own. */
void feed_take_message(struct feed *feed, struct json_text channel,
                       struct json_text text);

#endif
