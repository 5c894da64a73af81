/* feed_tell.c - what a feed tells the workers that listen to it (feed.h).
 *
 *     feed_take_message -> hand_over -> inbox_post, hooks.on_told
 *
 * The worker that reads is told directly, and after the others. Only what answers its own request comes
 * by its inbox, because nobody is called back from inside a request.
 */
#include "gateway/feed.h"

struct handover feed_said_to(const struct feed *feed, unsigned worker,
                             enum handover_kind kind)
{
    return (struct handover){
        .kind = kind,
        .shard = feed->opts.shard,
        .worker = worker,
        .number = feed->listeners[worker].number,
    };
}

static void count_dropped(struct feed *feed)
{
    metric_add(&feed->opts.metrics->handover_dropped_total, 1);
}

void feed_tell_by_inbox(struct feed *feed, const struct handover *what)
{
    if (!inbox_post_new(feed->opts.inboxes[what->worker], what))
        count_dropped(feed);
}

void feed_tell(struct feed *feed, const struct handover *what)
{
    if (what->worker == feed->opts.worker)
        feed->opts.hooks->on_told(feed, what);
    else
        feed_tell_by_inbox(feed, what);
}

/* The same bytes for all others, and as they came for the worker that reads. */
static void hand_over(struct feed *feed, const struct feed_room *room,
                      struct handover *what)
{
    unsigned own = feed->opts.worker, workers = feed->opts.workers;
    struct handover_copy *copy = NULL;

    for (unsigned i = feed_rooms_next(&feed->rooms, room, 0); i < workers;
         i = feed_rooms_next(&feed->rooms, room, i + 1)) {
        if (i == own)
            continue;
        if (!copy) {
            what->read_ns = uv_hrtime();
            copy = handover_copy(what);
        }
        if (!inbox_post(feed->opts.inboxes[i], copy))
            count_dropped(feed);
    }
    if (copy)
        handover_unref(copy);
    if (feed_rooms_is_wanted_by(room, own))
        feed->opts.hooks->on_told(feed, what);
}

static void take_node_text(struct feed *feed, struct json_text channel,
                           struct json_text text)
{
    for (unsigned i = 0; i < feed->opts.workers; i++) {
        struct feed_listener *listener = &feed->listeners[i];
        struct handover what = feed_said_to(feed, i, HANDOVER_NODE_TEXT);

        if (!listener->channel || !json_text_is(channel, listener->channel))
            continue;
        listener->heard_ms = uv_now(feed->opts.loop);
        what.text = text;
        feed_tell(feed, &what);
        return;
    }
}

void feed_take_message(struct feed *feed, struct json_text channel,
                       struct json_text text)
{
    struct handover what = {
        .kind = HANDOVER_NOTICE, .shard = feed->opts.shard, .text = text};
    const struct feed_room *room;

    what.room.base = keys_room_of_events(channel.base, channel.len, &what.room.len);
    if (!what.room.base) {
        take_node_text(feed, channel, text);
        return;
    }
    what.room_hash = map_hash(what.room.base, what.room.len);
    room = map_find_hashed(&feed->rooms.map, what.room.base, what.room.len,
                           what.room_hash);
    if (room) /* else it was given up while this was under way */
        hand_over(feed, room, &what);
}

void feed_tell_proof(struct feed *feed, struct json_text proof)
{
    for (unsigned i = 0; i < feed->opts.workers; i++) {
        struct handover what = feed_said_to(feed, i, HANDOVER_PROOF);

        what.text = proof;
        if (feed->listeners[i].state == FEED_LISTENS)
            feed_tell(feed, &what);
    }
}
