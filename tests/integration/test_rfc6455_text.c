/* test_rfc6455_text.c - the gateway against RFC 6455 sections 5.6 and 8.1: text is UTF-8
 * (RFC 3629), and what is not closes with 1007 at once: with the first byte that cannot
 * be, not at the end of the frame or the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/echo.h"
#include "tests/support/fleet/fleet.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct text {
    const char *name;
    const char *bytes;
    size_t len;
};

#define ROW(name, literal)                                                             \
    {                                                                                  \
        name, literal, sizeof(literal) - 1                                             \
    }

static struct fleet fleet;

static int port(void)
{
    return fleet.gateways[0].port;
}

static const struct text valid[] = {
    ROW("ASCII", "Hello, World!"),
    ROW("NUL and other controls", "a\0b\x01\x1f\x7f"),
    ROW("Greek", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
    ROW("two bytes: first and last", "\xc2\x80\xdf\xbf"),
    ROW("three bytes: first and last", "\xe0\xa0\x80\xef\xbf\xbf"),
    ROW("around the surrogates", "\xed\x9f\xbf\xee\x80\x80"),
    ROW("replacement character", "\xef\xbf\xbd"),
    ROW("no characters", "\xef\xbf\xbe\xef\xbf\xbf\xef\xb7\x90"),
    ROW("byte order mark", "\xef\xbb\xbftext"),
    ROW("four bytes: first and last", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
    ROW("first and last of each plane",
        "\xf0\x9f\xbf\xbf\xf0\xa0\x80\x80\xf3\xbf\xbf\xbf"),
    ROW("all lengths", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"),
};

/* The last byte of each is the first that cannot be. */
static const struct text invalid[] = {
    ROW("continuation first", "\x80"),
    ROW("last continuation first", "\xbf"),
    ROW("continuation after a character", "a\x80"),
    ROW("one continuation too many", "\xc3\xa9\xa9"),
    ROW("always overlong C0", "\xc0"),
    ROW("always overlong C1", "\xc1"),
    ROW("overlong in three bytes, lowest", "\xe0\x80"),
    ROW("overlong in three bytes, highest", "\xe0\x9f"),
    ROW("overlong in four bytes, lowest", "\xf0\x80"),
    ROW("overlong in four bytes, highest", "\xf0\x8f"),
    ROW("first surrogate", "\xed\xa0"),
    ROW("last surrogate", "\xed\xbf"),
    ROW("surrogate after text", "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5\xed\xa0"),
    ROW("above U+10FFFF", "\xf4\x90"),
    ROW("far above U+10FFFF", "\xf4\xbf"),
    ROW("lead byte F5", "\xf5"),
    ROW("lead byte F7", "\xf7"),
    ROW("lead byte of five", "\xf8"),
    ROW("lead byte of six", "\xfc"),
    ROW("FE", "\xfe"),
    ROW("FF", "\xff"),
    ROW("ASCII after the lead of two", "\xc3("),
    ROW("lead after the lead of two", "\xc3\xc3"),
    ROW("ASCII after the lead of three", "\xe2("),
    ROW("ASCII in the middle of three", "\xe2\x82("),
    ROW("lead in the middle of three", "\xe2\x82\xe2"),
    ROW("ASCII after the lead of four", "\xf0("),
    ROW("ASCII in the middle of four", "\xf0\x9f("),
    ROW("ASCII before the last of four", "\xf0\x9f\x98("),
    ROW("NUL in the middle of a character", "\xe2\x82\0"),
};

/* What is fine so far, but not as the end of a message. */
static const struct text unfinished[] = {
    ROW("one of two", "\xc3"),       ROW("one of three", "a\xe2"),
    ROW("two of three", "\xe2\x82"), ROW("one of four", "\xf0"),
    ROW("two of four", "\xf0\x9f"),  ROW("three of four", "text\xf0\x9f\x98"),
};

static void send_frame(struct wire *w, int head, const char *bytes, size_t len)
{
    struct wire_frame frame = {
        .head = (unsigned char)head, .bytes = bytes ? bytes : "", .len = len};

    wire_send_frame(w, &frame);
}

/* Frames of one byte each; the last has FIN or not. */
static void send_bytewise(struct wire *w, const struct text *text, bool fin)
{
    for (size_t i = 0; i < text->len; i++) {
        int head = i == 0 ? WIRE_TEXT : WIRE_CONTINUATION;

        if (fin && i == text->len - 1)
            head |= WIRE_FIN;
        send_frame(w, head, text->bytes + i, 1);
    }
}

static void valid_text_is_echoed_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(valid); row++) {
        const struct text *text = &valid[row];
        struct wire *w = echo_open(port());

        print_message("  %s\n", text->name);
        send_frame(w, WIRE_FIN | WIRE_TEXT, text->bytes, text->len);
        echo_expect(w, WIRE_TEXT, text->bytes, text->len);
        for (size_t cut = 0; cut <= text->len; cut++) {
            send_frame(w, WIRE_TEXT, text->bytes, cut);
            send_frame(w, WIRE_FIN, text->bytes + cut, text->len - cut);
            echo_expect(w, WIRE_TEXT, text->bytes, text->len);
        }
        send_bytewise(w, text, true);
        echo_expect(w, WIRE_TEXT, text->bytes, text->len);
        echo_expect_open(w);
        wire_free(w);
    }
}

static void valid_text_is_echoed_byte_by_byte(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(valid); row++) {
        struct wire_frame frame = {.head = WIRE_FIN | WIRE_TEXT,
                                   .bytes = valid[row].bytes,
                                   .len = valid[row].len};
        struct strbuf out = {0};
        struct wire *w = echo_open(port());

        wire_print_frame(&out, &frame, 0xdeadbeef);
        for (size_t i = 0; i < out.len; i++)
            wire_send(w, out.data + i, 1);
        echo_expect(w, WIRE_TEXT, valid[row].bytes, valid[row].len);
        echo_expect_open(w);
        wire_free(w);
        strbuf_deinit(&out);
    }
}

static void a_character_may_be_cut_by_a_ping(void **state)
{
    struct wire *w = echo_open(port());

    (void)state;
    send_frame(w, WIRE_TEXT, "\xf0\x9f", 2);
    send_frame(w, WIRE_FIN | WIRE_PING, "\xff", 1);
    send_frame(w, WIRE_FIN, "\x98\x80", 2);
    echo_expect(w, WIRE_PONG, "\xff", 1);
    echo_expect(w, WIRE_TEXT, "\xf0\x9f\x98\x80", 4);
    echo_expect_open(w);
    wire_free(w);
}

/* Each way to send invalid text; none of them ends the message unless its name says so. */

static void send_whole(struct wire *w, const struct text *text)
{
    send_frame(w, WIRE_FIN | WIRE_TEXT, text->bytes, text->len);
}

static void send_whole_with_more_behind(struct wire *w, const struct text *text)
{
    struct strbuf longer = {0};

    strbuf_add(&longer, text->bytes, text->len);
    strbuf_add(&longer, "and on it goes", 14);
    send_frame(w, WIRE_FIN | WIRE_TEXT, longer.data, longer.len);
    strbuf_deinit(&longer);
}

static void send_first_fragment(struct wire *w, const struct text *text)
{
    send_frame(w, WIRE_TEXT, text->bytes, text->len);
}

static void send_second_fragment(struct wire *w, const struct text *text)
{
    send_frame(w, WIRE_TEXT, "good", 4);
    send_frame(w, WIRE_CONTINUATION, text->bytes, text->len);
}

static void send_fragments_of_a_byte(struct wire *w, const struct text *text)
{
    send_bytewise(w, text, false);
}

/* The frame promises `missing` bytes more than ever come. */
static void send_part_of_a_frame(struct wire *w, const struct text *text,
                                 size_t missing, size_t piece)
{
    struct wire_frame frame = {.head = WIRE_FIN | WIRE_TEXT,
                               .len = text->len + missing};
    struct strbuf out = {0}, longer = {0};

    strbuf_add(&longer, text->bytes, text->len);
    memset(strbuf_reserve(&longer, missing), '.', missing);
    frame.bytes = longer.data;
    wire_print_frame(&out, &frame, 0x01020304);
    out.len -= missing;
    for (size_t at = 0; at < out.len; at += piece)
        wire_send(w, out.data + at, out.len - at < piece ? out.len - at : piece);
    strbuf_deinit(&out);
    strbuf_deinit(&longer);
}

static void send_begin_of_a_frame(struct wire *w, const struct text *text)
{
    send_part_of_a_frame(w, text, 20, SIZE_MAX / 2);
}

static void send_begin_of_a_frame_bytewise(struct wire *w, const struct text *text)
{
    send_part_of_a_frame(w, text, 20, 1);
}

static void send_begin_of_a_long_frame(struct wire *w, const struct text *text)
{
    send_part_of_a_frame(w, text, 100000, SIZE_MAX / 2);
}

static void send_begin_of_a_second_fragment(struct wire *w, const struct text *text)
{
    static const char header[] = "\x00\xd0\0\0\0"; /* 80 bytes, the mask is 0 */

    send_frame(w, WIRE_TEXT, "\xc3\xa9", 2);
    wire_send(w, header, sizeof(header));
    wire_send(w, text->bytes, text->len);
}

static const struct {
    const char *name;
    void (*send)(struct wire *w, const struct text *text);
} ways[] = {
    {"whole", send_whole},
    {"whole, with more behind", send_whole_with_more_behind},
    {"first fragment", send_first_fragment},
    {"second fragment", send_second_fragment},
    {"fragments of a byte", send_fragments_of_a_byte},
    {"begin of a frame", send_begin_of_a_frame},
    {"begin of a frame, byte by byte", send_begin_of_a_frame_bytewise},
    {"begin of a long frame", send_begin_of_a_long_frame},
    {"begin of a second fragment", send_begin_of_a_second_fragment},
};

static void invalid_text_closes_with_its_first_wrong_byte(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(invalid); row++) {
        print_message("  %s\n", invalid[row].name);
        for (size_t way = 0; way < COUNT(ways); way++) {
            struct wire *w = echo_open(port());

            print_message("    %s\n", ways[way].name);
            ways[way].send(w, &invalid[row]);
            echo_expect_close(w, 1007);
            wire_free(w);
        }
    }
}

static void a_message_must_not_end_in_a_character(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(unfinished); row++) {
        struct wire *w = echo_open(port());

        print_message("  %s\n", unfinished[row].name);
        send_whole(w, &unfinished[row]);
        echo_expect_close(w, 1007);
        wire_free(w);

        w = echo_open(port());
        send_first_fragment(w, &unfinished[row]);
        send_frame(w, WIRE_FIN, "", 0);
        echo_expect_close(w, 1007);
        wire_free(w);
    }
}

static void what_is_unfinished_but_right_is_waited_for(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(unfinished); row++) {
        struct wire *w = echo_open(port());

        send_first_fragment(w, &unfinished[row]);
        send_frame(w, WIRE_FIN | WIRE_PING, "", 0);
        echo_expect(w, WIRE_PONG, "", 0);
        echo_expect_open(w);
        wire_free(w);
    }
}

static void binary_may_hold_anything(void **state)
{
    struct wire *w = echo_open(port());

    (void)state;
    for (size_t row = 0; row < COUNT(invalid); row++) {
        send_frame(w, WIRE_BINARY, invalid[row].bytes, invalid[row].len);
        send_frame(w, WIRE_FIN, "\xff", 1);
        send_frame(w, WIRE_FIN | WIRE_BINARY, invalid[row].bytes, invalid[row].len);
    }
    for (size_t row = 0; row < COUNT(invalid); row++) {
        char longer[64];

        memcpy(longer, invalid[row].bytes, invalid[row].len);
        longer[invalid[row].len] = '\xff';
        echo_expect(w, WIRE_BINARY, longer, invalid[row].len + 1);
        echo_expect(w, WIRE_BINARY, invalid[row].bytes, invalid[row].len);
    }
    echo_expect_open(w);
    wire_free(w);
}

static int start(void **state)
{
    *state = &fleet;
    return echo_start(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_echoed_however_it_is_cut),
        cmocka_unit_test(valid_text_is_echoed_byte_by_byte),
        cmocka_unit_test(a_character_may_be_cut_by_a_ping),
        cmocka_unit_test(invalid_text_closes_with_its_first_wrong_byte),
        cmocka_unit_test(a_message_must_not_end_in_a_character),
        cmocka_unit_test(what_is_unfinished_but_right_is_waited_for),
        cmocka_unit_test(binary_may_hold_anything),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
