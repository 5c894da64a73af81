/* test_index.c - when a room is written into the fleet's indexes, and how expired ones are taken
 * off.
 */
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

enum { REST_MS = 5000, WALK_MS = 2000 };

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
    index_init(&rooms_index, &store_rig.store, &metrics);
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
    index_touch(&rooms_index, room, strlen(room));
}

/* What is written now; "": nothing. Rooms have names of one letter. */
static void assert_written(const char *wanted)
{
    char got[64] = "";

    index_flush(&rooms_index, now_ms);
    if (store_rig.calls_count > 0) {
        const struct store_rig_call *call = &store_rig.calls[0];

        assert_int_equal(call->script, SCRIPT_INDEX);
        for (unsigned i = 3 + 2 * ((call->argc - 3) / 3); i < call->argc; i++)
            strcat(got, call->argv[i]);
        store_rig_answer("0");
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

static void the_keys_of_each_room_stand_before_the_names(void **state)
{
    (void)state;
    touch("a");
    touch("b");
    index_flush(&rooms_index, now_ms);
    store_rig_assert_call(SCRIPT_INDEX, 3,
                          "rc:{a}:meta rc:{a}:members rc:{b}:meta rc:{b}:members a b");
    store_rig_answer("0");
}

static void a_call_takes_a_hundred_rooms(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 250; i++) {
        char room[8];

        snprintf(room, sizeof(room), "r%u", i);
        touch(room);
    }
    index_flush(&rooms_index, now_ms);
    assert_int_equal(store_rig.calls_count, 3);
    assert_int_equal(store_rig.calls[0].argc, 3 + 300);
    assert_int_equal(store_rig.calls[2].argc, 3 + 150);
    for (int i = 0; i < 3; i++)
        store_rig_answer("0");
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
    store_rig_assert_call(SCRIPT_INDEX, 7, "c b");
    store_rig_answer("0");
}

/* ---- taking off ---- */

static void a_room_that_expired_is_taken_off_and_counted_by_one(void **state)
{
    (void)state;
    index_on_expired(&rooms_index, "a", 1);
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "rc:{a}:meta room_expired a");
    store_rig_answer("a");
    assert_int_equal(metrics.rooms_expired_total, 1);
    index_on_expired(&rooms_index, "a", 1);
    store_rig_answer(""); /* another worker was first */
    assert_int_equal(metrics.rooms_expired_total, 1);
    index_on_expired(&rooms_index, "a", 1);
    store_rig_answer(NULL);
    assert_int_equal(metrics.rooms_expired_total, 1);
}

/* Begins a walk and looks at what is asked: up to this score, from this place on. */
static void walk(const char *score, const char *offset)
{
    char wanted[64];

    now_ms += WALK_MS;
    index_walk(&rooms_index, now_ms);
    assert_int_equal(store_rig.calls_count, 1);
    snprintf(wanted, sizeof(wanted), "0 %s LIMIT %s 20", score, offset);
    store_rig_assert_call(SCRIPTS_COUNT, 2, wanted);
}

static void walks_go_by_turns_over_the_empty_and_all(void **state)
{
    (void)state;
    walk("0", "0");
    store_rig_answer("");
    walk("+inf", "0");
    store_rig_answer("");
    walk("0", "0");
    store_rig_answer("");
}

static void one_walk_at_a_time_and_not_too_often(void **state)
{
    (void)state;
    walk("0", "0");
    now_ms += 10 * WALK_MS;
    index_walk(&rooms_index, now_ms);
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer("");
    index_walk(&rooms_index, now_ms);
    store_rig_answer("");
    index_walk(&rooms_index, now_ms + WALK_MS - 1);
    assert_int_equal(store_rig.calls_count, 0);
}

#define TEN "a b c d e f g h i j "

static void a_full_page_is_gone_on_from(void **state)
{
    (void)state;
    walk("0", "0");
    store_rig_answer(TEN "k l m n o p q r s t");
    assert_int_equal(store_rig.calls[0].script, SCRIPT_UNINDEX);
    assert_int_equal(store_rig.calls[0].argc, 3 + 20 + 1 + 20);
    store_rig_answer("c d");
    assert_int_equal(metrics.rooms_expired_total, 2);
    walk("+inf", "0");
    store_rig_answer("a");
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "rc:{a}:meta room_expired a");
    store_rig_answer("");
    walk("0", "10");
    store_rig_answer(TEN);
    store_rig_answer("");
    walk("+inf", "0");
    store_rig_answer("");
    walk("0", "0"); /* that page was the last */
    store_rig_answer(NULL);
}

static void a_walk_that_failed_starts_again(void **state)
{
    (void)state;
    walk("0", "0");
    store_rig_answer(TEN "k l m n o p q r s t");
    store_rig_answer("");
    walk("+inf", "0");
    store_rig_answer(NULL);
    walk("0", "10");
    store_rig_answer(NULL);
    walk("+inf", "0");
    store_rig_answer(NULL);
    walk("0", "0");
    store_rig_answer("");
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    walk("0", "0");
    store_rig_answer("\x01 nil");
    assert_int_equal(store_rig.calls_count, 0);
    assert_true(metrics.malformed_total[2] > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_written_at_once_and_then_rests),
        TEST(what_changes_before_it_is_written_is_written_once),
        TEST(the_keys_of_each_room_stand_before_the_names),
        TEST(a_call_takes_a_hundred_rooms),
        TEST(without_redis_a_room_stays_due),
        TEST(at_the_end_all_that_changed_is_written),
        TEST(a_room_that_expired_is_taken_off_and_counted_by_one),
        TEST(walks_go_by_turns_over_the_empty_and_all),
        TEST(one_walk_at_a_time_and_not_too_often),
        TEST(a_full_page_is_gone_on_from),
        TEST(a_walk_that_failed_starts_again),
        TEST(what_is_no_name_is_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
