/* chat_room.c - see chat_room.h.
 *
 *     chat_room_join -> on_join_ack -> on_batch ... -> go_live -> start_look -> take_look
 *                           |-> send_due: what was said, until on_ack or on_say_refused
 *
 * What Redis did not take is sent again by chat_room_retry; nothing of the room overtakes it.
 *
 * Over 400 lines because each request and each event is a few of them, and all change one state.
 */
#include "client/chat_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/chat_request.h"
#include "common/json_read.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    RETRY_MS = 1000, /* where the server does not say when */
    LOOK_MESSAGES = 100,
    KEY_SIZE = 48,
};

static const struct json_text nothing = {"", 0};

struct chat_room *chat_room_new(const struct chat_room_opts *opts)
{
    struct chat_room *room = xcalloc(1, sizeof(*room));
    struct strbuf token = {NULL, 0, 0};

    strbuf_add_json(&token, opts->name, strlen(opts->name));
    room->opts = *opts;
    room->name = xstrdup(opts->name);
    room->user = opts->user ? xstrdup(opts->user) : NULL;
    room->opts.name = room->name;
    room->opts.user = room->user;
    room->token = token.data;
    room->token_len = token.len;
    list_init(&room->link);
    outgoing_init(&room->outgoing);
    return room;
}

void chat_room_free(struct chat_room *room)
{
    list_remove(&room->link);
    outgoing_deinit(&room->outgoing);
    free(room->name);
    free(room->user);
    free(room->token);
    free(room);
}

static struct json_text find(const struct chat_event *event, const char *name)
{
    return json_read_find(event->members, name);
}

static uint64_t number(const struct chat_event *event, const char *name)
{
    return json_read_number(find(event, name));
}

/* ---- requests ---- */

/* Sends it and frees it. False: not connected. */
static bool finish(struct strbuf *out, const struct chat_room *room)
{
    bool is_sent;

    chat_request_end(out);
    is_sent = room->opts.port->send(room->opts.owner, out->data, out->len);
    strbuf_deinit(out);
    return is_sent;
}

static uint64_t next_id(const struct chat_room *room)
{
    return room->opts.port->next_id(room->opts.owner);
}

void chat_room_join(struct chat_room *room)
{
    struct strbuf out = {NULL, 0, 0};

    if (room->state == CHAT_ROOM_ENDED)
        return;
    room->retry_at_ms = 0;
    room->join_id = next_id(room);
    chat_request_begin(&out, "join", 0, room->join_id, room->name);
    if (room->user)
        chat_request_add_text(&out, "user", room->user);
    if (room->epoch[0])
        strbuf_add_format(&out, ",\"since\":{\"epoch\":\"%s\",\"seq\":%llu}",
                          room->epoch, (unsigned long long)room->seq);
    room->state = finish(&out, room) ? CHAT_ROOM_JOINING : CHAT_ROOM_OUT;
}

/* The secret is of one life of a client: what another life of this user said is not ours. */
static void print_key(char *out, const struct chat_room *room, uint64_t id)
{
    snprintf(out, KEY_SIZE, "%016llx-%llu", (unsigned long long)room->opts.secret,
             (unsigned long long)id);
}

static bool send_message(struct chat_room *room, const struct outgoing_entry *entry)
{
    struct strbuf out = {NULL, 0, 0};
    char key[KEY_SIZE];

    print_key(key, room, entry->id);
    chat_request_begin(&out, "message", 0, entry->id, room->name);
    chat_request_add_text(&out, "key", key);
    chat_request_add_json(&out, "text",
                          (struct json_text){entry->text, strlen(entry->text)});
    return finish(&out, room);
}

/* In the order said: nothing overtakes what waits to be tried again. */
static void send_due(struct chat_room *room)
{
    struct outgoing_entry *entry;

    if ((room->state != CHAT_ROOM_READING && room->state != CHAT_ROOM_LIVE) ||
        room->retry_at_ms)
        return;
    while ((entry = outgoing_due(&room->outgoing, room->opts.says_in_flight)) &&
           send_message(room, entry))
        outgoing_on_sent(&room->outgoing, entry);
}

/* ---- the end of something said, and of the room ---- */

static void end_say(struct chat_room *room, struct outgoing_entry *entry,
                    const struct chat_said *how)
{
    struct chat_said said = *how;
    char key[KEY_SIZE];

    print_key(key, room, entry->id);
    said.room = room->name;
    said.id = entry->id;
    said.times = entry->times;
    said.key = (struct json_text){key, strlen(key)};
    if (!said.epoch)
        said.epoch = room->epoch;
    outgoing_discard(&room->outgoing, entry);
    room->opts.port->on_said(room->opts.owner, &said);
}

void chat_room_give_up(struct chat_room *room, struct outgoing_entry *entry,
                       const char *error)
{
    end_say(room, entry, &(struct chat_said){.error = error});
}

/* Out of the room for good. `event` is what told so; of length 0: we left. */
static void end_room(struct chat_room *room, const char *code, struct json_text event)
{
    struct chat_out out = {.room = room->name, .code = code, .event = event};
    struct list *link;

    room->state = CHAT_ROOM_ENDED;
    room->retry_at_ms = 0;
    while ((link = list_first(&room->outgoing.entries)))
        chat_room_give_up(room, list_entry(link, struct outgoing_entry, link),
                          "not_joined");
    if (event.len > 0)
        room->opts.port->on_out(room->opts.owner, &out);
}

bool chat_room_leave(struct chat_room *room)
{
    struct strbuf out = {NULL, 0, 0};
    bool is_told;

    chat_request_begin(&out, "leave", 0, next_id(room), room->name);
    is_told = finish(&out, room);
    end_room(room, "left", nothing);
    return is_told;
}

uint64_t chat_room_say(struct chat_room *room, const char *text, size_t len)
{
    struct strbuf json = {NULL, 0, 0};
    uint64_t id = next_id(room);

    strbuf_add_json(&json, text, len);
    outgoing_say(&room->outgoing, id, json.data, json.len);
    strbuf_deinit(&json);
    send_due(room);
    return id;
}

size_t chat_room_withdraw(struct chat_room *room)
{
    size_t count = 0;

    list_each(link, &room->outgoing.entries) {
        struct outgoing_entry *entry = list_entry(link, struct outgoing_entry, link);

        if (entry->times > 0)
            continue;
        chat_room_give_up(room, entry, "withdrawn");
        count++;
        if (room->state ==
            CHAT_ROOM_ENDED) /* the owner left, and the rest is given up */
            break;
    }
    return count;
}

void chat_room_on_lost(struct chat_room *room)
{
    if (room->state == CHAT_ROOM_ENDED)
        return;
    room->state = CHAT_ROOM_OUT;
    room->retry_at_ms = 0;
    room->look_id = 0;
    outgoing_on_lost(&room->outgoing);
}

/* ---- what is tried again ---- */

static void retry_later(struct chat_room *room, const struct chat_event *refusal)
{
    uint64_t after_ms = number(refusal, "retry_after_ms");

    if (room->retry_at_ms)
        return;
    room->retry_at_ms = refusal->now_ms + (after_ms ? after_ms : RETRY_MS);
    room->opts.port->on_retry_set(room->opts.owner);
}

uint64_t chat_room_retry(struct chat_room *room, uint64_t now_ms)
{
    if (!room->retry_at_ms || room->retry_at_ms > now_ms)
        return room->retry_at_ms;
    room->retry_at_ms = 0;
    if (room->state == CHAT_ROOM_OUT)
        chat_room_join(room);
    else
        send_due(room);
    return 0;
}

/* ---- what comes ---- */

static void give_message(struct chat_room *room, const struct json_members *members,
                         struct json_text event)
{
    struct chat_message message = {.room = room->name,
                                   .epoch = room->epoch,
                                   .seq =
                                       json_read_number(json_read_find(members, "seq")),
                                   .event = event};

    if (room->state == CHAT_ROOM_ENDED || message.seq <= room->skip_to)
        return;
    room->seq = message.seq;
    room->opts.port->on_message(room->opts.owner, &message);
}

static void on_message(struct chat_room *room, const struct chat_event *event)
{
    give_message(room, event->members, event->text);
}

static void on_join_ack(struct chat_room *room, const struct chat_event *event)
{
    bool recovered = json_read_is_true(find(event, "recovered")), is_same;
    char before[CHAT_ROOM_EPOCH_MAX];

    if (room->state != CHAT_ROOM_JOINING)
        return; /* of a request of the owner's */
    memcpy(before, room->epoch, sizeof(before));
    json_read_copy(room->epoch, sizeof(room->epoch), find(event, "epoch"));
    is_same = strcmp(before, room->epoch) == 0;
    room->had_to = is_same ? room->seq : 0;
    room->skip_to = !recovered && is_same ? room->seq : 0;
    room->state = CHAT_ROOM_READING;
    room->opts.port->commend(room->opts.owner);
    send_due(room);
}

/* A resume does not tell what was deleted of what was there before; the history does. */
static void start_look(struct chat_room *room)
{
    struct strbuf out = {NULL, 0, 0};

    if (!room->opts.looks_for_deleted || room->had_to == 0)
        return;
    room->look_id = next_id(room);
    chat_request_begin(&out, "get_history", 0, room->look_id, room->name);
    chat_request_add_number(&out, "limit", LOOK_MESSAGES);
    chat_request_add_number(&out, "before", room->had_to + 1);
    finish(&out, room);
}

static void tell_deleted(struct chat_room *room, uint64_t seq)
{
    static const struct json_text type = {"\"message_deleted\"", 17};
    struct strbuf out = {NULL, 0, 0};

    if (room->state == CHAT_ROOM_ENDED)
        return;
    strbuf_add_format(&out, "{\"type\":\"message_deleted\",\"room\":%s,\"seq\":%llu}",
                      room->token, (unsigned long long)seq);
    room->opts.port->on_event(room->opts.owner, type,
                              (struct json_text){out.data, out.len});
    strbuf_deinit(&out);
}

/* The answer to the look. */
static void take_look(struct chat_room *room, const struct chat_event *event)
{
    struct json_text messages = find(event, "messages"), message;
    size_t at = 0;

    room->look_id = 0;
    if (!json_read_is(find(event, "epoch"), room->epoch))
        return;
    while (json_read_next(messages, &at, &message))
        if (json_scan(message.base, message.len, event->inner) == 0 &&
            json_read_is_true(json_read_find(event->inner, "deleted")))
            tell_deleted(room, json_read_number(json_read_find(event->inner, "seq")));
}

static void go_live(struct chat_room *room)
{
    room->state = CHAT_ROOM_LIVE;
    room->skip_to = 0;
    start_look(room);
    room->opts.port->on_live(room->opts.owner, room->name);
}

static void on_batch(struct chat_room *room, const struct chat_event *event)
{
    struct json_text id = find(event, "id");
    struct json_text messages = find(event, "messages"), message;
    bool more = json_read_is_true(find(event, "more"));
    size_t at = 0;

    if (id.len > 0) { /* the answer to a get_history, of the owner's or of ours */
        if (room->look_id && json_read_number(id) == room->look_id)
            take_look(room, event);
        return;
    }
    if (room->state != CHAT_ROOM_READING)
        return;
    while (json_read_next(messages, &at, &message))
        if (json_scan(message.base, message.len, event->inner) == 0)
            give_message(room, event->inner, message);
    if (!more && room->state == CHAT_ROOM_READING)
        go_live(room);
}

static void on_gap(struct chat_room *room, const struct chat_event *event)
{
    room->seq = number(event, "to");
}

static void on_reset(struct chat_room *room, const struct chat_event *event)
{
    json_read_copy(room->epoch, sizeof(room->epoch), find(event, "epoch"));
    room->seq = number(event, "seq");
    room->skip_to = 0;
}

/* The epoch of an ack may be a new one; the room itself learns it by `reset`. */
static void on_ack(struct chat_room *room, const struct chat_event *event)
{
    struct outgoing_entry *entry = outgoing_find(&room->outgoing, number(event, "id"));
    char epoch[CHAT_ROOM_EPOCH_MAX];

    if (!entry)
        return;
    json_read_copy(epoch, sizeof(epoch), find(event, "epoch"));
    end_say(room, entry,
            &(struct chat_said){.epoch = epoch, .seq = number(event, "seq")});
    send_due(room);
}

static void on_out(struct chat_room *room, const struct chat_event *event)
{
    char code[32];

    json_read_copy(code, sizeof(code), event->type);
    end_room(room, code, event->text);
}

void chat_room_take(struct chat_room *room, const struct chat_event *event)
{
    static const struct {
        const char *type;
        void (*take)(struct chat_room *room, const struct chat_event *event);
    } all[] = {
        {"message", on_message}, {"join_ack", on_join_ack}, {"history_batch", on_batch},
        {"message_ack", on_ack}, {"gap", on_gap},           {"reset", on_reset},
        {"kicked", on_out},      {"room_closed", on_out},
    };

    if (room->state == CHAT_ROOM_ENDED)
        return;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (json_read_is(event->type, all[i].type)) {
            all[i].take(room, event);
            return;
        }
}

/* ---- refusals ---- */

static bool can_retry(struct json_text code)
{
    return json_read_is(code, "unavailable") || json_read_is(code, "rate_limited");
}

static void on_say_refused(struct chat_room *room, struct outgoing_entry *entry,
                           const struct chat_event *refusal)
{
    struct json_text code = find(refusal, "code");
    char word[32];

    if (can_retry(code)) {
        outgoing_again(&room->outgoing, entry);
        retry_later(room, refusal);
        return;
    }
    json_read_copy(word, sizeof(word), code);
    chat_room_give_up(room, entry, word);
    send_due(room);
}

static void on_join_refused(struct chat_room *room, const struct chat_event *refusal)
{
    struct json_text code = find(refusal, "code");
    char word[32];

    room->join_id = 0;
    room->state = CHAT_ROOM_OUT;
    if (can_retry(code)) {
        retry_later(room, refusal);
        return;
    }
    json_read_copy(word, sizeof(word), code);
    end_room(room, word, refusal->text);
}

bool chat_room_take_refusal(struct chat_room *room, const struct chat_event *refusal)
{
    uint64_t id = number(refusal, "id");
    struct outgoing_entry *entry;

    if (id == 0 || room->state == CHAT_ROOM_ENDED)
        return false;
    entry = outgoing_find(&room->outgoing, id);
    if (entry)
        on_say_refused(room, entry, refusal);
    else if (room->join_id == id)
        on_join_refused(room, refusal);
    else
        return false;
    return true;
}
