/* bus.h - from Redis to rooms: the worker's link for notices, what it is subscribed to, and
 * what it makes of what comes.
 *
 * Subscribed are the events of every room with members here, a canary of this node's own,
 * and the expiry of rooms where Redis announces it.
 */
#ifndef GATEWAY_BUS_H
#define GATEWAY_BUS_H

#include "common/config.h"
#include "common/keys.h"
#include "common/redis_link.h"
#include "gateway/room.h"

struct bus;

/* Its owner embeds struct bus. */
struct bus_hooks {
    void (*on_ready)(struct bus *bus);
    void (*on_lost)(struct bus *bus, const char *why);
    /* A message to itself came back. */
    void (*on_canary)(struct bus *bus, uint64_t number);
    /* Something for this node alone (node_commands.h); borrowed. */
    void (*on_command)(struct bus *bus, struct json_text command);
    /* NULL: not asked for. */
    void (*on_expired)(struct bus *bus, const char *room, size_t len);
    void (*on_notice)(struct bus *bus); /* before each notice is handed on */
};

/* All borrowed, the hooks for the call. */
struct bus_opts {
    uv_loop_t *loop;
    const struct config *config;
    struct rooms *rooms;
    struct metrics *metrics;
    const struct redis_url *url;
    const char *name; /* of the connection */
    const struct bus_hooks *hooks;
};

struct bus {
    struct redis_link *link;
    uv_loop_t *loop;
    const struct config *config;
    struct rooms *rooms;
    struct metrics *metrics;
    const struct redis_url *url;
    struct bus_hooks hooks;
    struct redis_command cmd;
    struct list pending; /* struct pending_subscribe, in the order sent */
    char canary[KEYS_MAX_BYTES];
};

void bus_open(struct bus *bus, const struct bus_opts *opts);
void bus_close(struct bus *bus);
void bus_deinit(struct bus *bus);

/* For room_hooks. */
void bus_subscribe(struct bus *bus, struct room *room);
void bus_unsubscribe(struct bus *bus, struct room *room);

/* Listens to this node's canary, instead of the one before. */
void bus_set_node(struct bus *bus, const char *node);

/* Restarts the link if a subscription is not confirmed within the deadline. Call about
 * ten times a second. */
void bus_check(struct bus *bus);

#endif
