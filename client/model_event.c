/* model_event.c - see model_event.h.
 *
 *     message, history   -> timeline        member_…, member_list -> members
 *     gap, reset, status -> a line, and the members are asked for again
 *     kicked, room_closed, refusals -> the room stays, with the reason as its last line
 *
 * What a server of ill will sends must do no harm: each field is looked at before it is
 * believed, and what is of no room that we are in is dropped.
 *
 * Over 400 lines because each event that comes is a few of them.
 */
#include "client/model_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/json_read.h"
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

static struct timeline_message read_message(const struct json_members *members,
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
    };
}

/* It is new. */
static void count_message(struct model *model, struct model_room *room,
                          const struct timeline_message *m, uint64_t now_ms)
{
    bool is_own = strcmp(m->user, model->user) == 0;

    view_check(&room->view, &room->timeline);
    typing_hear(&room->typing, m->user, false, now_ms);
    if (is_own)
        outgoing_on_message(&room->outgoing, m->text, m->seq);
    else if (room->was_in && !m->is_deleted && room != model_active(model))
        room->unread++;
}

void model_on_message(struct model *model, const struct chat_message *message,
                      uint64_t now_ms)
{
    struct model_room *room = model_find(model, message->room);
    struct timeline_message m;
    struct words w;

    if (!room ||
        json_scan(message->event.base, message->event.len, &model->fields) != 0)
        return;
    room->timeline.is_read = room->view.bottom != 0;
    m = read_message(&model->fields, message->epoch, &w);
    m.seq = message->seq;
    m.ts_ms = m.ts_ms ? m.ts_ms : now_ms;
    if (strcmp(m.epoch, room->timeline.epoch) != 0)
        outgoing_on_new_epoch(&room->outgoing);
    if (timeline_take(&room->timeline, &m))
        count_message(model, room, &m, now_ms);
    free_words(&w);
}

/* Whether the id is the string that `kind` and `id` make. */
static bool is_id(struct json_text token, char kind, uint64_t id)
{
    char text[32];

    snprintf(text, sizeof(text), "%c%llu", kind, (unsigned long long)id);
    return id && json_read_is(token, text);
}

static void forget_members(struct model *model, struct model_room *room)
{
    room->members.is_known = false;
    room->members_id = 0;
    model_ask_members(model, room);
}

static void on_joined(struct model *model, struct model_room *room, uint64_t now_ms)
{
    (void)now_ms;
    room->join_seq = number(&model->fields, "seq");
    room->members.count = number(&model->fields, "members");
    if (room->state == MODEL_ROOM_OUT)
        room->state = MODEL_ROOM_ENTERING;
}

static void on_member_list(struct model *model, struct model_room *room,
                           uint64_t now_ms)
{
    struct json_text names = field(&model->fields, "members"), name;
    struct json_text next = field(&model->fields, "next");
    size_t at = 0;

    (void)now_ms;
    if (!is_id(field(&model->fields, "id"), 'm', room->members_id))
        return;
    room->members_id = 0;
    while (json_read_next(names, &at, &name)) {
        char *text = json_read_dup(name);

        if (text[0])
            members_add(&room->members, text);
        free(text);
    }
    room->members.count = number(&model->fields, "count");
    if (json_read_is_string(next) && !members_is_full(&room->members))
        model_ask_members_page(model, room, next);
    else
        members_end(&room->members);
}

static void on_member_joined(struct model *model, struct model_room *room,
                             uint64_t now_ms)
{
    char *user = json_read_dup(field(&model->fields, "user"));

    (void)now_ms;
    members_join(&room->members, user, number(&model->fields, "members"));
    free(user);
}

static void on_member_left(struct model *model, struct model_room *room,
                           uint64_t now_ms)
{
    char *user = json_read_dup(field(&model->fields, "user"));

    members_leave(&room->members, user, number(&model->fields, "members"));
    typing_hear(&room->typing, user, false, now_ms);
    free(user);
}

static void on_signal(struct model *model, struct model_room *room, uint64_t now_ms)
{
    struct json_text data = field(&model->fields, "data");
    bool on = true;
    char *user;

    if (!json_read_is(field(&model->fields, "kind"), "typing"))
        return;
    user = json_read_dup(field(&model->fields, "user"));
    if (data.len > 0 && data.base[0] == '{' &&
        json_scan(data.base, data.len, &model->inner) == 0)
        on = field(&model->inner, "on").len == 0 ||
             field(&model->inner, "on").base[0] != 'f';
    typing_hear(&room->typing, user, on, now_ms);
    free(user);
}

static void on_gap(struct model *model, struct model_room *room, uint64_t now_ms)
{
    timeline_gap(&room->timeline, number(&model->fields, "from"),
                 number(&model->fields, "to"), now_ms);
    forget_members(model, room);
}

static void on_reset(struct model *model, struct model_room *room, uint64_t now_ms)
{
    char *epoch = json_read_dup(field(&model->fields, "epoch"));

    timeline_reset(&room->timeline, epoch, number(&model->fields, "seq"), now_ms);
    outgoing_on_new_epoch(&room->outgoing);
    room->members.count = number(&model->fields, "members");
    forget_members(model, room);
    free(epoch);
}

static void on_deleted(struct model *model, struct model_room *room, uint64_t now_ms)
{
    (void)now_ms;
    timeline_delete(&room->timeline, number(&model->fields, "seq"));
}

static void on_edited(struct model *model, struct model_room *room, uint64_t now_ms)
{
    char *text = json_read_dup(field(&model->fields, "text"));

    (void)now_ms;
    timeline_edit(&room->timeline, number(&model->fields, "seq"), text);
    free(text);
}

/* Older ones, asked for. */
static void on_history(struct model *model, struct model_room *room, uint64_t now_ms)
{
    struct json_text batch = field(&model->fields, "messages"), message, *all = NULL;
    char *epoch;
    size_t at = 0, count = 0, cap = 0;

    (void)now_ms;
    if (!is_id(field(&model->fields, "id"), 'h', room->history_id))
        return;
    room->history_id = 0;
    room->timeline.has_all = !json_read_is_true(field(&model->fields, "more"));
    epoch = json_read_dup(field(&model->fields, "epoch"));
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

        if (json_scan(all[count].base, all[count].len, &model->inner) != 0)
            continue;
        m = read_message(&model->inner, epoch, &w);
        timeline_take_older(&room->timeline, &m);
        free_words(&w);
    }
    free(all);
    free(epoch);
}

static const struct {
    const char *type;
    void (*take)(struct model *model, struct model_room *room, uint64_t now_ms);
} of_rooms[] = {
    {"join_ack", on_joined},
    {"member_list", on_member_list},
    {"member_joined", on_member_joined},
    {"member_left", on_member_left},
    {"signal", on_signal},
    {"gap", on_gap},
    {"reset", on_reset},
    {"message_deleted", on_deleted},
    {"message_edited", on_edited},
    {"history_batch", on_history},
};

static void on_status(struct model *model)
{
    model->is_redis_down = json_read_is(field(&model->fields, "redis"), "down");
    for (size_t i = 0; i < model->count && !model->is_redis_down; i++)
        forget_members(model, model->rooms[i]);
}

/* "code: what the server says about it". */
static void add_refusal(struct model_room *room, const char *what,
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

/* A token was refused: of a connection that stays open if it was brought in place of another one. */
static void note_refused_token(struct model *model, uint64_t now_ms)
{
    struct strbuf line = {NULL, 0, 0};

    strbuf_add_text(&line, "the token is refused: ");
    json_read_text(&line, field(&model->fields, "reason"));
    timeline_add(&model_active(model)->timeline, TIMELINE_WARNING, now_ms, line.data);
    strbuf_deinit(&line);
}

static void on_auth_ack(struct model *model)
{
    free(model->user);
    model->user = json_read_dup(field(&model->fields, "user"));
}

/* One that is an answer to a request of ours; those of chat_client are told otherwise, and
 * nobody wants to know that a signal about typing was refused. */
static void on_error(struct model *model, uint64_t now_ms)
{
    struct json_text id = field(&model->fields, "id");

    if (json_read_is(field(&model->fields, "code"), "unauthorized") &&
        field(&model->fields, "reason").len > 0) {
        note_refused_token(model, now_ms);
        return;
    }
    if (id.len > 0 && id.base[0] != '"')
        return;
    for (size_t i = 0; i < model->count; i++) {
        struct model_room *room = model->rooms[i];

        if (is_id(id, 'm', room->members_id)) {
            room->members_id = 0; /* shown again, it is asked again */
            add_refusal(room, "the members cannot be had: ", &model->fields, now_ms);
            return;
        }
        if (is_id(id, 'h', room->history_id)) {
            room->history_id = 0;
            add_refusal(room, "the history cannot be had: ", &model->fields, now_ms);
            return;
        }
    }
    if (id.len == 0)
        add_refusal(model_active(model), "error: ", &model->fields, now_ms);
}

void model_on_event(struct model *model, struct json_text event, uint64_t now_ms)
{
    struct model_room *room;
    struct json_text type;
    char *name;

    if (json_scan(event.base, event.len, &model->fields) != 0)
        return;
    type = field(&model->fields, "type");
    name = json_read_dup(field(&model->fields, "room"));
    room = model_find(model, name);
    free(name);
    if (json_read_is(type, "status"))
        on_status(model);
    else if (json_read_is(type, "error"))
        on_error(model, now_ms);
    else if (json_read_is(type, "auth_ack"))
        on_auth_ack(model);
    for (size_t i = 0; room && i < sizeof(of_rooms) / sizeof(of_rooms[0]); i++)
        if (json_read_is(type, of_rooms[i].type)) {
            room->timeline.is_read = room->view.bottom != 0;
            of_rooms[i].take(model, room, now_ms);
            view_check(&room->view, &room->timeline);
            return;
        }
}

void model_on_said(struct model *model, const struct chat_said *said, uint64_t now_ms)
{
    struct model_room *room = model_find(model, said->room);
    struct strbuf line = {NULL, 0, 0};
    char *text;

    if (!room)
        return;
    if (!said->error) {
        outgoing_on_ack(&room->outgoing, said->id, said->seq,
                        timeline_awaits(&room->timeline, said->epoch, said->seq));
        return;
    }
    text = outgoing_on_refused(&room->outgoing, said->id);
    if (text && strcmp(said->error, "withdrawn") != 0) {
        strbuf_add_format(&line, "not said (%s): ", said->error);
        strbuf_add(&line, text, text_fit(text, strlen(text), REFUSED_COLUMNS));
        timeline_add(&room->timeline, TIMELINE_WARNING, now_ms, line.data);
    }
    strbuf_deinit(&line);
    free(text);
}

void model_on_live(struct model *model, const char *name, uint64_t now_ms)
{
    struct model_room *room = model_find(model, name);

    if (!room)
        return;
    timeline_finish(&room->timeline, room->join_seq, now_ms);
    room->state = MODEL_ROOM_IN;
    room->was_in = true;
    room->history_id = 0;
    forget_members(model, room);
}

void model_on_out(struct model *model, const struct chat_out *out, uint64_t now_ms)
{
    struct model_room *room = model_find(model, out->room);
    struct strbuf line = {NULL, 0, 0};
    struct json_text why;

    if (!room || json_scan(out->event.base, out->event.len, &model->fields) != 0)
        return;
    why = field(&model->fields, "reason");
    if (why.len == 0)
        why = field(&model->fields, "message");
    strbuf_add_format(&line, "you are out of this room (%s", out->code);
    if (why.len > 2) {
        strbuf_add_text(&line, ": ");
        json_read_text(&line, why);
    }
    strbuf_add_text(&line, "); /join it again, or /leave it");
    room->state = MODEL_ROOM_OUT;
    outgoing_on_new_epoch(&room->outgoing);
    members_deinit(&room->members);
    typing_deinit(&room->typing);
    timeline_add(&room->timeline, TIMELINE_WARNING, now_ms, line.data);
    strbuf_deinit(&line);
}

void model_on_lost(struct model *model)
{
    model->is_redis_down = false;
    for (size_t i = 0; i < model->count; i++) {
        struct model_room *room = model->rooms[i];

        if (room->state == MODEL_ROOM_IN)
            room->state = MODEL_ROOM_ENTERING;
        room->members_id = room->history_id = 0;
        typing_deinit(&room->typing);
    }
}
