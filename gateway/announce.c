/* announce.c - see announce.h.
 *
 *     announce_notice -> new_announcement -> give_all -> give to each member with an ack
 *                                                     -> put_out those whom it is about
 *                     -> add_announcement                until no member waits for its ack
 *     announce_to_acked -> give the announcements since its join
 *
 * A member is not given what its own join knew already: announcements up to the rev of the
 * join. A member whose join is not acked yet must not hear of later ones either, so they wait
 * until it is.
 */
#include "gateway/announce.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "gateway/catchup.h"

enum { ANNOUNCEMENTS_MAX = 1000 }; /* for members that wait for their ack */

#define FOUND UINT64_MAX /* in place of the rev of what a sync found */

/* A notice that is no message, taken apart once for all members. */
struct announcement {
    struct list link;
    enum notice_kind kind;
    char epoch[PROTO_EPOCH_LEN + 1]; /* empty: a sync found it */
    uint64_t rev;
    struct notice_body body;
    struct frame **lines;
};

/* ---- an announcement ---- */

/* Takes the body. */
static struct announcement *new_announcement(const struct notice *n,
                                             struct notice_body body)
{
    struct announcement *a = xcalloc(1, sizeof(*a));
    const char *at = n->lines.base, *end = at + n->lines.len;

    list_init(&a->link);
    a->kind = n->kind;
    a->rev = n->rev;
    if (n->epoch.len == PROTO_EPOCH_LEN)
        memcpy(a->epoch, n->epoch.base, PROTO_EPOCH_LEN);
    a->body = body;
    a->lines = xcalloc(body.lines_count, sizeof(*a->lines));
    for (size_t i = 0; i < body.lines_count; i++) {
        const char *stop = notice_line_end(at, end);

        a->lines[i] = frame_new_text(at, (size_t)(stop - at));
        at = stop + 1;
    }
    return a;
}

static void announcement_free(struct announcement *a)
{
    list_remove(&a->link);
    for (size_t i = 0; i < a->body.lines_count; i++)
        frame_unref(a->lines[i]);
    free(a->lines);
    notice_body_deinit(&a->body);
    free(a);
}

/* ---- who is told ---- */

static bool is_about(const struct announcement *a, size_t i,
                     const struct room_user *user)
{
    const struct notice_body *body = &a->body;

    return i < body->names_count && body->names[i].len == user->name_len &&
           memcmp(body->names[i].base, user->name, user->name_len) == 0;
}

static enum room_class class_of(enum notice_kind kind)
{
    return kind == NOTICE_SIGNAL                          ? ROOM_SIGNAL
           : kind == NOTICE_JOINED || kind == NOTICE_LEFT ? ROOM_PRESENCE
                                                          : ROOM_ALWAYS;
}

/* Whether line i tells of something that the member's join did not know yet. Of several users
 * that came or left, each has a rev of its own; the notice has that of the last one. A deletion or
 * an edit may be older than the join and yet be news: the history that the member was given, from the ring or
 * a shared read, may be older still. */
static bool is_news(const struct announcement *a, size_t i, const struct member *member)
{
    uint64_t later =
        class_of(a->kind) == ROOM_PRESENCE ? a->body.lines_count - 1 - i : 0;

    return a->kind == NOTICE_SIGNAL || a->kind == NOTICE_CLOSED ||
           a->kind == NOTICE_DELETED || a->kind == NOTICE_EDITED ||
           a->rev > member->rev + later;
}

/* A kick's first line is for the kicked user, the second for the others. Of all other kinds line
 * i is about name i, and for everybody but that user. */
static void give(struct member *member, const struct announcement *a)
{
    bool is_kick = a->kind == NOTICE_KICKED;

    if (!member->has_ack)
        return;
    for (size_t i = 0; i < a->body.lines_count; i++) {
        bool is_for_them = is_kick ? is_about(a, 0, member->user) == (i == 0)
                                   : !is_about(a, i, member->user);

        if (is_for_them && is_news(a, i, member))
            member->calls->deliver(member, a->lines[i], class_of(a->kind));
    }
}

/* ---- announcements for members without ack ---- */

static bool has_members_without_ack(const struct room *room)
{
    if (!list_is_empty(&room->joining))
        return true;
    for (struct list *link = room->behind.next; link != &room->behind;
         link = link->next)
        if (!list_entry(link, struct member, link)->has_ack)
            return true;
    return false;
}

static void free_announcements(struct room *room)
{
    list_each(link, &room->announce.announcements) {
        announcement_free(list_entry(link, struct announcement, link));
    }
    room->announce.announcements_count = 0;
}

void announce_drop_idle(struct room *room)
{
    if (!list_is_empty(&room->announce.announcements) && !has_members_without_ack(room))
        free_announcements(room);
}

/* If there are too many, the oldest one about a join or a leave is dropped; kicks and closings
 * never are. */
static void add_announcement(struct room *room, struct announcement *a)
{
    list_add(&room->announce.announcements, &a->link);
    if (++room->announce.announcements_count <= ANNOUNCEMENTS_MAX)
        return;
    list_each(link, &room->announce.announcements) {
        struct announcement *old = list_entry(link, struct announcement, link);

        if (class_of(old->kind) == ROOM_PRESENCE) {
            metric_add(&room->rooms->metrics->presence_dropped_total, 1);
            room->announce.announcements_count--;
            announcement_free(old);
            return;
        }
    }
}

/* ---- who is put out ---- */

/* A kick or a closing puts out the members that it is about. Nobody joined after the closing: it
 * ends the room's life, also where Redis went back and its rev is a lower one. */
static bool puts_out(const struct announcement *a, const struct member *member)
{
    return a->kind == NOTICE_CLOSED ||
           (a->rev > member->rev && a->kind == NOTICE_KICKED &&
            is_about(a, 0, member->user));
}

/* A kicked user without a connection may not come back within its grace. */
static void kick_user(struct room *room, const struct announcement *a)
{
    struct json_text name;
    struct room_user *user;

    if (a->kind != NOTICE_KICKED || a->body.names_count == 0)
        return;
    name = a->body.names[0];
    user = map_find(&room->users, name.base, name.len);
    if (!user)
        return;
    /* If a sync found it: after the last join that was answered. */
    user->kicked_rev = a->rev == FOUND ? user->rev : a->rev;
    if (a->rev > user->rev)
        room_end_grace(user, LEAVE_KICKED);
}

static void put_out(struct member *member, const struct announcement *a,
                    uint64_t now_ms)
{
    room_leave(member, a->kind == NOTICE_KICKED ? LEAVE_KICKED : LEAVE_ROOM_CLOSED,
               now_ms);
    member->calls->removed(member);
}

static void give_all(struct room *room, const struct announcement *a, uint64_t now_ms)
{
    struct list *lists[] = {&room->live, &room->behind};

    if (a->kind == NOTICE_CLOSED)
        room_forget_users(room); /* Redis has none of them any more */
    kick_user(room, a);

    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            struct member *member = list_entry(link, struct member, link);

            give(member, a);
            if (member->has_ack && puts_out(a, member))
                put_out(member, a, now_ms);
        }
}

void announce_to_acked(struct member *member)
{
    struct room *room = member->room;
    const struct announcement *out = NULL;

    list_each(link, &room->announce.announcements) {
        struct announcement *a = list_entry(link, struct announcement, link);

        if (a->kind == NOTICE_SIGNAL || out)
            continue;
        give(member, a);
        if (puts_out(a, member))
            out = a;
    }
    if (out) /* announcements live until no member waits */
        put_out(member, out, 0);
    else
        announce_drop_idle(room);
}

/* The room was closed: the next join creates another one. Members whose join was under way
 * join that. */
static void forget_life(struct room *room)
{
    room_log_forget(&room->log);
    free_announcements(room);
    list_each(link, &room->behind) {
        room_join_again(list_entry(link, struct member, link));
    }
}

/* Each line about who came or went has raised the rev by one, and so has any other change. */
static void note_rev(struct room *room, const struct announcement *a)
{
    struct room_announce *at = &room->announce;
    uint64_t changes = class_of(a->kind) == ROOM_PRESENCE ? a->body.lines_count : 1;

    if (a->rev > at->rev)
        at->rev = a->rev;
    if (a->rev > at->told && a->rev <= at->told + changes)
        at->told = a->rev;
}

bool announce_notice(struct room *room, const struct notice *n, uint64_t now_ms)
{
    struct notice_body body;
    struct announcement *a;

    if (!notice_check(n, room_head(room), &body))
        return false;
    a = new_announcement(n, body);
    room_ref(room);
    note_rev(room, a);
    if (notice_is_change(n)) {
        room_log_note_change(&room->log, n->rev, n->rev);
        catchup_on_changed(room, n->first);
    }
    give_all(room, a, now_ms);
    if (n->kind == NOTICE_SIGNAL)
        announcement_free(a);
    else
        add_announcement(room, a);
    if (n->kind == NOTICE_CLOSED)
        forget_life(room);
    announce_drop_idle(room);
    room_unref(room);
    return true;
}

/* Of a room whose epoch was not known yet, what was heard may be of its life before. */
void announce_start(struct room *room, uint64_t rev)
{
    room->announce.rev = room->announce.told = rev;
    list_each(link, &room->announce.announcements) {
        struct announcement *a = list_entry(link, struct announcement, link);

        if (strcmp(a->epoch, room_log_epoch(&room->log)) != 0) {
            announcement_free(a);
            room->announce.announcements_count--;
        }
    }
}

void announce_reset(struct room *room, uint64_t rev)
{
    free_announcements(room);
    room->announce.rev = room->announce.told = rev;
}

void announce_synced(struct room *room, uint64_t rev)
{
    if (rev > room->announce.told)
        room->announce.told = rev;
}

void announce_event(struct room *room, const struct strbuf *event,
                    enum room_class class)
{
    struct frame *frame = frame_new_text(event->data, event->len);
    struct list *lists[] = {&room->live, &room->behind};

    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            struct member *member = list_entry(link, struct member, link);

            if (member->has_ack)
                member->calls->deliver(member, frame, class);
        }
    frame_unref(frame);
}

/* ---- what a sync found ---- */

static void announce_found(struct room *room, enum notice_kind kind,
                           struct json_text user, struct json_text reason,
                           uint64_t now_ms)
{
    struct strbuf event = {NULL, 0, 0}, users = {NULL, 0, 0};
    struct notice notice = {.rev = FOUND, .kind = kind};
    struct notice_body body;

    if (!proto_is_plain(reason.base, reason.len, PROTO_REASON_MAX))
        reason.len = 0;
    room_begin_event(room, &event, notice_type(kind, 0));
    proto_add_text(&event, "reason", reason.base, reason.len);
    strbuf_add_char(&event, '}');
    notice_add_users(&users, &user, 1);
    notice.lines = (struct json_text){event.data, event.len};
    notice.users = (struct json_text){users.data, users.len};
    room_ref(room);
    if (notice_take_body(&notice, &body)) {
        struct announcement *a = new_announcement(&notice, body);

        give_all(room, a, now_ms);
        announcement_free(a);
    }
    strbuf_deinit(&event);
    strbuf_deinit(&users);
    room_unref(room);
}

void announce_kick(struct room *room, struct json_text user, struct json_text reason,
                   uint64_t now_ms)
{
    announce_found(room, NOTICE_KICKED, user, reason, now_ms);
}

void announce_closing(struct room *room, struct json_text reason, uint64_t now_ms)
{
    announce_found(room, NOTICE_CLOSED, (struct json_text){"", 0}, reason, now_ms);
    forget_life(room);
}

void announce_changed(struct room *room, uint64_t seq, struct json_text event)
{
    struct strbuf text = {NULL, 0, 0};

    catchup_on_changed(room, seq);
    strbuf_add(&text, event.base, event.len);
    announce_event(room, &text, ROOM_ALWAYS);
    strbuf_deinit(&text);
}
