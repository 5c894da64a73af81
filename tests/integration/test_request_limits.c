/* test_request_limits.c - the limits of a request, from both sides: what is just within
 * them is taken; what is over them is refused, or closes the connection, and hurts nobody
 * else. Lengths, depth, sizes, rooms a connection, the rate of joins
 * (other rates: test_pacing.c).
 *
 * Over 400 lines because each limit has two sides, and most of them are rows of tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A literal that may hold NULs. */
#define BYTES(literal) (literal), sizeof(literal) - 1

#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"

static struct fleet fleet;

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

/* ---- what is just right ---- */

static const struct {
    const char *name, *request, *answer;
} right[] = {
    {"white space of all kinds", " \t\r\n{ 'type' :\n'ping'\t}\r\n ", "pong"},
    {"a name with escapes", "{'\\u0074ype':'\\u0070ing'}", "pong"},
    {"unknown fields", "{'a':{'type':1},'type':'ping','room':5}", "pong"},
    {"the first type counts", "{'type':'ping','type':'shout'}", "pong"},
    {"a room of 128 bytes", "{'type':'join','user':'u','room':'" NAME_64 NAME_64 "'}",
     "join_ack"},
    {"a user of 64 bytes", "{'type':'join','room':'r64','user':'" NAME_64 "'}",
     "join_ack"},
    {"a user of 32 letters in 64 bytes",
     "{'type':'join','room':'r32','user':"
     "'ääääääääääääääääääääääääääääääää'}",
     "join_ack"},
    {"names with blanks, quotes, colons and other scripts",
     "{'type':'join','room':' a:\\'b\\\\ "
     "%\\u00a0\\ud83d\\ude00','user':'*?['}",
     "join_ack"},
    {"the first room counts", "{'type':'get_history','room':'here','room':'there'}",
     "history_batch"},
    {"a limit of 1", "{'type':'get_history','room':'here','limit':1}", "history_batch"},
    {"a limit of 1000", "{'type':'get_history','room':'here','limit':1000}",
     "history_batch"},
    {"members by a limit of 1000", "{'type':'get_members','room':'here','limit':1000}",
     "member_list"},
    {"a key of 64 bytes",
     "{'type':'message','room':'here','text':'x','key':'" NAME_64 "'}", "message_ack"},
    {"an empty text", "{'type':'message','room':'here','text':''}", "message_ack"},
    {"a kind of 32 bytes",
     "{'type':'signal','room':'here','kind':"
     "'01234567890123456789012345678901'}",
     NULL},
};

static void what_is_just_within_the_limits_is_taken(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "here", "ann");
    for (size_t i = 0; i < COUNT(right); i++) {
        print_message("  %s\n", right[i].name);
        chat_send_bytes(ann, q(right[i].request), strlen(right[i].request));
        if (right[i].answer)
            chat_expect_skipping(ann, right[i].answer);
        chat_send(ann, "{'type':'ping'}");
        do
            assert_true(chat_recv(ann, CHAT_DEADLINE_MS));
        while (strcmp(chat_get_text(ann, "type"), "error") != 0 &&
               strcmp(chat_get_text(ann, "type"), "pong") != 0);
        if (strcmp(chat_get_text(ann, "type"), "pong") != 0)
            fail_msg("%s", chat_bytes(ann));
    }
    chat_close(ann);
}

static const char *const passed_on[] = {
    "12345678901234567890",
    "-0",
    "1.50",
    "1E+2",
    "1e400",
    "[9007199254740993,0.1000000000000000055511151231257827]",
    "{'a':1,'a':2}",
    "null",
    "'\\u00e4\\/'",
};

static void data_is_passed_on_as_written(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(bob, "data", "bob");
    chat_join(ann, "data", "ann");
    chat_expect(bob, "member_joined");
    for (size_t i = 0; i < COUNT(passed_on); i++) {
        char part[256];

        print_message("  %s\n", passed_on[i]);
        snprintf(part, sizeof(part), q("'data':%s"), q(passed_on[i]));
        chat_send(ann, "{'type':'message','room':'data','text':'x',%s}", part);
        chat_expect(bob, "message");
        assert_non_null(strstr(chat_bytes(bob), part));
        chat_send(ann, "{'type':'signal','room':'data','kind':'x',%s}", part);
        chat_expect(bob, "signal");
        assert_non_null(strstr(chat_bytes(bob), part));
    }
    chat_close(ann);
    chat_close(bob);
}

/* ---- depth and size ---- */

enum { DEPTH_MAX = 32, SIGNAL_DATA_MAX = 4096 };

/* A message whose data nests, with the object around it, `depth` deep. */
static void send_nested(struct chat *chat, int depth, char open, char close)
{
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_text(&text, q("{'id':1,'type':'message','room':'deep','text':"
                             "'x','data':"));
    for (int i = 1; i < depth; i++) {
        strbuf_add_char(&text, open);
        if (open == '{')
            strbuf_add_text(&text, q("'a':"));
    }
    strbuf_add_text(&text, "1");
    for (int i = 1; i < depth; i++)
        strbuf_add_char(&text, close);
    strbuf_add_char(&text, '}');
    chat_send_bytes(chat, text.data, text.len);
    strbuf_deinit(&text);
}

static void nesting_ends_at_32(void **state)
{
    static const int too_deep[] = {DEPTH_MAX + 1, DEPTH_MAX + 2, 1000, 20000};
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "deep", "ann");
    send_nested(ann, DEPTH_MAX, '[', ']');
    chat_expect_skipping(ann, "message_ack");
    send_nested(ann, DEPTH_MAX, '{', '}');
    chat_expect_skipping(ann, "message_ack");
    chat_leave(ann, "deep"); /* nothing more comes of the room */
    for (size_t i = 0; i < COUNT(too_deep); i++) {
        send_nested(ann, too_deep[i], '[', ']');
        chat_expect_error(ann, "bad_request");
        if (too_deep[i] < 10000) {
            send_nested(ann, too_deep[i], '{', '}');
            chat_expect_error(ann, "bad_request");
        }
    }
    chat_expect_usable(ann);
    chat_close(ann);
}

/* A signal whose data is a string of `len` bytes with its quotes. */
static void send_signal(struct chat *chat, size_t len)
{
    struct strbuf text = {NULL, 0, 0};
    size_t end;

    strbuf_add_text(&text, q("{'id':1,'type':'signal','room':'size','kind':"
                             "'x','data':'"));
    for (end = text.len + len - 2; text.len < end;)
        strbuf_add_char(&text, 'x');
    strbuf_add_text(&text, q("'}"));
    chat_send_bytes(chat, text.data, text.len);
    strbuf_deinit(&text);
}

static void a_signals_data_ends_at_4_kib(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(bob, "size", "bob");
    chat_join(ann, "size", "ann");
    chat_expect(bob, "member_joined");
    send_signal(ann, SIGNAL_DATA_MAX + 1);
    chat_expect_error(ann, "too_large");
    assert_int_equal(chat_get_number(ann, "id"), 1);
    send_signal(ann, 3 * SIGNAL_DATA_MAX);
    chat_expect_error(ann, "too_large");
    send_signal(ann, SIGNAL_DATA_MAX);
    chat_expect(bob, "signal");
    assert_int_equal(strlen(chat_get_text(bob, "data")), SIGNAL_DATA_MAX - 2);
    chat_expect_usable(ann);
    chat_close(ann);
    chat_close(bob);
}

/* ---- what ends the connection ---- */

static const struct {
    const char *name;
    unsigned char head;
    const char *bytes;
    size_t len;
    int code;
} fatal[] = {
    {"a binary message", WIRE_FIN | WIRE_BINARY, BYTES("{'type':'ping'}"), 1003},
    {"an empty binary message", WIRE_FIN | WIRE_BINARY, BYTES(""), 1003},
    {"a stray byte that is not UTF-8", WIRE_FIN | WIRE_TEXT,
     BYTES("{'type':'ping','a':'\xff'}"), 1007},
    {"an overlong form", WIRE_FIN | WIRE_TEXT, BYTES("{'type':'ping','a':'\xc0\x80'}"),
     1007},
    {"a surrogate in UTF-8", WIRE_FIN | WIRE_TEXT,
     BYTES("{'type':'ping','a':'\xed\xa0\x80'}"), 1007},
    {"a letter cut off", WIRE_FIN | WIRE_TEXT, BYTES("{'type':'join','room':'\xc3"),
     1007},
    {"a message over ROOMCAST_MAX_MESSAGE_BYTES", WIRE_FIN | WIRE_TEXT, NULL, 65537,
     1009},
};

static void what_breaks_the_framing_closes_and_hurts_nobody_else(void **state)
{
    struct chat *bob = on_gateway(0);

    (void)state;
    chat_join(bob, "fatal", "bob");
    for (size_t i = 0; i < COUNT(fatal); i++) {
        struct chat *ann = on_gateway(0);
        char *bytes = calloc(1, fatal[i].len + 1);

        print_message("  %s\n", fatal[i].name);
        memset(bytes, ' ', fatal[i].len);
        if (fatal[i].bytes)
            memcpy(bytes, fatal[i].bytes, fatal[i].len);
        q_turn(bytes, fatal[i].len);
        chat_join(ann, "fatal", "ann");
        chat_expect(bob, "member_joined");
        wire_send_frame(chat_wire(ann), &(struct wire_frame){.head = fatal[i].head,
                                                             .bytes = bytes,
                                                             .len = fatal[i].len});
        assert_int_equal(chat_wait_close(ann, CHAT_DEADLINE_MS), fatal[i].code);
        chat_expect(bob, "member_left");
        assert_string_equal(chat_get_text(bob, "reason"), "closed");
        chat_abort(ann);
        free(bytes);
    }
    chat_expect_usable(bob);
    chat_close(bob);
}

static void a_message_of_the_largest_size_is_taken(void **state)
{
    struct chat *ann = on_gateway(0);
    char *text = malloc(65536 + 1);

    (void)state;
    memset(text, ' ', 65536);
    memcpy(text, q("{'type':'ping'"), 14);
    text[65535] = '}';
    chat_send_bytes(ann, text, 65536);
    chat_expect(ann, "pong");
    free(text);
    chat_close(ann);
}

/* ---- too much ---- */

static void one_cannot_be_in_too_many_rooms(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[2].port);

    (void)state;
    chat_join(ann, "one", "ann");
    chat_join(ann, "two", "ann");
    chat_join(ann, "three", "bob"); /* one user a room */
    chat_send(ann, "{'id':1,'type':'join','room':'four','user':'ann'}");
    chat_expect_error(ann, "too_many_rooms");
    assert_int_equal(chat_get_number(ann, "id"), 1);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{four}:meta"), 0);
    chat_join(ann, "two", "ann"); /* it is in there already */
    chat_send(ann, "{'type':'leave','room':'two'}");
    chat_expect(ann, "leave_ack");
    chat_join(ann, "four", "ann");
    chat_close(ann);
}

enum { BURST = 50 };

/* Sends all at once and counts the answers: `taken`, and those that are rate_limited, each
 * of which says when to come back. Returns how many were taken. */
static int flood(struct chat *chat, const char *format, const char *taken)
{
    int good = 0;

    for (int i = 0; i < BURST; i++)
        chat_send(chat, format, i);
    for (int answers = 0; answers < BURST;) {
        assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
        answers += chat_has(chat, "id");
        good += strcmp(chat_get_text(chat, "type"), taken) == 0 && chat_has(chat, "id");
        if (strcmp(chat_get_text(chat, "type"), "error") != 0)
            continue;
        assert_string_equal(chat_get_text(chat, "code"), "rate_limited");
        assert_true(chat_get_number(chat, "retry_after_ms") > 0);
    }
    return good;
}

struct retry {
    struct chat *chat;
    const char *request, *taken;
};

static bool is_taken(void *data)
{
    const struct retry *retry = data;

    chat_send(retry->chat, "%s", retry->request);
    do
        assert_true(chat_recv(retry->chat, CHAT_DEADLINE_MS));
    while (!chat_has(retry->chat, "id"));
    return strcmp(chat_get_text(retry->chat, "type"), retry->taken) == 0;
}

static void joins_have_a_rate(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[3].port);
    struct retry retry = {ann, q("{'id':1,'type':'join','room':'rate','user':'ann'}"),
                          "join_ack"};
    int taken;

    (void)state;
    taken =
        flood(ann, q("{'id':%d,'type':'join','room':'rate','user':'ann'}"), "join_ack");
    assert_in_range(taken, 2, BURST - 1);
    chat_send(ann, "{'type':'message','id':1,'room':'rate','text':'x'}");
    chat_expect_skipping(ann, "message_ack");
    assert_true(wait_until(is_taken, &retry, CHAT_DEADLINE_MS));
    chat_close(ann);
}

/* Gateways 0 and 1 for most, 2 with few rooms, 3 with few joins. */
static int start(void **state)
{
    static const char *const usual[] = {"ROOMCAST_JOINS_PER_SEC=0",
                                        "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};
    static const char *const few_rooms[] = {"ROOMCAST_MAX_ROOMS=3", NULL};
    static const char *const few_joins[] = {"ROOMCAST_JOINS_PER_SEC=1",
                                            "ROOMCAST_JOINS_BURST=2", NULL};

    *state = &fleet;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = usual});
    fleet_add(&fleet, few_rooms);
    fleet_add(&fleet, few_joins);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_just_within_the_limits_is_taken),
        cmocka_unit_test(data_is_passed_on_as_written),
        cmocka_unit_test(nesting_ends_at_32),
        cmocka_unit_test(a_signals_data_ends_at_4_kib),
        cmocka_unit_test(what_breaks_the_framing_closes_and_hurts_nobody_else),
        cmocka_unit_test(a_message_of_the_largest_size_is_taken),
        cmocka_unit_test(one_cannot_be_in_too_many_rooms),
        cmocka_unit_test(joins_have_a_rate),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
