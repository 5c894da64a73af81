/* deliver.c - see deliver.h.
 *
 *     deliver_notice -> take_messages -> take_lines -> give_live, room_log_append
 *                    -> announce_notice                 of any other kind
 *     a hole in the numbers -> start_backfill -> deliver_backfill -> take_lines
 *
 * A message is framed once and handed to the live members by reference; members that are behind
 * take it from the ring. Numbers decide: what the room already has is dropped, what is missing
 * is read from the history, what is not there any more is named by `gap`.
 *
 * Over 400 lines because all that moves the room's log stands here: notices, backfills, answers that
 * tell where Redis is, and resets.
 */
#include "gateway/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/lines.h"
#include "common/log.h"
#include "gateway/announce.h"
#include "gateway/catchup.h"

/* ---- messages ---- */

static void note_heard(struct room *room, struct json_text epoch, uint64_t seq)
{
    if (epoch.len != PROTO_EPOCH_LEN)
        return;
    if (memcmp(room->deliver.heard_epoch, epoch.base, epoch.len) != 0) {
        memcpy(room->deliver.heard_epoch, epoch.base, epoch.len);
        room->deliver.heard = 0;
    }
    if (seq > room->deliver.heard)
        room->deliver.heard = seq;
}

/* `frame` holds the `count` messages that are next in the log. */
static void give_live(struct room *room, struct frame *frame, uint64_t count)
{
    uint64_t given = 0;

    list_each(link, &room->live) {
        struct member *member = list_entry(link, struct member, link);

        if (member->calls->deliver(member, frame, ROOM_MESSAGE)) {
            given += count;
            continue;
        }
        catchup_fall_behind(member);
    }
    metric_add(&room->rooms->metrics->deliveries_total, given);
}

/* Messages that are next, one a line: in one block for the live members, so that each
 * costs them one reference; one by one for members that are behind. */
static void take_lines(struct room *room, const char *at, const char *end,
                       uint64_t count)
{
    struct frame *block = count == 1 ? frame_new_text(at, (size_t)(end - at))
                                     : frame_new_texts(at, (size_t)(end - at));
    bool in_ring;

    give_live(room, block, count);
    in_ring = catchup_needs_ring(room); /* some may be too slow from now on */
    if (count == 1) {
        room_log_append(&room->log, block, in_ring);
        return;
    }
    frame_unref(block);
    if (!in_ring)
        room_log_skip(&room->log, room_log_seq(&room->log) + count - 1);
    for (; at < end; at = notice_line_end(at, end) + 1) {
        const char *stop = notice_line_end(at, end);

        if (stop == end || in_ring)
            room_log_append(&room->log, frame_new_text(at, (size_t)(stop - at)),
                            in_ring);
    }
}

static void take_line(struct room *room, struct json_text line)
{
    take_lines(room, line.base, line.base + line.len, 1);
}

static void start_backfill(struct room *room)
{
    if (room->deliver.is_backfilling) {
        room->deliver.backfill_again = true;
        return;
    }
    room->deliver.is_backfilling = true;
    room->deliver.backfill_again = room->deliver.is_outdated = false;
    room->rooms->hooks.backfill(room_ref(room), room_log_seq(&room->log));
}

/* Whether the lines are the messages from seq + 1 to `last`, and no more. */
static bool are_next(const struct room *room, const char *at, const char *end,
                     uint64_t last)
{
    uint64_t seq = room_log_seq(&room->log);

    while (at < end && seq < last) {
        const char *stop = notice_line_end(at, end);

        if (!lines_is_message(room_head(room), ++seq,
                              (struct json_text){at, (size_t)(stop - at)}))
            return false;
        at = stop + 1;
    }
    return at > end && seq == last; /* no line end behind the last */
}

static void refuse(struct room *room, const char *where)
{
    intake_refuse(room->rooms->metrics, INTAKE_NOTICE, where,
                  (struct json_text){room->name, room->name_len});
    if (room_log_is_known(&room->log))
        start_backfill(room);
}

void deliver_malformed(struct room *room, const char *where)
{
    room_ref(room);
    refuse(room, where);
    room_unref(room);
}

static void take_messages(struct room *room, const struct notice *n)
{
    const char *at = n->lines.base, *end = at + n->lines.len;
    uint64_t last = room_log_seq(&room->log);

    note_heard(room, n->epoch, n->last);
    if (!room_log_is_known(&room->log) || n->last <= last)
        return;
    if (room->deliver.is_backfilling || n->first > last + 1) {
        start_backfill(room);
        return;
    }
    for (uint64_t seq = n->first; seq <= last && at < end; seq++)
        at = notice_line_end(at, end) + 1; /* what is here already */
    if (are_next(room, at, end, n->last))
        take_lines(room, at, end, n->last - last);
    else
        refuse(room, "message");
    catchup_all(room);
}

void deliver_position(struct room *room, const char *epoch, struct token token,
                      uint64_t seq)
{
    if (!room_log_is_known(&room->log))
        return;
    if (strcmp(room_log_epoch(&room->log), epoch) != 0) {
        room_needs_sync(room);
    } else if (!terms_is_current(&room->terms, token)) {
        room_doubt_token(room, token);
    } else if (seq > room_log_seq(&room->log)) {
        note_heard(room, (struct json_text){epoch, strlen(epoch)}, seq);
        start_backfill(room);
    }
}

/* The room itself goes on at `next`; members that are behind find out on their own. */
static void skip_to(struct room *room, uint64_t next)
{
    uint64_t missing = room_log_seq(&room->log) + 1;

    if (next <= missing)
        return;
    list_each(link, &room->live) {
        catchup_gap(list_entry(link, struct member, link), missing, next - 1);
    }
    room_log_skip(&room->log, next - 1);
}

/* A notice told of more than the room has. */
static bool is_behind(const struct room *room)
{
    return room->deliver.heard > room_log_seq(&room->log) &&
           strcmp(room->deliver.heard_epoch, room_log_epoch(&room->log)) == 0;
}

void deliver_backfill(struct room *room, const struct history *h)
{
    room->deliver.is_backfilling = false;
    if (!h || strcmp(h->epoch, room_log_epoch(&room->log)) != 0 ||
        !terms_is_current(&room->terms, h->token)) {
        room_doubt(room);
    } else if (room->deliver.is_outdated) {
        start_backfill(room);
    } else {
        uint64_t before = room_log_seq(&room->log);

        skip_to(room, h->count ? h->first : h->seq + 1);
        for (size_t i = 0; i < h->count; i++)
            if (h->first + i == room_log_seq(&room->log) + 1)
                take_line(room, h->lines[i]);
        metric_add(&room->rooms->metrics->backfilled_messages_total, h->count);
        catchup_all(room);
        if (room_log_seq(&room->log) > before
                ? h->is_cut || is_behind(room)
                : room->deliver.backfill_again && is_behind(room))
            start_backfill(room);
    }
    room_unref(room);
}

/* ---- notices under another token ---- */

/* The token turned out to be the room's: what was withheld under it comes now, but for what was
 * seen meanwhile. What came under others is of a log that nobody goes on with. Whether there was
 * more, which the history must tell. */
static bool give_withheld(struct room *room)
{
    struct list now, *link;
    bool has_dropped = withheld_take(&room->deliver.withheld, &now);

    while ((link = list_first(&now))) {
        struct withheld_notice *withheld =
            list_entry(link, struct withheld_notice, link);
        struct notice n;

        list_remove(link);
        if (token_equals(withheld->token, terms_token(&room->terms)) &&
            notice_parse((struct json_text){withheld->text, withheld->len}, &n) &&
            (n.kind == NOTICE_MESSAGE || n.rev > announce_rev(room)))
            deliver_notice(room, &n, 0);
        free(withheld);
    }
    return has_dropped;
}

bool deliver_withholds_all(const struct room *room, struct token token)
{
    return !terms_is_current(&room->terms, token) && !room->was_deaf &&
           !room->deliver.withheld.has_dropped;
}

/* ---- notices ---- */

/* What is being read may still have the message as it was: members that hear of the deletion or edit
 * first must not be given that after it. */
static void note_change(struct room *room, const struct notice *n)
{
    if (notice_is_change(n) && n->first > room_log_seq(&room->log))
        room->deliver.is_outdated = true;
}

/* Whether a canary has come that was sent after the last answer was read, by the way of the room's notices: the
 * node's, or in a cluster that of the link to the room's master. */
static bool has_heard_since(const struct room *room)
{
    const struct room_cluster *at = &room->cluster;

    if (at->home || at->homeless_ms > 0)
        return at->proven_ns && *at->proven_ns > room->deliver.answered_ns;
    return room->rooms->canary_heard > room->deliver.answered_canary;
}

/* Of the messages' notices under one token each begins above the last one's end. If not, the log
 * was put back on the same server. Numbers up to the last answer's own may still be on their way,
 * until a canary has come that was sent after it (SPEC-SCALE S4). */
static bool comes_again(struct room *room, const struct notice *n)
{
    struct room_deliver *d = &room->deliver;

    if (!token_is_known(n->token))
        return false; /* of a version without terms: nothing is said about it */
    if (d->noticed < d->answered && has_heard_since(room))
        d->noticed = d->answered;
    if (n->first <= room->deliver.noticed)
        return true;
    room->deliver.noticed = n->last;
    return false;
}

/* Whether what it says may be believed. By a master where the room was not synced yet come also the
 * notices of one that was replaced, does not know, and writes on (SPEC-SCALE S4): they have the
 * token that the room still knows. */
static bool counts(const struct room *room, const struct notice *n)
{
    const struct room_cluster *at = &room->cluster;

    return terms_is_current(&room->terms, n->token) &&
           !(at->home && at->synced && at->home != at->synced);
}

void deliver_notice(struct room *room, const struct notice *n, uint64_t now_ms)
{
    bool is_known = room_log_is_known(&room->log);
    bool is_ours =
        n->epoch.len == PROTO_EPOCH_LEN &&
        memcmp(n->epoch.base, room_log_epoch(&room->log), PROTO_EPOCH_LEN) == 0;

    if (is_known && !is_ours) {
        room_needs_sync(room);
    } else if (n->kind == NOTICE_REMADE) {
        return; /* it is known already, or will be with the join */
    } else if (is_known && n->kind != NOTICE_SIGNAL && !counts(room, n)) {
        metric_add(&room->rooms->metrics->redis_foreign_notices_total, 1);
        withheld_add(&room->deliver.withheld, n->token, n->text);
        if (!terms_is_current(&room->terms, n->token))
            room_doubt_token(room, n->token);
    } else if (n->kind != NOTICE_MESSAGE) {
        note_change(room, n);
        if (!announce_notice(room, n, now_ms))
            deliver_malformed(room, notice_type(n->kind, 0));
    } else if (is_known && comes_again(room, n)) {
        terms_refute(&room->terms);
        room_needs_sync(room);
    } else {
        take_messages(room, n);
    }
}

static void note_answered(struct room *room, const struct room_joined *state)
{
    room->deliver.answered = state->seq;
    room->deliver.answered_canary = room->rooms->canary_sent;
    room->deliver.answered_ns = room->cluster.home ? uv_hrtime() : 0;
}

static void start_terms(struct room *room, const struct room_joined *state)
{
    withheld_clear(&room->deliver.withheld);
    room->deliver.noticed = 0;
    note_answered(room, state);
    terms_start(&room->terms, state->token, state->seq, state->rev);
}

static struct log_limit reset_lines = {.per_sec = 100};

static void reset(struct room *room, const struct room_joined *state)
{
    struct strbuf event = {NULL, 0, 0};
    struct list *lists[] = {&room->live, &room->behind};
    struct room_user *user;
    uint32_t at = 0;

    log_limited(LOG_WARN, &reset_lines, "room_reset", "room=%s seq=%llu was=%llu",
                log_name(room->name, room->name_len), (unsigned long long)state->seq,
                (unsigned long long)room_log_seq(&room->log));
    metric_add(&room->rooms->metrics->resets_total, 1);
    room_log_start(&room->log, state->epoch,
                   state->epoch_seq < state->seq ? state->epoch_seq : state->seq);
    room_log_note_change(&room->log, state->changed, state->rev);
    start_terms(room, state);
    room->deliver.is_outdated = true;
    announce_reset(room, state->rev);
    while ((user = map_next(&room->users, &at))) {
        user->rev = state->rev;
        user->kicked_rev = 0;
        user->restarts_grace = true; /* they may be on another node */
    }
    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            list_entry(link, struct member, link)->rev = state->rev;
        }
    room_begin_event(room, &event, "reset");
    room_add_epoch(room, &event);
    proto_add_number(&event, "seq", room_log_seq(&room->log));
    proto_add_number(&event, "members", state->members);
    strbuf_add_char(&event, '}');
    announce_event(room, &event, ROOM_ALWAYS);
    strbuf_deinit(&event);
    catchup_on_reset(room);
}

/* ---- what room.c tells ---- */

static void on_adopted(struct room *room, const struct room_joined *state)
{
    start_terms(room, state);
    room->deliver.is_outdated =
        true; /* a read of the life before tells another number */
    announce_start(room, state->rev);
    if (is_behind(room))
        start_backfill(room);
}

/* Nothing is lost, so the room goes on under the token of the answer. Where that is another one
 * only the notices that were withheld, and those still to come, tell what is new; else what is
 * missing is in the history. */
static void go_on(struct room *room, const struct room_joined *state)
{
    bool has_moved = !terms_is_current(&room->terms, state->token);
    bool has_dropped;

    metric_add(&room->rooms->metrics->redis_terms_total, has_moved);
    terms_continue(&room->terms, state->token, state->rev);
    room_log_note_change(&room->log, state->changed, state->rev);
    room->deliver.noticed = has_moved ? 0 : room->deliver.noticed;
    note_answered(room, state);
    has_dropped = give_withheld(room);
    if (!has_moved || has_dropped || room->was_deaf)
        deliver_position(room, state->epoch, state->token, state->seq);
}

static void on_synced(struct room *room, const struct room_joined *state)
{
    if (room_log_is_known(&room->log) &&
        strcmp(room_log_epoch(&room->log), state->epoch) != 0) {
        reset(room, state);
        deliver_position(room, state->epoch, state->token,
                         state->seq); /* of this epoch */
    } else {
        go_on(room, state);
    }
    announce_synced(room, state->rev);
    catchup_all(room);
}

/* What comes now is compared with nothing that came by another subscription. */
static void on_subscribed(struct room *room)
{
    room->deliver.noticed = 0;
}

static void on_member_gone(struct room *room)
{
    catchup_drop_idle_ring(room);
    announce_drop_idle(room);
}

static void on_freed(struct room *room)
{
    withheld_clear(&room->deliver.withheld);
    announce_drop_idle(room);
}

void deliver_init(struct rooms *rooms)
{
    rooms->observer = (struct room_observer){
        .on_subscribed = on_subscribed,
        .on_adopted = on_adopted,
        .on_synced = on_synced,
        .on_acked = announce_to_acked,
        .on_member_gone = on_member_gone,
        .on_freed = on_freed,
    };
}
