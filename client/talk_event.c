/* talk_event.c - what comes, told to the rooms of talk.h.
 *
 *     message, history   -> timeline        member_…, member_list -> roster
 *     gap, reset, status -> a line, and the members are asked for anew
 *     kicked, room_closed, refusals -> the room stays, with the reason as its last line
 *
 * What a server of ill will sends must do no harm: each field is looked at before it is
 * believed, and what is of no room that we are in is dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/json_read.h"
#include "client/talk.h"
#include "client/text.h"
#include "common/xalloc.h"

enum { REFUSED_COLUMNS = 300 /* of a text that was not taken, shown again */ };

/* The strings of one event, until the next. */
struct words {
    char *user, *text;
};

static void free_words(struct words *w)
{
    free(w->user);
    free(w->text);
}

static struct json_text field(const struct json_members *members, const char *name)
{
    return json_read_find(members, name);
}

static uint64_t number(const struct json_members *members, const char *name)
{
    return json_read_number(field(members, name));
}

static struct timeline_message read_message(const struct talk *talk,
                                            const struct json_members *members,
                                            const char *epoch, struct words *w)
{
    w->user = json_read_dup(field(members, "user"));
    w->text = json_read_dup(field(members, "text"));
    return (struct timeline_message){
        .epoch = epoch,
        .user = w->user,
        .text = w->text,
        .seq = number(members, "seq"),
        .ts_ms = number(members, "ts"),
        .is_deleted = json_read_is_true(field(members, "deleted")),
        .is_own = strcmp(w->user, talk->user) == 0,
    };
}

void talk_on_message(struct talk *talk, const struct chat_message *message,
                     uint64_t now_ms)
{
    struct talk_room *room = talk_find(talk, message->room);
    struct timeline_message m;
    struct words w;

    if (!room ||
        json_scan(message->event.base, message->event.len, &talk->members) != 0)
        return;
    room->timeline.is_read = room->view.bottom != 0;
    m = read_message(talk, &talk->members, message->epoch, &w);
    m.seq = message->seq;
    m.ts_ms = m.ts_ms ? m.ts_ms : now_ms;
    if (timeline_take(&room->timeline, &m)) {
        view_check(&room->view, &room->timeline);
        typing_hear(&room->typing, m.user, false, now_ms);
        if (room->was_in && !m.is_own && !m.is_deleted && room != talk_active(talk))
            room->unread++;
    }
    free_words(&w);
}

/* Whether the id is the string that `kind` and `id` make. */
static bool is_id(struct json_text token, char kind, uint64_t id)
{
    char text[32];

    snprintf(text, sizeof(text), "%c%llu", kind, (unsigned long long)id);
    return id && json_read_is(token, text);
}

static void forget_members(struct talk *talk, struct talk_room *room)
{
    room->roster.is_known = false;
    room->members_id = 0;
    talk_ask_members(talk, room);
}

static void on_joined(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    (void)now_ms;
    room->join_seq = number(&talk->members, "seq");
    room->roster.count = number(&talk->members, "members");
    room->is_out = false;
}

static void on_member_list(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    struct json_text names = field(&talk->members, "members"), name;
    struct json_text next = field(&talk->members, "next");
    size_t at = 0;

    (void)now_ms;
    if (!is_id(field(&talk->members, "id"), 'm', room->members_id))
        return;
    room->members_id = 0;
    while (json_read_next(names, &at, &name)) {
        char *text = json_read_dup(name);

        if (text[0])
            roster_add(&room->roster, text);
        free(text);
    }
    room->roster.count = number(&talk->members, "count");
    if (json_read_is_string(next) && !roster_is_full(&room->roster))
        talk_ask_members_page(talk, room, next);
    else
        roster_end(&room->roster);
}

static void on_member(struct talk *talk, struct talk_room *room, bool joins,
                      uint64_t now_ms)
{
    char *user = json_read_dup(field(&talk->members, "user"));
    uint64_t count = number(&talk->members, "members");

    if (joins)
        roster_join(&room->roster, user, count);
    else
        roster_leave(&room->roster, user, count);
    if (!joins)
        typing_hear(&room->typing, user, false, now_ms);
    free(user);
}

static void on_member_joined(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    on_member(talk, room, true, now_ms);
}

static void on_member_left(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    on_member(talk, room, false, now_ms);
}

static void on_signal(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    struct json_text data = field(&talk->members, "data");
    bool on = true;
    char *user;

    if (!json_read_is(field(&talk->members, "kind"), "typing"))
        return;
    user = json_read_dup(field(&talk->members, "user"));
    if (data.len > 0 && data.base[0] == '{' &&
        json_scan(data.base, data.len, &talk->inner) == 0)
        on = field(&talk->inner, "on").len == 0 ||
             field(&talk->inner, "on").base[0] != 'f';
    typing_hear(&room->typing, user, on, now_ms);
    free(user);
}

static void on_gap(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    timeline_gap(&room->timeline, number(&talk->members, "from"),
                 number(&talk->members, "to"), now_ms);
    forget_members(talk, room);
}

static void on_reset(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    char *epoch = json_read_dup(field(&talk->members, "epoch"));

    timeline_reset(&room->timeline, epoch, number(&talk->members, "seq"), now_ms);
    room->roster.count = number(&talk->members, "members");
    forget_members(talk, room);
    free(epoch);
}

static void on_deleted(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    (void)now_ms;
    timeline_delete(&room->timeline, number(&talk->members, "seq"));
}

/* Older ones, asked for. */
static void on_history(struct talk *talk, struct talk_room *room, uint64_t now_ms)
{
    struct json_text batch = field(&talk->members, "messages"), message, *all = NULL;
    char *epoch;
    size_t at = 0, count = 0, cap = 0;

    (void)now_ms;
    if (!is_id(field(&talk->members, "id"), 'h', room->history_id))
        return;
    room->history_id = 0;
    room->timeline.has_all = !json_read_is_true(field(&talk->members, "more"));
    epoch = json_read_dup(field(&talk->members, "epoch"));
    while (json_read_next(batch, &at, &message)) {
        if (count == cap) {
            cap = cap ? 2 * cap : 64;
            all = xrealloc(all, cap * sizeof(*all));
        }
        all[count++] = message;
    }
    while (count-- > 0) { /* the newest first */
        struct timeline_message m;
        struct words w;

        if (json_scan(all[count].base, all[count].len, &talk->inner) != 0)
            continue;
        m = read_message(talk, &talk->inner, epoch, &w);
        timeline_take_older(&room->timeline, &m);
        free_words(&w);
    }
    free(all);
    free(epoch);
}

static const struct {
    const char *type;
    void (*take)(struct talk *talk, struct talk_room *room, uint64_t now_ms);
} of_rooms[] = {
    {"join_ack", on_joined},
    {"member_list", on_member_list},
    {"member_joined", on_member_joined},
    {"member_left", on_member_left},
    {"signal", on_signal},
    {"gap", on_gap},
    {"reset", on_reset},
    {"message_deleted", on_deleted},
    {"history_batch", on_history},
};

static void on_status(struct talk *talk)
{
    talk->is_redis_down = json_read_is(field(&talk->members, "redis"), "down");
    for (size_t i = 0; i < talk->count && !talk->is_redis_down; i++)
        forget_members(talk, talk->rooms[i]);
}

/* "code: what the server says about it". */
static void add_refusal(struct talk_room *room, const char *what,
                        const struct json_members *members, uint64_t now_ms)
{
    struct strbuf line = {NULL, 0, 0};

    strbuf_add_text(&line, what);
    json_read_text(&line, field(members, "code"));
    strbuf_add_text(&line, ": ");
    json_read_text(&line, field(members, "message"));
    timeline_add(&room->timeline, TIMELINE_WARNING, now_ms, line.data);
    strbuf_deinit(&line);
}

/* One that is an answer to a request of ours; those of chat_client are told otherwise, and
 * that a signal about typing was refused nobody wants to know. */
static void on_error(struct talk *talk, uint64_t now_ms)
{
    struct json_text id = field(&talk->members, "id");

    if (id.len > 0 && id.base[0] != '"')
        return;
    for (size_t i = 0; i < talk->count; i++) {
        struct talk_room *room = talk->rooms[i];

        if (is_id(id, 'm', room->members_id)) {
            room->members_id = 0; /* shown again, it is asked again */
            add_refusal(room, "the members cannot be had: ", &talk->members, now_ms);
            return;
        }
        if (is_id(id, 'h', room->history_id)) {
            room->history_id = 0;
            add_refusal(room, "the history cannot be had: ", &talk->members, now_ms);
            return;
        }
    }
    if (id.len == 0)
        add_refusal(talk_active(talk), "error: ", &talk->members, now_ms);
}

void talk_on_event(struct talk *talk, struct json_text event, uint64_t now_ms)
{
    struct talk_room *room;
    struct json_text type;
    char *name;

    if (json_scan(event.base, event.len, &talk->members) != 0)
        return;
    type = field(&talk->members, "type");
    name = json_read_dup(field(&talk->members, "room"));
    room = talk_find(talk, name);
    free(name);
    if (json_read_is(type, "status"))
        on_status(talk);
    else if (json_read_is(type, "error"))
        on_error(talk, now_ms);
    for (size_t i = 0; room && i < sizeof(of_rooms) / sizeof(of_rooms[0]); i++)
        if (json_read_is(type, of_rooms[i].type)) {
            room->timeline.is_read = room->view.bottom != 0;
            of_rooms[i].take(talk, room, now_ms);
            view_check(&room->view, &room->timeline);
            return;
        }
}

void talk_on_said(struct talk *talk, const struct chat_said *said, uint64_t now_ms)
{
    struct talk_room *room = talk_find(talk, said->room);
    struct strbuf line = {NULL, 0, 0};
    char *text;

    if (!room)
        return;
    if (!said->error) {
        timeline_acked(&room->timeline, said->id, said->epoch, said->seq);
        return;
    }
    text = timeline_refused(&room->timeline, said->id);
    if (text && strcmp(said->error, "withdrawn") != 0) {
        strbuf_add_format(&line, "not said (%s): ", said->error);
        strbuf_add(&line, text, text_fit(text, strlen(text), REFUSED_COLUMNS));
        timeline_add(&room->timeline, TIMELINE_WARNING, now_ms, line.data);
    }
    strbuf_deinit(&line);
    free(text);
}

void talk_on_live(struct talk *talk, const char *name, uint64_t now_ms)
{
    struct talk_room *room = talk_find(talk, name);

    if (!room)
        return;
    timeline_finish(&room->timeline, room->join_seq, now_ms);
    room->is_in = true;
    room->was_in = true;
    room->history_id = 0;
    forget_members(talk, room);
}

void talk_on_out(struct talk *talk, const struct chat_out *out, uint64_t now_ms)
{
    struct talk_room *room = talk_find(talk, out->room);
    struct strbuf line = {NULL, 0, 0};
    struct json_text why;

    if (!room || json_scan(out->event.base, out->event.len, &talk->members) != 0)
        return;
    why = field(&talk->members, "reason");
    if (why.len == 0)
        why = field(&talk->members, "message");
    strbuf_add_format(&line, "you are out of this room (%s", out->code);
    if (why.len > 2) {
        strbuf_add_text(&line, ": ");
        json_read_text(&line, why);
    }
    strbuf_add_text(&line, "); /join it again, or /leave it");
    room->is_in = false;
    room->is_out = true;
    timeline_forget_acked(&room->timeline);
    roster_deinit(&room->roster);
    typing_deinit(&room->typing);
    timeline_add(&room->timeline, TIMELINE_WARNING, now_ms, line.data);
    strbuf_deinit(&line);
}

void talk_on_lost(struct talk *talk)
{
    talk->is_redis_down = false;
    for (size_t i = 0; i < talk->count; i++) {
        talk->rooms[i]->is_in = false;
        talk->rooms[i]->members_id = talk->rooms[i]->history_id = 0;
        typing_deinit(&talk->rooms[i]->typing);
    }
}
