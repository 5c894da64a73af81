/* test_frame.c - the bytes of a server's frames, and who holds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/metrics.h"
#include "common/xalloc.h"
#include "gateway/frame.h"
#include "gateway/pool.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct metrics metrics;

static int begin(void **state)
{
    (void)state;
    memset(&metrics, 0, sizeof(metrics));
    pool_init(&metrics);
    return 0;
}

/* All that was taken has been given back. */
static int end(void **state)
{
    (void)state;
    assert_int_equal(metric_read(&metrics.pool_alloc_total),
                     metric_read(&metrics.pool_recycle_total));
    pool_deinit();
    assert_int_equal(metric_read(&metrics.pool_bytes), 0);
    return 0;
}

static const struct {
    size_t len;
    unsigned char header[10];
    size_t header_len;
} headers[] = {
    {0, {0x81, 0}, 2},
    {1, {0x81, 1}, 2},
    {125, {0x81, 125}, 2},
    {126, {0x81, 126, 0, 126}, 4},
    {127, {0x81, 126, 0, 127}, 4},
    {256, {0x81, 126, 1, 0}, 4},
    {65535, {0x81, 126, 0xff, 0xff}, 4},
    {65536, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10},
    {65537, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 1}, 10},
    {16777216, {0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0}, 10},
};

static void the_length_is_in_its_shortest_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        char *payload = xmalloc(headers[i].len);
        struct frame *f;
        uv_buf_t bytes;

        print_message("  %zu bytes\n", headers[i].len);
        for (size_t k = 0; k < headers[i].len; k++)
            payload[k] = (char)(k * 7);
        f = frame_new_text(payload, headers[i].len);
        bytes = frame_bytes(f);
        assert_int_equal(bytes.len, headers[i].header_len + headers[i].len);
        assert_int_equal(frame_len(f), bytes.len);
        assert_memory_equal(bytes.base, headers[i].header, headers[i].header_len);
        assert_int_equal(
            memcmp(bytes.base + headers[i].header_len, payload, headers[i].len), 0);
        frame_unref(f);
        free(payload);
    }
}

static const struct {
    enum frame_opcode opcode;
    unsigned char first;
} opcodes[] = {
    {FRAME_TEXT, 0x81}, {FRAME_BINARY, 0x82}, {FRAME_CLOSE, 0x88},
    {FRAME_PING, 0x89}, {FRAME_PONG, 0x8a},
};

static void every_frame_is_whole_and_not_masked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(opcodes); i++) {
        struct frame *f = frame_new(opcodes[i].opcode, "\x03\xe8", 2);
        uv_buf_t bytes = frame_bytes(f);
        const unsigned char expected[] = {opcodes[i].first, 2, 0x03, 0xe8};

        assert_int_equal(bytes.len, sizeof(expected));
        assert_memory_equal(bytes.base, expected, sizeof(expected));
        frame_unref(f);
    }
}

static void a_frame_without_payload_needs_none(void **state)
{
    struct frame *f = frame_new(FRAME_CLOSE, NULL, 0);

    (void)state;
    assert_int_equal(frame_len(f), 2);
    assert_memory_equal(frame_bytes(f).base, "\x88\0", 2);
    frame_unref(f);
}

static void raw_bytes_go_out_as_they_are(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct frame *f = frame_new_raw(answer, sizeof(answer) - 1);

    (void)state;
    assert_int_equal(frame_len(f), sizeof(answer) - 1);
    assert_memory_equal(frame_bytes(f).base, answer, sizeof(answer) - 1);
    frame_unref(f);
}

static const struct {
    const char *lines, *bytes;
    size_t len;
} several[] = {
    {"", "", 0},
    {"a",
     "\x81\x01"
     "a",
     3},
    {"a\n",
     "\x81\x01"
     "a",
     3},
    {"ab\ncd",
     "\x81\x02"
     "ab\x81\x02"
     "cd",
     8},
    {"a\n\nb",
     "\x81\x01"
     "a\x81\0\x81\x01"
     "b",
     8},
};

static void several_messages_are_one_block_of_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(several); i++) {
        struct frame *f = frame_new_texts(several[i].lines, strlen(several[i].lines));

        assert_int_equal(frame_len(f), several[i].len);
        assert_int_equal(memcmp(frame_bytes(f).base, several[i].bytes, several[i].len),
                         0);
        frame_unref(f);
    }
}

static void several_long_messages_have_their_own_headers(void **state)
{
    char text[65536 + 1 + 126];
    struct frame *all, *first, *second;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[65536] = '\n';
    all = frame_new_texts(text, sizeof(text));
    first = frame_new_text(text, 65536);
    second = frame_new_text(text + 65537, 126);
    assert_int_equal(frame_len(all), frame_len(first) + frame_len(second));
    assert_memory_equal(frame_bytes(all).base, frame_bytes(first).base,
                        frame_len(first));
    assert_memory_equal(frame_bytes(all).base + frame_len(first),
                        frame_bytes(second).base, frame_len(second));
    frame_unref(all);
    frame_unref(first);
    frame_unref(second);
}

static void a_frame_knows_its_text(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536};
    char *text = xmalloc(70000);

    (void)state;
    memset(text, 'x', 70000);
    for (size_t i = 0; i < COUNT(lens); i++) {
        struct frame *f = frame_new_text(text, lens[i]);

        for (size_t k = 0; k < COUNT(lens); k++)
            assert_int_equal(frame_is_text(f, text, lens[k]), i == k);
        text[0] = 'y';
        assert_int_equal(frame_is_text(f, text, lens[i]), lens[i] == 0);
        text[0] = 'x';
        frame_unref(f);
    }
    free(text);
}

static void a_frame_is_a_copy(void **state)
{
    char text[] = "hello";
    struct frame *f = frame_new_text(text, 5);

    (void)state;
    memset(text, 'x', 5);
    assert_memory_equal(frame_bytes(f).base + 2, "hello", 5);
    frame_unref(f);
}

static void the_last_reference_frees(void **state)
{
    struct frame *f = frame_new_text("hello", 5);

    (void)state;
    for (int i = 0; i < 10000; i++)
        assert_ptr_equal(frame_ref(f), f);
    for (int i = 0; i < 10000; i++)
        frame_unref(f);
    assert_int_equal(metric_read(&metrics.pool_recycle_total), 0);
    assert_memory_equal(frame_bytes(f).base + 2, "hello", 5);
    frame_unref(f);
    assert_int_equal(metric_read(&metrics.pool_recycle_total), 1);
    frame_unref(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_length_is_in_its_shortest_form),
        TEST(every_frame_is_whole_and_not_masked),
        TEST(a_frame_without_payload_needs_none),
        TEST(raw_bytes_go_out_as_they_are),
        TEST(several_messages_are_one_block_of_frames),
        TEST(several_long_messages_have_their_own_headers),
        TEST(a_frame_knows_its_text),
        TEST(a_frame_is_a_copy),
        TEST(the_last_reference_frees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
