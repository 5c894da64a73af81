/* test_expiry.c - which processes look at a room that expired, and when; and the slow walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/expiry.h"
#include "tests/support/unit/store_rig.h"

enum { WALK_MS = 2000, TICK_MS = 100 };

static const struct config config = {.key_prefix = "rc", .lease_ms = 10000};
static struct metrics metrics;
static struct expiry expiry;
static uint64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    log_max = LOG_ERROR;
    memset(&metrics, 0, sizeof(metrics));
    now_ms = 100000;
    store_rig_open(&config, &metrics);
    strcpy(store_rig.store.node, "me.0");
    expiry_init(&expiry, &store_rig.store, &metrics);
    expiry.walk_at_ms = UINT64_MAX;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    expiry_deinit(&expiry);
    store_rig_close();
    return 0;
}

static void add(const char *room)
{
    expiry_add(&expiry, room, strlen(room));
}

static void tick(uint64_t ms)
{
    now_ms += ms;
    expiry_tick(&expiry, now_ms);
}

/* The rooms of a page, or of one turn, that are looked at now: each has this score, and is gone if
 * its name is in `gone`. Returns how many. */
static unsigned answer_looks(const char *gone)
{
    unsigned count = 0;

    while (store_rig.calls_count > 0 && store_rig.calls[0].script == SCRIPTS_COUNT) {
        const struct store_rig_call *call = &store_rig.calls[0];

        if (strcmp(call->argv[0], "ZSCORE") == 0) {
            store_rig_answer_text("5");
            count++;
        } else if (strcmp(call->argv[0], "EXISTS") == 0) {
            store_rig_answer_number(!strchr(gone, call->argv[1][4]));
        } else {
            break;
        }
    }
    return count;
}

/* ---- announced ---- */

static void a_process_that_is_alone_looks_at_once(void **state)
{
    (void)state;
    add("a");
    tick(TICK_MS);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "ZRANGE rc:nodes 0 -1 WITHSCORES");
    store_rig_answer("me.0 100 me.1 100");
    tick(TICK_MS);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "ZSCORE rc:rooms a");
    store_rig_answer_text("5");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "EXISTS rc:{a}:meta");
    store_rig_answer_number(0);
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "room_expired a 5");
    store_rig_answer("a");
    assert_int_equal(metrics.rooms_expired_total, 1);
    assert_int_equal(expiry.count, 0);
}

static void a_room_that_is_there_again_or_was_taken_off_counts_for_nobody(void **state)
{
    (void)state;
    add("a");
    add("b");
    tick(TICK_MS);
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    assert_int_equal(answer_looks("b"), 2);
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "room_expired b 5");
    store_rig_answer("");
    assert_int_equal(metrics.rooms_expired_total, 0);
}

static void a_room_that_exists_stays_whatever_the_order_of_the_answers(void **state)
{
    (void)state;
    add("a");
    add("b");
    tick(TICK_MS);
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    store_rig_put_off();
    store_rig_answer_text("6"); /* b, */
    store_rig_answer_text("5"); /* a */
    store_rig_put_off();
    store_rig_assert_call(SCRIPTS_COUNT, 0, "EXISTS rc:{a}:meta");
    store_rig_answer_number(0);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "EXISTS rc:{b}:meta");
    store_rig_answer_number(1);
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "room_expired a 5");
    store_rig_answer("a");
}

static void who_comes_second_calls_no_script(void **state)
{
    (void)state;
    add("a");
    tick(TICK_MS);
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    store_rig_answer_nil();
    store_rig_answer_number(0);
    assert_int_equal(store_rig.calls_count, 0);
}

static void what_is_not_answered_is_left_to_the_walk(void **state)
{
    (void)state;
    add("a");
    tick(TICK_MS);
    store_rig_answer(NULL); /* the processes: asked again */
    tick(TICK_MS);
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    store_rig_answer(NULL);
    assert_int_equal(store_rig.calls_count, 0);
    assert_int_equal(expiry.count, 0);
}

/* It is somebody's turn, or was just now. */
static void the_walk_passes_what_was_announced(void **state)
{
    (void)state;
    add("a");
    tick(TICK_MS);
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    assert_int_equal(answer_looks("a"), 1);
    store_rig_answer("a");
    expiry.walk_at_ms = 0;
    tick(2000);
    assert_string_equal(store_rig.calls[0].argv[0], "ZRANGEBYSCORE");
    store_rig_answer("a b");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "ZSCORE rc:rooms b");
    assert_int_equal(answer_looks(""), 1);
    tick(2000);
    store_rig_answer("a");
    assert_int_equal(store_rig.calls_count, 0);
    tick(2000); /* five seconds later it is looked at again */
    store_rig_answer("a");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "ZSCORE rc:rooms a");
    assert_int_equal(answer_looks(""), 1);
}

static void a_room_that_expires_again_is_looked_at_again(void **state)
{
    (void)state;
    add("a");
    add("a");
    assert_int_equal(expiry.count, 1);
    tick(TICK_MS);
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    assert_int_equal(answer_looks(""), 1);
    add("a");
    tick(TICK_MS);
    assert_int_equal(answer_looks(""), 1);
    assert_int_equal(expiry.count, 0);
}

static void the_processes_are_known_for_a_while(void **state)
{
    (void)state;
    add("a");
    tick(TICK_MS);
    tick(TICK_MS);
    assert_int_equal(store_rig.calls_count, 1); /* one question at a time */
    store_rig_answer("me.0 100");
    tick(TICK_MS);
    assert_int_equal(answer_looks(""), 1);
    add("b");
    tick(2800);
    assert_int_equal(answer_looks(""), 1);
    add("c");
    tick(3100);
    assert_string_equal(store_rig.calls[0].argv[0], "ZRANGE");
    store_rig_answer("me.0 100");
}

/* Which of ten processes look at each of 26 rooms, and after how many seconds. */
static void three_processes_look_at_a_room_one_after_the_other(void **state)
{
    static const char processes[] =
        "p0.0 100 p1.0 100 p2.0 100 p3.0 100 p4.0 100 p5.0 100 p6.0 100 p7.0 100 "
        "p8.0 100 p9.0 100 p9.1 100";
    unsigned seen[26][EXPIRY_RANKS] = {{0}}, by_process[10] = {0};

    (void)state;
    for (unsigned p = 0; p < 10; p++) {
        snprintf(store_rig.store.node, sizeof(store_rig.store.node), "p%u.0", p);
        for (char c = 'a'; c <= 'z'; c++)
            expiry_add(&expiry, &c, 1);
        tick(10000);
        store_rig_answer(processes);
        for (unsigned rank = 0; rank < EXPIRY_RANKS; rank++) {
            expiry_tick(&expiry, now_ms + rank * 1000);
            for (unsigned i = 0; i < store_rig.calls_count; i++)
                seen[store_rig.calls[i].argv[2][0] - 'a'][rank]++;
            by_process[p] += answer_looks("");
        }
        assert_int_equal(expiry.count, 0);
    }
    for (unsigned room = 0; room < 26; room++)
        for (unsigned rank = 0; rank < EXPIRY_RANKS; rank++)
            assert_int_equal(seen[room][rank], 1);
    for (unsigned p = 0; p < 10; p++)
        assert_in_range(by_process[p], 1, 20);
}

static void a_silent_process_is_not_waited_for(void **state)
{
    (void)state;
    for (char c = 'a'; c <= 'z'; c++)
        expiry_add(&expiry, &c, 1);
    tick(TICK_MS);
    /* 10 s behind the newest: dead; a name that is none of a process, too */
    store_rig_answer(
        "dead1.0 0000000000090000 dead2.0 0000000000080000 "
        "dead3.0 0000000000070000 me.0 0000000000100000 x 0000000000100000");
    tick(TICK_MS);
    assert_int_equal(answer_looks(""), 26);
}

static void too_many_are_left_to_the_walk(void **state)
{
    (void)state;
    for (int i = 0; i < 100001; i++) {
        char room[24];

        snprintf(room, sizeof(room), "room %d", i);
        add(room);
    }
    assert_int_equal(expiry.count, 100000);
}

/* ---- the walk ---- */

/* Begins a walk and looks at what is asked: up to this score, from this place on. */
static void walk(const char *score, const char *offset)
{
    char wanted[64];

    expiry.walk_at_ms = expiry.walk_at_ms == UINT64_MAX ? 0 : expiry.walk_at_ms;
    tick(WALK_MS);
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
    tick(10 * WALK_MS);
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer("");
    tick(0);
    store_rig_answer("");
    tick(WALK_MS - 1);
    assert_int_equal(store_rig.calls_count, 0);
}

#define TEN "a b c d e f g h i j "

static void a_full_page_is_gone_on_from(void **state)
{
    (void)state;
    walk("0", "0");
    store_rig_answer(TEN "k l m n o p q r s t");
    assert_int_equal(answer_looks("cd"), 20);
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "room_expired c 5 d 5");
    store_rig_answer("c d");
    assert_int_equal(metrics.rooms_expired_total, 2);
    walk("+inf", "0");
    store_rig_answer("a");
    assert_int_equal(answer_looks(""), 1);
    assert_int_equal(store_rig.calls_count, 0); /* nothing to take off */
    walk("0", "10");
    store_rig_answer(TEN);
    assert_int_equal(answer_looks(""), 10);
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
    answer_looks("");
    walk("+inf", "0");
    store_rig_answer(NULL);
    walk("0", "10");
    store_rig_answer(NULL);
    walk("+inf", "0");
    store_rig_answer(NULL);
    walk("0", "0");
    store_rig_answer("");
}

static void a_room_that_only_one_index_has_is_taken_off(void **state)
{
    (void)state;
    walk("0", "0");
    store_rig_answer("a");
    store_rig_answer_nil();
    store_rig_answer_number(0);
    store_rig_assert_call(SCRIPT_UNINDEX, 3, "room_expired a ");
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
        TEST(a_process_that_is_alone_looks_at_once),
        TEST(a_room_that_is_there_again_or_was_taken_off_counts_for_nobody),
        TEST(a_room_that_exists_stays_whatever_the_order_of_the_answers),
        TEST(who_comes_second_calls_no_script),
        TEST(what_is_not_answered_is_left_to_the_walk),
        TEST(the_walk_passes_what_was_announced),
        TEST(a_room_that_expires_again_is_looked_at_again),
        TEST(the_processes_are_known_for_a_while),
        TEST(three_processes_look_at_a_room_one_after_the_other),
        TEST(a_silent_process_is_not_waited_for),
        TEST(too_many_are_left_to_the_walk),
        TEST(walks_go_by_turns_over_the_empty_and_all),
        TEST(one_walk_at_a_time_and_not_too_often),
        TEST(a_full_page_is_gone_on_from),
        TEST(a_walk_that_failed_starts_again),
        TEST(a_room_that_only_one_index_has_is_taken_off),
        TEST(what_is_no_name_is_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
