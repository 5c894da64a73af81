/* test_message_size.c - ROOMCAST_MAX_MESSAGE_BYTES (here 10000) holds for a message however
 * it is cut, and binary messages are not taken: 1009 and 1003, as soon as it is certain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/echo.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/unit/quotes.h"

enum { MAX_BYTES = 10000 };

static struct fleet fleet;

static struct wire *open_wire(void)
{
    return echo_open(fleet.gateways[0].port);
}

/* A ping request of exactly `len` bytes. */
static void print_ping(struct strbuf *out, size_t len)
{
    strbuf_add_text(out, q("{'type':'ping','pad':'"));
    while (out->len < len - 2)
        strbuf_add_char(out, 'x');
    strbuf_add_text(out, q("'}"));
}

/* Sends `text` as one message in fragments of `piece` bytes. */
static void send_in_fragments(struct wire *w, const struct strbuf *text, size_t piece)
{
    for (size_t at = 0; at < text->len; at += piece) {
        size_t len = text->len - at < piece ? text->len - at : piece;
        int head = (at == 0 ? WIRE_TEXT : WIRE_CONTINUATION) |
                   (at + len == text->len ? WIRE_FIN : 0);

        wire_send_frame(w, &(struct wire_frame){.head = (unsigned char)head,
                                                .bytes = text->data + at,
                                                .len = len});
    }
}

static const size_t pieces[] = {MAX_BYTES * 2, MAX_BYTES - 1, MAX_BYTES / 2, 100, 7};

static void a_message_of_the_largest_size_is_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct strbuf text = {0};
        struct chat *chat = chat_new(open_wire());

        print_ping(&text, MAX_BYTES);
        send_in_fragments(chat_wire(chat), &text, pieces[i]);
        chat_expect(chat, "pong");
        chat_close(chat);
        strbuf_deinit(&text);
    }
}

static void a_byte_more_is_too_large(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct strbuf text = {0};
        struct wire *w = open_wire();

        print_ping(&text, MAX_BYTES + 1);
        send_in_fragments(w, &text, pieces[i]);
        echo_expect_close(w, 1009);
        wire_free(w);
        strbuf_deinit(&text);
    }
}

static void a_message_without_an_end_is_too_large(void **state)
{
    struct wire_frame frame = {.head = WIRE_TEXT, .len = 1000};
    struct strbuf text = {0};
    struct wire *w = open_wire();

    (void)state;
    print_ping(&text, frame.len);
    frame.bytes = text.data;
    for (int i = 0; i <= MAX_BYTES / 1000; i++) {
        wire_send_frame(w, &frame);
        frame.head = WIRE_CONTINUATION;
    }
    echo_expect_close(w, 1009);
    wire_free(w);
    strbuf_deinit(&text);
}

static void a_binary_message_is_not_taken(void **state)
{
    static const struct wire_frame whole = BINARY("{\"type\":\"ping\"}");
    static const struct wire_frame begin = BEGIN_BINARY("{");
    struct wire *w = open_wire();

    (void)state;
    wire_send_frame(w, &whole);
    echo_expect_close(w, 1003);
    wire_free(w);

    w = open_wire();
    wire_send_frame(w, &begin);
    echo_expect_close(w, 1003);
    wire_free(w);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(
        &fleet, &(struct fleet_opts){.gateways = 1,
                                     .settings = (const char *[]){
                                         "ROOMCAST_MAX_MESSAGE_BYTES=10000", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_of_the_largest_size_is_answered),
        cmocka_unit_test(a_byte_more_is_too_large),
        cmocka_unit_test(a_message_without_an_end_is_too_large),
        cmocka_unit_test(a_binary_message_is_not_taken),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
