/* bus.c - see bus.h.
 *
 *     attach -> READY -> hooks.on_ready, subscribe_rooms
 *     bus_subscribe -> SUBSCRIBE -> CONFIRMED -> room_on_subscribed
 *     NOTICE -> on_notice -> deliver_notice
 *     LOST -> hooks.on_lost, attach
 *
 * Requests are numbered, and what comes back has the number of the last one that was taken before it
 * was sent. So a confirmation that was meant for a room that is gone is never taken for one of the
 * same name, and what was told before this worker attached again counts no more.
 *
 * After a loss all rooms are asked for again; that they have missed nothing is found by the sync that
 * follows.
 */
#include "gateway/bus.h"

#include <string.h>

#include "common/reply.h"
#include "gateway/deliver.h"

enum {
    BATCH = 200, /* rooms a request */
    NAMES_KEPT_BYTES = 1024,
};

/* ---- out ---- */

static void ask(struct bus *bus, enum handover_kind kind, struct json_text text)
{
    const struct handover request = {
        .kind = kind,
        .shard = bus->shard,
        .worker = bus->worker,
        .number = ++bus->asked,
        .text = text,
    };

    if (bus->feed)
        feed_take(bus->feed, &request);
    else
        inbox_post_new(bus->reader, &request);
}

static void add_name(struct bus *bus, struct room *room)
{
    handover_add_room(&bus->names, room->name, room->name_len);
    room->bus.asked = bus->asked + 1; /* the request that this becomes */
}

static void ask_for_names(struct bus *bus, enum handover_kind kind)
{
    ask(bus, kind, (struct json_text){bus->names.data, bus->names.len});
    strbuf_reset(&bus->names, NAMES_KEPT_BYTES);
}

void bus_subscribe(struct bus *bus, struct room *room)
{
    if (!bus->is_ready)
        return;
    add_name(bus, room);
    ask_for_names(bus, HANDOVER_SUBSCRIBE);
}

void bus_unsubscribe(struct bus *bus, struct room *room)
{
    if (!bus->is_ready)
        return;
    add_name(bus, room);
    ask_for_names(bus, HANDOVER_UNSUBSCRIBE);
}

static void subscribe_rooms(struct bus *bus)
{
    uint32_t at = 0;
    struct room *room = map_next(&bus->rooms->map, &at);

    while (room) {
        for (int i = 0; i < BATCH && room; i++) {
            add_name(bus, room);
            room = map_next(&bus->rooms->map, &at);
        }
        ask_for_names(bus, HANDOVER_SUBSCRIBE);
    }
}

static void ask_for_node(struct bus *bus)
{
    if (bus->is_ready && bus->channel[0])
        ask(bus, HANDOVER_NODE, (struct json_text){bus->channel, strlen(bus->channel)});
}

void bus_set_node(struct bus *bus, const char *node)
{
    keys_node(bus->channel, bus->shard, node, KEY_NODE_CANARY);
    ask_for_node(bus);
}

static void attach(struct bus *bus, enum handover_kind kind)
{
    bus->attached = bus->asked + 1;
    ask(bus, kind, (struct json_text){"", 0});
}

/* ---- in ---- */

static void on_ready(struct bus *bus)
{
    bus->is_ready = true;
    ask_for_node(bus);
    subscribe_rooms(bus);
    bus->hooks.on_ready(bus);
}

static void forget(struct bus *bus)
{
    struct room *room;
    uint32_t at = 0;

    bus->is_ready = false;
    while ((room = map_next(&bus->rooms->map, &at)))
        room->is_subscribed = false;
    bus->hooks.on_lost(bus);
}

static void on_lost(struct bus *bus)
{
    if (bus->is_ready)
        forget(bus);
    attach(bus, HANDOVER_ATTACH);
}

/* The room that it is about, if it was asked for before that was told. */
static struct room *room_of(struct bus *bus, const struct handover *what)
{
    struct room *room = room_find(bus->rooms, what->room.base, what->room.len);

    return bus->is_ready && room && what->number >= room->bus.asked ? room : NULL;
}

static void on_confirmed(struct bus *bus, const struct handover *what)
{
    struct room *room = room_of(bus, what);

    if (room && what->text.len > 0)
        bus->hooks.on_home(bus, room, what->text);
    else if (room)
        room_on_subscribed(room);
}

static void on_ended(struct bus *bus, const struct handover *what)
{
    struct room *room = room_of(bus, what);

    if (room && what->text.len == 1)
        bus->hooks.on_ended(bus, room, (enum metric_home)what->text.base[0]);
}

static void on_notice(struct bus *bus, const struct handover *what)
{
    struct room *room = map_find_hashed(&bus->rooms->map, what->room.base,
                                        what->room.len, what->room_hash);
    struct notice notice;

    if (!room)
        return; /* given up while it was under way */
    if (!notice_parse(what->text, &notice)) {
        deliver_malformed(room, "header");
        return;
    }
    bus->hooks.on_notice(bus, what->read_ns);
    deliver_notice(room, &notice, uv_now(bus->loop));
}

static void on_node_text(struct bus *bus, struct json_text text)
{
    uint64_t number = reply_decimal(text);

    if (number > 0)
        bus->hooks.on_canary(bus, number);
    else
        bus->hooks.on_command(bus, text);
}

void bus_take(struct bus *bus, const struct handover *what)
{
    if (bus->is_closed)
        return;
    if (what->kind == HANDOVER_NOTICE)
        on_notice(bus, what);
    else if (what->kind == HANDOVER_NODE_TEXT)
        on_node_text(bus, what->text);
    else if (what->kind == HANDOVER_PROOF)
        bus->hooks.on_proof(bus, what->text);
    else if (what->number < bus->attached)
        return; /* told before this worker attached again */
    else if (what->kind == HANDOVER_CONFIRMED)
        on_confirmed(bus, what);
    else if (what->kind == HANDOVER_ENDED)
        on_ended(bus, what);
    else if (what->kind == HANDOVER_LOST)
        on_lost(bus);
    else
        on_ready(bus);
}

bool bus_is_ready(const struct bus *bus)
{
    return bus->is_ready;
}

void bus_restart(struct bus *bus)
{
    forget(bus);
    attach(bus, HANDOVER_DEAF);
}

/* ---- beginning and end ---- */

void bus_open(struct bus *bus, const struct bus_opts *opts)
{
    bus->loop = opts->loop;
    bus->rooms = opts->rooms;
    bus->shard = opts->shard;
    bus->worker = opts->worker;
    bus->feed = opts->feed;
    bus->reader = opts->reader;
    bus->hooks = *opts->hooks;
    attach(bus, HANDOVER_ATTACH);
}

void bus_close(struct bus *bus)
{
    bus->is_ready = false;
    ask(bus, HANDOVER_DETACH, (struct json_text){"", 0});
    bus->is_closed = true;
}

void bus_deinit(struct bus *bus)
{
    strbuf_deinit(&bus->names);
}
