/* node.h - this worker as a node of the fleet: its name, its heartbeat, its canary, the
 * life of its rooms in Redis, and reaping the nodes that died.
 *
 * A node is one life of one worker. It beats three times a lease; a node that has been silent
 * for a lease is reaped by the others, but only by one whose own heartbeats were
 * answered for a whole lease without a break. A node that finds itself declared dead, or
 * that was stopped past its lease, takes a new name before it writes again. So does one whose lost
 * connection Redis does not end: what was sent on that may run later, under the old name.
 */
#ifndef GATEWAY_NODE_H
#define GATEWAY_NODE_H

#include <stdatomic.h>

#include "gateway/bus.h"
#include "gateway/index.h"
#include "gateway/node_name.h"
#include "gateway/node_state.h"
#include "gateway/reaper.h"
#include "gateway/renewal.h"
#include "gateway/store.h"

struct node;

/* Its owner embeds struct node. */
struct node_hooks {
    /* Redis takes reads, writes and notices of this node; it does not any more. */
    void (*on_up)(struct node *node);
    void (*on_down)(struct node *node);
    /* A heartbeat was answered: the numbers of the policy, or none (heartbeat.lua). */
    void (*on_revs)(struct node *node, const redisReply *revs);
};

/* All borrowed, the hooks for the call. */
struct node_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    struct store *store;
    struct bus *bus;
    struct rooms *rooms;
    struct index *index;
    const char *address;
    unsigned worker, shard;
    _Atomic int *state; /* enum node_state, for the ops thread */
    const struct node_hooks *hooks;
};

struct node {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    struct store *store;
    struct bus *bus;
    struct rooms *rooms;
    struct node_hooks hooks;
    const char *address;
    unsigned worker, shard;

    struct node_name name;
    uv_timer_t beat;
    uint64_t started_ms;  /* wall clock */
    uint64_t answered_ms; /* when the last answered heartbeat was sent */
    uint64_t answer_ms;   /* when its answer came */
    uint64_t unbroken_ms; /* since when all were answered; 0: not */
    uint64_t canary_sent_ms, canary_heard_ms;
    uint64_t listening_ms;  /* since when it should come, or again after a silence */
    uint64_t messages_told; /* of the counter, with the heartbeats so far */
    struct reaper reaper;   /* of dead nodes */
    struct renewals renewals;
    uint64_t info_asked_ms;
    bool has_info;   /* INFO was answered since the links are up: scripts need it */
    bool lacks_info; /* it was refused */
    bool has_canary; /* one came back since the links are up */
    bool is_beating; /* one is in flight */
    bool is_moving;  /* the last one met the registry's slot on its way, of a cluster */
    bool is_loose;   /* something may still run late under its name */
    bool is_linked;  /* both links are there, and may be used */
    bool is_up, is_draining, is_closing;
    _Atomic int *state; /* enum node_state, for the ops thread; borrowed */
};

void node_init(struct node *node, const struct node_opts *opts);

/* A link became ready and may be used, or was lost or may not be used any more. */
void node_on_link(struct node *node);
void node_on_lost(struct node *node);

/* A connection that could not be ended may still have calls of this node: it takes another name. */
void node_on_loose(struct node *node);

/* The canary came back. */
void node_on_canary(struct node *node, uint64_t number);

/* Every 100 ms: the canary, what Redis refused, the former name and the rooms' renewals. */
void node_tick(struct node *node);

/* The room is registered: keep it alive. */
void node_keep(struct node *node, struct room *room);

/* Before anything of this turn is written: a worker that was stopped past its lease must
 * not write under its old name. */
void node_check_lease(struct node *node);

/* Beats now: a script found that Redis does not know this node. */
void node_beat(struct node *node);

/* Begins the heartbeat's command, with so many messages since the last one; node_beat.c. */
void node_begin_beat(struct node *node, uint64_t messages);

/* /readyz says no from now on, and so does the node in Redis. */
void node_drain(struct node *node);

/* Forgets this node in Redis if nothing is left of it; `on_done` in any case. */
void node_forget(struct node *node, redis_reply_fn on_done, void *data);

/* Closes the timer and ends what is in progress. */
void node_close(struct node *node);

#endif
