/* event_links.h - what events come by: notices of the fleet, of each shard, and of rooms that somebody
 * listens to.
 *
 * One Redis, or each of a list, has a link here that subscribes to them; a canary of the service's own
 * finds one that is deaf. In a Redis Cluster each channel is subscribed at the master that has its slot
 * (cluster_subs.h), and follows it.
 */
#ifndef ADMIN_EVENT_LINKS_H
#define ADMIN_EVENT_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "admin/db.h"
#include "common/cluster_subs.h"
#include "common/json.h"
#include "common/map.h"

struct event_links;

/* One Redis. */
struct event_link {
    struct event_links *links;
    unsigned number;
    struct redis_link *link; /* NULL: closed */
    uint64_t heard_ms;
    unsigned
        awaited; /* of the subscriptions that it begins with: those not confirmed yet */
    bool is_ready, is_beginning;
    char canary[KEYS_MAX_BYTES], channel[KEYS_MAX_BYTES];
};

struct event_links_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    struct db *db;
    const char *name; /* of this process, for the canary */
    void *owner;      /* of the callbacks; all borrowed */
    /* The link of this shard is ready, and knows of no room's channel yet; never in a cluster. */
    void (*on_link)(void *owner, unsigned shard);
    /* event_links_are_ready may have changed. */
    void (*on_change)(void *owner);
    void (*on_fleet)(void *owner, struct json_text line);
    void (*on_room)(void *owner, struct json_text channel, struct json_text payload);
    /* From now on nothing of a room that was asked for is missed. */
    void (*on_heard)(void *owner, struct json_text channel);
};

struct event_links {
    struct event_links_opts opts;
    struct event_link *all; /* by shard; NULL in a cluster */
    unsigned count;
    struct redis_command cmd;

    /* Of a cluster. */
    struct cluster_subs subs;
    struct map channels; /* by name */
    uv_timer_t tick;
    bool is_closed, has_changed;
};

void event_links_open(struct event_links *links, const struct event_links_opts *opts);
void event_links_close(struct event_links *links);
void event_links_deinit(struct event_links *links);

/* Subscribes to a room, or not any more. While its link is not ready, nothing: its owner asks again with
 * on_link. */
void event_links_want(struct event_links *links, struct json_text room, bool is_wanted);

/* Whether nothing that happens is missed. */
bool event_links_are_ready(const struct event_links *links);

/* Once a second. */
void event_links_tick(struct event_links *links);

/* event_links_cluster.c: for event_links.c. */
void event_links_cluster_open(struct event_links *links);
void event_links_cluster_close(struct event_links *links);
void event_links_cluster_deinit(struct event_links *links);
void event_links_cluster_want(struct event_links *links, struct json_text room,
                              bool is_wanted);
bool event_links_cluster_are_ready(const struct event_links *links);

#endif
