/* test_rfc6455.c - the gateway against RFC 6455: framing, fragments and control frames.
 * Closing is in test_rfc6455_close.c, text in _text.c, size in _size.c.
 *
 * The tables are written from the RFC; the numbers in the comments are its sections. A
 * protocol error must be answered by a close frame with 1002 and then by the end of the
 * stream, not by a RST that could take the close frame with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/echo.h"
#include "tests/support/fleet/fleet.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define X25 "xxxxxxxxxxxxxxxxxxxxxxxxx"
#define X125 X25 X25 X25 X25 X25
#define NORMAL "\x03\xe8" /* 1000 */

static struct fleet fleet;

static int port(void)
{
    return fleet.gateways[0].port;
}

/* 5.2: the payload length */

static const struct {
    size_t len;
    enum wire_length length;
    int close;
} lengths[] = {
    {0, WIRE_7_BITS, ECHO_STAYS_OPEN},
    {1, WIRE_7_BITS, ECHO_STAYS_OPEN},
    {125, WIRE_7_BITS, ECHO_STAYS_OPEN},
    {126, WIRE_16_BITS, ECHO_STAYS_OPEN},
    {127, WIRE_16_BITS, ECHO_STAYS_OPEN},
    {255, WIRE_16_BITS, ECHO_STAYS_OPEN},
    {256, WIRE_16_BITS, ECHO_STAYS_OPEN},
    {65535, WIRE_16_BITS, ECHO_STAYS_OPEN},
    {65536, WIRE_64_BITS, ECHO_STAYS_OPEN},
    {65537, WIRE_64_BITS, ECHO_STAYS_OPEN},
    {1 << 20, WIRE_64_BITS, ECHO_STAYS_OPEN},
    {0, WIRE_16_BITS, 1002},
    {125, WIRE_16_BITS, 1002},
    {0, WIRE_64_BITS, 1002},
    {125, WIRE_64_BITS, 1002},
    {126, WIRE_64_BITS, 1002},
    {65535, WIRE_64_BITS, 1002},
};

static void a_length_is_taken_in_its_shortest_form_only(void **state)
{
    static const unsigned char opcodes[] = {WIRE_TEXT, WIRE_BINARY};

    (void)state;
    for (size_t i = 0; i < COUNT(lengths) * COUNT(opcodes); i++) {
        size_t row = i / COUNT(opcodes);
        struct strbuf payload = {0};
        struct wire_frame frame = {.head = WIRE_FIN | opcodes[i % COUNT(opcodes)],
                                   .length = lengths[row].length,
                                   .len = lengths[row].len};
        struct wire *w = echo_open(port());

        memset(strbuf_reserve(&payload, frame.len), '*', frame.len);
        frame.bytes = payload.data;
        print_message("  %zu bytes, form %d\n", frame.len, frame.length);
        wire_send_frame(w, &frame);
        if (lengths[row].close) {
            echo_expect_close(w, lengths[row].close);
        } else {
            echo_expect(w, frame.head & 0xf, frame.bytes, frame.len);
            echo_expect_open(w);
        }
        wire_free(w);
        strbuf_deinit(&payload);
    }
}

static void a_length_with_its_top_bit_set_is_refused(void **state)
{
    static const char header[] = "\x82\xff\x80\0\0\0\0\0\0\x01MASK";
    struct wire *w = echo_open(port());

    (void)state;
    wire_send(w, header, sizeof(header) - 1);
    echo_expect_close(w, 1002);
    wire_free(w);
}

/* 5.1, 5.3: masks */

static const struct echo_row unmasked[] = {
    {"text", {{.head = 0x81, .unmasked = true, .bytes = "hi", .len = 2}}, {{0}}, 1002},
    {"empty text", {{.head = 0x81, .unmasked = true, .bytes = ""}}, {{0}}, 1002},
    {"binary",
     {{.head = 0x82, .unmasked = true, .bytes = "hi", .len = 2}},
     {{0}},
     1002},
    {"ping", {{.head = 0x89, .unmasked = true, .bytes = ""}}, {{0}}, 1002},
    {"close",
     {{.head = 0x88, .unmasked = true, .bytes = NORMAL, .len = 2}},
     {{0}},
     1002},
    {"second fragment",
     {BEGIN_TEXT("a"), {.head = 0x80, .unmasked = true, .bytes = "b", .len = 1}},
     {{0}},
     1002},
    {"after a good one",
     {TEXT("good"), {.head = 0x81, .unmasked = true, .bytes = "bad", .len = 3}},
     {TEXT("good")},
     1002},
};

static void an_unmasked_frame_is_refused(void **state)
{
    (void)state;
    echo_run(port(), unmasked, COUNT(unmasked));
}

static void every_mask_is_taken_off(void **state)
{
    static const uint32_t masks[] = {0,          0xffffffff, 1,         0xff000000,
                                     0x00ff00ff, 0x2a2a2a2a, 0x80808080};
    static const struct wire_frame frame = TEXT("*** any text of thirty bytes *");
    struct wire *w = echo_open(port());

    (void)state;
    for (size_t i = 0; i < COUNT(masks); i++) {
        struct strbuf out = {0};

        wire_print_frame(&out, &frame, masks[i]);
        wire_send(w, out.data, out.len);
        strbuf_deinit(&out);
        echo_expect(w, WIRE_TEXT, frame.bytes, frame.len);
    }
    echo_expect_open(w);
    wire_free(w);
}

/* 5.2: what is reserved */

static void reserved_bits_and_opcodes_are_refused(void **state)
{
    static const char *const payloads[] = {"", "payload"};
    int refused = 0;

    (void)state;
    for (int head = 0; head <= 0xff; head++) {
        int opcode = head & 0xf;
        bool is_reserved = (opcode >= 3 && opcode <= 7) || opcode >= 0xB;

        if (!(head & 0x70) && !is_reserved)
            continue;
        for (size_t i = 0; i < COUNT(payloads); i++) {
            struct wire *w = echo_open(port());
            struct wire_frame frame = {.head = (unsigned char)head,
                                       .bytes = payloads[i],
                                       .len = strlen(payloads[i])};

            wire_send_frame(w, &frame);
            echo_expect_close(w, 1002);
            wire_free(w);
            refused++;
        }
    }
    /* With and without FIN: 7 sets of bits with all opcodes, and no bits with 10. */
    assert_int_equal(refused, 2 * (2 * 7 * 16 + 2 * 10));
}

static const struct echo_row reserved[] = {
    {"bit 1 after a good message",
     {TEXT("good"), ECHO_FRAME(0xC1, "bad")},
     {TEXT("good")},
     1002},
    {"opcode 3 after a ping", {PING("a"), ECHO_FRAME(0x83, "")}, {PONG("a")}, 1002},
    {"bit 3 in the middle of a message",
     {BEGIN_TEXT("a"), ECHO_FRAME(0x10, "b"), LAST("c")},
     {{0}},
     1002},
    {"opcode 11 in the middle of a message",
     {BEGIN_TEXT("a"), ECHO_FRAME(0x8B, ""), LAST("c")},
     {{0}},
     1002},
};

static void what_is_reserved_is_refused_anywhere(void **state)
{
    (void)state;
    echo_run(port(), reserved, COUNT(reserved));
}

/* 5.4: fragments */

static const struct echo_row fragments[] = {
    {"two", {BEGIN_TEXT("one "), LAST("two")}, {TEXT("one two")}, 0},
    {"two of binary", {BEGIN_BINARY("\0\1"), LAST("\xff")}, {BINARY("\0\1\xff")}, 0},
    {"three", {BEGIN_TEXT("a"), MORE("b"), LAST("c")}, {TEXT("abc")}, 0},
    {"all empty", {BEGIN_TEXT(""), MORE(""), LAST("")}, {TEXT("")}, 0},
    {"empty first", {BEGIN_TEXT(""), MORE("mid"), LAST("")}, {TEXT("mid")}, 0},
    {"two messages",
     {BEGIN_TEXT("a"), LAST("b"), BEGIN_BINARY("c"), LAST("d"), TEXT("e")},
     {TEXT("ab"), BINARY("cd"), TEXT("e")},
     0},
    {"ping between",
     {BEGIN_TEXT("a"), PING("ping"), LAST("b")},
     {PONG("ping"), TEXT("ab")},
     0},
    {"pings everywhere",
     {PING("0"), BEGIN_TEXT("a"), PING("1"), MORE("b"), PING("2"), PING("3"), LAST("c"),
      PING("4")},
     {PONG("0"), PONG("1"), PONG("2"), PONG("3"), TEXT("abc"), PONG("4")},
     0},
    {"pong between", {BEGIN_TEXT("a"), PONG("x"), LAST("b")}, {TEXT("ab")}, 0},
    {"close between", {BEGIN_TEXT("a"), CLOSE(NORMAL), LAST("b")}, {{0}}, 1000},
    {"stray continuation", {MORE("a")}, {{0}}, 1002},
    {"stray empty continuation", {MORE("")}, {{0}}, 1002},
    {"stray last continuation", {LAST("a")}, {{0}}, 1002},
    {"continuation after a message", {TEXT("a"), LAST("b")}, {TEXT("a")}, 1002},
    {"continuation after the last",
     {BEGIN_TEXT("a"), LAST("b"), LAST("c")},
     {TEXT("ab")},
     1002},
    {"text in the middle of text", {BEGIN_TEXT("a"), TEXT("b")}, {{0}}, 1002},
    {"binary in the middle of text", {BEGIN_TEXT("a"), BINARY("b")}, {{0}}, 1002},
    {"text in the middle of binary", {BEGIN_BINARY("a"), TEXT("b")}, {{0}}, 1002},
    {"second beginning", {BEGIN_TEXT("a"), BEGIN_TEXT("b")}, {{0}}, 1002},
    {"second beginning after more",
     {BEGIN_TEXT("a"), MORE("b"), BEGIN_BINARY("")},
     {{0}},
     1002},
    {"error after a ping", {BEGIN_TEXT("a"), PING("p"), TEXT("b")}, {PONG("p")}, 1002},
};

static void fragments_make_one_message_or_are_refused(void **state)
{
    (void)state;
    echo_run(port(), fragments, COUNT(fragments));
}

static void a_message_may_have_ten_thousand_fragments(void **state)
{
    enum { FRAGMENTS = 10000 };
    struct strbuf out = {0}, whole = {0};
    struct wire *w = echo_open(port());

    (void)state;
    for (int i = 0; i < FRAGMENTS; i++) {
        char text[16];
        struct wire_frame frame = {.bytes = text};

        snprintf(text, sizeof(text), "%d,", i);
        frame.len = strlen(text);
        frame.head = i == 0 ? WIRE_TEXT : i < FRAGMENTS - 1 ? 0 : WIRE_FIN;
        wire_print_frame(&out, &frame, (uint32_t)i);
        strbuf_add_text(&whole, text);
    }
    wire_send(w, out.data, out.len);
    echo_expect(w, WIRE_TEXT, whole.data, whole.len);
    echo_expect_open(w);
    wire_free(w);
    strbuf_deinit(&out);
    strbuf_deinit(&whole);
}

/* 5.5: control frames */

static const struct echo_row controls[] = {
    {"ping", {PING("hello")}, {PONG("hello")}, 0},
    {"empty ping", {PING("")}, {PONG("")}, 0},
    {"binary ping", {PING("\0\xff\xfe\0")}, {PONG("\0\xff\xfe\0")}, 0},
    {"ping of 125 bytes", {PING(X125)}, {PONG(X125)}, 0},
    {"ping of 126 bytes", {PING(X125 "x")}, {{0}}, 1002},
    {"ten pings",
     {PING("0"), PING("1"), PING("2"), PING("3"), PING("4"), PING("5"), PING("6"),
      PING("7"), PING("8"), PING("9")},
     {PONG("0"), PONG("1"), PONG("2"), PONG("3"), PONG("4"), PONG("5"), PONG("6"),
      PONG("7"), PONG("8"), PONG("9")},
     0},
    {"unsolicited pong", {PONG("unasked")}, {{0}}, 0},
    {"unsolicited empty pong", {PONG("")}, {{0}}, 0},
    {"pong and ping", {PONG("a"), PING("b"), PONG("c")}, {PONG("b")}, 0},
    {"pong of 126 bytes", {PONG(X125 "x")}, {{0}}, 1002},
    {"close of 126 bytes", {CLOSE(NORMAL X125)}, {{0}}, 1002},
    {"fragmented ping", {ECHO_FRAME(WIRE_PING, "a"), LAST("b")}, {{0}}, 1002},
    {"fragmented pong", {ECHO_FRAME(WIRE_PONG, "a"), LAST("b")}, {{0}}, 1002},
    {"fragmented close", {ECHO_FRAME(WIRE_CLOSE, NORMAL), LAST("b")}, {{0}}, 1002},
    {"ping with a 16 bit length",
     {{.head = 0x89, .length = WIRE_16_BITS, .bytes = "a", .len = 1}},
     {{0}},
     1002},
    {"ping with a 64 bit length",
     {{.head = 0x89, .length = WIRE_64_BITS, .bytes = "a", .len = 1}},
     {{0}},
     1002},
    {"messages and pings",
     {TEXT("a"), PING("1"), BINARY("b"), PING("2"), TEXT("c")},
     {TEXT("a"), PONG("1"), BINARY("b"), PONG("2"), TEXT("c")},
     0},
};

static void control_frames_are_short_and_whole(void **state)
{
    (void)state;
    echo_run(port(), controls, COUNT(controls));
}

static int start(void **state)
{
    *state = &fleet;
    return echo_start(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_is_taken_in_its_shortest_form_only),
        cmocka_unit_test(a_length_with_its_top_bit_set_is_refused),
        cmocka_unit_test(an_unmasked_frame_is_refused),
        cmocka_unit_test(every_mask_is_taken_off),
        cmocka_unit_test(reserved_bits_and_opcodes_are_refused),
        cmocka_unit_test(what_is_reserved_is_refused_anywhere),
        cmocka_unit_test(fragments_make_one_message_or_are_refused),
        cmocka_unit_test(a_message_may_have_ten_thousand_fragments),
        cmocka_unit_test(control_frames_are_short_and_whole),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
