/* test_reader.c - frames of clients, right ones and wrong ones, cut in every way; and a
 * reader that goes from one connection to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "gateway/reader.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes and their count, also with NULs in them. */
#define BYTES(literal) literal, sizeof(literal) - 1

/* A frame's second byte and its mask, which is zero but where it matters. */
#define MASKED(len) len "\0\0\0\0"

enum { MAX_MESSAGE_BYTES = 200, OPEN = -1 };

/* What one connection heard from its reader. */
struct log {
    struct strbuf events;  /* "text(hello) " */
    struct strbuf answers; /* bytes, as they would go out */
    int code;              /* of on_close; OPEN: it did not come */
    bool is_peers;         /* of on_close */
    unsigned frames, may;  /* that have begun; that may */
};

static bool may_begin(void *owner, unsigned char byte)
{
    struct log *log = owner;

    assert_int_equal(log->code, OPEN);
    (void)byte;
    if (log->frames >= log->may)
        return false;
    log->frames++;
    return true;
}

static void on_message(void *owner, bool is_text, const char *bytes, size_t len)
{
    struct log *log = owner;

    assert_int_equal(log->code, OPEN);
    strbuf_add_text(&log->events, is_text ? "text(" : "binary(");
    if (len > 20)
        strbuf_add_u64(&log->events, len);
    else
        strbuf_add(&log->events, bytes, len);
    strbuf_add_text(&log->events, ") ");
}

static void on_answer(void *owner, const void *bytes, size_t len)
{
    struct log *log = owner;

    assert_int_equal(log->code, OPEN);
    strbuf_add(&log->answers, bytes, len);
}

static void on_close(void *owner, int code, bool is_peers)
{
    struct log *log = owner;

    assert_int_equal(log->code, OPEN); /* once */
    log->code = code;
    log->is_peers = is_peers;
}

/* Of what is read next. */
static size_t bytes_max = MAX_MESSAGE_BYTES;

static size_t message_bytes_max(void *owner)
{
    (void)owner;
    return bytes_max;
}

static const struct reader_events events = {may_begin, message_bytes_max, on_message,
                                            on_answer, on_close};

static void log_init(struct log *log)
{
    *log = (struct log){.code = OPEN, .may = UINT32_MAX};
}

static void log_deinit(struct log *log)
{
    strbuf_deinit(&log->events);
    strbuf_deinit(&log->answers);
}

static const char *text_of(const struct strbuf *b)
{
    return b->data ? b->data : "";
}

/* Feeds a copy that ends where its memory does. */
static void feed(struct reader *r, struct log *log, const char *bytes, size_t len)
{
    char *copy = xmalloc(len);

    memcpy(copy, bytes, len);
    assert_int_equal(reader_feed(r, log, copy, len), len);
    free(copy);
    assert_int_equal(reader_is_done(r), log->code != OPEN);
    assert_false(reader_is_done(r) && reader_is_at_rest(r));
}

/* ---- tables ---- */

static const struct {
    const char *name, *bytes;
    size_t len;
    const char *events;
    const char *answers;
    size_t answers_len;
    int code;
    bool at_rest;
} inputs[] = {
    {"a text", BYTES("\x81" MASKED("\x85") "hello"), "text(hello) ", BYTES(""), OPEN,
     true},
    {"a text with a mask", BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
     "text(Hello) ", BYTES(""), OPEN, true},
    {"an empty text", BYTES("\x81" MASKED("\x80")), "text() ", BYTES(""), OPEN, true},
    {"a NUL in a text", BYTES("\x81" MASKED("\x83") "a\0b"), "text(a", BYTES(""), OPEN,
     true}, /* as far as a C string goes */
    {"two texts", BYTES("\x81" MASKED("\x81") "a\x81" MASKED("\x81") "b"),
     "text(a) text(b) ", BYTES(""), OPEN, true},
    {"126 bytes",
     BYTES("\x81\xfe\0\x7e\0\0\0\0"
           "012345678901234567890123456789012345678901234567890123456789012"
           "012345678901234567890123456789012345678901234567890123456789012"),
     "text(126) ", BYTES(""), OPEN, true},
    {"fragments",
     BYTES("\x01" MASKED("\x82") "he\x00" MASKED("\x82") "ll\x80" MASKED("\x81") "o"),
     "text(hello) ", BYTES(""), OPEN, true},
    {"empty fragments",
     BYTES("\x01" MASKED("\x80") "\x00" MASKED("\x80") "\x80" MASKED("\x80")),
     "text() ", BYTES(""), OPEN, true},
    {"a ping between fragments",
     BYTES("\x01" MASKED("\x81") "a\x89" MASKED("\x81") "p\x80" MASKED("\x81") "b"),
     "text(ab) ", BYTES("\x8a\x01p"), OPEN, true},
    {"a pong between fragments",
     BYTES("\x01" MASKED("\x81") "a\x8a" MASKED("\x80") "\x80" MASKED("\x81") "b"),
     "text(ab) ", BYTES(""), OPEN, true},
    {"a fragment only", BYTES("\x01" MASKED("\x81") "a"), "", BYTES(""), OPEN, false},
    {"a fragment and a ping", BYTES("\x01" MASKED("\x81") "a\x89" MASKED("\x80")), "",
     BYTES("\x8a\0"), OPEN, false},
    {"a character cut by fragments",
     BYTES("\x01" MASKED("\x81") "\xc3\x80" MASKED("\x81") "\xa4"), "text(\xc3\xa4) ",
     BYTES(""), OPEN, true},
    {"a ping", BYTES("\x89" MASKED("\x82") "hi"), "", BYTES("\x8a\x02hi"), OPEN, true},
    {"an empty ping", BYTES("\x89" MASKED("\x80")), "", BYTES("\x8a\0"), OPEN, true},
    {"two pings", BYTES("\x89" MASKED("\x81") "a\x89" MASKED("\x81") "b"), "",
     BYTES("\x8a\x01"
           "a\x8a\x01"
           "b"),
     OPEN, true},
    {"a pong", BYTES("\x8a" MASKED("\x81") "x"), "", BYTES(""), OPEN, true},
    {"the half of a header", BYTES("\x81"), "", BYTES(""), OPEN, false},
    {"a header", BYTES("\x81" MASKED("\x85")), "", BYTES(""), OPEN, false},
    {"a payload but for its last byte", BYTES("\x81" MASKED("\x85") "hell"), "",
     BYTES(""), OPEN, false},

    {"a close with 1000", BYTES("\x88" MASKED("\x82") "\x03\xe8"), "", BYTES(""), 1000,
     false},
    {"a close with 1001 and a reason",
     BYTES("\x88" MASKED("\x85") "\x03\xe9"
                                 "bye"),
     "", BYTES(""), 1001, false},
    {"a close with 3000", BYTES("\x88" MASKED("\x82") "\x0b\xb8"), "", BYTES(""), 3000,
     false},
    {"a close with 4999", BYTES("\x88" MASKED("\x82") "\x13\x87"), "", BYTES(""), 4999,
     false},
    {"a close without a code", BYTES("\x88" MASKED("\x80")), "", BYTES(""), 0, false},
    {"a text, then a close",
     BYTES("\x81" MASKED("\x81") "a\x88" MASKED("\x82") "\x03\xe8"), "text(a) ",
     BYTES(""), 1000, false},
    {"what comes behind a close",
     BYTES("\x88" MASKED("\x82") "\x03\xe8\x81" MASKED("\x81") "a"), "", BYTES(""),
     1000, false},
    {"a close between fragments",
     BYTES("\x01" MASKED("\x81") "a\x88" MASKED("\x82") "\x03\xe8"), "", BYTES(""),
     1000, false},
    {"a close with half a code", BYTES("\x88" MASKED("\x81") "\x03"), "", BYTES(""),
     1002, false},
    {"a close with 999", BYTES("\x88" MASKED("\x82") "\x03\xe7"), "", BYTES(""), 1002,
     false},
    {"a close with 1005", BYTES("\x88" MASKED("\x82") "\x03\xed"), "", BYTES(""), 1002,
     false},
    {"a close with 1006", BYTES("\x88" MASKED("\x82") "\x03\xee"), "", BYTES(""), 1002,
     false},
    {"a close with 1015", BYTES("\x88" MASKED("\x82") "\x03\xf7"), "", BYTES(""), 1002,
     false},
    {"a close with 2999", BYTES("\x88" MASKED("\x82") "\x0b\xb7"), "", BYTES(""), 1002,
     false},
    {"a close with 5000", BYTES("\x88" MASKED("\x82") "\x13\x88"), "", BYTES(""), 1002,
     false},
    {"a close with a reason that is not UTF-8",
     BYTES("\x88" MASKED("\x84") "\x03\xe8\xc3\x28"), "", BYTES(""), 1007, false},
    {"a fragmented close", BYTES("\x08" MASKED("\x80")), "", BYTES(""), 1002, false},

    {"not masked", BYTES("\x81\x05hello"), "", BYTES(""), 1002, false},
    {"RSV1", BYTES("\xc1" MASKED("\x81") "a"), "", BYTES(""), 1002, false},
    {"RSV2", BYTES("\xa1" MASKED("\x81") "a"), "", BYTES(""), 1002, false},
    {"RSV3", BYTES("\x91" MASKED("\x81") "a"), "", BYTES(""), 1002, false},
    {"opcode 3", BYTES("\x83" MASKED("\x81") "a"), "", BYTES(""), 1002, false},
    {"opcode 11", BYTES("\x8b" MASKED("\x81") "a"), "", BYTES(""), 1002, false},
    {"a continuation of nothing", BYTES("\x80" MASKED("\x81") "a"), "", BYTES(""), 1002,
     false},
    {"a text within a text", BYTES("\x01" MASKED("\x81") "a\x81" MASKED("\x81") "b"),
     "", BYTES(""), 1002, false},
    {"a fragmented ping", BYTES("\x09" MASKED("\x80")), "", BYTES(""), 1002, false},
    {"a ping of 126 bytes", BYTES("\x89\xfe\0\x7e\0\0\0\0"), "", BYTES(""), 1002,
     false},
    {"a length of 125 in two bytes", BYTES("\x81\xfe\0\x7d\0\0\0\0"), "", BYTES(""),
     1002, false},
    {"a length of 199 in eight bytes", BYTES("\x81\xff\0\0\0\0\0\0\0\xc7\0\0\0\0"), "",
     BYTES(""), 1002, false},
    {"a length with its top bit", BYTES("\x81\xff\x80\0\0\0\0\0\0\1\0\0\0\0"), "",
     BYTES(""), 1002, false},

    {"a text that is not UTF-8", BYTES("\x81" MASKED("\x82") "\xc3\x28"), "", BYTES(""),
     1007, false},
    {"an overlong character", BYTES("\x81" MASKED("\x82") "\xc0\xaf"), "", BYTES(""),
     1007, false},
    {"a surrogate", BYTES("\x81" MASKED("\x83") "\xed\xa0\x80"), "", BYTES(""), 1007,
     false},
    {"a text that ends within a character", BYTES("\x81" MASKED("\x81") "\xc3"), "",
     BYTES(""), 1007, false},
    {"bad UTF-8, found before the text ends", BYTES("\x81" MASKED("\x85") "\xff"), "",
     BYTES(""), 1007, false},
    {"bad UTF-8 in the second fragment",
     BYTES("\x01" MASKED("\x81") "\xc3\x80" MASKED("\x81") "("), "", BYTES(""), 1007,
     false},
    {"a binary message", BYTES("\x82" MASKED("\x81") "a"), "", BYTES(""), 1003, false},
    {"a binary message, known before its end", BYTES("\x82" MASKED("\x85") "a"), "",
     BYTES(""), 1003, false},
    {"a binary fragment", BYTES("\x02" MASKED("\x81") "a"), "", BYTES(""), 1003, false},
    {"201 bytes, known by the header", BYTES("\x81\xfe\0\xc9\0\0\0\0"), "", BYTES(""),
     1009, false},
    {"4 GiB", BYTES("\x81\xff\0\0\0\1\0\0\0\0\0\0\0\0"), "", BYTES(""), 1009, false},
    {"2^63 - 1 bytes", BYTES("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), "",
     BYTES(""), 1009, false},
};

static void expect_log(const struct log *log, size_t i)
{
    assert_string_equal(text_of(&log->events), inputs[i].events);
    assert_int_equal(log->code, inputs[i].code);
    assert_int_equal(log->answers.len, inputs[i].answers_len);
    assert_memory_equal(text_of(&log->answers), inputs[i].answers,
                        inputs[i].answers_len);
}

/* Feeds the input in pieces, until the reader is done. */
static void read_in_pieces(size_t i, size_t first, size_t step)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    size_t at = 0, piece = first;
    struct log log;

    log_init(&log);
    while (at < inputs[i].len && log.code == OPEN) {
        if (piece > inputs[i].len - at)
            piece = inputs[i].len - at;
        feed(r, &log, inputs[i].bytes + at, piece);
        at += piece;
        piece = step;
    }
    expect_log(&log, i);
    assert_int_equal(reader_is_at_rest(r), inputs[i].at_rest);
    reader_free(r);
    log_deinit(&log);
}

static void bytes_become_messages_and_close_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inputs); i++) {
        print_message("  %s\n", inputs[i].name);
        read_in_pieces(i, inputs[i].len, inputs[i].len);
    }
}

static void how_the_bytes_are_cut_does_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inputs); i++) {
        print_message("  %s\n", inputs[i].name);
        read_in_pieces(i, 1, 1);
        for (size_t first = 1; first < inputs[i].len; first++)
            read_in_pieces(i, first, inputs[i].len);
    }
}

/* ---- sizes ---- */

/* A masked frame of `len` times the same byte. */
static void add_frame(struct strbuf *out, unsigned char first, char byte, size_t len)
{
    static const unsigned char mask[] = {0x12, 0x34, 0x56, 0x78};

    strbuf_add_char(out, (char)first);
    if (len < 126) {
        strbuf_add_char(out, (char)(0x80 | len));
    } else if (len <= 0xffff) {
        strbuf_add_char(out, (char)0xfe);
        strbuf_add_char(out, (char)(len >> 8));
        strbuf_add_char(out, (char)len);
    } else {
        strbuf_add_char(out, (char)0xff);
        for (int shift = 56; shift >= 0; shift -= 8)
            strbuf_add_char(out, (char)(len >> shift));
    }
    strbuf_add(out, mask, sizeof(mask));
    for (size_t i = 0; i < len; i++)
        strbuf_add_char(out, (char)(byte ^ mask[i % 4]));
}

static void the_largest_message_passes_and_one_byte_more_does_not(void **state)
{
    static const size_t maxima[] = {1, 125, 126, 65535, 65536, 300000};

    (void)state;
    for (size_t i = 0; i < COUNT(maxima); i++)
        for (size_t over = 0; over < 2; over++) {
            struct reader *r = reader_new(&events, maxima[i], false);
            struct strbuf bytes = {0};
            struct log log;

            log_init(&log);
            bytes_max = maxima[i];
            add_frame(&bytes, 0x81, 'x', maxima[i] + over);
            feed(r, &log, bytes.data, bytes.len);
            assert_int_equal(log.code, over ? 1009 : OPEN);
            assert_int_equal(reader_is_at_rest(r), !over);
            reader_free(r);
            strbuf_deinit(&bytes);
            log_deinit(&log);
        }
    bytes_max = MAX_MESSAGE_BYTES;
}

static void fragments_are_counted_together(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct strbuf bytes = {0};
    struct log log;

    (void)state;
    log_init(&log);
    add_frame(&bytes, 0x01, 'a', MAX_MESSAGE_BYTES - 10);
    add_frame(&bytes, 0x89, 'p', 100); /* does not count */
    add_frame(&bytes, 0x80, 'b', 10);
    feed(r, &log, bytes.data, bytes.len);
    assert_string_equal(text_of(&log.events), "text(200) ");
    bytes.len = 0;
    add_frame(&bytes, 0x01, 'a', MAX_MESSAGE_BYTES - 10);
    add_frame(&bytes, 0x80, 'b', 11);
    feed(r, &log, bytes.data, bytes.len);
    assert_int_equal(log.code, 1009);
    reader_free(r);
    strbuf_deinit(&bytes);
    log_deinit(&log);
}

static void binary_passes_where_it_is_allowed(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, true);
    struct log log;

    (void)state;
    log_init(&log);
    feed(r, &log, BYTES("\x82" MASKED("\x82") "\xff\xfe\x02" MASKED("\x81") "a"));
    assert_false(reader_is_at_rest(r));
    feed(r, &log, BYTES("\x80" MASKED("\x81") "b\x81" MASKED("\x81") "c"));
    assert_string_equal(text_of(&log.events), "binary(\xff\xfe) binary(ab) text(c) ");
    assert_true(reader_is_at_rest(r));
    reader_free(r);
    log_deinit(&log);
}

/* ---- at rest, and lent ---- */

/* At each byte of the stream: at rest exactly where a message, or a control frame that
 * is not within one, has just ended. */
static void a_reader_rests_between_messages_only(void **state)
{
    static const char stream[] = "\x81" MASKED("\x81") "a"                   /* 7 */
                                                       "\x89" MASKED("\x80") /* 13 */
        "\x01" MASKED("\x81") "b"                   /* 20: open */
                              "\x89" MASKED("\x80") /* 26: open */
        "\x00" MASKED("\x80")                       /* 32: open */
        "\x80" MASKED("\x80")                       /* 38 */
        "\x8a" MASKED("\x81") "p";                  /* 45 */
    static const size_t ends[] = {0, 7, 13, 38, 45};
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct log log;
    size_t next = 0;

    (void)state;
    log_init(&log);
    for (size_t at = 0; at < sizeof(stream); at++) {
        bool is_end = next < COUNT(ends) && at == ends[next];

        assert_int_equal(reader_is_at_rest(r), is_end);
        next += is_end;
        if (at + 1 < sizeof(stream))
            feed(r, &log, stream + at, 1);
    }
    assert_int_equal(next, COUNT(ends));
    assert_string_equal(text_of(&log.events), "text(a) text(b) ");
    reader_free(r);
    log_deinit(&log);
}

static void a_reader_at_rest_goes_from_owner_to_owner(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct log ann, bob;

    (void)state;
    log_init(&ann);
    log_init(&bob);
    for (int i = 0; i < 100; i++) {
        feed(r, &ann, BYTES("\x81" MASKED("\x81") "a\x89" MASKED("\x81") "A"));
        assert_true(reader_is_at_rest(r));
        feed(r, &bob, BYTES("\x01" MASKED("\x81") "b"));
        assert_false(reader_is_at_rest(r));
        feed(r, &bob, BYTES("\x80" MASKED("\x81") "B\x8a" MASKED("\x80")));
        assert_true(reader_is_at_rest(r));
    }
    assert_int_equal(ann.events.len, 100 * strlen("text(a) "));
    assert_int_equal(ann.answers.len, 100 * 3);
    assert_int_equal(bob.events.len, 100 * strlen("text(bB) "));
    assert_int_equal(bob.answers.len, 0);
    assert_null(strchr(ann.events.data, 'b'));
    assert_null(strchr(bob.events.data, 'a'));
    reader_free(r);
    log_deinit(&ann);
    log_deinit(&bob);
}

/* The state of UTF-8 and of masks is not handed on either. */
static void nothing_of_one_owner_is_left_for_the_next(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct strbuf bytes = {0};
    struct log ann, bob;

    (void)state;
    log_init(&ann);
    log_init(&bob);
    add_frame(&bytes, 0x81, 'x', 150);
    feed(r, &ann, bytes.data, bytes.len);
    feed(r, &ann, BYTES("\x01" MASKED("\x81") "\xc3\x80" MASKED("\x81") "\xa4"));
    assert_true(reader_is_at_rest(r));
    feed(r, &bob, BYTES("\x81" MASKED("\x80")));
    feed(r, &bob, bytes.data, bytes.len);
    feed(r, &bob, BYTES("\x81" MASKED("\x81") "b"));
    assert_string_equal(text_of(&ann.events), "text(150) text(\xc3\xa4) ");
    assert_string_equal(text_of(&bob.events), "text() text(150) text(b) ");
    reader_free(r);
    strbuf_deinit(&bytes);
    log_deinit(&ann);
    log_deinit(&bob);
}

static void each_frame_may_begin_or_not(void **state)
{
    static const char stream[] = "\x01" MASKED("\x81") "a\x89" MASKED(
        "\x80") "\x80" MASKED("\x81") "b\x8a" MASKED("\x80") "\x81" MASKED("\x81") "c";
    static const size_t frames[] = {7, 6, 7, 6, 7};
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct log log;
    size_t at = 0, len = sizeof(stream) - 1;

    (void)state;
    log_init(&log);
    log.may = 0;
    assert_int_equal(reader_feed(r, &log, stream, len), 0);
    assert_true(reader_is_at_rest(r));
    for (size_t i = 0; i < COUNT(frames); i++) {
        log.may++;
        assert_int_equal(reader_feed(r, &log, stream + at, len - at), frames[i]);
        at += frames[i];
    }
    assert_int_equal(at, len);
    assert_string_equal(text_of(&log.events), "text(ab) text(c) ");
    reader_free(r);
    log_deinit(&log);
}

static void a_frame_that_has_begun_is_read_to_its_end(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct log log;

    (void)state;
    log_init(&log);
    log.may = 1;
    feed(r, &log, BYTES("\x81"));
    feed(r, &log, BYTES("\x83\0\0"));
    feed(r, &log,
         BYTES("\0\0"
               "a"));
    feed(r, &log, BYTES("bc"));
    assert_string_equal(text_of(&log.events), "text(abc) ");
    assert_int_equal(log.frames, 1);
    assert_int_equal(reader_feed(r, &log, BYTES("\x81")), 0);
    reader_free(r);
    log_deinit(&log);
}

static void it_is_told_whether_the_peer_closes(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        int code;
        bool is_peers;
    } closes[] = {
        {"no code", BYTES("\x88" MASKED("\x80")), 0, true},
        {"1000", BYTES("\x88" MASKED("\x82") "\x03\xe8"), 1000, true},
        {"1002", BYTES("\x88" MASKED("\x82") "\x03\xea"), 1002, true},
        {"1009", BYTES("\x88" MASKED("\x82") "\x03\xf1"), 1009, true},
        {"4999", BYTES("\x88" MASKED("\x82") "\x13\x87"), 4999, true},
        {"a code that is none", BYTES("\x88" MASKED("\x82") "\x03\xed"), 1002, true},
        {"half a code", BYTES("\x88" MASKED("\x81") "\x03"), 1002, true},
        {"a reason that is not UTF-8", BYTES("\x88" MASKED("\x83") "\x03\xe8\xff"),
         1007, true},
        {"a text that is not UTF-8", BYTES("\x81" MASKED("\x81") "\xff"), 1007, false},
        {"a binary message", BYTES("\x82" MASKED("\x80")), 1003, false},
        {"a reserved opcode", BYTES("\x83" MASKED("\x80")), 1002, false},
        {"what is too long", BYTES("\x81\xfe\xff\xff\0\0\0\0"), 1009, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(closes); i++) {
        struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
        struct log log;

        print_message("  %s\n", closes[i].name);
        log_init(&log);
        feed(r, &log, closes[i].bytes, closes[i].len);
        assert_int_equal(log.code, closes[i].code);
        assert_int_equal(log.is_peers, closes[i].is_peers);
        reader_free(r);
        log_deinit(&log);
    }
}

static void no_bytes_are_no_event(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct log log;

    (void)state;
    log_init(&log);
    feed(r, &log, "", 0);
    assert_true(reader_is_at_rest(r));
    assert_string_equal(text_of(&log.events), "");
    reader_free(r);
    reader_free(NULL);
    log_deinit(&log);
}

/* Somebody who is not known yet may say less. */
static void a_limit_counts_for_each_message(void **state)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, false);
    struct strbuf bytes = {0};
    struct log log;

    (void)state;
    log_init(&log);
    bytes_max = 100;
    add_frame(&bytes, 0x81, 'x', 100);
    feed(r, &log, bytes.data, bytes.len);
    bytes_max = MAX_MESSAGE_BYTES;
    strbuf_reset(&bytes, 0);
    add_frame(&bytes, 0x81, 'x', MAX_MESSAGE_BYTES);
    feed(r, &log, bytes.data, bytes.len);
    assert_int_equal(log.code, OPEN);
    bytes_max = 100;
    strbuf_reset(&bytes, 0);
    add_frame(&bytes, 0x01, 'x', 60);
    add_frame(&bytes, 0x80, 'x', 41);
    feed(r, &log, bytes.data, bytes.len);
    assert_int_equal(log.code, 1009);
    bytes_max = MAX_MESSAGE_BYTES;
    reader_free(r);
    strbuf_deinit(&bytes);
    log_deinit(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_messages_and_close_codes),
        cmocka_unit_test(how_the_bytes_are_cut_does_not_matter),
        cmocka_unit_test(the_largest_message_passes_and_one_byte_more_does_not),
        cmocka_unit_test(a_limit_counts_for_each_message),
        cmocka_unit_test(fragments_are_counted_together),
        cmocka_unit_test(binary_passes_where_it_is_allowed),
        cmocka_unit_test(a_reader_rests_between_messages_only),
        cmocka_unit_test(a_reader_at_rest_goes_from_owner_to_owner),
        cmocka_unit_test(nothing_of_one_owner_is_left_for_the_next),
        cmocka_unit_test(each_frame_may_begin_or_not),
        cmocka_unit_test(a_frame_that_has_begun_is_read_to_its_end),
        cmocka_unit_test(it_is_told_whether_the_peer_closes),
        cmocka_unit_test(no_bytes_are_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
