/* test_settle.c - settle.lua: what a room that was moved is told of where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/redis/eval_room.h"
#include "tests/support/redis/redis_cmd.h"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

static const char *settle(unsigned shard, unsigned is_empty)
{
    eval_begin(&redis, SCRIPT_SETTLE);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:events");
    eval_arg(&redis, "%u", shard);
    eval_arg(&redis, "%u", is_empty);
    return eval_run(&redis);
}

static long long field(const char *name)
{
    return redis_cmd_number(port(), "HGET rc:{lobby}:meta %s", name);
}

static void a_room_whose_members_stayed_behind_is_empty_from_now_on(void **state)
{
    long long before = eval_now_ms(&redis);

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:meta 70000");
    eval_notices(&redis, NULL); /* of the join */
    assert_string_equal(settle(7, 1), "1");
    assert_int_equal(field("shard_id"), 7);
    assert_true(field("empty_since") >= before);
    assert_true(field("empty_since") <= eval_now_ms(&redis));
    assert_true(redis_cmd_number(port(), "PTTL rc:{lobby}:meta") <= 70000);
    assert_true(redis_cmd_number(port(), "PTTL rc:{lobby}:meta") > 0);
    assert_string_equal(eval_notices(&redis, NULL), "");
}

static void one_that_was_empty_stays_so(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "HSET rc:{lobby}:meta empty_since 5");
    assert_string_equal(settle(7, 1), "1");
    assert_int_equal(field("empty_since"), 5);
}

static void one_that_stays_where_it_is_keeps_its_members(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    assert_string_equal(settle(1, 0), "1");
    assert_int_equal(field("shard_id"), 1);
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:{lobby}:meta empty_since"),
                     0);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:members"), 1);
}

static void one_that_has_expired_does_not_come_back(void **state)
{
    (void)state;
    assert_string_equal(settle(7, 1), "0");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
    redis_cmd(port(), "SET rc:{lobby}:meta x");
    assert_string_equal(settle(7, 1), "0");
}

static int start(void **state)
{
    *state = &room;
    return eval_start(&redis);
}

#define TEST(f) cmocka_unit_test_setup(f, eval_room_begin_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_room_whose_members_stayed_behind_is_empty_from_now_on),
        TEST(one_that_was_empty_stays_so),
        TEST(one_that_stays_where_it_is_keeps_its_members),
        TEST(one_that_has_expired_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
