/* test_inbox.c - what other threads hand over comes in order, within bounds, and wakes the loop; in
 * real threads with a real loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/inbox.h"

enum { PRODUCERS = 4, EACH = 20000, BIG = 1024 * 1024 };

static struct {
    uv_loop_t loop;
    struct inbox inbox;
    unsigned taken, dropped;
    uint64_t last[PRODUCERS]; /* of each the last number */
    unsigned expected;        /* then it closes; 0: never */
    unsigned turns;           /* of the loop in which something was taken */
    uint64_t turn_bytes, most_bytes;
    uint64_t dropped_shards;
    uv_prepare_t prepare;
    char *big;
} w;

static void close_all(void)
{
    inbox_close(&w.inbox);
    uv_close((uv_handle_t *)&w.prepare, NULL);
}

static void on_handover(void *owner, const struct handover *what)
{
    assert_ptr_equal(owner, &w);
    assert_true(what->worker < PRODUCERS);
    if (what->kind == HANDOVER_NOTICE)
        assert_true(what->number > w.last[what->worker]);
    else
        assert_int_equal(what->number, w.last[what->worker] + 1);
    w.last[what->worker] = what->number;
    w.turn_bytes += what->text.len;
    if (++w.taken == w.expected)
        close_all();
}

static void on_dropped(void *owner, unsigned shard)
{
    assert_ptr_equal(owner, &w);
    w.dropped++;
    w.dropped_shards |= UINT64_C(1) << shard;
}

static void on_turn(uv_prepare_t *prepare)
{
    (void)prepare;
    if (w.turn_bytes > 0)
        w.turns++;
    if (w.turn_bytes > w.most_bytes)
        w.most_bytes = w.turn_bytes;
    w.turn_bytes = 0;
}

static int set_up(void **state)
{
    static const struct inbox_hooks hooks = {on_handover, on_dropped};

    (void)state;
    memset(&w, 0, sizeof(w));
    w.big = calloc(1, BIG);
    uv_loop_init(&w.loop);
    uv_prepare_init(&w.loop, &w.prepare);
    uv_prepare_start(&w.prepare, on_turn);
    inbox_open(&w.inbox, &w.loop, &hooks, &w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!uv_is_closing((uv_handle_t *)&w.inbox.wake))
        close_all();
    uv_run(&w.loop, UV_RUN_DEFAULT);
    inbox_deinit(&w.inbox);
    assert_int_equal(uv_loop_close(&w.loop), 0);
    free(w.big);
    return 0;
}

static bool post(enum handover_kind kind, unsigned producer, uint64_t number,
                 size_t bytes)
{
    const struct handover what = {
        .kind = kind,
        .shard = producer,
        .worker = producer,
        .number = number,
        .text = {w.big, bytes},
    };

    return inbox_post_new(&w.inbox, &what);
}

/* Turns until nothing is left to be done. */
static void turn_until_idle(void)
{
    unsigned before;

    do {
        before = w.taken + w.dropped;
        for (int i = 0; i < 3; i++)
            uv_run(&w.loop, UV_RUN_NOWAIT);
    } while (w.taken + w.dropped > before);
}

/* ---- */

static void produce(void *arg)
{
    unsigned producer = *(unsigned *)arg;

    for (uint64_t n = 1; n <= EACH; n++)
        post(HANDOVER_CONFIRMED, producer, n, n % 50);
}

static void what_each_thread_hands_over_comes_in_its_order(void **state)
{
    uv_thread_t threads[PRODUCERS];
    unsigned numbers[PRODUCERS];

    (void)state;
    w.expected = PRODUCERS * EACH;
    for (unsigned i = 0; i < PRODUCERS; i++) {
        numbers[i] = i;
        assert_int_equal(uv_thread_create(&threads[i], produce, &numbers[i]), 0);
    }
    uv_run(&w.loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < PRODUCERS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(w.taken, PRODUCERS * EACH);
    assert_int_equal(w.dropped, 0);
    assert_int_equal(w.inbox.bytes, 0);
}

static void one_copy_may_be_in_several_inboxes(void **state)
{
    const struct handover what = {
        .kind = HANDOVER_NOTICE, .number = 1, .text = {"text", 4}, .room = {"r", 1}};
    struct handover_copy *copy = handover_copy(&what);

    (void)state;
    assert_true(inbox_post(&w.inbox, copy));
    handover_unref(copy);
    turn_until_idle();
    assert_int_equal(w.taken, 1);
}

static void what_is_too_much_is_dropped_and_told_by_shard(void **state)
{
    uint64_t number = 0;

    (void)state;
    while (post(HANDOVER_NOTICE, 1, ++number, BIG))
        assert_true(number < 64);
    assert_int_equal(number, 32); /* of a mebibyte and a bit */
    assert_false(post(HANDOVER_NOTICE, 3, 1, BIG));
    assert_true(post(HANDOVER_NOTICE, 2, 1, 10)); /* there is room for a small one */
    assert_true(post(HANDOVER_LOST, 1, number, BIG)); /* may not be dropped */
    assert_int_equal(w.dropped, 0);
    turn_until_idle();
    assert_int_equal(w.taken, 31 + 1 + 1);
    assert_int_equal(w.dropped, 2);
    assert_int_equal(w.dropped_shards, 1 << 1 | 1 << 3);
    assert_int_equal(w.inbox.bytes, 0);
    assert_true(post(HANDOVER_NOTICE, 1, ++number, BIG)); /* there is room again */
}

static void one_that_is_larger_than_the_inbox_is_told_of_as_well(void **state)
{
    char *huge = calloc(1, INBOX_MAX_BYTES);
    const struct handover what = {
        .kind = HANDOVER_NOTICE, .shard = 63, .text = {huge, INBOX_MAX_BYTES}};

    (void)state;
    assert_false(inbox_post_new(&w.inbox, &what));
    free(huge);
    turn_until_idle();
    assert_int_equal(w.taken, 0);
    assert_int_equal(w.dropped, 1);
    assert_true(w.dropped_shards == UINT64_C(1) << 63);
}

static void a_turn_takes_so_much_and_the_rest_comes_later(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 100; n++)
        assert_true(post(HANDOVER_NOTICE, 0, n, BIG / 4));
    turn_until_idle();
    assert_int_equal(w.taken, 100);
    assert_true(w.turns >= 20);
    assert_true(w.most_bytes <= BIG + BIG / 4);
}

static void a_closed_inbox_takes_nothing_and_keeps_nothing(void **state)
{
    (void)state;
    assert_true(post(HANDOVER_NOTICE, 0, 1, BIG));
    close_all();
    assert_true(post(HANDOVER_NOTICE, 0, 2, BIG)); /* nobody misses it */
    turn_until_idle();
    assert_int_equal(w.taken, 0);
}

static void it_may_be_closed_by_what_it_hands_on(void **state)
{
    (void)state;
    w.expected = 2;
    for (uint64_t n = 1; n <= 10; n++)
        assert_true(post(HANDOVER_CONFIRMED, 0, n, 10));
    turn_until_idle();
    assert_int_equal(w.taken, 2);
}

static void rooms_are_packed_into_one_text(void **state)
{
    struct strbuf names = {NULL, 0, 0};
    struct json_text left, room;

    (void)state;
    handover_add_room(&names, "a", 1);
    handover_add_room(&names, w.big, 255);
    left = (struct json_text){names.data, names.len};
    assert_true(handover_take_room(&left, &room));
    assert_int_equal(room.len, 1);
    assert_memory_equal(room.base, "a", 1);
    assert_true(handover_take_room(&left, &room));
    assert_int_equal(room.len, 255);
    assert_false(handover_take_room(&left, &room));
    strbuf_deinit(&names);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_each_thread_hands_over_comes_in_its_order),
        TEST(one_copy_may_be_in_several_inboxes),
        TEST(what_is_too_much_is_dropped_and_told_by_shard),
        TEST(one_that_is_larger_than_the_inbox_is_told_of_as_well),
        TEST(a_turn_takes_so_much_and_the_rest_comes_later),
        TEST(a_closed_inbox_takes_nothing_and_keeps_nothing),
        TEST(it_may_be_closed_by_what_it_hands_on),
        TEST(rooms_are_packed_into_one_text),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
