/* chat.c - see chat.h.
 *
 * Everything comes in through read_event, which answers pings, puts fragments together
 * and keeps the close code; above it there are only messages.
 */
#include "tests/support/fleet/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "tests/support/fleet/json_path.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/process.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

struct chat {
    struct wire *wire;
    struct strbuf text; /* the last message, or as much of the next as there is */
    cJSON *json;        /* the same as a tree */
    int close_code;     /* 0: the server has sent no close frame */
};

enum event { EVENT_NOTHING, EVENT_MESSAGE, EVENT_CONTROL };

struct chat *chat_new(struct wire *w)
{
    struct chat *chat = xcalloc(1, sizeof(*chat));

    chat->wire = w;
    return chat;
}

struct chat *chat_open(int port)
{
    struct wire *w = wire_open(port);

    wire_upgrade(w, "/ws", "Sec-WebSocket-Protocol: roomcast.v1\r\n");
    return chat_new(w);
}

struct wire *chat_wire(struct chat *chat)
{
    return chat->wire;
}

/* All but the wire. */
static void drop(struct chat *chat)
{
    cJSON_Delete(chat->json);
    strbuf_deinit(&chat->text);
    free(chat);
}

static void send_control(struct chat *chat, unsigned char opcode, const void *bytes,
                         size_t len)
{
    struct wire_frame frame = {.head = WIRE_FIN | opcode, .bytes = bytes, .len = len};

    wire_send_frame(chat->wire, &frame);
}

/* Reads one frame of at most the time left. EVENT_NOTHING: there is none. */
static enum event read_event(struct chat *chat, int64_t end_ms)
{
    struct wire_frame frame;
    const unsigned char *code;
    int opcode;

    if (chat->close_code || !wire_read_frame(chat->wire, &frame, wait_left_ms(end_ms)))
        return EVENT_NOTHING;
    opcode = frame.head & 0xf;
    code = frame.bytes;
    switch (opcode) {
    case WIRE_PING:
        send_control(chat, WIRE_PONG, frame.bytes, frame.len);
        return EVENT_CONTROL;
    case WIRE_PONG:
        return EVENT_CONTROL;
    case WIRE_CLOSE:
        chat->close_code = frame.len >= 2 ? code[0] << 8 | code[1] : CHAT_NO_CODE;
        send_control(chat, WIRE_CLOSE, code, frame.len >= 2 ? 2 : 0);
        return EVENT_CONTROL;
    case WIRE_TEXT:
        strbuf_reset(&chat->text, SIZE_MAX);
        break;
    case WIRE_CONTINUATION:
        break;
    default:
        fail_msg("the server sends a frame with opcode %d", opcode);
    }
    strbuf_add(&chat->text, frame.len ? frame.bytes : "", frame.len);
    return frame.head & WIRE_FIN ? EVENT_MESSAGE : EVENT_CONTROL;
}

void chat_close(struct chat *chat)
{
    int64_t end_ms = wait_now_ms() + CHAT_DEADLINE_MS;

    send_control(chat, WIRE_CLOSE, "\x03\xe8", 2);
    while (read_event(chat, end_ms) != EVENT_NOTHING)
        ;
    assert_int_equal(chat->close_code, 1000);
    assert_int_equal(wire_wait_end(chat->wire, CHAT_DEADLINE_MS), WIRE_ENDED);
    wire_free(chat->wire);
    drop(chat);
}

void chat_abort(struct chat *chat)
{
    if (!chat)
        return;
    wire_abort(chat->wire);
    drop(chat);
}

void chat_send(struct chat *chat, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = print_args(q(format), args);
    va_end(args);
    if (!chat_send_bytes(chat, text, strlen(text)))
        fail_msg("the connection is gone; not sent: %s", text);
    free(text);
}

bool chat_send_bytes(struct chat *chat, const void *text, size_t len)
{
    struct wire_frame frame = {.head = WIRE_FIN | WIRE_TEXT, .bytes = text, .len = len};

    return wire_send_frame(chat->wire, &frame);
}

bool chat_recv(struct chat *chat, long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;
    enum event event;
    const char *end;

    do {
        event = read_event(chat, end_ms);
        if (event == EVENT_NOTHING)
            return false;
    } while (event != EVENT_MESSAGE);
    cJSON_Delete(chat->json);
    chat->json = cJSON_ParseWithOpts(chat->text.data, &end, 1);
    if (!cJSON_IsObject(chat->json) || end != chat->text.data + chat->text.len ||
        !cJSON_IsString(cJSON_GetObjectItemCaseSensitive(chat->json, "type")))
        fail_msg("not an object with a type: %s", chat->text.data);
    return true;
}

static void recv_or_fail(struct chat *chat, const char *expected)
{
    if (chat_recv(chat, CHAT_DEADLINE_MS))
        return;
    process_print_logs();
    fail_msg("expected %s, but nothing came (close code %d); before it: %s", expected,
             chat->close_code, chat->text.data ? chat->text.data : "nothing");
}

static bool is_type(const struct chat *chat, const char *type)
{
    return strcmp(chat_get_text(chat, "type"), type) == 0;
}

void chat_expect(struct chat *chat, const char *type)
{
    recv_or_fail(chat, type);
    if (!is_type(chat, type)) {
        process_print_logs();
        fail_msg("expected %s, got %s", type, chat->text.data);
    }
}

void chat_expect_skipping(struct chat *chat, const char *type)
{
    do
        recv_or_fail(chat, type);
    while (!is_type(chat, type));
}

void chat_expect_error(struct chat *chat, const char *code)
{
    recv_or_fail(chat, code);
    if (!is_type(chat, "error") || strcmp(chat_get_text(chat, "code"), code) != 0)
        fail_msg("expected the error %s, got %s", code, chat->text.data);
}

void chat_expect_usable(struct chat *chat)
{
    chat_send(chat, "{'type':'ping','id':'still here'}");
    chat_expect(chat, "pong");
    assert_string_equal(chat_get_text(chat, "id"), "still here");
}

void chat_expect_silence(struct chat *chat, long ms)
{
    if (chat_recv(chat, ms))
        fail_msg("expected nothing, got %s", chat->text.data);
    if (chat->close_code || wire_wait_end(chat->wire, 0) != WIRE_OPEN)
        fail_msg("expected nothing, but the connection ended (close code %d)",
                 chat->close_code);
}

int chat_wait_close(struct chat *chat, long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;

    while (read_event(chat, end_ms) != EVENT_NOTHING)
        ;
    if (wire_wait_end(chat->wire, wait_left_ms(end_ms)) == WIRE_OPEN)
        fail_msg("the server does not end the connection (close code %d)",
                 chat->close_code);
    return chat->close_code ? chat->close_code : CHAT_NO_CLOSE;
}

const cJSON *chat_json(const struct chat *chat)
{
    return chat->json;
}

const char *chat_bytes(const struct chat *chat)
{
    return chat->text.data;
}

static const cJSON *find(const struct chat *chat, const char *path)
{
    return json_path_find(chat->json, path);
}

static const cJSON *find_or_fail(const struct chat *chat, const char *path, bool right,
                                 const cJSON *found)
{
    if (!right)
        fail_msg("no such %s in %s", path, chat->json ? chat->text.data : "nothing");
    return found;
}

const char *chat_get_text(const struct chat *chat, const char *path)
{
    const cJSON *item = find(chat, path);

    return find_or_fail(chat, path, cJSON_IsString(item), item)->valuestring;
}

double chat_get_number(const struct chat *chat, const char *path)
{
    const cJSON *item = find(chat, path);

    return find_or_fail(chat, path, cJSON_IsNumber(item), item)->valuedouble;
}

bool chat_has(const struct chat *chat, const char *path)
{
    return find(chat, path) != NULL;
}

bool chat_is_true(const struct chat *chat, const char *path)
{
    const cJSON *item = find(chat, path);

    return cJSON_IsTrue(find_or_fail(chat, path, cJSON_IsBool(item), item));
}

int chat_get_count(const struct chat *chat, const char *path)
{
    const cJSON *item = find(chat, path);

    return cJSON_GetArraySize(find_or_fail(chat, path, cJSON_IsArray(item), item));
}

/* The last message is a join_ack: reads the history, and leaves the ack as the last message. */
static void read_history(struct chat *chat)
{
    cJSON *ack = chat->json;

    chat->json = NULL;
    do
        chat_expect(chat, "history_batch");
    while (chat_is_true(chat, "more"));
    cJSON_Delete(chat->json);
    chat->json = ack;
}

struct join_request {
    struct chat *chat;
    const char *room, *user;
};

static bool is_joined(void *data)
{
    struct join_request *join = data;

    chat_send(join->chat, "{'type':'join','room':'%s','user':'%s'}", join->room,
              join->user);
    do
        recv_or_fail(join->chat, "join_ack");
    while (!is_type(join->chat, "join_ack") && !is_type(join->chat, "error"));
    if (is_type(join->chat, "join_ack"))
        return true;
    assert_string_equal(chat_get_text(join->chat, "code"), "unavailable");
    print_message("  %s asks to join again: unavailable\n", join->user);
    return false;
}

void chat_join(struct chat *chat, const char *room, const char *user)
{
    struct join_request join = {chat, room, user};

    assert_true(wait_until(is_joined, &join, CHAT_DEADLINE_MS));
    read_history(chat);
}

struct chat *chat_enter(int port, const char *room, const char *user)
{
    struct chat *chat = chat_open(port);

    chat_join(chat, room, user);
    return chat;
}

void chat_leave(struct chat *chat, const char *room)
{
    chat_send(chat, "{'type':'leave','room':'%s'}", room);
    chat_expect_skipping(chat, "leave_ack");
}

struct say_request {
    struct chat *chat;
    const char *room, *text;
};

static bool is_said(void *data)
{
    struct say_request *say = data;

    chat_send(say->chat, "{'type':'message','room':'%s','text':'%s','key':'%s'}",
              say->room, say->text, say->text);
    while (chat_recv(say->chat, CHAT_DEADLINE_MS))
        if (strcmp(chat_get_text(say->chat, "type"), "message_ack") == 0)
            return true;
        else if (strcmp(chat_get_text(say->chat, "type"), "error") == 0)
            break;
    assert_string_equal(chat_get_text(say->chat, "code"), "unavailable");
    return false;
}

double chat_say_when_up(struct chat *chat, const char *room, const char *text)
{
    struct say_request say = {chat, room, text};

    assert_true(wait_until(is_said, &say, CHAT_DEADLINE_MS));
    return chat_get_number(chat, "seq");
}

double chat_say(struct chat *chat, const char *room, const char *text)
{
    chat_send(chat, "{'type':'message','room':'%s','text':'%s'}", room, text);
    chat_expect_skipping(chat, "message_ack");
    return chat_get_number(chat, "seq");
}
