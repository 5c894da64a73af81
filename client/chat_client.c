/* chat_client.c - see chat_client.h.
 *
 *     open -> start_connect -> on_open -> start_joins -> on_join_ack -> on_batch -> LIVE
 *                  ^               |                                     -> start_says
 *                  |               v
 *     on_timer <- start_pause <- on_close
 *
 * One timer serves the state: the pause while WAITING, the deadline while CONNECTING,
 * silence and `reconnect` while OPEN, the patience of a farewell once closing. What Redis did
 * not take is sent again by `retry`.
 *
 *     close -> (leave_acks) -> start_goodbye -> on_close -> on_handle_closed
 *       on_farewell: the leave_acks, or the end of the connection, are not waited for
 *
 * A room's position is the number of the last message given to the owner; it is what the
 * next join names as `since`. Where that join is not `recovered`, the whole history comes,
 * and what the owner has of it is left out.
 *
 * Over 400 lines because connection, rooms and what was said share one state.
 */
#include "client/chat_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/json_read.h"
#include "client/ws_client.h"
#include "common/list.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    PAUSE_LEAST_MS = 500,
    PAUSE_MOST_MS = 30000,
    SILENCE_MS = 15000,
    LOOK_MESSAGES = 100,
    FAREWELL_MS = 1000, /* for the leave_acks, and again for the close handshake */
    RETRY_MS = 1000,    /* where the server does not say when */
    EPOCH_MAX = 32,
    ID_MAX = 24,
    CLOSE_TOO_LARGE = 1009,
};

enum room_state {
    ROOM_OUT,     /* not on this connection */
    ROOM_JOINING, /* the join_ack is awaited */
    ROOM_READING, /* the history comes */
    ROOM_LIVE
};

struct chat_room {
    struct list link;
    struct list says; /* not acked, in the order said */
    enum room_state state;
    uint64_t join_id;
    uint64_t retry_at_ms; /* 0: nothing waits */
    uint64_t seq;         /* the last message given */
    uint64_t skip_to;     /* of a history that begins anew: what the owner has */
    uint64_t had_to;      /* what the owner had before this join; 0: nothing */
    uint64_t look_id;     /* of the look for what was deleted meanwhile */
    size_t in_flight;     /* says that are sent and not answered */
    char epoch[EPOCH_MAX];
    char *name, *user; /* owned */
    char *token;       /* the name in JSON, owned: rooms are found by it */
    size_t token_len;
    bool is_gone; /* in client->gone; nothing more comes of it */
};

struct say {
    struct list link;
    uint64_t id;
    unsigned times;
    bool is_sent; /* on this connection */
    char key[48];
    char *text; /* in JSON, owned */
};

struct chat_client {
    struct chat_client_opts opts;
    struct chat_address *addresses; /* owned, and each host */
    uv_loop_t *loop;
    struct ws_client *ws; /* NULL: none */
    enum chat_client_state state;
    uv_timer_t timer, retry;
    struct list rooms;
    struct list gone; /* rooms that are freed once nobody is at work in them */
    struct json_members members, inner;
    struct strbuf out;
    size_t at;          /* in addresses */
    unsigned attempts;  /* in vain since the last good connection */
    uint64_t last_id;   /* of a request */
    uint64_t heard_ms;  /* when something came */
    uint64_t return_ms; /* `reconnect`: when to come back; 0: not asked to */
    uint64_t again_ms;  /* WAITING: when the next attempt begins */
    uint64_t secret;    /* in keys: what another life of this user said is not ours */
    bool was_asked;     /* silent: a ping is under way */
    size_t leaves;      /* sent and not acked */
    bool is_at_work;    /* with an event: rooms that go stay until its end */
    bool closing;
    int handles;
};

static void start_connect(struct chat_client *client);

/* ---- rooms and what was said ---- */

static struct chat_room *find_room(struct chat_client *client, struct json_text token)
{
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        if (room->token_len == token.len &&
            memcmp(room->token, token.base, token.len) == 0)
            return room;
    }
    return NULL;
}

static struct chat_room *find_named(const struct chat_client *client, const char *name)
{
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        if (strcmp(room->name, name) == 0)
            return room;
    }
    return NULL;
}

static void end_say(struct chat_client *client, struct chat_room *room, struct say *say,
                    const char *error, uint64_t seq)
{
    struct chat_said said = {.room = room->name,
                             .id = say->id,
                             .error = error,
                             .epoch = room->epoch,
                             .seq = seq,
                             .times = say->times,
                             .key = {say->key, strlen(say->key)}};

    room->in_flight -= say->is_sent;
    list_remove(&say->link);
    if (client->opts.on_said && !client->closing)
        client->opts.on_said(client->opts.owner, &said);
    free(say->text);
    free(say);
}

/* Out of the room for good. `event` is what told so; of length 0: we left. */
static void drop_room(struct chat_client *client, struct chat_room *room,
                      const char *code, struct json_text event)
{
    struct chat_out out = {.room = room->name, .code = code, .event = event};
    struct list *link;

    room->is_gone = true;
    list_remove(&room->link);
    list_add(&client->gone, &room->link);
    while ((link = list_first(&room->says)))
        end_say(client, room, list_entry(link, struct say, link), "not_joined", 0);
    if (event.len > 0 && client->opts.on_out && !client->closing)
        client->opts.on_out(client->opts.owner, &out);
}

static void free_gone(struct chat_client *client)
{
    struct list *link;

    while ((link = list_first(&client->gone))) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        list_remove(link);
        free(room->name);
        free(room->user);
        free(room->token);
        free(room);
    }
}

static void begin(struct chat_client *client, const char *type, uint64_t id,
                  const struct chat_room *room)
{
    strbuf_reset(&client->out, 64 * 1024);
    strbuf_add_format(&client->out, "{\"type\":\"%s\",\"id\":%llu,\"room\":%s", type,
                      (unsigned long long)id, room->token);
}

static void finish(struct chat_client *client)
{
    strbuf_add_char(&client->out, '}');
    ws_client_send(client->ws, client->out.data, client->out.len);
}

static void start_join(struct chat_client *client, struct chat_room *room)
{
    if (client->state != CHAT_CLIENT_OPEN)
        return;
    room->state = ROOM_JOINING;
    room->retry_at_ms = 0;
    room->join_id = ++client->last_id;
    begin(client, "join", room->join_id, room);
    strbuf_add_text(&client->out, ",\"user\":");
    strbuf_add_json(&client->out, room->user, strlen(room->user));
    if (room->epoch[0])
        strbuf_add_format(&client->out, ",\"since\":{\"epoch\":\"%s\",\"seq\":%llu}",
                          room->epoch, (unsigned long long)room->seq);
    finish(client);
}

static void start_says(struct chat_client *client, struct chat_room *room)
{
    if (client->state != CHAT_CLIENT_OPEN || room->state < ROOM_READING ||
        room->retry_at_ms)
        return;
    list_each(link, &room->says) {
        struct say *say = list_entry(link, struct say, link);

        if (say->is_sent)
            continue;
        if (client->opts.says_in_flight &&
            room->in_flight >= client->opts.says_in_flight)
            return;
        say->is_sent = true;
        room->in_flight++;
        say->times++;
        begin(client, "message", say->id, room);
        strbuf_add_format(&client->out, ",\"key\":\"%s\",\"text\":%s", say->key,
                          say->text);
        finish(client);
    }
}

/* ---- what is to be tried again ---- */

static void on_retry(uv_timer_t *timer)
{
    struct chat_client *client = timer->data;
    uint64_t now_ms = uv_now(client->loop), next_ms = 0;

    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        if (room->retry_at_ms && room->retry_at_ms <= now_ms) {
            room->retry_at_ms = 0;
            if (room->state == ROOM_OUT)
                start_join(client, room);
            else
                start_says(client, room);
        } else if (room->retry_at_ms && (!next_ms || room->retry_at_ms < next_ms)) {
            next_ms = room->retry_at_ms;
        }
    }
    if (next_ms)
        uv_timer_start(timer, on_retry, next_ms - now_ms, 0);
}

static void retry_later(struct chat_client *client, struct chat_room *room,
                        uint64_t after_ms)
{
    if (room->retry_at_ms)
        return;
    room->retry_at_ms = uv_now(client->loop) + (after_ms ? after_ms : RETRY_MS);
    on_retry(&client->retry); /* sets the timer to the soonest */
}

/* ---- what comes ---- */

static void give_message(struct chat_client *client, struct chat_room *room,
                         const struct json_members *members, struct json_text event)
{
    struct chat_message message = {.room = room->name,
                                   .epoch = room->epoch,
                                   .seq =
                                       json_read_number(json_read_find(members, "seq")),
                                   .event = event};

    if (room->is_gone || message.seq <= room->skip_to)
        return;
    room->seq = message.seq;
    if (client->opts.on_message && !client->closing)
        client->opts.on_message(client->opts.owner, &message);
}

static void on_message(struct chat_client *client, struct chat_room *room,
                       struct json_text event)
{
    give_message(client, room, &client->members, event);
}

static void on_join_ack(struct chat_client *client, struct chat_room *room,
                        struct json_text event)
{
    bool recovered = json_read_is_true(json_read_find(&client->members, "recovered"));
    char before[EPOCH_MAX];

    (void)event;
    if (room->state != ROOM_JOINING)
        return; /* of a request of the owner's */
    memcpy(before, room->epoch, sizeof(before));
    json_read_copy(room->epoch, sizeof(room->epoch),
                   json_read_find(&client->members, "epoch"));
    room->had_to = strcmp(before, room->epoch) == 0 ? room->seq : 0;
    room->skip_to = !recovered && strcmp(before, room->epoch) == 0 ? room->seq : 0;
    room->state = ROOM_READING;
    client->attempts = 0;
    start_says(client, room);
}

/* A resume does not tell what was deleted of what was there before; the history does. */
static void start_look(struct chat_client *client, struct chat_room *room)
{
    if (!client->opts.looks_for_deleted || room->had_to == 0)
        return;
    room->look_id = ++client->last_id;
    begin(client, "get_history", room->look_id, room);
    strbuf_add_format(&client->out, ",\"limit\":%d,\"before\":%llu", LOOK_MESSAGES,
                      (unsigned long long)room->had_to + 1);
    finish(client);
}

static void tell_deleted(struct chat_client *client, struct chat_room *room,
                         uint64_t seq)
{
    static const struct json_text type = {"\"message_deleted\"", 17};
    struct json_text event;

    if (room->is_gone || !client->opts.on_event)
        return;
    strbuf_reset(&client->out, 64 * 1024);
    strbuf_add_format(&client->out,
                      "{\"type\":\"message_deleted\",\"room\":%s,\"seq\":%llu}",
                      room->token, (unsigned long long)seq);
    event = (struct json_text){client->out.data, client->out.len};
    client->opts.on_event(client->opts.owner, type, event);
}

/* The answer to the look. */
static void take_look(struct chat_client *client, struct chat_room *room)
{
    struct json_text messages = json_read_find(&client->members, "messages"), message;
    struct json_text epoch = json_read_find(&client->members, "epoch");
    size_t at = 0;

    room->look_id = 0;
    if (!json_read_is(epoch, room->epoch))
        return;
    while (json_read_next(messages, &at, &message))
        if (json_scan(message.base, message.len, &client->inner) == 0 &&
            json_read_is_true(json_read_find(&client->inner, "deleted")))
            tell_deleted(client, room,
                         json_read_number(json_read_find(&client->inner, "seq")));
}

static void on_live(struct chat_client *client, struct chat_room *room)
{
    room->state = ROOM_LIVE;
    room->skip_to = 0;
    start_look(client, room);
    if (client->opts.on_live && !client->closing)
        client->opts.on_live(client->opts.owner, room->name);
}

static void on_batch(struct chat_client *client, struct chat_room *room,
                     struct json_text event)
{
    struct json_text id = json_read_find(&client->members, "id");
    struct json_text messages = json_read_find(&client->members, "messages"), message;
    bool more = json_read_is_true(json_read_find(&client->members, "more"));
    size_t at = 0;

    (void)event;
    if (id.len > 0) { /* the answer to a get_history, of the owner's or of ours */
        if (room->look_id && json_read_number(id) == room->look_id)
            take_look(client, room);
        return;
    }
    if (room->state != ROOM_READING)
        return;
    while (json_read_next(messages, &at, &message))
        if (json_scan(message.base, message.len, &client->inner) == 0)
            give_message(client, room, &client->inner, message);
    if (!more && !room->is_gone)
        on_live(client, room);
}

static void on_gap(struct chat_client *client, struct chat_room *room,
                   struct json_text event)
{
    (void)event;
    room->seq = json_read_number(json_read_find(&client->members, "to"));
}

static void on_reset(struct chat_client *client, struct chat_room *room,
                     struct json_text event)
{
    (void)event;
    json_read_copy(room->epoch, sizeof(room->epoch),
                   json_read_find(&client->members, "epoch"));
    room->seq = json_read_number(json_read_find(&client->members, "seq"));
    room->skip_to = 0;
}

static struct say *find_say(struct chat_room *room, uint64_t id)
{
    list_each(link, &room->says) {
        struct say *say = list_entry(link, struct say, link);

        if (say->id == id)
            return say;
    }
    return NULL;
}

static void on_ack(struct chat_client *client, struct chat_room *room,
                   struct json_text event)
{
    struct say *say =
        find_say(room, json_read_number(json_read_find(&client->members, "id")));
    char now[EPOCH_MAX];

    (void)event;
    if (!say)
        return;
    memcpy(now, room->epoch, sizeof(now));
    json_read_copy(room->epoch, sizeof(room->epoch),
                   json_read_find(&client->members, "epoch"));
    end_say(client, room, say, NULL,
            json_read_number(json_read_find(&client->members, "seq")));
    memcpy(room->epoch, now, sizeof(now)); /* the room itself learns it by `reset` */
    if (!room->is_gone)
        start_says(client, room);
}

static void on_out(struct chat_client *client, struct chat_room *room,
                   struct json_text event)
{
    char code[32];

    json_read_copy(code, sizeof(code), json_read_find(&client->members, "type"));
    drop_room(client, room, code, event);
}

static bool can_retry(struct json_text code)
{
    return json_read_is(code, "unavailable") || json_read_is(code, "rate_limited");
}

static void on_say_refused(struct chat_client *client, struct chat_room *room,
                           struct say *say, struct json_text code, uint64_t after_ms)
{
    char word[32];

    if (can_retry(code)) {
        room->in_flight -= say->is_sent;
        say->is_sent = false;
        retry_later(client, room, after_ms);
        return;
    }
    json_read_copy(word, sizeof(word), code);
    end_say(client, room, say, word, 0);
    if (!room->is_gone)
        start_says(client, room);
}

/* An error has no room: the id tells what it is about. */
static void on_error(struct chat_client *client, struct json_text event)
{
    uint64_t id = json_read_number(json_read_find(&client->members, "id"));
    uint64_t after_ms =
        json_read_number(json_read_find(&client->members, "retry_after_ms"));
    struct json_text code = json_read_find(&client->members, "code");
    char word[32];

    if (id == 0)
        return;
    json_read_copy(word, sizeof(word), code);
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);
        struct say *say = find_say(room, id);

        if (say) {
            on_say_refused(client, room, say, code, after_ms);
            return;
        }
        if (room->join_id != id)
            continue;
        room->join_id = 0;
        room->state = ROOM_OUT;
        if (can_retry(code))
            retry_later(client, room, after_ms);
        else
            drop_room(client, room, word, event);
        return;
    }
}

static void watch(struct chat_client *client);

static const struct {
    const char *type;
    void (*take)(struct chat_client *client, struct chat_room *room,
                 struct json_text event);
} of_rooms[] = {
    {"message", on_message}, {"join_ack", on_join_ack}, {"history_batch", on_batch},
    {"message_ack", on_ack}, {"gap", on_gap},           {"reset", on_reset},
    {"kicked", on_out},      {"room_closed", on_out},
};

static void take_event(struct chat_client *client, struct json_text type,
                       struct json_text event)
{
    struct chat_room *room;

    if (client->leaves > 0 && json_read_is(type, "leave_ack"))
        client->leaves--; /* before the owner hears of it, who may close then */
    if (!json_read_is(type, "message") && client->opts.on_event)
        client->opts.on_event(client->opts.owner, type, event);
    room = find_room(client, json_read_find(&client->members, "room"));
    if (json_read_is(type, "error")) {
        on_error(client, event);
    } else if (json_read_is(type, "reconnect")) {
        client->return_ms =
            uv_now(client->loop) +
            json_read_number(json_read_find(&client->members, "after_ms"));
        watch(client);
    }
    for (size_t i = 0; room && i < sizeof(of_rooms) / sizeof(of_rooms[0]); i++)
        if (json_read_is(type, of_rooms[i].type)) {
            of_rooms[i].take(client, room, event);
            return;
        }
}

static void start_goodbye(struct chat_client *client);

/* After chat_client_close: the gateway would tell the others of a connection that broke if it
 * closed before a leave is done. */
static void take_farewell(struct chat_client *client, const char *text, size_t len)
{
    if (client->leaves == 0 || json_scan(text, len, &client->members) != 0)
        return;
    if (json_read_is(json_read_find(&client->members, "type"), "leave_ack") &&
        --client->leaves == 0)
        start_goodbye(client);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct chat_client *client = owner;

    client->heard_ms = uv_now(client->loop);
    client->was_asked = false;
    if (client->closing) {
        take_farewell(client, text, len);
        return;
    }
    if (json_scan(text, len, &client->members) != 0)
        return;
    client->is_at_work = true;
    take_event(client, json_read_find(&client->members, "type"),
               (struct json_text){text, len});
    client->is_at_work = false;
    free_gone(client);
}

/* ---- the connection ---- */

static void set_state(struct chat_client *client, enum chat_client_state state,
                      const char *why)
{
    client->state = state;
    if (client->opts.on_state && !client->closing)
        client->opts.on_state(client->opts.owner, state, why);
}

static void on_timer(uv_timer_t *timer)
{
    struct chat_client *client = timer->data;
    uint64_t now_ms = uv_now(client->loop);

    if (client->state == CHAT_CLIENT_WAITING) {
        start_connect(client);
    } else if (client->state == CHAT_CLIENT_CONNECTING) {
        ws_client_abort(client->ws);
    } else if (client->return_ms && now_ms >= client->return_ms) {
        ws_client_close(client->ws, 1000); /* on_close comes back at once */
    } else if (now_ms - client->heard_ms >= 2 * client->opts.silence_ms) {
        ws_client_abort(client->ws);
    } else {
        if (now_ms - client->heard_ms >= client->opts.silence_ms && !client->was_asked)
            chat_client_send(client, "{\"type\":\"ping\"}", 15);
        client->was_asked = now_ms - client->heard_ms >= client->opts.silence_ms;
        watch(client);
    }
}

/* Sets the timer of an open connection. The owner may have closed it in a callback. */
static void watch(struct chat_client *client)
{
    uint64_t now_ms = uv_now(client->loop);
    uint64_t at_ms =
        client->heard_ms + client->opts.silence_ms * (client->was_asked ? 2 : 1);

    if (client->return_ms && client->return_ms < at_ms)
        at_ms = client->return_ms;
    if (client->closing)
        return;
    uv_timer_start(&client->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void on_open(void *owner)
{
    struct chat_client *client = owner;

    if (client->closing)
        return;
    client->heard_ms = uv_now(client->loop);
    client->was_asked = false;
    set_state(client, CHAT_CLIENT_OPEN, "connected");
    watch(client);
    list_each(link, &client->rooms) {
        start_join(client, list_entry(link, struct chat_room, link));
    }
}

static uint64_t random_below(uint64_t n)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = uv_hrtime();
    return random % n;
}

/* Full jitter: any time up to a bound that doubles. */
static uint64_t pause_ms(const struct chat_client *client)
{
    uint64_t bound = client->opts.pause_least_ms;

    for (unsigned i = 1; i < client->attempts && bound < client->opts.pause_most_ms;
         i++)
        bound *= 2;
    if (bound > client->opts.pause_most_ms)
        bound = client->opts.pause_most_ms;
    return random_below(bound + 1);
}

/* `retry` is closed by chat_client_close, `timer` once there is no connection. */
static void on_handle_closed(uv_handle_t *handle)
{
    struct chat_client *client = handle->data;
    struct list *link;

    if (--client->handles > 0)
        return;
    while ((link = list_first(&client->rooms)))
        drop_room(client, list_entry(link, struct chat_room, link), "closed",
                  (struct json_text){"", 0});
    free_gone(client);
    json_members_deinit(&client->members);
    json_members_deinit(&client->inner);
    strbuf_deinit(&client->out);
    for (size_t i = 0; i < client->opts.count; i++) {
        free((char *)client->addresses[i].host);
        free((char *)client->addresses[i].path);
    }
    free(client->addresses);
    if (client->opts.on_closed)
        client->opts.on_closed(client->opts.owner);
    free(client);
}

/* The server has closed for a message that is too large for it, which must be the longest
 * of what is on its way. It is not sent again, or that would never end. */
static void drop_longest(struct chat_client *client)
{
    struct chat_room *where = NULL;
    struct say *longest = NULL;

    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        list_each(one, &room->says) {
            struct say *say = list_entry(one, struct say, link);

            if (say->is_sent &&
                (!longest || strlen(say->text) > strlen(longest->text))) {
                where = room;
                longest = say;
            }
        }
    }
    if (longest)
        end_say(client, where, longest, "too_large", 0);
}

static void on_close(void *owner, int code, const char *why)
{
    struct chat_client *client = owner;
    bool was_asked_back = client->return_ms != 0;

    if (code == CLOSE_TOO_LARGE && !client->closing)
        drop_longest(client);
    client->ws = NULL;
    client->return_ms = 0;
    client->leaves = 0;
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        room->state = ROOM_OUT;
        room->retry_at_ms = 0;
        room->look_id = 0;
        room->in_flight = 0;
        list_each(say, &room->says) {
            list_entry(say, struct say, link)->is_sent = false;
        }
    }
    if (client->closing) {
        uv_close((uv_handle_t *)&client->timer, on_handle_closed);
        return;
    }
    client->at = (client->at + 1) % client->opts.count;
    if (code >= 4500 && code < 5000) {
        uv_timer_stop(&client->timer);
        set_state(client, CHAT_CLIENT_REFUSED, why);
        return;
    }
    client->attempts++;
    client->again_ms = was_asked_back ? 0 : pause_ms(client);
    uv_timer_start(&client->timer, on_timer, client->again_ms, 0);
    client->again_ms += uv_now(client->loop);
    set_state(client, CHAT_CLIENT_WAITING, why);
}

static void start_connect(struct chat_client *client)
{
    struct ws_client_opts opts = {.host = client->addresses[client->at].host,
                                  .port = client->addresses[client->at].port,
                                  .path = client->addresses[client->at].path,
                                  .protocol = "roomcast.v1",
                                  .owner = client,
                                  .on_open = on_open,
                                  .on_text = on_text,
                                  .on_close = on_close};

    client->ws = ws_client_open(client->loop, &opts);
    uv_timer_start(&client->timer, on_timer, client->opts.silence_ms, 0);
    set_state(client, CHAT_CLIENT_CONNECTING, "connecting"); /* the owner may close */
}

/* ---- what the owner calls ---- */

static uint64_t or_else(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

struct chat_client *chat_client_open(uv_loop_t *loop,
                                     const struct chat_client_opts *opts)
{
    struct chat_client *client = xcalloc(1, sizeof(*client));

    client->opts = *opts;
    client->opts.pause_least_ms = or_else(opts->pause_least_ms, PAUSE_LEAST_MS);
    client->opts.pause_most_ms = or_else(opts->pause_most_ms, PAUSE_MOST_MS);
    client->opts.silence_ms = or_else(opts->silence_ms, SILENCE_MS);
    client->addresses = xcalloc(opts->count, sizeof(*client->addresses));
    for (size_t i = 0; i < opts->count; i++) {
        const struct chat_address *from = &opts->addresses[i];

        client->addresses[i] =
            (struct chat_address){.host = xstrdup(from->host),
                                  .port = from->port,
                                  .path = from->path ? xstrdup(from->path) : NULL};
    }
    client->at = opts->first % opts->count;
    client->loop = loop;
    client->secret = random_below(UINT64_MAX);
    list_init(&client->rooms);
    list_init(&client->gone);
    uv_timer_init(loop, &client->timer);
    uv_timer_init(loop, &client->retry);
    client->timer.data = client->retry.data = client;
    client->handles = 2;
    /* Not start_connect: our callbacks must come from the loop, never from open. */
    uv_timer_start(&client->timer, on_timer, 0, 0);
    return client;
}

void chat_client_join(struct chat_client *client, const char *name, const char *user)
{
    struct strbuf token = {NULL, 0, 0};
    struct chat_room *room;

    if (find_named(client, name))
        return;
    room = xcalloc(1, sizeof(*room));
    strbuf_add_json(&token, name, strlen(name));
    room->name = xstrdup(name);
    room->user = xstrdup(user);
    room->token = token.data;
    room->token_len = token.len;
    list_init(&room->says);
    list_add(&client->rooms, &room->link);
    start_join(client, room);
}

void chat_client_leave(struct chat_client *client, const char *name)
{
    struct chat_room *room = find_named(client, name);

    if (!room)
        return;
    if (client->state == CHAT_CLIENT_OPEN) {
        begin(client, "leave", ++client->last_id, room);
        finish(client);
        client->leaves++;
    }
    drop_room(client, room, "left", (struct json_text){"", 0});
    if (!client->is_at_work)
        free_gone(client);
}

uint64_t chat_client_say(struct chat_client *client, const char *name, const char *text,
                         size_t len)
{
    struct chat_room *room = find_named(client, name);
    struct strbuf json = {NULL, 0, 0};
    struct say *say;

    if (!room)
        return 0;
    say = xcalloc(1, sizeof(*say));
    say->id = ++client->last_id;
    snprintf(say->key, sizeof(say->key), "%016llx-%llu",
             (unsigned long long)client->secret, (unsigned long long)say->id);
    strbuf_add_json(&json, text, len);
    say->text = json.data;
    list_add(&room->says, &say->link);
    start_says(client, room);
    return say->id;
}

void chat_client_send(struct chat_client *client, const char *json, size_t len)
{
    if (client->state == CHAT_CLIENT_OPEN)
        ws_client_send(client->ws, json, len);
}

bool chat_client_is_live(const struct chat_client *client, const char *name)
{
    const struct chat_room *room = find_named(client, name);

    return client->state == CHAT_CLIENT_OPEN && room && room->state == ROOM_LIVE;
}

size_t chat_client_withdraw(struct chat_client *client, const char *name)
{
    struct chat_room *room = find_named(client, name);
    size_t count = 0;

    if (!room)
        return 0;
    list_each(link, &room->says) {
        struct say *say = list_entry(link, struct say, link);

        if (say->times > 0)
            continue;
        end_say(client, room, say, "withdrawn", 0);
        count++;
    }
    return count;
}

uint64_t chat_client_wait_ms(const struct chat_client *client)
{
    uint64_t now_ms = uv_now(client->loop);

    if (client->state != CHAT_CLIENT_WAITING || client->again_ms <= now_ms)
        return 0;
    return client->again_ms - now_ms;
}

const struct chat_address *chat_client_address(const struct chat_client *client)
{
    return &client->addresses[client->at];
}

void chat_client_cut(struct chat_client *client)
{
    if (client->ws)
        ws_client_abort(client->ws);
}

void chat_client_pause(struct chat_client *client)
{
    if (client->ws)
        ws_client_pause(client->ws);
}

void chat_client_resume(struct chat_client *client)
{
    if (client->ws)
        ws_client_resume(client->ws);
}

static void on_farewell(uv_timer_t *timer)
{
    struct chat_client *client = timer->data;

    if (client->leaves > 0)
        start_goodbye(client);
    else
        ws_client_abort(client->ws);
}

/* The leaves are done, or have had their time. */
static void start_goodbye(struct chat_client *client)
{
    client->leaves = 0;
    if (!client->ws) {
        uv_close((uv_handle_t *)&client->timer, on_handle_closed);
        return;
    }
    ws_client_close(client->ws, 1000);
    uv_timer_start(&client->timer, on_farewell, FAREWELL_MS, 0);
}

void chat_client_close(struct chat_client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    uv_close((uv_handle_t *)&client->retry, on_handle_closed);
    if (client->leaves > 0)
        uv_timer_start(&client->timer, on_farewell, FAREWELL_MS, 0);
    else
        start_goodbye(client);
}
