/* catchup.c - see catchup.h.
 *
 *     catchup_start -> catchup_go_on -> calls->read -> catchup_on_history -> batch or events
 *                          ^   |                            |
 *                          |   +-- from the ring, LIVE      |
 *                          +--------------------------------+
 *
 * Why there is no hole: the room's channel was subscribed before the read went out, so
 * a message after the read's last number comes as a notice while the member is behind,
 * and the ring keeps it. Should the ring be too short, the member reads again.
 *
 * Why there is no overlap: what a member is given is always cursor + 1.
 */
#include "gateway/catchup.h"

#include <string.h>

#include "common/proto.h"
#include "gateway/room.h"

/* ---- the ring ---- */

bool catchup_needs_ring(const struct room *room)
{
    return !list_is_empty(&room->behind) || room->catchup.keeps_ring;
}

void catchup_drop_idle_ring(struct room *room)
{
    if (!catchup_needs_ring(room))
        room_log_drop(&room->log);
}

void catchup_keep_ring(struct room *room, bool keep)
{
    room->catchup.keeps_ring = keep;
    catchup_drop_idle_ring(room);
}

/* ---- a member's way ---- */

/* From the ring, as far as the client takes it. */
static void give_from_ring(struct member *member)
{
    struct room *room = member->room;

    while (member->progress.cursor < room_log_seq(&room->log)) {
        struct frame *frame = room_log_at(&room->log, member->progress.cursor + 1);

        if (!member->calls->deliver(member, frame, ROOM_MESSAGE))
            return;
        metric_add(&room->rooms->metrics->deliveries_total, 1);
        member->progress.cursor++;
    }
}

/* Whether it needs what only the history has. */
static bool catch_up(struct member *member)
{
    const struct room_log *log = &member->room->log;

    if (room_log_has(log, member->progress.cursor + 1))
        give_from_ring(member);
    if (member->progress.cursor == room_log_seq(log)) {
        member_set_state(member, MEMBER_LIVE);
        catchup_drop_idle_ring(member->room);
        return false;
    }
    return member->progress.cursor < room_log_seq(log) &&
           !room_log_has(log, member->progress.cursor + 1);
}

static void start_read(struct member *member)
{
    struct progress *progress = &member->progress;

    progress->reading_after = progress->cursor;
    progress->is_reading = member->calls->read(member, progress->cursor);
}

void catchup_go_on(struct member *member)
{
    const struct progress *progress = &member->progress;

    if (!member->room || !member_is_behind(member) || progress->is_reading)
        return;
    if (member->state == MEMBER_IN_HISTORY && progress->cursor >= progress->until)
        member_set_state(member, MEMBER_CATCHING_UP);
    if (member->state != MEMBER_CATCHING_UP || catch_up(member))
        start_read(member);
}

/* What a read under way brings may be from before a change that is not told to the member any
 * more: it is made again. */
static void outdate_read(struct progress *progress)
{
    if (progress->is_reading)
        progress->reading_after = UINT64_MAX;
}

void catchup_start(struct member *member, uint64_t after)
{
    outdate_read(&member->progress); /* of its join before */
    member->progress.cursor = after;
    member->progress.until = 0;
    member_set_state(member, MEMBER_FIRST_BATCH);
    catchup_go_on(member);
}

void catchup_fall_behind(struct member *member)
{
    member->progress.cursor = room_log_seq(&member->room->log);
    member->progress.until = 0;
    member_set_state(member, MEMBER_CATCHING_UP);
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

void catchup_gap(struct member *member, uint64_t from, uint64_t to)
{
    struct frame *frame = new_gap(member->room, from, to);

    metric_add(&member->room->rooms->metrics->gaps_total, 1);
    member->calls->deliver(member, frame, ROOM_ALWAYS);
    frame_unref(frame);
}

/* Names what is missing between the cursor and `first`. */
static void skip_to(struct member *member, uint64_t first)
{
    if (first <= member->progress.cursor + 1)
        return;
    catchup_gap(member, member->progress.cursor + 1, first - 1);
    member->progress.cursor = first - 1;
}

/* After the ack a gap comes before the batch that begins after it. Only a client that resumes
 * stood anywhere: for the others the history begins with the first message they are given. */
static void give_first(struct member *member, const struct history *h)
{
    struct progress *progress = &member->progress;
    uint64_t next = h->count ? h->first : h->seq + 1;
    struct history_batch batch = {.lines = h->lines, .count = h->count};
    bool had_ack =
        member->has_ack; /* it joined again: it was told everything all the time */

    member->has_ack = true;
    if (member->calls->ack(member, h->seq, h->oldest))
        skip_to(member, next);
    member_set_state(member, MEMBER_IN_HISTORY);
    progress->until = h->seq;
    progress->cursor = next + h->count - 1;
    batch.more = progress->cursor < h->seq;
    member->calls->batch(member, &batch);
    if (!had_ack)
        member->room->rooms->observer.on_acked(member);
}

static void give_batch(struct member *member, const struct history *h)
{
    struct progress *progress = &member->progress;
    uint64_t until = progress->until, before = progress->cursor;
    struct history_batch batch = {.lines = h->lines};

    skip_to(member, h->first > until ? until + 1 : h->first);
    if (h->count > 0 && h->first <= until) {
        batch.count =
            h->count < until - h->first + 1 ? h->count : (size_t)(until - h->first + 1);
        progress->cursor = h->first + batch.count - 1;
    }
    /* What the first read told of is not there (any more): it comes as a live message, or as a gap.
     * Else the same would be read without end. */
    if (progress->cursor == before)
        progress->until = before;
    batch.more = progress->cursor < progress->until;
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
        member->progress.cursor = h->first + i;
    }
}

void catchup_on_history(struct member *member, const struct history *h)
{
    struct progress *progress = &member->progress;

    progress->is_reading = false;
    if (!member_is_behind(member))
        return;
    if (progress->reading_after !=
        progress->cursor) { /* it has begun again meanwhile */
        catchup_go_on(member);
        return;
    }
    if (strcmp(h->epoch, room_log_epoch(&member->room->log)) != 0 ||
        !terms_is_current(&member->room->terms, h->token)) {
        room_needs_sync(member->room); /* ends in catchup_on_reset */
        return;
    }
    if (member->state == MEMBER_FIRST_BATCH)
        give_first(member, h);
    else if (member->state == MEMBER_IN_HISTORY && progress->cursor < progress->until)
        give_batch(member, h);
    else
        give_events(member, h);
    catchup_go_on(member);
}

void catchup_on_failed(struct member *member)
{
    member->progress.is_reading = false;
    room_needs_sync(member->room); /* after it, all go on */
}

void catchup_all(struct room *room)
{
    list_each(link, &room->behind)
        catchup_go_on(list_entry(link, struct member, link));
}

/* Members that are behind read the history again, and so do those whose read is under way. */
void catchup_on_changed(struct room *room, uint64_t seq)
{
    room_log_drop(&room->log);
    list_each(link, &room->behind) {
        struct progress *progress = &list_entry(link, struct member, link)->progress;

        if (seq > progress->cursor)
            outdate_read(progress);
    }
}

void catchup_on_reset(struct room *room)
{
    list_each(link, &room->behind) {
        struct member *member = list_entry(link, struct member, link);
        bool has_begun = member->state != MEMBER_FIRST_BATCH;

        member->progress.cursor = has_begun ? room_log_seq(&room->log) : 0;
        member->progress.until = 0;
        catchup_go_on(member);
    }
}
