/* feed_link.h - a link for notices: what is subscribed on it and not confirmed yet, and what comes.
 *
 * Redis confirms in the order of the commands, so what was sent stands in a list and each confirmation
 * takes the first. Rooms must live while something of them is pending.
 */
#ifndef GATEWAY_FEED_LINK_H
#define GATEWAY_FEED_LINK_H

#include "common/config.h"
#include "common/keys.h"
#include "common/list.h"
#include "common/redis_link.h"
#include "gateway/feed_rooms.h"

struct feed_link;

/* Its owner embeds struct feed_link. What they are given is borrowed. */
struct feed_link_hooks {
    void (*on_ready)(struct feed_link *link);
    void (*on_lost)(struct feed_link *link, const char *why); /* nothing is pending */
    /* Nothing of the room is pending any more. */
    void (*on_confirmed)(struct feed_link *link, struct feed_room *room);
    void (*on_message)(struct feed_link *link, struct json_text channel,
                       struct json_text text);
    /* NULL: not subscribed. */
    void (*on_expired)(struct feed_link *link, const char *room, size_t len);
};

/* All borrowed, for life. */
struct feed_link_opts {
    uv_loop_t *loop;
    const struct config *config;
    const struct redis_url *url;
    struct metrics *metrics;
    const char *name; /* of the connection */
    const struct feed_link_hooks *hooks;
};

struct feed_link {
    struct feed_link_opts opts;
    struct redis_link *link; /* NULL: closed */
    struct list pending;     /* struct pending_subscribe, in the order sent */
    uv_timer_t deadline;     /* while there are such */
    struct redis_command cmd;
};

void feed_link_open(struct feed_link *link, const struct feed_link_opts *opts);
void feed_link_close(struct feed_link *link);
void feed_link_deinit(struct feed_link *link);

/* A command of SUBSCRIBE or UNSUBSCRIBE: begins it, adds channels, sends it if it has any. `waits`:
 * the room whose confirmation counts; NULL: nobody waits for it. A failure to send ends the
 * connection. */
void feed_link_begin(struct feed_link *link, const char *verb);
void feed_link_add_room(struct feed_link *link, struct json_text name,
                        struct feed_room *waits);
void feed_link_send(struct feed_link *link);

/* The same for one channel that is no room's. */
void feed_link_send_channel(struct feed_link *link, const char *verb,
                            const char *channel);

#endif
