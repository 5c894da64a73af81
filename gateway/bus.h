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

struct bus_hooks {
    void *owner;
    void (*on_ready)(void *owner);
    void (*on_lost)(void *owner, const char *why);
    void (*on_canary)(void *owner); /* a message to itself came back */
    /* Something for this node alone (node_commands.h); borrowed. */
    void (*on_command)(void *owner, struct json_text command);
    void (*on_expired)(void *owner, const char *room, size_t len);
    void (*on_notice)(void *owner); /* before each notice is handed on */
};

struct bus {
    struct redis_link *link;
    uv_loop_t *loop;
    const struct config *config;
    struct rooms *rooms;
    struct metrics *metrics;
    struct bus_hooks hooks;
    struct redis_command cmd;
    struct list ops; /* sent, in order, not confirmed yet */
    char canary[KEYS_MAX_BYTES];
};

void bus_open(struct bus *bus, uv_loop_t *loop, const struct config *config,
              struct rooms *rooms, struct metrics *metrics, const char *name,
              const struct bus_hooks *hooks);
void bus_close(struct bus *bus);
void bus_deinit(struct bus *bus);

/* room_hooks; `owner` is the bus. */
void bus_subscribe(void *owner, struct room *room);
void bus_unsubscribe(void *owner, struct room *room);

/* Listens to this node's canary, instead of the one before. */
void bus_set_node(struct bus *bus, const char *node);

/* Restarts the link if a subscription is not confirmed within the deadline. Call about
 * ten times a second. */
void bus_check(struct bus *bus);

#endif
