/* feed_cluster.c - a feed of a shard of a Redis Cluster (feed.h): its rooms are subscribed at the master of
 * their slots, each by itself.
 *
 *     SUBSCRIBE -> place_room -> cluster_subs_link_subscribe -> on_fence -> tell CONFIRMED
 *     the master gives the slot away, the link is lost, the map says another -> tell ENDED, place_room
 *
 * A worker that asks may do so at any time, and is told of each room by itself. Of the channel of its node
 * it is told nothing: its canaries tell.
 */
#include "gateway/feed.h"

#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/xalloc.h"

static void tick(struct feed *feed);

/* ---- telling ---- */

/* The bytes of a struct cluster_host: which master has it. */
static struct json_text address_of(const struct feed *feed,
                                   const struct cluster_sub *sub)
{
    const struct cluster_subs_link *master =
        cluster_subs_at(feed->opts.masters, sub->master);

    return master ? (struct json_text){(const char *)&master->at, sizeof(master->at)}
                  : (struct json_text){"", 0};
}

static void tell_one(struct feed *feed, unsigned worker, enum handover_kind kind,
                     struct json_text name, struct json_text text)
{
    struct handover what = feed_said_to(feed, worker, kind);

    what.room = name;
    what.text = text;
    feed_tell_by_inbox(feed, &what);
}

static void tell_wanting(struct feed *feed, const struct feed_room *room,
                         enum handover_kind kind, struct json_text text)
{
    for (unsigned i = feed_rooms_next(&feed->rooms, room, 0); i < feed->opts.workers;
         i = feed_rooms_next(&feed->rooms, room, i + 1))
        tell_one(feed, i, kind, feed_rooms_name(&feed->rooms, room), text);
}

/* ---- where to subscribe ---- */

/* The master that has the slot, with its link ready; NULL: not now. */
static struct cluster_subs_link *find_master(struct feed *feed, unsigned slot)
{
    struct cluster_master *owner = cluster_owner(feed->opts.cluster, slot);
    struct cluster_subs_link *master =
        owner ? cluster_subs_use(feed->opts.masters, &owner->at) : NULL;

    if (!owner)
        cluster_want_map(feed->opts.cluster);
    if (master && cluster_subs_link_is_ready(master))
        return master;
    feed->must_look = true;
    return NULL;
}

static unsigned slot_of(const struct feed *feed, const struct feed_room *room)
{
    struct json_text name = feed_rooms_name(&feed->rooms, room);

    return cluster_slot_of_room(name.base, name.len);
}

static void print_channel(const struct feed *feed, const struct feed_room *room,
                          char *out)
{
    struct json_text name = feed_rooms_name(&feed->rooms, room);

    keys_room(out, name.base, name.len, KEY_EVENTS);
}

static void place_room(struct feed *feed, struct feed_room *room)
{
    struct cluster_subs_link *master = find_master(feed, slot_of(feed, room));
    char channel[KEYS_MAX_BYTES];

    if (!master)
        return;
    print_channel(feed, room, channel);
    room->pending++;
    cluster_subs_link_subscribe(master, channel, &room->sub, feed);
}

static void place_node(struct feed *feed, struct feed_listener *listener)
{
    struct cluster_subs_link *master = find_master(
        feed, cluster_slot_of_key(listener->channel, strlen(listener->channel)));

    if (master)
        cluster_subs_link_subscribe(master, listener->channel, &listener->sub, feed);
}

/* Not subscribed any more, as far as we are concerned. */
static void leave_master(struct feed *feed, struct cluster_sub *sub,
                         const char *channel)
{
    struct cluster_subs_link *master = cluster_subs_at(feed->opts.masters, sub->master);

    if (!master)
        return;
    cluster_subs_place(feed->opts.masters, sub, 0);
    cluster_subs_link_unsubscribe(master, channel);
}

/* ---- requests ---- */

static void subscribe(struct feed *feed, unsigned worker, struct json_text names)
{
    struct json_text name;

    while (handover_take_room(&names, &name)) {
        struct feed_room *room = feed_rooms_get(&feed->rooms, name);

        feed_rooms_want(room, worker, true);
        if (room->pending > 0)
            continue;
        if (room->sub.master == 0)
            place_room(feed, room);
        else
            tell_one(feed, worker, HANDOVER_CONFIRMED, name,
                     address_of(feed, &room->sub));
    }
}

static void give_up(struct feed *feed, struct feed_room *room, unsigned worker)
{
    char channel[KEYS_MAX_BYTES];

    feed_rooms_want(room, worker, false);
    if (feed_rooms_is_wanted(&feed->rooms, room) || room->pending > 0)
        return; /* what is pending is given up when it ends */
    print_channel(feed, room, channel);
    leave_master(feed, &room->sub, channel);
    feed_rooms_free_if_done(&feed->rooms, room);
}

static void unsubscribe(struct feed *feed, unsigned worker, struct json_text names)
{
    struct json_text name;

    while (handover_take_room(&names, &name)) {
        struct feed_room *room = feed_rooms_find(&feed->rooms, name);

        if (room && feed_rooms_is_wanted_by(room, worker))
            give_up(feed, room, worker);
    }
}

static void forget_node(struct feed *feed, struct feed_listener *listener)
{
    if (!listener->channel)
        return;
    cluster_subs_forget(feed->opts.masters, &listener->sub);
    leave_master(feed, &listener->sub, listener->channel);
    free(listener->channel);
    listener->channel = NULL;
}

static void listen_to_node(struct feed *feed, struct feed_listener *listener,
                           struct json_text channel)
{
    forget_node(feed, listener);
    listener->channel = xmemdup(channel.base, channel.len);
    place_node(feed, listener);
}

static void forget(struct feed *feed, unsigned worker)
{
    unsigned count;
    struct feed_room **all = feed_rooms_wanted_by(&feed->rooms, worker, &count);

    for (unsigned i = 0; i < count; i++)
        give_up(feed, all[i], worker);
    free(all);
    forget_node(feed, &feed->listeners[worker]);
}

static void attach(struct feed *feed, unsigned worker)
{
    struct handover what = feed_said_to(feed, worker, HANDOVER_READY);

    forget(feed, worker);
    feed->listeners[worker].state = FEED_LISTENS;
    feed_tell_by_inbox(feed, &what);
}

static void detach(struct feed *feed, unsigned worker)
{
    feed->listeners[worker].state = FEED_ENDED;
    forget(feed, worker);
    for (unsigned i = 0; i < feed->opts.workers; i++)
        if (feed->listeners[i].state != FEED_ENDED)
            return;
    feed->is_open = false;
}

static void take(struct feed *feed, const struct handover *request)
{
    switch (request->kind) {
    case HANDOVER_ATTACH:
    case HANDOVER_DEAF:
        attach(feed, request->worker);
        break;
    case HANDOVER_DETACH:
        detach(feed, request->worker);
        break;
    case HANDOVER_NODE:
        listen_to_node(feed, &feed->listeners[request->worker], request->text);
        break;
    case HANDOVER_SUBSCRIBE:
        subscribe(feed, request->worker, request->text);
        break;
    default:
        unsubscribe(feed, request->worker, request->text);
    }
}

/* ---- what the masters say ---- */

static struct feed_listener *find_listener(struct feed *feed, struct json_text channel)
{
    for (unsigned i = 0; i < feed->opts.workers; i++)
        if (feed->listeners[i].channel &&
            json_text_is(channel, feed->listeners[i].channel))
            return &feed->listeners[i];
    return NULL;
}

static struct feed_room *find_room(struct feed *feed, struct json_text channel)
{
    struct json_text name;

    name.base = keys_room_of_events(channel.base, channel.len, &name.len);
    return name.base ? feed_rooms_find(&feed->rooms, name) : NULL;
}

struct cluster_sub *feed_cluster_find(struct feed *feed, struct json_text channel)
{
    struct feed_room *room = find_room(feed, channel);
    struct feed_listener *listener = room ? NULL : find_listener(feed, channel);

    return room ? &room->sub : listener ? &listener->sub : NULL;
}

static struct feed_listener *listener_of(struct feed *feed, struct cluster_sub *sub)
{
    for (unsigned i = 0; i < feed->opts.workers; i++)
        if (&feed->listeners[i].sub == sub)
            return &feed->listeners[i];
    return NULL;
}

static void on_room_fence(struct feed *feed, struct feed_room *room, bool is_subscribed)
{
    char channel[KEYS_MAX_BYTES];

    room->pending--;
    if (!feed_rooms_is_wanted(&feed->rooms, room)) {
        print_channel(feed, room, channel);
        leave_master(feed, &room->sub, channel);
        feed_rooms_free_if_done(&feed->rooms, room);
    } else if (is_subscribed) {
        tell_wanting(feed, room, HANDOVER_CONFIRMED, address_of(feed, &room->sub));
    } else {
        feed->must_look = true;
    }
}

void feed_cluster_on_fence(struct feed *feed, struct cluster_sub *sub,
                           bool is_subscribed)
{
    struct feed_listener *listener = listener_of(feed, sub);

    if (!is_subscribed)
        cluster_want_map(feed->opts.cluster);
    if (!listener)
        on_room_fence(feed, list_entry(sub, struct feed_room, sub), is_subscribed);
    else if (!is_subscribed)
        feed->must_look = true;
}

static void end_room(struct feed *feed, struct feed_room *room, enum metric_home why)
{
    char byte = (char)why;

    feed->must_look = true;
    tell_wanting(feed, room, HANDOVER_ENDED, (struct json_text){&byte, 1});
}

void feed_cluster_on_ended(struct feed *feed, struct json_text channel)
{
    struct feed_room *room = find_room(feed, channel);

    cluster_want_map(feed->opts.cluster);
    feed->must_look = true;
    if (room)
        end_room(feed, room, HOME_MOVED);
}

void feed_cluster_on_ready(struct feed *feed)
{
    tick(feed);
}

void feed_cluster_on_lost(struct feed *feed, const struct cluster_subs_link *master)
{
    struct feed_room *room;
    uint32_t at = 0;

    while ((room = map_next(&feed->rooms.map, &at)))
        if (room->sub.master == master->number) {
            cluster_subs_place(feed->opts.masters, &room->sub, 0);
            end_room(feed, room, master->is_deaf ? HOME_DEAF : HOME_LOST);
        }
    for (unsigned i = 0; i < feed->opts.workers; i++)
        if (feed->listeners[i].sub.master == master->number) {
            cluster_subs_place(feed->opts.masters, &feed->listeners[i].sub, 0);
            feed->must_look = true;
        }
}

/* ---- the clock ---- */

void feed_cluster_on_map(struct feed *feed)
{
    feed->must_look = true;
}

/* Whether it is subscribed at another master than the map names. */
static bool is_elsewhere(const struct feed *feed, const struct cluster_sub *sub,
                         unsigned slot)
{
    const struct cluster_subs_link *master =
        cluster_subs_at(feed->opts.masters, sub->master);
    const struct cluster_master *owner = cluster_owner(feed->opts.cluster, slot);

    return master && owner && !cluster_host_equals(&master->at, &owner->at);
}

static void look_at_room(struct feed *feed, struct feed_room *room)
{
    char channel[KEYS_MAX_BYTES];

    if (room->pending > 0)
        return;
    if (is_elsewhere(feed, &room->sub, slot_of(feed, room))) {
        print_channel(feed, room, channel);
        leave_master(feed, &room->sub, channel);
        end_room(feed, room, HOME_MOVED);
    }
    if (room->sub.master == 0)
        place_room(feed, room);
}

static void look_at_node(struct feed *feed, struct feed_listener *listener)
{
    unsigned slot;

    if (!listener->channel || listener->sub.is_pending)
        return;
    slot = cluster_slot_of_key(listener->channel, strlen(listener->channel));
    if (is_elsewhere(feed, &listener->sub, slot))
        leave_master(feed, &listener->sub, listener->channel);
    if (listener->sub.master == 0)
        place_node(feed, listener);
}

static void tick(struct feed *feed)
{
    struct feed_room *room;
    uint32_t at = 0;

    if (!feed->must_look)
        return;
    feed->must_look = false;
    while ((room = map_next(&feed->rooms.map, &at)))
        look_at_room(feed, room);
    for (unsigned i = 0; i < feed->opts.workers; i++)
        look_at_node(feed, &feed->listeners[i]);
}

const struct feed_ops feed_cluster_ops = {take, tick};
