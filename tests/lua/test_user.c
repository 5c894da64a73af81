/* test_user.c - user.lua: the connections of one user, counted in the fleet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/redis/eval.h"
#include "tests/support/redis/redis_cmd.h"

#define KEY "rc:user:{ann}:conns"

enum { DAY_MS = 24 * 3600 * 1000 };

static struct eval redis;

static const char *come(const char *conn, unsigned most)
{
    eval_begin(&redis, SCRIPT_USER);
    eval_key(&redis, KEY);
    eval_arg(&redis, "%s", conn);
    eval_arg(&redis, "%u", most);
    eval_arg(&redis, "%d", DAY_MS);
    return eval_run(&redis);
}

/* It came so long ago. */
static void was_there(const char *conn, long long ago_ms)
{
    char score[32];

    snprintf(score, sizeof(score), "%lld", eval_now_ms(&redis) - ago_ms);
    redis_cmd(eval_port(&redis), "ZADD " KEY " %s %s", score, conn);
}

static long long count(void)
{
    return redis_cmd_number(eval_port(&redis), "ZCARD " KEY);
}

static void where_there_are_too_many_all_are_told_the_oldest_first(void **state)
{
    (void)state;
    was_there("n2 7", 2000);
    assert_string_equal(come("n1 1", 2), "()");
    was_there("n3 1", 9000);
    assert_string_equal(come("n1 2", 3), "('n3 1' 'n2 7' 'n1 1' 'n1 2')");
    assert_int_equal(count(), 4); /* the caller decides who goes */
}

static void one_that_comes_again_is_one(void **state)
{
    (void)state;
    assert_string_equal(come("n1 1", 1), "()");
    assert_string_equal(come("n1 1", 1), "()");
    assert_int_equal(count(), 1);
}

static void those_of_yesterday_do_not_count(void **state)
{
    (void)state;
    was_there("n2 7", DAY_MS + 1000);
    was_there("n2 8", DAY_MS - 60000);
    assert_string_equal(come("n1 1", 2), "()");
    assert_int_equal(count(), 2);
    assert_string_equal(come("n1 2", 2), "('n2 8' 'n1 1' 'n1 2')");
}

static void it_is_forgotten_a_day_after_the_last_one_came(void **state)
{
    long long left_ms;

    (void)state;
    come("n1 1", 2);
    left_ms = redis_cmd_number(eval_port(&redis), "PTTL " KEY);
    assert_in_range(left_ms, DAY_MS - 60000, DAY_MS);
}

static void what_is_no_zset_is_replaced(void **state)
{
    (void)state;
    redis_cmd(eval_port(&redis), "SET " KEY " x");
    assert_string_equal(come("n1 1", 2), "()");
    assert_int_equal(count(), 1);
}

static int set_up(void **state)
{
    (void)state;
    return eval_reset(&redis);
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

static int start(void **state)
{
    *state = &redis;
    return eval_start(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(where_there_are_too_many_all_are_told_the_oldest_first),
        TEST(one_that_comes_again_is_one),
        TEST(those_of_yesterday_do_not_count),
        TEST(it_is_forgotten_a_day_after_the_last_one_came),
        TEST(what_is_no_zset_is_replaced),
    };

    return cmocka_run_group_tests(tests, start, eval_teardown);
}
