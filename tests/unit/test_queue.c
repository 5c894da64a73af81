/* test_queue.c - the frames that wait for one client: what goes out next, what it costs, and any
 * order of pushing, sending and cutting against a plain model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/pool.h"
#include "gateway/queue.h"

enum { FRAMES_MAX = 600, STEPS = 4000 };

static struct metrics metrics;
static struct queue queue;

/* The bytes that wait, and where each frame ends in them. */
static struct {
    char bytes[FRAMES_MAX * 64];
    size_t len, ends[FRAMES_MAX], sent; /* sent: of the first frame */
    unsigned count;
} model;

static int set_up(void **state)
{
    (void)state;
    pool_init(&metrics);
    queue_init(&queue);
    memset(&model, 0, sizeof(model));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    queue_cut(&queue, 0);
    pool_deinit();
    return 0;
}

static void push(const char *text)
{
    struct frame *frame = frame_new_raw(text, strlen(text));

    queue_push(&queue, frame);
    frame_unref(frame); /* the queue has its own */
    memcpy(model.bytes + model.len, text, strlen(text));
    model.len += strlen(text);
    model.ends[model.count++] = model.len;
}

static void consume(size_t sent)
{
    size_t gone = 0;
    unsigned frames = 0;

    queue_consume(&queue, sent);
    sent += model.sent;
    while (frames < model.count && model.ends[frames] <= sent)
        gone = model.ends[frames++];
    model.sent = sent - gone;
    memmove(model.bytes, model.bytes + gone, model.len - gone);
    model.len -= gone;
    model.count -= frames;
    for (unsigned i = 0; i < model.count; i++)
        model.ends[i] = model.ends[i + frames] - gone;
}

static void cut(uint32_t keep)
{
    queue_cut(&queue, keep);
    if (keep < model.count) {
        model.count = keep;
        model.len = keep > 0 ? model.ends[keep - 1] : 0;
    }
    if (keep == 0)
        model.sent = 0;
}

static void check_against_model(unsigned max)
{
    static char got[sizeof(model.bytes)];
    uv_buf_t bufs[FRAMES_MAX];
    size_t total, len = 0;
    unsigned count = queue_gather(&queue, bufs, max, &total);
    unsigned wanted = model.count < max ? model.count : max;

    assert_int_equal(count, wanted);
    for (unsigned i = 0; i < count; i++) {
        memcpy(got + len, bufs[i].base, bufs[i].len);
        len += bufs[i].len;
    }
    assert_int_equal(total, len);
    assert_int_equal(len, wanted > 0 ? model.ends[wanted - 1] - model.sent : 0);
    assert_memory_equal(got, model.bytes + model.sent, len);
    assert_int_equal(queue.count, model.count);
    assert_int_equal(queue.bytes, model.len + model.count * QUEUE_FRAME_BYTES);
}

static void frames_go_out_in_order(void **state)
{
    (void)state;
    check_against_model(10);
    push("one");
    push("two");
    push("three"); /* more than stand in the struct */
    check_against_model(10);
    check_against_model(2);
    consume(3);
    check_against_model(10);
    consume(8);
    check_against_model(10);
    assert_ptr_equal(queue.items, queue.first); /* what was borrowed is given back */
    assert_int_equal(metrics.pool_alloc_total - metrics.pool_recycle_total, 0);
}

static void a_frame_that_is_sent_in_part_goes_on_there(void **state)
{
    (void)state;
    push("abcdef");
    push("gh");
    consume(4);
    check_against_model(10);
    consume(1);
    check_against_model(1);
    consume(2); /* the end of one and the beginning of the next */
    check_against_model(10);
    assert_int_equal(queue.head_sent, 1);
    consume(1);
    assert_int_equal(queue.count, 0);
    assert_int_equal(queue.bytes, 0);
}

static void an_empty_frame_costs_its_place_and_goes_with_the_next_bytes(void **state)
{
    (void)state;
    push("");
    assert_int_equal(queue.bytes, QUEUE_FRAME_BYTES);
    push("a");
    consume(1);
    check_against_model(10);
    assert_int_equal(queue.count, 0);
}

static void a_cut_keeps_what_is_half_sent(void **state)
{
    (void)state;
    push("abc");
    push("def");
    push("ghi");
    consume(1);
    cut(1);
    check_against_model(10);
    push("jkl");
    check_against_model(10);
    cut(5); /* has not as many */
    check_against_model(10);
    cut(0);
    check_against_model(10);
    push("xyz");
    check_against_model(10);
}

static unsigned pick(unsigned n)
{
    static uint64_t random = 0x9e3779b97f4a7c15u;

    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return (unsigned)(random >> 33) % n;
}

static void any_order_sends_the_same_bytes(void **state)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned what = pick(100);

        if (what < 55 && model.count < FRAMES_MAX - 1)
            push(text + 1 + pick(sizeof(text) - 1));
        else if (what < 97 && model.len > model.sent)
            consume(1 + pick((unsigned)(model.len - model.sent)) % 90);
        else if (what >= 97)
            cut(pick(10));
        check_against_model(1 + pick(FRAMES_MAX));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(frames_go_out_in_order),
        TEST(a_frame_that_is_sent_in_part_goes_on_there),
        TEST(an_empty_frame_costs_its_place_and_goes_with_the_next_bytes),
        TEST(a_cut_keeps_what_is_half_sent),
        TEST(any_order_sends_the_same_bytes),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
