/* test_index.c - when a room is written into the fleet's indexes, and with what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/index.h"
#include "tests/support/unit/store_rig.h"

enum { REST_MS = 5000 };

static const struct config config = {.key_prefix = "rc", .room_ttl_ms = 300000};
static struct metrics metrics;
static struct index rooms_index;
static uint64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    log_max = LOG_ERROR;
    memset(&metrics, 0, sizeof(metrics));
    memset(&rooms_index, 0, sizeof(rooms_index));
    now_ms = 100000;
    store_rig_open(&config, &metrics);
    index_init(&rooms_index, &store_rig.store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    index_deinit(&rooms_index);
    store_rig_close();
    return 0;
}

static void touch(const char *room)
{
    index_touch(&rooms_index, room, strlen(room), false);
}

/* Answers what is asked of so many rooms: each has a member. */
static void answer_reads(unsigned rooms)
{
    for (unsigned i = 0; i < rooms; i++) {
        assert_int_equal(store_rig.calls[0].script, SCRIPTS_COUNT);
        assert_string_equal(store_rig.calls[0].argv[0], "HLEN");
        store_rig_answer_number(1);
    }
}

/* What is written now; "": nothing. Rooms have names of one letter. */
static void assert_written(const char *wanted)
{
    char got[64] = "";

    index_flush(&rooms_index, now_ms);
    answer_reads(store_rig.calls_count);
    if (store_rig.calls_count > 0) {
        const struct store_rig_call *call = &store_rig.calls[0];

        assert_int_equal(call->script, SCRIPT_INDEX);
        for (unsigned i = 3; i < call->argc; i += 2)
            strcat(got, call->argv[i]);
        store_rig_answer_number(0);
    }
    assert_string_equal(got, wanted);
    assert_int_equal(store_rig.calls_count, 0);
}

/* ---- writing ---- */

static void a_room_is_written_at_once_and_then_rests(void **state)
{
    (void)state;
    touch("a");
    touch("b");
    touch("a");
    assert_written("ab");
    touch("a");
    now_ms += REST_MS - 1;
    assert_written("");
    now_ms += 1;
    assert_written("a"); /* and b is forgotten */
    assert_int_equal(rooms_index.entries.count, 1);
    now_ms += REST_MS;
    assert_written("");
    assert_int_equal(rooms_index.entries.count, 0);
    touch("a");
    assert_written("a");
}

static void what_changes_before_it_is_written_is_written_once(void **state)
{
    (void)state;
    touch("a");
    touch("a");
    assert_written("a");
    now_ms += REST_MS;
    assert_written("");
}

static void the_members_are_counted_when_they_are_written(void **state)
{
    (void)state;
    touch("a");
    touch("b");
    touch("c");
    touch("d");
    index_flush(&rooms_index, now_ms);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "HLEN rc:{a}:members");
    store_rig_answer_number(7);
    store_rig_answer_number(0);
    store_rig_answer_number(2);
    store_rig_answer_error("WRONGTYPE");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "EXISTS rc:{b}:meta");
    store_rig_answer_number(0);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "EXISTS rc:{d}:meta");
    store_rig_answer_number(1);
    assert_int_equal(store_rig.calls[0].keys, 3);
    store_rig_assert_call(SCRIPT_INDEX, 3, "a 7 b  c 2 d 0"); /* b is gone */
    store_rig_answer_number(1);
}

static void answers_in_another_order_are_of_their_rooms(void **state)
{
    (void)state;
    touch("a");
    touch("b");
    touch("c");
    index_flush(&rooms_index, now_ms);
    store_rig_put_off();
    store_rig_answer_number(0); /* b, */
    store_rig_answer_number(2); /* c, */
    store_rig_answer_number(0); /* a */
    store_rig_assert_call(SCRIPTS_COUNT, 0, "EXISTS rc:{b}:meta");
    store_rig_put_off();
    store_rig_answer_number(1); /* a, */
    store_rig_answer_number(0); /* b */
    store_rig_assert_call(SCRIPT_INDEX, 3, "a 0 b  c 2");
    store_rig_answer_number(1);
}

static void a_count_that_was_not_answered_is_not_written(void **state)
{
    (void)state;
    touch("a");
    index_flush(&rooms_index, now_ms);
    store_rig_answer(NULL);
    assert_int_equal(store_rig.calls_count, 0);
    touch("b");
    touch("c");
    index_flush(&rooms_index, now_ms);
    store_rig_answer_number(0);
    store_rig_answer_number(1);
    store_rig_answer(NULL);
    assert_int_equal(store_rig.calls_count, 0);
}

static void a_call_takes_a_hundred_rooms(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 120; i++) {
        char room[8];

        snprintf(room, sizeof(room), "r%u", i);
        touch(room);
    }
    index_flush(&rooms_index, now_ms);
    assert_int_equal(store_rig.calls_count, 120);
    answer_reads(120);
    assert_int_equal(store_rig.calls_count, 2);
    assert_int_equal(store_rig.calls[0].argc, 3 + 200);
    assert_int_equal(store_rig.calls[1].argc, 3 + 40);
    store_rig_answer_number(0);
    store_rig_answer_number(0);
}

static void a_room_that_is_created_again_does_not_wait(void **state)
{
    (void)state;
    touch("a");
    assert_written("a");
    touch("a");
    assert_written("");
    index_touch(&rooms_index, "a", 1, true);
    assert_written("a");
    assert_written("");
}

static void without_redis_a_room_stays_due(void **state)
{
    (void)state;
    store_rig.is_away = true;
    touch("a");
    assert_written("");
    now_ms += 10 * REST_MS;
    assert_written("");
    store_rig.is_away = false;
    assert_written("a");
}

static void at_the_end_all_that_changed_is_written(void **state)
{
    (void)state;
    touch("a");
    touch("b");
    assert_written("ab");
    touch("b");
    touch("c");
    index_flush_all(&rooms_index, now_ms);
    answer_reads(2);
    store_rig_assert_call(SCRIPT_INDEX, 3, "c 1 b 1");
    store_rig_answer_number(0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_written_at_once_and_then_rests),
        TEST(what_changes_before_it_is_written_is_written_once),
        TEST(a_call_takes_a_hundred_rooms),
        TEST(a_room_that_is_created_again_does_not_wait),
        TEST(without_redis_a_room_stays_due),
        TEST(at_the_end_all_that_changed_is_written),
        TEST(the_members_are_counted_when_they_are_written),
        TEST(answers_in_another_order_are_of_their_rooms),
        TEST(a_count_that_was_not_answered_is_not_written),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
