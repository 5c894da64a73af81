/* event_links.h - the links for notices that events come by: one to each Redis.
 *
 * Subscribed are the fleet's channel of each, and rooms that somebody wants, each at its own. A canary of
 * the service's own finds a subscription that is deaf.
 */
#ifndef ADMIN_EVENT_LINKS_H
#define ADMIN_EVENT_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "admin/db.h"
#include "common/json.h"

struct event_links;

/* One Redis. */
struct event_link {
    struct event_links *links;
    unsigned number;
    struct redis_link *link; /* NULL: closed */
    uint64_t heard_ms;
    bool is_ready;
    char canary[KEYS_MAX_BYTES], channel[KEYS_MAX_BYTES];
};

struct event_links_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    struct db *db;
    const char *name; /* of this process, for the canary */
    void *owner;      /* of the callbacks; all borrowed */
    /* A link is ready, and knows of no room's channel yet; or was lost. */
    void (*on_link)(void *owner, unsigned shard, bool is_ready);
    void (*on_fleet)(void *owner, struct json_text line);
    void (*on_room)(void *owner, struct json_text channel, struct json_text payload);
};

struct event_links {
    struct event_links_opts opts;
    struct event_link *all; /* by shard */
    unsigned count;
    struct redis_command cmd;
};

void event_links_open(struct event_links *links, const struct event_links_opts *opts);
void event_links_close(struct event_links *links);
void event_links_deinit(struct event_links *links);

/* SUBSCRIBE or UNSUBSCRIBE to a room; nothing while its link is not ready. */
void event_links_send(struct event_links *links, const char *verb,
                      struct json_text room);

/* Whether all of them are ready. */
bool event_links_are_ready(const struct event_links *links);

/* Once a second. */
void event_links_tick(struct event_links *links);

#endif
