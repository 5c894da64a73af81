/* feed.c - see feed.h.
 *
 *     feed_take -> subscribe -> feed_link_add_room -> on_confirmed -> feed_tell CONFIRMED
 *     on_message -> feed_take_message (feed_tell.c)
 */
#include "gateway/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

enum {
    BATCH = 200, /* rooms a command */
    /* A node hears itself every second (node.h). Where another one was heard within this time, a
     * node that is deaf is alone with that, and the link is good. */
    OTHERS_MS = 2000,
};

static struct feed *feed_of(struct feed_link *link)
{
    return list_entry(link, struct feed, link);
}

static bool is_ready(const struct feed *feed)
{
    return redis_link_is_ready(feed->link.link);
}

/* ---- telling ---- */

/* The worker that comes `nth`, from 0 on: the one that reads is the last. */
static unsigned nth_worker(const struct feed *feed, unsigned nth)
{
    return (feed->opts.worker + 1 + nth) % feed->opts.workers;
}

/* Those in one state, which becomes another one. */
static void tell_all(struct feed *feed, enum feed_state from, enum feed_state to,
                     enum handover_kind kind, const char *why)
{
    for (unsigned i = 0; i < feed->opts.workers; i++) {
        unsigned worker = nth_worker(feed, i);
        struct handover what = feed_said_to(feed, worker, kind);

        if (feed->listeners[worker].state != from)
            continue;
        feed->listeners[worker].state = to;
        what.text = (struct json_text){why, strlen(why)};
        feed_tell(feed, &what);
    }
}

/* ---- requests ---- */

static void subscribe(struct feed *feed, unsigned worker, struct json_text names)
{
    struct handover what = feed_said_to(feed, worker, HANDOVER_CONFIRMED);

    feed_link_begin(&feed->link, "SUBSCRIBE");
    while (handover_take_room(&names, &what.room)) {
        struct feed_room *room = feed_rooms_get(&feed->rooms, what.room);
        bool was_wanted = feed_rooms_is_wanted(&feed->rooms, room);

        feed_rooms_want(room, worker, true);
        if (!was_wanted)
            feed_link_add_room(&feed->link, what.room, room);
        else if (room->pending == 0)
            feed_tell_by_inbox(feed, &what);
    }
    feed_link_send(&feed->link);
}

/* In a command that has begun. */
static void give_up(struct feed *feed, struct feed_room *room, unsigned worker)
{
    feed_rooms_want(room, worker, false);
    if (feed_rooms_is_wanted(&feed->rooms, room))
        return;
    feed_link_add_room(&feed->link, feed_rooms_name(&feed->rooms, room), NULL);
    feed_rooms_free_if_done(&feed->rooms, room);
}

static void unsubscribe(struct feed *feed, unsigned worker, struct json_text names)
{
    struct json_text name;

    feed_link_begin(&feed->link, "UNSUBSCRIBE");
    while (handover_take_room(&names, &name)) {
        struct feed_room *room = feed_rooms_find(&feed->rooms, name);

        if (room && feed_rooms_is_wanted_by(room, worker))
            give_up(feed, room, worker);
    }
    feed_link_send(&feed->link);
}

static void forget_node(struct feed *feed, struct feed_listener *listener)
{
    if (listener->channel && is_ready(feed))
        feed_link_send_channel(&feed->link, "UNSUBSCRIBE", listener->channel);
    free(listener->channel);
    listener->channel = NULL;
}

static void listen_to_node(struct feed *feed, struct feed_listener *listener,
                           struct json_text channel)
{
    forget_node(feed, listener);
    listener->channel = xmemdup(channel.base, channel.len);
    feed_link_send_channel(&feed->link, "SUBSCRIBE", listener->channel);
}

/* All that the worker has asked for. It is in no state in which it would be told of a failure. */
static void forget(struct feed *feed, unsigned worker)
{
    unsigned count, i = 0;
    struct feed_room **all = feed_rooms_wanted_by(&feed->rooms, worker, &count);

    while (i < count && is_ready(feed)) {
        feed_link_begin(&feed->link, "UNSUBSCRIBE");
        for (int n = 0; n < BATCH && i < count; n++)
            give_up(feed, all[i++], worker);
        feed_link_send(&feed->link);
    }
    free(all);
    forget_node(feed, &feed->listeners[worker]);
}

static bool is_another_heard(const struct feed *feed, unsigned worker)
{
    uint64_t now_ms = uv_now(feed->opts.loop);

    for (unsigned i = 0; i < feed->opts.workers; i++) {
        const struct feed_listener *other = &feed->listeners[i];

        if (i != worker && other->heard_ms && now_ms - other->heard_ms < OTHERS_MS)
            return true;
    }
    return false;
}

static void restart_if_all_are_deaf(struct feed *feed, unsigned worker)
{
    if (is_another_heard(feed, worker))
        log_warn("listener_deaf",
                 "worker=%u shard=%u text=\"own notices do not come back; those of "
                 "other workers do\"",
                 worker, feed->opts.shard);
    else if (is_ready(feed))
        redis_link_restart(feed->link.link, "deaf: own notices do not come back");
}

static void attach(struct feed *feed, const struct handover *request)
{
    unsigned worker = request->worker;
    struct handover what = feed_said_to(feed, worker, HANDOVER_READY);

    feed->listeners[worker].state = FEED_WAITS;
    forget(feed, worker);
    if (request->kind == HANDOVER_DEAF)
        restart_if_all_are_deaf(feed, worker);
    if (!is_ready(feed))
        return;
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
    feed_link_close(&feed->link);
    feed_rooms_clear(&feed->rooms);
}

void feed_take(struct feed *feed, const struct handover *request)
{
    struct feed_listener *listener = &feed->listeners[request->worker];

    listener->number = request->number;
    if (feed->opts.ops) {
        feed->opts.ops->take(feed, request);
        return;
    }
    if (request->kind == HANDOVER_ATTACH || request->kind == HANDOVER_DEAF)
        attach(feed, request);
    else if (request->kind == HANDOVER_DETACH)
        detach(feed, request->worker);
    else if (listener->state != FEED_LISTENS)
        return; /* it does not know yet that the link was lost */
    else if (request->kind == HANDOVER_NODE)
        listen_to_node(feed, listener, request->text);
    else if (request->kind == HANDOVER_SUBSCRIBE)
        subscribe(feed, request->worker, request->text);
    else if (request->kind == HANDOVER_UNSUBSCRIBE)
        unsubscribe(feed, request->worker, request->text);
    else
        assert(!"a request");
}

/* ---- what comes ---- */

static void on_confirmed(struct feed_link *link, struct feed_room *room)
{
    struct feed *feed = feed_of(link);
    unsigned own = feed->opts.worker, workers = feed->opts.workers;
    bool is_for_own = feed_rooms_is_wanted_by(room, own);
    struct handover what;

    for (unsigned i = feed_rooms_next(&feed->rooms, room, 0); i < workers;
         i = feed_rooms_next(&feed->rooms, room, i + 1)) {
        what = feed_said_to(feed, i, HANDOVER_CONFIRMED);
        what.room = feed_rooms_name(&feed->rooms, room);
        if (i != own)
            feed_tell_by_inbox(feed, &what);
    }
    what = feed_said_to(feed, own, HANDOVER_CONFIRMED);
    what.room = feed_rooms_name(&feed->rooms, room);
    if (is_for_own)
        feed->opts.hooks->on_told(feed, &what); /* it may give the room up */
    else
        feed_rooms_free_if_done(&feed->rooms, room);
}

static void on_message(struct feed_link *link, struct json_text channel,
                       struct json_text text)
{
    feed_take_message(feed_of(link), channel, text);
}

static void on_expired(struct feed_link *link, const char *room, size_t len)
{
    struct feed *feed = feed_of(link);

    if (feed->listeners[feed->opts.worker].state == FEED_LISTENS)
        feed->opts.hooks->on_expired(feed, room, len);
}

/* ---- the link ---- */

static void on_ready(struct feed_link *link)
{
    struct feed *feed = feed_of(link);

    log_info("redis_ready", "worker=%u shard=%u link=notices", feed->opts.worker,
             feed->opts.shard);
    tell_all(feed, FEED_WAITS, FEED_LISTENS, HANDOVER_READY, "");
}

static void on_lost(struct feed_link *link, const char *why)
{
    struct feed *feed = feed_of(link);

    log_warn("redis_lost", "worker=%u shard=%u link=notices why=\"%s\"",
             feed->opts.worker, feed->opts.shard, why);
    feed_rooms_clear(&feed->rooms);
    for (unsigned i = 0; i < feed->opts.workers; i++)
        forget_node(feed, &feed->listeners[i]);
    tell_all(feed, FEED_LISTENS, FEED_AWAY, HANDOVER_LOST, why);
}

static const struct feed_link_hooks link_hooks = {
    .on_ready = on_ready,
    .on_lost = on_lost,
    .on_confirmed = on_confirmed,
    .on_message = on_message,
    .on_expired = on_expired,
};

/* ---- beginning and end ---- */

void feed_open(struct feed *feed, const struct feed_opts *opts)
{
    const struct feed_link_opts of_link = {
        .loop = opts->loop,
        .config = opts->config,
        .url = opts->url,
        .metrics = opts->metrics,
        .name = opts->name,
        .hooks = &link_hooks,
    };

    feed->opts = *opts;
    feed_rooms_init(&feed->rooms, opts->workers);
    feed->listeners = xcalloc(opts->workers, sizeof(*feed->listeners));
    feed->is_open = true;
    if (!opts->ops)
        feed_link_open(&feed->link, &of_link);
}

void feed_tick(struct feed *feed)
{
    if (feed->opts.ops && feed->is_open)
        feed->opts.ops->tick(feed);
}

void feed_hurry(struct feed *feed)
{
    if (!feed->opts.ops)
        redis_link_hurry(feed->link.link);
}

bool feed_is_open(const struct feed *feed)
{
    return feed->is_open;
}

void feed_deinit(struct feed *feed)
{
    feed_rooms_clear(&feed->rooms);
    free(feed->listeners);
    feed_link_deinit(&feed->link);
}
