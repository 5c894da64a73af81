/* deliver.c - see deliver.h.
 *
 *     deliver_notice -> messages -> take_lines -> give_live, room_log_append
 *                    -> others   -> notice_check -> keep -> give_kept to each member
 *     a hole in the numbers -> start_backfill -> deliver_backfill -> take_lines
 *
 * A message is framed once and handed to the live members by reference; followers take
 * it from the ring. Numbers decide: what the room already has is dropped, what is missing
 * is read from the history, what is not there any more is named by `gap`.
 *
 * Other notices are told by their `rev`: a member is not given those up to its own join.
 * A member whose join is not acked yet must not hear of later ones either, so they are
 * kept until it is.
 */
#include "gateway/deliver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/lines.h"
#include "common/log.h"
#include "common/xalloc.h"

enum { RECENT_MAX = 1000 }; /* notices kept for who waits for its ack */

/* A notice that is no message, taken apart once for all members. */
struct kept {
    struct list link;
    enum notice_kind kind;
    uint64_t rev;
    struct notice_body body;
    struct frame **lines;
};

/* ---- messages ---- */

static void note_heard(struct room *room, struct json_text epoch, uint64_t seq)
{
    if (epoch.len != PROTO_EPOCH_LEN)
        return;
    if (memcmp(room->heard_epoch, epoch.base, epoch.len) != 0) {
        memcpy(room->heard_epoch, epoch.base, epoch.len);
        room->heard = 0;
    }
    if (seq > room->heard)
        room->heard = seq;
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
        /* Too slow: from here on it reads the history as its socket drains. */
        list_remove(link);
        list_add(&room->followers, link);
        member->state = MEMBER_FOLLOWING;
        member->cursor = room_log_seq(&room->log);
        member->history_until = 0;
    }
    metric_add(&room->rooms->metrics->deliveries_total, given);
}

/* Messages that are next, one a line: in one block for the live members, so that each
 * costs them one reference; one by one for those who follow. */
static void take_lines(struct room *room, const char *at, const char *end,
                       uint64_t count)
{
    struct frame *block = count == 1 ? frame_new_text(at, (size_t)(end - at))
                                     : frame_new_texts(at, (size_t)(end - at));
    bool in_ring;

    give_live(room, block, count);
    in_ring = follow_needs_ring(room); /* some may be too slow from now on */
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
    if (room->is_backfilling) {
        room->backfill_again = true;
        return;
    }
    room->is_backfilling = true;
    room->backfill_again = false;
    room->holds++;
    room->rooms->hooks.backfill(room->rooms->hooks.owner, room,
                                room_log_seq(&room->log));
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
    room->holds++;
    refuse(room, where);
    room_release(room);
}

static void take_messages(struct room *room, const struct notice *n)
{
    const char *at = n->lines.base, *end = at + n->lines.len;
    uint64_t last = room_log_seq(&room->log);

    note_heard(room, n->epoch, n->last);
    if (!room_log_is_known(&room->log) || n->last <= last)
        return;
    if (room->is_backfilling || n->first > last + 1) {
        start_backfill(room);
        return;
    }
    for (uint64_t seq = n->first; seq <= last && at < end; seq++)
        at = notice_line_end(at, end) + 1; /* what is here already */
    if (are_next(room, at, end, n->last))
        take_lines(room, at, end, n->last - last);
    else
        refuse(room, "message");
    follow_all(room);
}

void deliver_position(struct room *room, const char *epoch, uint64_t seq)
{
    if (!room_log_is_known(&room->log))
        return;
    if (strcmp(room_log_epoch(&room->log), epoch) != 0)
        room_needs_sync(room);
    else if (seq > room_log_seq(&room->log)) {
        note_heard(room, (struct json_text){epoch, strlen(epoch)}, seq);
        start_backfill(room);
    }
}

/* The room itself goes on at `next`; followers find out on their own. */
static void skip_to(struct room *room, uint64_t next)
{
    uint64_t missing = room_log_seq(&room->log) + 1;

    if (next <= missing)
        return;
    list_each(link, &room->live) {
        follow_gap(list_entry(link, struct member, link), missing, next - 1);
    }
    room_log_skip(&room->log, next - 1);
}

/* A notice told of more than the room has. */
static bool is_behind(const struct room *room)
{
    return room->heard > room_log_seq(&room->log) &&
           strcmp(room->heard_epoch, room_log_epoch(&room->log)) == 0;
}

void deliver_backfill(struct room *room, const struct history *h)
{
    room->is_backfilling = false;
    if (!h || strcmp(h->epoch, room_log_epoch(&room->log)) != 0) {
        room_doubt(room);
    } else {
        uint64_t before = room_log_seq(&room->log);

        skip_to(room, h->count ? h->first : h->seq + 1);
        for (size_t i = 0; i < h->count; i++)
            if (h->first + i == room_log_seq(&room->log) + 1)
                take_line(room, h->lines[i]);
        metric_add(&room->rooms->metrics->backfilled_messages_total, h->count);
        follow_all(room);
        if (room_log_seq(&room->log) > before ? h->is_cut || is_behind(room)
                                              : room->backfill_again && is_behind(room))
            start_backfill(room);
    }
    room_release(room);
}

/* ---- everything else ---- */

/* Takes the body. */
static struct kept *keep(const struct notice *n, struct notice_body body)
{
    struct kept *kept = xcalloc(1, sizeof(*kept));
    const char *at = n->lines.base, *end = at + n->lines.len;

    list_init(&kept->link);
    kept->kind = n->kind;
    kept->rev = n->rev;
    kept->body = body;
    kept->lines = xcalloc(body.lines_count, sizeof(*kept->lines));
    for (size_t i = 0; i < body.lines_count; i++) {
        const char *stop = notice_line_end(at, end);

        kept->lines[i] = frame_new_text(at, (size_t)(stop - at));
        at = stop + 1;
    }
    return kept;
}

static void kept_free(struct kept *kept)
{
    list_remove(&kept->link);
    for (size_t i = 0; i < kept->body.lines_count; i++)
        frame_unref(kept->lines[i]);
    free(kept->lines);
    notice_body_deinit(&kept->body);
    free(kept);
}

static bool is_about(const struct kept *kept, size_t i, const struct room_user *user)
{
    const struct notice_body *body = &kept->body;

    return i < body->names_count && body->names[i].len == user->name_len &&
           memcmp(body->names[i].base, user->name, user->name_len) == 0;
}

static enum room_class class_of(enum notice_kind kind)
{
    return kind == NOTICE_SIGNAL                          ? ROOM_SIGNAL
           : kind == NOTICE_JOINED || kind == NOTICE_LEFT ? ROOM_PRESENCE
                                                          : ROOM_ALWAYS;
}

/* Whether line i tells of something that the member's join did not know yet: of several
 * who came or left, each has a rev of its own, the last one that of the notice. */
static bool is_news(const struct kept *kept, size_t i, const struct member *member)
{
    uint64_t later =
        class_of(kept->kind) == ROOM_PRESENCE ? kept->body.lines_count - 1 - i : 0;

    return kept->kind == NOTICE_SIGNAL || kept->rev > member->rev + later;
}

/* A kick's first line is for who is kicked, the second for the others; else line i is
 * about name i and for everybody but them. */
static void give_kept(struct member *member, const struct kept *kept)
{
    bool is_kick = kept->kind == NOTICE_KICKED;

    if (!member->has_ack)
        return;
    for (size_t i = 0; i < kept->body.lines_count; i++) {
        bool is_for_them = is_kick ? is_about(kept, 0, member->user) == (i == 0)
                                   : !is_about(kept, i, member->user);

        if (is_for_them && is_news(kept, i, member))
            member->calls->deliver(member, kept->lines[i], class_of(kept->kind));
    }
}

static bool somebody_waits_for_ack(const struct room *room)
{
    if (!list_is_empty(&room->joining))
        return true;
    for (struct list *link = room->followers.next; link != &room->followers;
         link = link->next)
        if (!list_entry(link, struct member, link)->has_ack)
            return true;
    return false;
}

static void clear_recent(struct room *room)
{
    list_each(link, &room->recent) {
        kept_free(list_entry(link, struct kept, link));
    }
    room->recent_count = 0;
}

static void drop_recent(struct room *room)
{
    if (!list_is_empty(&room->recent) && !somebody_waits_for_ack(room))
        clear_recent(room);
}

/* Out of the room are those whom a kick or a closing is about. */
static bool puts_out(const struct kept *kept, const struct member *member)
{
    return kept->rev > member->rev &&
           (kept->kind == NOTICE_CLOSED ||
            (kept->kind == NOTICE_KICKED && is_about(kept, 0, member->user)));
}

/* Users without a connection, too, who might still come back. */
static void put_out_absent(struct room *room, const struct kept *kept)
{
    struct room_user *user;

    if (kept->kind == NOTICE_KICKED && kept->body.names_count > 0) {
        struct json_text name = kept->body.names[0];

        user = map_find(&room->users, name.base, name.len);
        if (user && kept->rev > user->rev)
            room_end_grace(user, "kicked");
    }
}

static void put_out(struct member *member, const struct kept *kept, uint64_t now_ms)
{
    const char *reason = kept->kind == NOTICE_KICKED ? "kicked" : "closed";

    room_leave(member, true, reason, now_ms);
    member->calls->removed(member);
}

/* For those who have no ack yet. Kicks and closings are never forgotten before. */
static void remember(struct room *room, struct kept *kept)
{
    list_add(&room->recent, &kept->link);
    if (++room->recent_count <= RECENT_MAX)
        return;
    list_each(link, &room->recent) {
        struct kept *old = list_entry(link, struct kept, link);

        if (class_of(old->kind) == ROOM_PRESENCE) {
            metric_add(&room->rooms->metrics->presence_dropped_total, 1);
            room->recent_count--;
            kept_free(old);
            return;
        }
    }
}

static void give_all(struct room *room, const struct kept *kept, uint64_t now_ms)
{
    struct list *lists[] = {&room->live, &room->followers};

    if (kept->kind == NOTICE_CLOSED)
        room_forget_users(room); /* nobody has to be taken out one by one */
    put_out_absent(room, kept);

    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            struct member *member = list_entry(link, struct member, link);

            give_kept(member, kept);
            if (member->has_ack && puts_out(kept, member))
                put_out(member, kept, now_ms);
        }
}

static void give_recent(struct member *member)
{
    struct room *room = member->room;
    const struct kept *out = NULL;

    list_each(link, &room->recent) {
        struct kept *kept = list_entry(link, struct kept, link);

        if (kept->kind == NOTICE_SIGNAL || out)
            continue;
        give_kept(member, kept);
        if (puts_out(kept, member))
            out = kept;
    }
    if (out) /* the kept notices live until nobody waits */
        put_out(member, out, 0);
    else
        drop_recent(room);
}

/* The room was closed: the next join makes another one. Whose join was under way joins
 * that. */
static void forget_life(struct room *room)
{
    room_log_forget(&room->log);
    clear_recent(room);
    list_each(link, &room->followers) {
        room_join_again(list_entry(link, struct member, link));
    }
}

void deliver_notice(struct room *room, const struct notice *n, uint64_t now_ms)
{
    bool is_ours =
        n->epoch.len == PROTO_EPOCH_LEN &&
        memcmp(n->epoch.base, room_log_epoch(&room->log), PROTO_EPOCH_LEN) == 0;
    struct notice_body body;
    struct kept *kept;

    if (room_log_is_known(&room->log) && !is_ours) {
        room_needs_sync(room);
        return;
    }
    if (n->kind == NOTICE_MESSAGE) {
        take_messages(room, n);
        return;
    }
    if (!notice_check(n, room_head(room), &body)) {
        deliver_malformed(room, notice_type(n->kind, 0));
        return;
    }
    kept = keep(n, body);
    room->holds++;
    if (n->rev > room->rev)
        room->rev = n->rev;
    if (n->kind == NOTICE_DELETED)
        follow_on_deleted(room, n->first);
    give_all(room, kept, now_ms);
    if (n->kind == NOTICE_SIGNAL)
        kept_free(kept);
    else
        remember(room, kept);
    if (n->kind == NOTICE_CLOSED)
        forget_life(room);
    drop_recent(room);
    room_release(room);
}

/* To every member that has its ack. */
static void give_event(struct room *room, const struct strbuf *event,
                       enum room_class class)
{
    struct frame *frame = frame_new_text(event->data, event->len);
    struct list *lists[] = {&room->live, &room->followers};

    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            struct member *member = list_entry(link, struct member, link);

            if (member->has_ack)
                member->calls->deliver(member, frame, class);
        }
    frame_unref(frame);
}

static struct log_limit reset_lines = {.per_sec = 100};

static void reset(struct room *room, const struct room_joined *state)
{
    struct strbuf event = {NULL, 0, 0};
    struct list *lists[] = {&room->live, &room->followers};
    struct room_user *user;
    uint32_t at = 0;

    log_limited(LOG_WARN, &reset_lines, "room_reset", "room=%s seq=%llu was=%llu",
                log_name(room->name, room->name_len), (unsigned long long)state->seq,
                (unsigned long long)room_log_seq(&room->log));
    metric_add(&room->rooms->metrics->resets_total, 1);
    room_log_start(&room->log, state->epoch, state->seq);
    room->rev = state->rev;
    while ((user = map_next(&room->users, &at))) {
        user->rev = state->rev;
        user->grace_again = true; /* they may be on another node */
    }
    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            list_entry(link, struct member, link)->rev = state->rev;
        }
    clear_recent(room);
    room_begin_event(room, &event, "reset");
    room_add_epoch(room, &event);
    proto_add_number(&event, "seq", room_log_seq(&room->log));
    proto_add_number(&event, "members", state->members);
    strbuf_add_char(&event, '}');
    give_event(room, &event, ROOM_ALWAYS);
    strbuf_deinit(&event);
    follow_on_reset(room);
}

/* ---- what a sync found ---- */

static void deliver_found(struct room *room, enum notice_kind kind,
                          struct json_text user, struct json_text reason,
                          uint64_t now_ms)
{
    struct strbuf event = {NULL, 0, 0}, users = {NULL, 0, 0};
    struct notice notice = {.rev = UINT64_MAX, .kind = kind};
    struct notice_body body;

    if (!proto_is_plain(reason.base, reason.len, PROTO_REASON_MAX))
        reason.len = 0;
    room_begin_event(room, &event, notice_type(kind, 0));
    proto_add_text(&event, "reason", reason.base, reason.len);
    strbuf_add_char(&event, '}');
    notice_add_users(&users, &user, 1);
    notice.lines = (struct json_text){event.data, event.len};
    notice.users = (struct json_text){users.data, users.len};
    room->holds++;
    if (notice_take_body(&notice, &body)) {
        struct kept *kept = keep(&notice, body);

        give_all(room, kept, now_ms);
        kept_free(kept);
    }
    strbuf_deinit(&event);
    strbuf_deinit(&users);
    room_release(room);
}

void deliver_kick(struct room *room, struct json_text user, struct json_text reason,
                  uint64_t now_ms)
{
    deliver_found(room, NOTICE_KICKED, user, reason, now_ms);
}

void deliver_closing(struct room *room, struct json_text reason, uint64_t now_ms)
{
    deliver_found(room, NOTICE_CLOSED, (struct json_text){"", 0}, reason, now_ms);
    forget_life(room);
}

void deliver_deleted(struct room *room, uint64_t seq)
{
    struct strbuf event = {NULL, 0, 0};

    follow_on_deleted(room, seq);
    room_begin_event(room, &event, "message_deleted");
    proto_add_number(&event, "seq", seq);
    strbuf_add_char(&event, '}');
    give_event(room, &event, ROOM_ALWAYS);
    strbuf_deinit(&event);
}

/* ---- what room.c tells ---- */

static void on_adopted(struct room *room)
{
    if (is_behind(room))
        start_backfill(room);
}

static void on_synced(struct room *room, const struct room_joined *state)
{
    if (room_log_is_known(&room->log) &&
        strcmp(room_log_epoch(&room->log), state->epoch) != 0)
        reset(room, state);
    else
        deliver_position(room, state->epoch, state->seq);
    follow_all(room);
}

static void on_member_gone(struct room *room)
{
    follow_drop_idle_ring(room);
    drop_recent(room);
}

void deliver_init(struct rooms *rooms)
{
    rooms->watch = (struct room_watch){
        .on_adopted = on_adopted,
        .on_synced = on_synced,
        .on_acked = give_recent,
        .on_member_gone = on_member_gone,
        .on_freed = drop_recent,
    };
}
