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
#include "gateway/pool.h"
#include "gateway/room.h"

enum {
    RING_MAX_FRAMES = 1024,
    RING_MAX_BYTES = 1024 * 1024,
    BATCH_MAX_BYTES = PROTO_BATCH_BYTES - 2048, /* without what stands around it */
};

/* ---- the ring: frames of the messages room->seq - ring_count + 1 to room->seq ---- */

static struct frame **ring_at(const struct room *room, uint32_t i)
{
    return &room->ring[(room->ring_head + i) & (room->ring_cap - 1)];
}

static void count_bytes(struct room *room, const struct frame *frame, bool added)
{
    size_t len;

    frame_text(frame, &len);
    room->ring_bytes += added ? len : -len;
    room->rooms->ring_bytes += added ? len : -len;
}

static bool has_too_many_bytes(const struct room *room)
{
    return room->ring_count > 1 && room->ring_bytes > room->rooms->history_max_bytes;
}

/* What Redis drops too, as it keeps so many messages and bytes of them, leaves a ring that
 * holds all that Redis holds. */
static void ring_drop_oldest(struct room *room)
{
    struct frame *oldest = *ring_at(room, 0);

    if (has_too_many_bytes(room))
        room->ring_is_whole = true;
    else if (room->ring_count <= room->rooms->history_limit)
        room->ring_is_whole = false;
    count_bytes(room, oldest, false);
    frame_unref(oldest);
    room->ring_head = (room->ring_head + 1) & (room->ring_cap - 1);
    room->ring_count--;
}

static void ring_recycle(struct frame **ring, uint32_t cap)
{
    pool_recycle(ring, cap * sizeof(struct frame *));
}

static void ring_grow(struct room *room)
{
    uint32_t cap = room->ring_cap ? 2 * room->ring_cap : 16;
    struct frame **bigger = pool_alloc(cap * sizeof(struct frame *));

    for (uint32_t i = 0; i < room->ring_count; i++)
        bigger[i] = *ring_at(room, i);
    ring_recycle(room->ring, room->ring_cap);
    room->ring = bigger;
    room->ring_cap = cap;
    room->ring_head = 0;
}

void follow_drop_ring(struct room *room)
{
    while (room->ring_count > 0)
        ring_drop_oldest(room);
    ring_recycle(room->ring, room->ring_cap);
    room->ring = NULL;
    room->ring_cap = room->ring_head = 0;
    room->ring_is_whole = false;
    room->ring_drops++;
}

void follow_drop_idle_ring(struct room *room)
{
    if (list_is_empty(&room->followers) && !room->ring_is_kept)
        follow_drop_ring(room);
}

void follow_keep_ring(struct room *room, bool keep)
{
    room->ring_is_kept = keep;
    follow_drop_idle_ring(room);
}

/* Whether the ring holds message `seq`. */
static bool ring_has(const struct room *room, uint64_t seq)
{
    return seq <= room->seq && seq + room->ring_count > room->seq;
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

    while (member->cursor < room->seq) {
        uint64_t oldest = room->seq - room->ring_count + 1;
        struct frame *frame = *ring_at(room, (uint32_t)(member->cursor + 1 - oldest));

        if (!member->calls->deliver(member, frame, ROOM_MESSAGE))
            return;
        metric_add(&room->rooms->metrics->deliveries_total, 1);
        member->cursor++;
    }
}

/* ---- the ring instead of Redis ---- */

static void ring_add(struct room *room, struct frame *frame)
{
    if (room->ring_count == room->ring_cap && room->ring_cap < RING_MAX_FRAMES)
        ring_grow(room);
    while (room->ring_count > 0 &&
           (room->ring_count == room->ring_cap || room->ring_bytes > RING_MAX_BYTES))
        ring_drop_oldest(room);
    *ring_at(room, room->ring_count++) = frame;
    count_bytes(room, frame, true);
    while (has_too_many_bytes(room))
        ring_drop_oldest(room);
}

/* Whether Redis holds nothing before `h` that the room's messages could begin with: if it is
 * ahead of the room, as much may have been cut off its front since, unless nothing ever
 * was. */
static bool is_from_the_start(const struct room *room, const struct follow_history *h)
{
    return h->first == h->oldest && (h->seq <= room->seq || h->oldest == 1);
}

void follow_fill_ring(struct room *room, const struct follow_history *h)
{
    uint64_t next = room->seq - room->ring_count + 1; /* the oldest that is there */
    struct frame **old = room->ring;
    uint32_t count = room->ring_count, head = room->ring_head, cap = room->ring_cap;

    if (strcmp(h->epoch, room->epoch) != 0 || h->first > next ||
        h->first + h->count < next) /* a hole between them */
        return;
    room->ring = NULL;
    room->ring_head = room->ring_count = room->ring_cap = 0;
    room->rooms->ring_bytes -= room->ring_bytes;
    room->ring_bytes = 0;
    room->ring_is_whole = is_from_the_start(room, h);
    for (size_t i = 0; i < h->count && h->first + i < next; i++)
        ring_add(room, frame_new_text(h->lines[i].base, h->lines[i].len));
    for (uint32_t i = 0; i < count; i++)
        ring_add(room, old[(head + i) & (cap - 1)]);
    ring_recycle(old, cap);
}

bool follow_read_ring(const struct room *room, uint64_t after, struct json_text *lines,
                      struct follow_history *out)
{
    uint64_t limit = room->rooms->history_limit, seq;
    uint64_t held = room->ring_count < limit ? room->ring_count : limit;
    uint64_t oldest = room->seq - held + 1;
    size_t bytes = 0;

    if (!room->epoch[0] || after > room->seq ||
        (after + 1 < oldest && !room->ring_is_whole && room->ring_count < limit))
        return false;
    seq = after + 1 < oldest ? oldest : after + 1;
    *out = (struct follow_history){.epoch = room->epoch,
                                   .seq = room->seq,
                                   .oldest = oldest,
                                   .first = seq,
                                   .lines = lines};
    for (; lines && seq <= room->seq && out->count < PROTO_BATCH_MESSAGES; seq++) {
        uint32_t at = (uint32_t)(seq + room->ring_count - room->seq - 1);
        struct json_text *line = &lines[out->count];

        line->base = frame_text(*ring_at(room, at), &line->len);
        bytes += line->len + 1;
        if (out->count > 0 && bytes > BATCH_MAX_BYTES)
            break;
        out->count++;
    }
    return true;
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
    if (!in_batches && ring_has(room, member->cursor + 1))
        give_from_ring(member);
    if (!in_batches && member->cursor == room->seq)
        go_live(member);
    else if (in_batches ||
             (member->cursor < room->seq && !ring_has(room, member->cursor + 1)))
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
    proto_add_text(&event, "epoch", room->epoch, strlen(room->epoch));
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

static void give_first(struct member *member, const struct follow_history *h)
{
    struct follow_batch batch = {
        .lines = h->lines,
        .count = h->count,
        .until = h->seq,
        .oldest = h->oldest,
        .is_first = true,
    };

    uint64_t oldest = h->oldest > member->cursor ? h->oldest : member->cursor + 1;
    uint64_t next = h->count ? h->first : h->seq + 1;

    member->history_until = h->seq;
    member->cursor = next + h->count - 1;
    member->wants_first = false;
    member->has_ack = true;
    batch.more = member->cursor < h->seq;
    member->calls->batch(member, &batch);
    if (h->is_cut && oldest < next)
        follow_gap(member, oldest, next - 1);
    member->room->rooms->watch.on_acked(member);
}

static void give_batch(struct member *member, const struct follow_history *h)
{
    uint64_t until = member->history_until, before = member->cursor;
    struct follow_batch batch = {
        .lines = h->lines, .until = until, .oldest = h->oldest};

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

static void give_events(struct member *member, const struct follow_history *h)
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

void follow_on_history(struct member *member, const struct follow_history *h)
{
    member->is_reading = false;
    if (member->state != MEMBER_FOLLOWING)
        return;
    if (member->reading_after != member->cursor) { /* it has begun anew meanwhile */
        follow_again(member);
        return;
    }
    if (strcmp(h->epoch, member->room->epoch) != 0) {
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

void follow_on_message(struct room *room, struct frame *frame)
{
    if (!list_is_empty(&room->followers) || room->ring_is_kept)
        ring_add(room, frame_ref(frame));
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
    follow_drop_ring(room);
    list_each(link, &room->followers) {
        struct member *member = list_entry(link, struct member, link);

        if (member->is_reading && seq > member->cursor)
            member->reading_after = UINT64_MAX;
    }
}

void follow_on_reset(struct room *room)
{
    follow_drop_ring(room);
    list_each(link, &room->followers) {
        struct member *member = list_entry(link, struct member, link);

        member->cursor = member->wants_first ? 0 : room->seq;
        member->history_until = 0;
        follow_again(member);
    }
}
