/* bus.c - see bus.h.
 *
 *     bus_subscribe -> SUBSCRIBE -> on_confirmed -> room_on_subscribed
 *     on_push -> on_message -> on_notice -> deliver_notice
 *
 * Redis confirms in the order of the commands, so what was sent stands in a list (`pending`)
 * and each confirmation takes the first: a confirmation meant for a room that is gone
 * is never taken for one of the same name.
 *
 * After a loss all rooms are subscribed again; that they have missed nothing is found
 * by the sync that follows.
 */
#include "gateway/bus.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/deliver.h"

enum { SUBSCRIBE_BATCH = 200 };

struct pending_subscribe {
    struct list link;
    struct room *room; /* NULL: nobody waits for it */
    uint64_t sent_at;
};

/* ---- out ---- */

static void add_pending(struct bus *bus, struct room *room)
{
    struct pending_subscribe *pending = xmalloc(sizeof(*pending));

    pending->room = room;
    pending->sent_at = uv_now(bus->loop);
    list_add(&bus->pending, &pending->link);
    if (room)
        room->bus.subscribing = pending;
}

static void drop_pending(struct pending_subscribe *pending)
{
    if (pending->room)
        pending->room->bus.subscribing = NULL;
    list_remove(&pending->link);
    free(pending);
}

static void add_channel(struct bus *bus, const struct room *room)
{
    char channel[KEYS_MAX_BYTES];

    redis_command_add(&bus->cmd, channel,
                      keys_room(channel, room->name, room->name_len, KEY_EVENTS));
}

/* `bus->cmd` is whole. A link that is not ready makes up for it in on_ready. */
static void send_command(struct bus *bus)
{
    if (redis_link_send(bus->link, &bus->cmd, NULL, NULL) < 0)
        redis_link_restart(bus->link, "cannot send");
}

static void begin(struct bus *bus, const char *verb)
{
    redis_command_begin(&bus->cmd);
    redis_command_add_text(&bus->cmd, verb);
}

void bus_subscribe(struct bus *bus, struct room *room)
{
    if (!redis_link_is_ready(bus->link))
        return;
    begin(bus, "SUBSCRIBE");
    add_channel(bus, room);
    add_pending(bus, room);
    send_command(bus);
}

void bus_unsubscribe(struct bus *bus, struct room *room)
{
    if (room->bus.subscribing)
        room->bus.subscribing->room = NULL;
    room->bus.subscribing = NULL;
    if (!redis_link_is_ready(bus->link))
        return;
    begin(bus, "UNSUBSCRIBE");
    add_channel(bus, room);
    add_pending(bus, NULL);
    send_command(bus);
}

static void subscribe_canary(struct bus *bus)
{
    if (!bus->canary[0] || !redis_link_is_ready(bus->link))
        return;
    begin(bus, "SUBSCRIBE");
    redis_command_add_text(&bus->cmd, bus->canary);
    add_pending(bus, NULL);
    send_command(bus);
}

void bus_set_node(struct bus *bus, const char *node)
{
    if (bus->canary[0] && redis_link_is_ready(bus->link)) {
        begin(bus, "UNSUBSCRIBE");
        redis_command_add_text(&bus->cmd, bus->canary);
        add_pending(bus, NULL);
        send_command(bus);
    }
    keys_node(bus->canary, 0, node, KEY_NODE_CANARY);
    subscribe_canary(bus);
}

static void subscribe_expiry(struct bus *bus)
{
    char pattern[KEYS_MAX_BYTES];

    begin(bus, "PSUBSCRIBE");
    redis_command_add(&bus->cmd, pattern, keys_expiry_pattern(pattern, bus->url->db));
    add_pending(bus, NULL);
    send_command(bus);
}

static void subscribe_rooms(struct bus *bus)
{
    uint32_t at = 0;
    struct room *room = map_next(&bus->rooms->map, &at);

    while (room) {
        begin(bus, "SUBSCRIBE");
        for (int i = 0; i < SUBSCRIBE_BATCH && room; i++) {
            add_channel(bus, room);
            add_pending(bus, room);
            room = map_next(&bus->rooms->map, &at);
        }
        send_command(bus);
    }
}

/* The one that is confirmed next. */
static struct pending_subscribe *first_pending(struct bus *bus)
{
    struct list *first = list_first(&bus->pending);

    return first ? list_entry(first, struct pending_subscribe, link) : NULL;
}

void bus_check(struct bus *bus)
{
    const struct pending_subscribe *first = first_pending(bus);

    if (first &&
        uv_now(bus->loop) - first->sent_at >= (uint64_t)bus->config->redis_deadline_ms)
        redis_link_restart(bus->link, "a subscription is not confirmed");
}

/* ---- in ---- */

static void on_confirmed(struct bus *bus)
{
    struct pending_subscribe *first = first_pending(bus);
    struct room *room;

    if (!first) {
        redis_link_restart(bus->link, "a confirmation of nothing");
        return;
    }
    room = first->room;
    drop_pending(first);
    if (room)
        room_on_subscribed(room);
}

/* The link has logged it. Without the expiry of rooms one can live, without a room's notices
 * not. */
static void on_refused(struct bus *bus)
{
    struct pending_subscribe *first = first_pending(bus);
    bool was_room;

    if (!first)
        return;
    was_room = first->room != NULL;
    drop_pending(first);
    if (was_room)
        redis_link_restart(bus->link, "a subscription is refused");
}

static void on_notice(struct bus *bus, struct json_text channel,
                      struct json_text payload)
{
    struct notice notice;
    struct room *room;
    size_t len;
    const char *name = keys_room_of_events(channel.base, channel.len, &len);

    room = name ? room_find(bus->rooms, name, len) : NULL;
    if (!room)
        return; /* unsubscribed while it was under way */
    if (!notice_parse(payload, &notice)) {
        deliver_malformed(room, "header");
        return;
    }
    bus->hooks.on_notice(bus);
    deliver_notice(room, &notice, uv_now(bus->loop));
}

static bool is(struct json_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.base, word, text.len) == 0;
}

static void on_expiry(struct bus *bus, const redisReply *reply)
{
    struct json_text channel = reply_text(reply, 2);
    size_t len;
    const char *room = keys_room_of_expiry(channel.base, channel.len, &len);

    if (room && is(reply_text(reply, 3), "expired") &&
        intake_room(bus->metrics, "keyspace", (struct json_text){room, len}))
        bus->hooks.on_expired(bus, room, len);
}

static bool is_confirmation(struct json_text what)
{
    return is(what, "subscribe") || is(what, "unsubscribe") || is(what, "psubscribe");
}

static void on_push(void *owner, const redisReply *reply)
{
    struct bus *bus = owner;
    struct json_text what;

    if (reply_is_error(reply)) {
        on_refused(bus);
        return;
    }
    if (!reply_is_array(reply, 3)) {
        intake_refuse(bus->metrics, INTAKE_REPLY, "push", (struct json_text){"", 0});
        return;
    }
    what = reply_text(reply, 0);
    if (is(what, "message")) {
        struct json_text channel = reply_text(reply, 1), text = reply_text(reply, 2);

        if (!is(channel, bus->canary))
            on_notice(bus, channel, text);
        else if (reply_decimal(text) > 0)
            bus->hooks.on_canary(bus, reply_decimal(text));
        else
            bus->hooks.on_command(bus, text);
    } else if (is(what, "pmessage")) {
        on_expiry(bus, reply);
    } else if (is_confirmation(what)) {
        on_confirmed(bus);
    } else {
        intake_refuse(bus->metrics, INTAKE_REPLY, "push", (struct json_text){"", 0});
    }
}

/* ---- the link ---- */

static void on_ready(void *owner)
{
    struct bus *bus = owner;

    subscribe_canary(bus);
    if (bus->hooks.on_expired)
        subscribe_expiry(bus);
    subscribe_rooms(bus);
    bus->hooks.on_ready(bus);
}

static void drop_all_pending(struct bus *bus)
{
    struct pending_subscribe *first;

    while ((first = first_pending(bus)))
        drop_pending(first);
}

static void on_lost(void *owner, const char *why)
{
    struct bus *bus = owner;
    struct room *room;
    uint32_t at = 0;

    drop_all_pending(bus);
    while ((room = map_next(&bus->rooms->map, &at)))
        room->is_subscribed = false;
    bus->hooks.on_lost(bus, why);
}

void bus_open(struct bus *bus, const struct bus_opts *opts)
{
    struct redis_link_opts of_link =
        redis_link_opts_of(opts->config, opts->url, opts->name);

    bus->loop = opts->loop;
    bus->config = opts->config;
    bus->rooms = opts->rooms;
    bus->metrics = opts->metrics;
    bus->url = opts->url;
    bus->hooks = *opts->hooks;
    list_init(&bus->pending);
    of_link.for_notices = true;
    of_link.metrics = opts->metrics;
    of_link.owner = bus;
    of_link.on_ready = on_ready;
    of_link.on_lost = on_lost;
    of_link.on_push = on_push;
    bus->link = redis_link_open(opts->loop, &of_link);
}

void bus_close(struct bus *bus)
{
    redis_link_close(bus->link);
    bus->link = NULL;
}

void bus_deinit(struct bus *bus)
{
    drop_all_pending(bus);
    redis_command_deinit(&bus->cmd);
}
