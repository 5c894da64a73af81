/* follow.c - see follow.h.
 *
 *     follow_start -> follow_again -> calls->read -> follow_on_history -> batch or events
 *                          ^   |                            |
 *                          |   +-- from the ring, LIVE      |
 *                          +--------------------------------+
 *
 * Why there is no hole: the room's channel was subscribed before the read went out, so
 * a message behind the read's last number comes as a notice while the member is in
 * the list of followers, and the ring keeps it. Should the ring be too short, the member
 * reads again.
 *
 * Why there is no overlap: what a member is given is always cursor + 1.
 */
#include "gateway/follow.h"

#include <assert.h>
#include <string.h>

#include "common/proto.h"
#include "gateway/room.h"

/* ---- the ring ---- */

bool follow_needs_ring(const struct room *room)
{
    return !list_is_empty(&room->followers) || room->ring_is_kept;
}

void follow_drop_idle_ring(struct room *room)
{
    if (!follow_needs_ring(room))
        room_log_drop(&room->log);
}

void follow_keep_ring(struct room *room, bool keep)
{
    room->ring_is_kept = keep;
    follow_drop_idle_ring(room);
}

/* ---- a member's way ---- */

static void go_live(struct member *member)
{
    struct room *room = member->room;

    list_remove(&member->link);
    list_add(&room->live, &member->link);
    member->state = MEMBER_LIVE;
    follow_drop_idle_ring(room);
}

/* From the ring as far as the client takes it. */
static void give_from_ring(struct member *member)
{
    struct room *room = member->room;

    while (member->cursor < room_log_seq(&room->log)) {
        struct frame *frame = room_log_at(&room->log, member->cursor + 1);

        if (!member->calls->deliver(member, frame, ROOM_MESSAGE))
            return;
        metric_add(&room->rooms->metrics->deliveries_total, 1);
        member->cursor++;
    }
}

static void start_read(struct member *member)
{
    member->reading_after = member->cursor;
    member->is_reading = member->calls->read(member, member->cursor);
}

void follow_again(struct member *member)
{
    struct room *room = member->room;
    bool in_batches;

    if (!room || member->state != MEMBER_FOLLOWING || member->is_reading)
        return;
    in_batches = member->wants_first || member->cursor < member->history_until;
    if (!in_batches && room_log_has(&room->log, member->cursor + 1))
        give_from_ring(member);
    if (!in_batches && member->cursor == room_log_seq(&room->log))
        go_live(member);
    else if (in_batches || (member->cursor < room_log_seq(&room->log) &&
                            !room_log_has(&room->log, member->cursor + 1)))
        start_read(member);
}

void follow_start(struct member *member, uint64_t after)
{
    member->cursor = after;
    member->history_until = 0;
    member->wants_first = true;
    member->state = MEMBER_FOLLOWING;
    list_remove(&member->link);
    list_add(&member->room->followers, &member->link);
    follow_again(member);
}

static struct frame *new_gap(struct room *room, uint64_t from, uint64_t to)
{
    struct strbuf event = {NULL, 0, 0};
    struct frame *frame;

    room_begin_event(room, &event, "gap");
    room_add_epoch(room, &event);
    proto_add_number(&event, "from", from);
    proto_add_number(&event, "to", to);
    strbuf_add_char(&event, '}');
    frame = frame_new_text(event.data, event.len);
    strbuf_deinit(&event);
    return frame;
}

void follow_gap(struct member *member, uint64_t from, uint64_t to)
{
    struct frame *frame = new_gap(member->room, from, to);

    metric_add(&member->room->rooms->metrics->gaps_total, 1);
    member->calls->deliver(member, frame, ROOM_ALWAYS);
    frame_unref(frame);
}

/* Names what is missing between the cursor and `first`. */
static void skip_to(struct member *member, uint64_t first)
{
    if (first <= member->cursor + 1)
        return;
    follow_gap(member, member->cursor + 1, first - 1);
    member->cursor = first - 1;
}

/* Behind the ack a gap comes before the batch that begins after it. Only who resumes stood
 * anywhere: for the others the history begins with the first message they are given. */
static void give_first(struct member *member, const struct history *h)
{
    uint64_t next = h->count ? h->first : h->seq + 1;
    struct follow_batch batch = {.lines = h->lines, .count = h->count};

    member->wants_first = false;
    member->has_ack = true;
    if (member->calls->ack(member, h->seq, h->oldest))
        skip_to(member, next);
    member->history_until = h->seq;
    member->cursor = next + h->count - 1;
    batch.more = member->cursor < h->seq;
    member->calls->batch(member, &batch);
    member->room->rooms->watch.on_acked(member);
}

static void give_batch(struct member *member, const struct history *h)
{
    uint64_t until = member->history_until, before = member->cursor;
    struct follow_batch batch = {.lines = h->lines};

    skip_to(member, h->first > until ? until + 1 : h->first);
    if (h->count > 0 && h->first <= until) {
        batch.count =
            h->count < until - h->first + 1 ? h->count : (size_t)(until - h->first + 1);
        member->cursor = h->first + batch.count - 1;
    }
    /* What the first read told of is not there (any more), or not in this worker's ring yet: it comes
     * as a live message, or as a gap. Else the same would be read for ever. */
    if (member->cursor == before)
        member->history_until = before;
    batch.more = member->cursor < member->history_until;
    member->calls->batch(member, &batch);
}

static void give_events(struct member *member, const struct history *h)
{
    skip_to(member, h->count ? h->first : h->seq + 1);
    for (size_t i = 0; i < h->count; i++) {
        struct frame *frame = frame_new_text(h->lines[i].base, h->lines[i].len);
        bool taken = member->calls->deliver(member, frame, ROOM_MESSAGE);

        frame_unref(frame);
        if (!taken)
            return;
        metric_add(&member->room->rooms->metrics->deliveries_total, 1);
        member->cursor = h->first + i;
    }
}

void follow_on_history(struct member *member, const struct history *h)
{
    member->is_reading = false;
    if (member->state != MEMBER_FOLLOWING)
        return;
    if (member->reading_after != member->cursor) { /* it has begun anew meanwhile */
        follow_again(member);
        return;
    }
    if (strcmp(h->epoch, room_log_epoch(&member->room->log)) != 0) {
        room_needs_sync(member->room); /* ends in follow_on_reset */
        return;
    }
    if (member->wants_first)
        give_first(member, h);
    else if (member->cursor < member->history_until)
        give_batch(member, h);
    else
        give_events(member, h);
    follow_again(member);
}

void follow_on_failed(struct member *member)
{
    member->is_reading = false;
    room_needs_sync(member->room); /* after it, everybody goes on */
}

void follow_all(struct room *room)
{
    list_each(link, &room->followers)
        follow_again(list_entry(link, struct member, link));
}

/* Followers read the history again, and so do those whose read is under way: what it
 * brings may be from before the deletion. */
void follow_on_deleted(struct room *room, uint64_t seq)
{
    room_log_drop(&room->log);
    list_each(link, &room->followers) {
        struct member *member = list_entry(link, struct member, link);

        if (member->is_reading && seq > member->cursor)
            member->reading_after = UINT64_MAX;
    }
}

void follow_on_reset(struct room *room)
{
    list_each(link, &room->followers) {
        struct member *member = list_entry(link, struct member, link);

        member->cursor = member->wants_first ? 0 : room_log_seq(&room->log);
        member->history_until = 0;
        follow_again(member);
    }
}
