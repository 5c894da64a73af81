/* test_history_cache.c - who asks Redis for a room's history, who waits for whose answer, and what
 * the ring answers; and any order of what can happen against a plain model (room_world.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/history_cache.h"
#include "tests/support/unit/history_rig.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/room_world.h"
#include "tests/support/unit/store_rig.h"

enum { KEEP_MS = 10000, ASKERS = 8 };

/* A room at message 5 with one live member, and those who ask for its history. */
static struct {
    struct history_cache cache;
    struct rig_client *ann;
    struct room *room;
    struct asker {
        bool is_answered, has_failed;
        uint64_t first, last, seq; /* last: first - 1 where there was none */
    } askers[ASKERS];
} w;

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    store_rig_open(&rig.config, &rig.metrics);
    history_cache_init(&w.cache, &store_rig.store, &rig.rooms);
    w.ann = rig_client("ann");
    w.room = rig_live(5, 1, w.ann, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (history_rig.count > 0)
        history_rig_answer(0, NULL);
    history_cache_deinit(&w.cache);
    rig_close();
    assert_true(list_is_empty(&w.cache.entries));
    store_rig_close();
    return 0;
}

static void on_done(void *data, const struct history *history)
{
    struct asker *asker = data;

    assert_false(asker->is_answered);
    asker->is_answered = true;
    asker->has_failed = history == NULL;
    if (!history)
        return;
    asker->seq = history->seq;
    asker->first = history->first;
    asker->last = history->first + history->count - 1;
}

static void ask_until(unsigned who, uint64_t after, uint64_t until)
{
    const struct history_wish wish = {after, until};

    w.askers[who] = (struct asker){.is_answered = false};
    history_cache_read(&w.cache, w.room, &wish, rig.now_ms, on_done, &w.askers[who]);
    assert_false(w.askers[who].is_answered); /* never from inside */
}

static void ask(unsigned who, uint64_t after)
{
    ask_until(who, after, 0);
}

static void run(void)
{
    history_cache_run(&w.cache, rig.now_ms);
}

/* Nobody has asked before this. */
static void first_read(void)
{
    ask(0, 0);
    history_rig_answer(0, rig_history(5, 1, 1, 5));
    assert_true(w.askers[0].is_answered);
}

/* The room has a ring with all of the history. */
static void fill(void)
{
    first_read();
    ask(0, 0);
    history_rig_answer(0, rig_history(5, 1, 1, 5));
    run();
    assert_true(w.askers[0].is_answered);
}

static void assert_answer(unsigned who, uint64_t first, uint64_t last)
{
    assert_true(w.askers[who].is_answered);
    assert_false(w.askers[who].has_failed);
    assert_int_equal(w.askers[who].first, first);
    assert_int_equal(w.askers[who].last, last);
}

/* ---- who asks Redis ---- */

static void the_first_read_goes_to_redis_as_it_is(void **state)
{
    (void)state;
    ask(0, 3);
    assert_int_equal(history_rig.count, 1);
    assert_int_equal(history_rig.reads[0].after, 3);
    assert_int_equal(history_rig.reads[0].limit, PROTO_BATCH_MESSAGES);
    history_rig_answer(0, rig_history(5, 1, 4, 5));
    assert_answer(0, 4, 5);
    assert_int_equal(rig.metrics.history_reads_total, 1);
    assert_true(list_is_empty(&w.cache.entries));
    assert_false(catchup_needs_ring(w.room));
}

static void the_second_read_fills_the_ring_and_the_others_wait_for_it(void **state)
{
    (void)state;
    first_read();
    ask(1, 0);
    ask(2, 3);
    ask(3, 5);
    assert_int_equal(history_rig.count, 1);
    assert_int_equal(history_rig.reads[0].after, UINT64_MAX);
    assert_true(history_rig.reads[0].before > 5);
    history_rig_answer(0, rig_history(5, 1, 1, 5));
    assert_false(w.askers[1].is_answered);
    run();
    assert_answer(1, 1, 5);
    assert_answer(2, 4, 5);
    assert_answer(3, 6, 5);
    assert_int_equal(rig.metrics.history_reads_total, 2);
    assert_int_equal(rig.metrics.history_shared_total, 3);
}

static void a_full_ring_answers_without_redis_and_goes_on(void **state)
{
    (void)state;
    fill();
    ask(1, 2);
    run();
    assert_answer(1, 3, 5);
    rig_messages(6, 7);
    ask(2, 2);
    run();
    assert_answer(2, 3, 7);
    assert_int_equal(w.askers[2].seq, 7);
    assert_int_equal(history_rig.count, 0);
}

static void a_room_without_an_entry_asks_alone_again_after_a_while(void **state)
{
    (void)state;
    first_read();
    rig.now_ms += KEEP_MS;
    ask(1, 2);
    assert_int_equal(history_rig.reads[0].after, 2);
    assert_true(list_is_empty(&w.cache.entries));
    rig.now_ms += KEEP_MS - 1;
    ask(2, 2);
    assert_int_equal(history_rig.reads[1].after, UINT64_MAX);
}

/* ---- what the ring does not tell ---- */

static void who_is_ahead_of_this_worker_shares_a_read_of_redis(void **state)
{
    (void)state;
    fill();
    ask(1, 7);
    ask(2, 7);
    ask(3, 8);
    assert_int_equal(history_rig.count, 2);
    assert_int_equal(history_rig.reads[0].after, 7);
    assert_int_equal(history_rig.reads[1].after, 8);
    history_rig_answer(0, rig_history(8, 1, 8, 8));
    assert_answer(1, 8, 8);
    assert_answer(2, 8, 8);
    assert_false(w.askers[3].is_answered);
}

/* Its first batch was from Redis, and said that the history goes up to 7; notices of 6 and 7 are still under
 * way. */
static void a_history_goes_on_as_far_as_was_said(void **state)
{
    (void)state;
    fill();
    ask_until(1, 5, 7);
    run();
    assert_false(w.askers[1].is_answered);
    assert_int_equal(history_rig.count, 1);
    assert_int_equal(history_rig.reads[0].after, 5);
    history_rig_answer(0, rig_history(7, 1, 6, 7));
    assert_answer(1, 6, 7);
    rig_messages(6, 7);
    ask_until(2, 5, 7);
    run();
    assert_answer(2, 6, 7);
    assert_int_equal(history_rig.count, 0);
}

static void a_history_that_does_not_fit_the_ring_is_read_as_it_is(void **state)
{
    (void)state;
    first_read();
    ask(1, 0);
    ask(2, 0);
    history_rig_answer(0, rig_history(5, 1, 4, 5));
    assert_int_equal(history_rig.count, 1);
    assert_int_equal(history_rig.reads[0].after, 0);
    ask(3, 0); /* shares it: the ring is as full as it can be */
    assert_int_equal(history_rig.count, 1);
    ask(4, 3);
    run();
    assert_answer(4, 4, 5);
    history_rig_answer(0, rig_history(5, 1, 1, 5));
    assert_answer(1, 1, 5);
    assert_answer(2, 1, 5);
    assert_answer(3, 1, 5);
}

static void a_fill_that_failed_fails_who_waited(void **state)
{
    (void)state;
    first_read();
    ask(1, 0);
    ask(2, 3);
    history_rig_answer(0, NULL);
    assert_true(w.askers[1].has_failed);
    assert_true(w.askers[2].has_failed);
}

/* ---- a ring that is emptied meanwhile ---- */

static void a_fill_from_before_a_deletion_is_not_put_into_the_ring(void **state)
{
    (void)state;
    first_read();
    ask(1, 0);
    rig_delete(2, 2);
    history_rig_answer(0, rig_history(5, 1, 1, 5)); /* with message 2 */
    run();
    assert_false(w.askers[1].is_answered);
    assert_false(room_log_has(&w.room->log, 5));
    assert_int_equal(history_rig.count, 1);
    history_rig_answer(0, rig_history(5, 1, 1, 5));
    assert_answer(1, 1, 5);
}

/* The notice of the deletion is still under way; it is older than the join. */
static void who_joins_after_a_deletion_is_not_answered_by_an_older_ring(void **state)
{
    struct rig_client *bob = rig_client("bob");
    struct room_joined joined = {
        .epoch = RIG_EPOCH, .seq = 5, .rev = 3, .members = 2, .changed = 2};

    (void)state;
    fill();
    ask(1, 0);
    assert_int_equal(history_rig.count, 0); /* the ring would answer */
    rig_join(bob);
    room_on_joined(rig_take(RIG_JOIN).join, PROTO_OK, &joined, 0);
    run();
    assert_false(w.askers[1].is_answered);
    ask(2, 0);
    run();
    assert_false(w.askers[2].is_answered);
    while (history_rig.count > 0)
        history_rig_answer(0, rig_history(5, 1, 1, 5));
    run();
    assert_answer(2, 1, 5);
    ask(3, 0); /* the ring has it now */
    run();
    assert_answer(3, 1, 5);
}

static void a_read_after_a_deletion_shares_none_from_before(void **state)
{
    (void)state;
    fill();
    ask(1, 7);
    rig_delete(2, 2);
    ask(2, 7);
    assert_int_equal(history_rig.count, 2);
    assert_int_equal(history_rig.reads[1].after, UINT64_MAX);
    ask(3, 7);
    assert_int_equal(history_rig.count, 2);
    history_rig_answer(1, rig_history(5, 1, 1, 5)); /* does not tell of 7 either */
    assert_int_equal(history_rig.count, 2);
    assert_int_equal(history_rig.reads[1].after, 7);
    history_rig_answer(0, rig_history(8, 1, 8, 8));
    assert_true(w.askers[1].is_answered);
    assert_false(w.askers[2].is_answered);
}

static void what_the_ring_would_have_answered_is_read_if_it_is_emptied(void **state)
{
    (void)state;
    fill();
    ask(1, 2);
    rig_delete(2, 2);
    run();
    assert_false(w.askers[1].is_answered);
    assert_int_equal(history_rig.count, 1);
    assert_int_equal(history_rig.reads[0].after, 2);
    history_rig_answer(0, rig_history(5, 1, 3, 5));
    assert_answer(1, 3, 5);
}

static void an_emptied_ring_is_filled_again(void **state)
{
    (void)state;
    fill();
    rig_delete(2, 2);
    ask(1, 0);
    assert_int_equal(history_rig.reads[0].after, UINT64_MAX);
    history_rig_answer(0, rig_history(5, 1, 1, 5));
    run();
    assert_answer(1, 1, 5);
    ask(2, 0);
    run();
    assert_answer(2, 1, 5);
    assert_int_equal(history_rig.count, 0);
}

/* ---- how long it is kept ---- */

static void an_entry_that_nobody_asks_for_is_dropped(void **state)
{
    (void)state;
    fill();
    rig.now_ms += KEEP_MS - 1;
    run();
    assert_true(room_log_has(&w.room->log, 1));
    rig.now_ms += 1;
    run();
    assert_true(list_is_empty(&w.cache.entries));
    assert_null(w.room->history_cache.entry);
    assert_false(room_log_has(&w.room->log, 5));
}

static void each_read_keeps_the_entry_longer(void **state)
{
    (void)state;
    fill();
    rig.now_ms += KEEP_MS - 1;
    ask(1, 5);
    rig.now_ms += KEEP_MS - 1;
    run();
    assert_answer(1, 6, 5);
    assert_non_null(w.room->history_cache.entry);
}

/* The room of the test is used, another one is not. */
static void only_what_nobody_asks_for_is_dropped(void **state)
{
    const struct history_wish all = {0, 0};
    struct rig_client *eve = rig_client("eve");
    struct room *other;

    (void)state;
    fill();
    eve->room = "s";
    rig_join(eve);
    rig_subscribed();
    rig_registered(true);
    rig_joined(RIG_EPOCH, 0, 1);
    rig_read(rig_history(0, 1, 1, 0));
    other = eve->member.room;
    history_cache_read(&w.cache, other, &all, rig.now_ms, on_done, &w.askers[1]);
    history_rig_answer(0, rig_history(0, 1, 1, 0));
    history_cache_read(&w.cache, other, &all, rig.now_ms, on_done, &w.askers[2]);
    run(); /* there is nothing to read */
    assert_non_null(other->history_cache.entry);
    rig.now_ms += KEEP_MS - 1;
    ask(3, 5);
    run();
    rig.now_ms += 1;
    run();
    assert_null(other->history_cache.entry);
    assert_non_null(w.room->history_cache.entry);
}

static void an_entry_that_is_being_read_stays(void **state)
{
    (void)state;
    fill();
    ask(1, 7);
    rig.now_ms += 2 * KEEP_MS;
    run();
    assert_non_null(w.room->history_cache.entry);
    history_rig_answer(0, rig_history(7, 1, 8, 7));
    run();
    assert_null(w.room->history_cache.entry);
}

static void too_many_bytes_in_rings_drop_the_entry(void **state)
{
    size_t bytes;

    (void)state;
    fill();
    bytes = rig.rooms.logs.ring_bytes;
    rig.rooms.logs.ring_bytes = (size_t)64 * 1024 * 1024;
    run();
    assert_non_null(w.room->history_cache.entry);
    rig.rooms.logs.ring_bytes += bytes;
    run();
    assert_null(w.room->history_cache.entry);
    rig.rooms.logs.ring_bytes = 0;
}

static void a_room_that_is_freed_takes_its_entry_along(void **state)
{
    (void)state;
    fill();
    rig_leave(w.ann, LEAVE_ASKED);
    rig_left(true);
    rig_closed(true);
    assert_null(room_find(&rig.rooms, "r", 1));
    assert_true(list_is_empty(&w.cache.entries));
}

static void at_the_end_who_waits_is_told_so(void **state)
{
    (void)state;
    fill();
    ask(1, 2);
    history_cache_deinit(&w.cache);
    assert_true(w.askers[1].has_failed);
}

/* ---- any order ---- */

static void shared_reads_are_as_good_as_own_ones_in_any_order(void **state)
{
    static const struct world_shape shape = {.has_cache = true,
                                             .messages = 50,
                                             .deletions = 8,
                                             .reads = 60,
                                             .slow = 5,
                                             .joins = 120,
                                             .far = 2,
                                             .outages = 2,
                                             .losses = 1,
                                             .refusals = 20};

    (void)state;
    world_run(&shape, 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_first_read_goes_to_redis_as_it_is),
        TEST(the_second_read_fills_the_ring_and_the_others_wait_for_it),
        TEST(a_full_ring_answers_without_redis_and_goes_on),
        TEST(a_room_without_an_entry_asks_alone_again_after_a_while),
        TEST(who_is_ahead_of_this_worker_shares_a_read_of_redis),
        TEST(a_history_goes_on_as_far_as_was_said),
        TEST(a_history_that_does_not_fit_the_ring_is_read_as_it_is),
        TEST(a_fill_that_failed_fails_who_waited),
        TEST(a_fill_from_before_a_deletion_is_not_put_into_the_ring),
        TEST(who_joins_after_a_deletion_is_not_answered_by_an_older_ring),
        TEST(a_read_after_a_deletion_shares_none_from_before),
        TEST(what_the_ring_would_have_answered_is_read_if_it_is_emptied),
        TEST(an_emptied_ring_is_filled_again),
        TEST(an_entry_that_nobody_asks_for_is_dropped),
        TEST(each_read_keeps_the_entry_longer),
        TEST(only_what_nobody_asks_for_is_dropped),
        TEST(an_entry_that_is_being_read_stays),
        TEST(too_many_bytes_in_rings_drop_the_entry),
        TEST(a_room_that_is_freed_takes_its_entry_along),
        TEST(at_the_end_who_waits_is_told_so),
        cmocka_unit_test(shared_reads_are_as_good_as_own_ones_in_any_order),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
