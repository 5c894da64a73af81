/* test_rfc6455_size.c - the gateway against RFC 6455: large messages, many messages, and
 * the ways TCP may cut them. In echo mode a message may have 16 MiB.
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

enum { LARGEST = 16 << 20 };

static struct fleet fleet;

static int port(void)
{
    return fleet.gateways[0].port;
}

/* Text that is not the same everywhere, so that a piece in the wrong place shows. */
static void fill(struct strbuf *payload, size_t len)
{
    char *to = strbuf_reserve(payload, len);
    uint32_t seed = 1;

    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525U + 1013904223U;
        to[i] = (char)('!' + (seed >> 24) % 90);
    }
    payload->len = len;
}

/* Prints a frame of `len` bytes, and what must come back for it. */
static void print_large(struct strbuf *out, struct strbuf *payload, int opcode,
                        size_t len)
{
    struct wire_frame frame = {.head = (unsigned char)(WIRE_FIN | opcode), .len = len};

    fill(payload, len);
    frame.bytes = payload->data;
    wire_print_frame(out, &frame, 0xa5c3960f);
}

static void sixteen_mebibytes_are_echoed(void **state)
{
    static const int opcodes[] = {WIRE_TEXT, WIRE_BINARY};

    (void)state;
    for (size_t i = 0; i < COUNT(opcodes); i++) {
        struct strbuf out = {0}, payload = {0};
        struct wire *w = echo_open(port());

        print_large(&out, &payload, opcodes[i], LARGEST);
        wire_send(w, out.data, out.len);
        echo_expect(w, opcodes[i], payload.data, payload.len);
        echo_expect_open(w);
        wire_free(w);
        strbuf_deinit(&out);
        strbuf_deinit(&payload);
    }
}

static const size_t fragment_sizes[] = {64, 1024, 65536, 1 << 20, LARGEST / 2};

static void large_messages_may_be_fragmented(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fragment_sizes); i++) {
        size_t total = fragment_sizes[i] < 1024 ? 4 << 20 : LARGEST;
        struct strbuf payload = {0};
        struct wire *w = echo_open(port());

        print_message("  %zu in fragments of %zu\n", total, fragment_sizes[i]);
        fill(&payload, total);
        for (size_t at = 0; at < total; at += fragment_sizes[i]) {
            int head = at == 0 ? WIRE_BINARY : WIRE_CONTINUATION;
            struct wire_frame frame = {.bytes = payload.data + at,
                                       .len = fragment_sizes[i]};

            head |= at + fragment_sizes[i] == total ? WIRE_FIN : 0;
            frame.head = (unsigned char)head;
            wire_send_frame(w, &frame);
        }
        echo_expect(w, WIRE_BINARY, payload.data, payload.len);
        echo_expect_open(w);
        wire_free(w);
        strbuf_deinit(&payload);
    }
}

static const size_t pieces[] = {1, 7, 997, 1460, 65536, 1000003};

static void a_message_may_come_in_many_segments(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t len = pieces[i] < 100 ? 70000 : pieces[i] < 10000 ? 1 << 20 : LARGEST;
        struct strbuf out = {0}, payload = {0};
        struct wire *w = echo_open(port());

        print_message("  %zu in writes of %zu\n", len, pieces[i]);
        print_large(&out, &payload, WIRE_TEXT, len);
        for (size_t at = 0; at < out.len; at += pieces[i])
            wire_send(w, out.data + at,
                      out.len - at < pieces[i] ? out.len - at : pieces[i]);
        echo_expect(w, WIRE_TEXT, payload.data, payload.len);
        echo_expect_open(w);
        wire_free(w);
        strbuf_deinit(&out);
        strbuf_deinit(&payload);
    }
}

static void a_byte_more_than_sixteen_mebibytes_is_too_large(void **state)
{
    static const int opcodes[] = {WIRE_TEXT, WIRE_BINARY};

    (void)state;
    for (size_t i = 0; i < COUNT(opcodes); i++) {
        struct strbuf out = {0}, payload = {0};
        struct wire *w = echo_open(port());

        print_large(&out, &payload, opcodes[i], LARGEST + 1);
        wire_send(w, out.data, out.len);
        echo_expect_close(w, 1009);
        wire_free(w);
        strbuf_deinit(&out);
        strbuf_deinit(&payload);
    }
}

/* Headers that announce too much: nothing of the payload ever comes. */
static const struct {
    const char *name, *header;
} announced[] = {
    {"16 MiB and 1", "\x82\xff\0\0\0\0\1\0\0\1MASK"},
    {"4 GiB", "\x82\xff\0\0\0\1\0\0\0\0MASK"},
    {"4 GiB and 10", "\x81\xff\0\0\0\1\0\0\0\x0aMASK"},
    {"2^62", "\x82\xff\x40\0\0\0\0\0\0\0MASK"},
    {"2^63 - 1", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffMASK"},
};

static void what_is_announced_as_too_large_is_not_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(announced); i++) {
        struct wire *w = echo_open(port());

        print_message("  %s\n", announced[i].name);
        wire_send(w, announced[i].header, 14);
        echo_expect_close(w, 1009);
        wire_free(w);
    }
}

static void fragments_are_counted_together(void **state)
{
    struct wire_frame frame = {.head = WIRE_BINARY, .len = LARGEST / 4};
    struct wire *w = echo_open(port());

    (void)state;
    for (int i = 0; i < 4; i++) {
        wire_send_frame(w, &frame);
        frame.head = WIRE_CONTINUATION;
    }
    frame.len = 1;
    wire_send_frame(w, &frame);
    echo_expect_close(w, 1009);
    wire_free(w);
}

static void many_messages_in_one_write_come_back_in_order(void **state)
{
    enum { MESSAGES = 20000 };
    struct strbuf out = {0};
    struct wire *w = echo_open(port());
    char text[16];

    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        struct wire_frame frame = {.head = WIRE_FIN | WIRE_TEXT, .bytes = text};

        frame.len = (size_t)snprintf(text, sizeof(text), "number %d", i);
        wire_print_frame(&out, &frame, (uint32_t)i);
    }
    wire_send(w, out.data, out.len);
    for (int i = 0; i < MESSAGES; i++)
        echo_expect(w, WIRE_TEXT, text,
                    (size_t)snprintf(text, sizeof(text), "number %d", i));
    echo_expect_open(w);
    wire_free(w);
    strbuf_deinit(&out);
}

static void messages_of_all_lengths_share_their_segments(void **state)
{
    enum { LONGEST = 700 };
    struct strbuf out = {0}, payload = {0};
    struct wire *w = echo_open(port());
    struct wire_frame frame = {.head = WIRE_FIN | WIRE_BINARY};

    (void)state;
    fill(&payload, LONGEST);
    frame.bytes = payload.data;
    for (frame.len = 0; frame.len <= LONGEST; frame.len++)
        wire_print_frame(&out, &frame, 0x5a5a5a5a + (uint32_t)frame.len);
    for (size_t at = 0; at < out.len; at += 1000)
        wire_send(w, out.data + at, out.len - at < 1000 ? out.len - at : 1000);
    for (size_t len = 0; len <= LONGEST; len++)
        echo_expect(w, WIRE_BINARY, payload.data, len);
    echo_expect_open(w);
    wire_free(w);
    strbuf_deinit(&out);
    strbuf_deinit(&payload);
}

static int start(void **state)
{
    *state = &fleet;
    return echo_start(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_mebibytes_are_echoed),
        cmocka_unit_test(large_messages_may_be_fragmented),
        cmocka_unit_test(a_message_may_come_in_many_segments),
        cmocka_unit_test(a_byte_more_than_sixteen_mebibytes_is_too_large),
        cmocka_unit_test(what_is_announced_as_too_large_is_not_waited_for),
        cmocka_unit_test(fragments_are_counted_together),
        cmocka_unit_test(many_messages_in_one_write_come_back_in_order),
        cmocka_unit_test(messages_of_all_lengths_share_their_segments),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
