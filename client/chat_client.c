/* chat_client.c - see chat_client.h.
 *
 *     connection -> on_text -> take_event -> the owner, then the room that it is about
 *                -> on_open -> auth -> on_ready: every room joins;  on_lost: every room is out
 *     rooms -> (chat_room_port) -> the connection, and the owner's callbacks
 *
 *     chat_client_close -> (leave_acks) -> close_connection -> on_connection_closed
 *                                                           -> on_timer_closed -> free
 *       on_farewell: the leave_acks are not waited for any longer
 *
 * One timer: what the rooms try again; after chat_client_close the patience with leave_acks.
 * Rooms that have ended stay in the list, and are found by nobody, until nobody is at work in
 * them.
 *
 * Over 400 lines because each call of the owner and each port of a room is a few of them.
 */
#include "client/chat_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/auth.h"
#include "common/json_read.h"
#include "common/list.h"
#include "common/xalloc.h"

enum { FAREWELL_MS = 1000, CLOSE_TOO_LARGE = 1009 };

struct chat_client {
    struct chat_client_opts opts;
    uv_loop_t *loop;
    struct connection *connection;
    struct auth auth;
    uv_timer_t timer;
    struct list rooms;
    struct json_members members, inner;
    uint64_t last_id; /* of a request */
    uint64_t secret;  /* see chat_room_opts */
    size_t leaves;    /* sent and not acked */
    unsigned at_work; /* calls that look at rooms: they stay until their end */
    bool closing;
    int handles;
};

static void end_work(struct chat_client *client)
{
    if (--client->at_work > 0)
        return;
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        if (room->state == CHAT_ROOM_ENDED)
            chat_room_free(room);
    }
}

static struct chat_room *find_room(const struct chat_client *client,
                                   struct json_text token)
{
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        if (room->state != CHAT_ROOM_ENDED && room->token_len == token.len &&
            memcmp(room->token, token.base, token.len) == 0)
            return room;
    }
    return NULL;
}

static struct chat_room *find_named(const struct chat_client *client, const char *name)
{
    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);

        if (room->state != CHAT_ROOM_ENDED && strcmp(room->name, name) == 0)
            return room;
    }
    return NULL;
}

/* ---- the rooms' port ---- */

static bool port_send(void *owner, const char *json, size_t len)
{
    struct chat_client *client = owner;

    return client->auth.is_ready && connection_send(client->connection, json, len);
}

static uint64_t port_next_id(void *owner)
{
    struct chat_client *client = owner;

    return ++client->last_id;
}

static void port_commend(void *owner)
{
    struct chat_client *client = owner;

    connection_commend(client->connection);
}

static void on_retry(uv_timer_t *timer)
{
    struct chat_client *client = timer->data;
    uint64_t now_ms = uv_now(client->loop);
    uint64_t next_ms = auth_retry(&client->auth, now_ms);

    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);
        uint64_t at_ms = chat_room_retry(room, now_ms);

        if (at_ms && (!next_ms || at_ms < next_ms))
            next_ms = at_ms;
    }
    if (next_ms)
        uv_timer_start(timer, on_retry, next_ms - now_ms, 0);
}

static void port_on_retry_set(void *owner)
{
    struct chat_client *client = owner;

    on_retry(&client->timer);
}

static void port_on_message(void *owner, const struct chat_message *message)
{
    struct chat_client *client = owner;

    if (client->opts.on_message && !client->closing)
        client->opts.on_message(client->opts.owner, message);
}

static void port_on_event(void *owner, struct json_text type, struct json_text event)
{
    struct chat_client *client = owner;

    if (client->opts.on_event && !client->closing)
        client->opts.on_event(client->opts.owner, type, event);
}

static void port_on_said(void *owner, const struct chat_said *said)
{
    struct chat_client *client = owner;

    if (client->opts.on_said && !client->closing)
        client->opts.on_said(client->opts.owner, said);
}

static void port_on_live(void *owner, const char *room)
{
    struct chat_client *client = owner;

    if (client->opts.on_live && !client->closing)
        client->opts.on_live(client->opts.owner, room);
}

static void port_on_out(void *owner, const struct chat_out *out)
{
    struct chat_client *client = owner;

    if (client->opts.on_out && !client->closing)
        client->opts.on_out(client->opts.owner, out);
}

static const struct chat_room_port port = {.send = port_send,
                                           .next_id = port_next_id,
                                           .commend = port_commend,
                                           .on_retry_set = port_on_retry_set,
                                           .on_message = port_on_message,
                                           .on_event = port_on_event,
                                           .on_said = port_on_said,
                                           .on_live = port_on_live,
                                           .on_out = port_on_out};

/* ---- the connection ---- */

static void on_state(void *owner, enum connection_state state, const char *why)
{
    struct chat_client *client = owner;

    if (client->opts.on_state && !client->closing)
        client->opts.on_state(client->opts.owner, state, why);
}

static bool send_auth(void *owner, const char *json, size_t len)
{
    struct chat_client *client = owner;

    return connection_send(client->connection, json, len);
}

static void on_token_wanted(void *owner)
{
    struct chat_client *client = owner;

    client->opts.on_token_wanted(client->opts.owner);
}

static void on_no_token(void *owner)
{
    struct chat_client *client = owner;

    connection_cut(client->connection); /* and again after a pause */
}

static void on_ready(void *owner)
{
    struct chat_client *client = owner;

    client->at_work++;
    list_each(link, &client->rooms) {
        chat_room_join(list_entry(link, struct chat_room, link));
    }
    end_work(client);
}

static const struct auth_hooks auth_with_tokens = {.send = send_auth,
                                                   .on_wanted = on_token_wanted,
                                                   .on_ready = on_ready,
                                                   .on_failed = on_no_token,
                                                   .on_retry_set = port_on_retry_set};
static const struct auth_hooks auth_without = {.on_ready = on_ready};

static void on_open(void *owner)
{
    struct chat_client *client = owner;

    auth_on_open(&client->auth);
}

/* An error has no room: the id tells what it is about. */
static void take_refusal(struct chat_client *client, const struct chat_event *event)
{
    list_each(link, &client->rooms) {
        if (chat_room_take_refusal(list_entry(link, struct chat_room, link), event))
            return;
    }
}

static void take_event(struct chat_client *client, const struct chat_event *event)
{
    struct chat_room *room;

    if (client->leaves > 0 && json_read_is(event->type, "leave_ack"))
        client->leaves--; /* before the owner hears of it, who may close then */
    auth_take(&client->auth, event);
    if (!json_read_is(event->type, "message"))
        port_on_event(client, event->type, event->text);
    room = find_room(client, json_read_find(event->members, "room"));
    if (json_read_is(event->type, "error"))
        take_refusal(client, event);
    else if (json_read_is(event->type, "reconnect"))
        connection_return_in(client->connection, json_read_number(json_read_find(
                                                     event->members, "after_ms")));
    else if (room)
        chat_room_take(room, event);
}

static void close_connection(struct chat_client *client);

/* After chat_client_close: the gateway would tell the others of a connection that broke if it
 * closed before a leave is done. */
static void take_farewell(struct chat_client *client, struct json_text type)
{
    if (client->leaves > 0 && json_read_is(type, "leave_ack") && --client->leaves == 0)
        close_connection(client);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct chat_client *client = owner;
    struct chat_event event = {.text = {text, len},
                               .members = &client->members,
                               .inner = &client->inner,
                               .now_ms = uv_now(client->loop)};

    if (json_scan(text, len, &client->members) != 0)
        return;
    event.type = json_read_find(&client->members, "type");
    if (client->closing) {
        take_farewell(client, event.type);
        return;
    }
    client->at_work++;
    take_event(client, &event);
    end_work(client);
}

/* The server has closed for a message that is too large for it, which must be the longest
 * of what is on its way. It is not sent again, or that would never end. */
static void give_up_longest(struct chat_client *client)
{
    struct chat_room *where = NULL;
    struct outgoing_entry *longest = NULL;

    list_each(link, &client->rooms) {
        struct chat_room *room = list_entry(link, struct chat_room, link);
        struct outgoing_entry *entry = outgoing_longest_sent(&room->outgoing);

        if (entry && (!longest || strlen(entry->text) > strlen(longest->text))) {
            where = room;
            longest = entry;
        }
    }
    if (longest)
        chat_room_give_up(where, longest, "too_large");
}

static void on_lost(void *owner, int code)
{
    struct chat_client *client = owner;

    client->leaves = 0;
    auth_on_lost(&client->auth);
    if (client->closing) {
        close_connection(client);
        return;
    }
    client->at_work++;
    if (code == CLOSE_TOO_LARGE)
        give_up_longest(client);
    list_each(link, &client->rooms) {
        chat_room_on_lost(list_entry(link, struct chat_room, link));
    }
    end_work(client);
}

/* ---- the end ---- */

static void release(struct chat_client *client)
{
    struct list *link;

    if (--client->handles > 0)
        return;
    while ((link = list_first(&client->rooms)))
        chat_room_free(list_entry(link, struct chat_room, link));
    json_members_deinit(&client->members);
    json_members_deinit(&client->inner);
    auth_deinit(&client->auth);
    if (client->opts.on_closed)
        client->opts.on_closed(client->opts.owner);
    free(client);
}

static void on_timer_closed(uv_handle_t *timer)
{
    release(timer->data);
}

static void on_connection_closed(void *owner)
{
    release(owner);
}

/* The leaves are done, or have had their time. */
static void close_connection(struct chat_client *client)
{
    client->leaves = 0;
    connection_close(client->connection);
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

static void on_farewell(uv_timer_t *timer)
{
    close_connection(timer->data);
}

void chat_client_close(struct chat_client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    if (client->leaves > 0)
        uv_timer_start(&client->timer, on_farewell, FAREWELL_MS, 0);
    else
        close_connection(client);
}

/* ---- what the owner calls ---- */

struct chat_client *chat_client_open(uv_loop_t *loop,
                                     const struct chat_client_opts *opts)
{
    struct chat_client *client = xcalloc(1, sizeof(*client));
    struct connection_opts connection = {.addresses = opts->addresses,
                                         .count = opts->count,
                                         .first = opts->first,
                                         .returns_expired = opts->on_token_wanted &&
                                                            !opts->has_one_token,
                                         .pause_least_ms = opts->pause_least_ms,
                                         .pause_most_ms = opts->pause_most_ms,
                                         .silence_ms = opts->silence_ms,
                                         .owner = client,
                                         .on_open = on_open,
                                         .on_text = on_text,
                                         .on_lost = on_lost,
                                         .on_state = on_state,
                                         .on_closed = on_connection_closed};

    client->opts = *opts;
    client->loop = loop;
    if (getrandom(&client->secret, sizeof(client->secret), GRND_NONBLOCK) < 0)
        client->secret = uv_hrtime();
    list_init(&client->rooms);
    auth_init(&client->auth, opts->on_token_wanted ? &auth_with_tokens : &auth_without,
              client);
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    client->connection = connection_open(loop, &connection);
    client->handles = 2;
    return client;
}

void chat_client_bring_token(struct chat_client *client, const char *token)
{
    auth_bring(&client->auth, token, uv_now(client->loop));
}

void chat_client_join(struct chat_client *client, const char *name, const char *user)
{
    struct chat_room_opts opts = {.name = name,
                                  .user = user,
                                  .secret = client->secret,
                                  .says_in_flight = client->opts.says_in_flight,
                                  .looks_for_deleted = client->opts.looks_for_deleted,
                                  .port = &port,
                                  .owner = client};
    struct chat_room *room;

    if (find_named(client, name))
        return;
    room = chat_room_new(&opts);
    list_add(&client->rooms, &room->link);
    chat_room_join(room);
}

void chat_client_leave(struct chat_client *client, const char *name)
{
    struct chat_room *room = find_named(client, name);

    if (!room)
        return;
    client->at_work++;
    client->leaves += chat_room_leave(room);
    end_work(client);
}

uint64_t chat_client_say(struct chat_client *client, const char *name, const char *text,
                         size_t len)
{
    struct chat_room *room = find_named(client, name);

    return room ? chat_room_say(room, text, len) : 0;
}

void chat_client_send(struct chat_client *client, const char *json, size_t len)
{
    port_send(client, json, len);
}

bool chat_client_is_live(const struct chat_client *client, const char *name)
{
    const struct chat_room *room = find_named(client, name);

    return room && room->state == CHAT_ROOM_LIVE;
}

size_t chat_client_withdraw(struct chat_client *client, const char *name)
{
    struct chat_room *room = find_named(client, name);
    size_t count;

    if (!room)
        return 0;
    client->at_work++;
    count = chat_room_withdraw(room);
    end_work(client);
    return count;
}

uint64_t chat_client_wait_ms(const struct chat_client *client)
{
    return connection_wait_ms(client->connection);
}

const struct connection_address *chat_client_address(const struct chat_client *client)
{
    return connection_address(client->connection);
}

void chat_client_cut(struct chat_client *client)
{
    connection_cut(client->connection);
}

void chat_client_pause(struct chat_client *client)
{
    connection_pause(client->connection);
}

void chat_client_resume(struct chat_client *client)
{
    connection_resume(client->connection);
}
