/* test_room_nodes.c - rc:{ROOM}:nodes: which nodes have members in a room, who is silent there, and
 * what report.lua makes of that (SPEC-SCALE S3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/redis/eval_room.h"
#include "tests/support/redis/redis_cmd.h"

enum { LEASE_MS = 10000 };

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* The node's stamp says now, and how often it renews. */
static void expect_stamp(const char *node)
{
    char *stamp = eval_room_field(&room, "nodes", node);
    long long at, every, now = eval_now_ms(&redis);
    char rest;

    assert_non_null(stamp);
    assert_int_equal(sscanf(stamp, "%lld %lld%c", &at, &every, &rest), 2);
    assert_in_range(at, now - 5000, now);
    assert_int_equal(every, EVAL_ROOM_EVERY_MS);
    free(stamp);
}

static void expect_none(const char *node)
{
    assert_null(eval_room_field(&room, "nodes", node));
}

static void age(const char *node, long long ms)
{
    char stamp[64];

    snprintf(stamp, sizeof(stamp), "%lld %d", eval_now_ms(&redis) - ms,
             EVAL_ROOM_EVERY_MS);
    redis_cmd(port(), "HSET rc:{lobby}:nodes %s %s", node, stamp);
}

/* ---- who has members ---- */

static void a_join_stamps_the_node_and_its_last_leave_takes_it_off(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "bob");
    expect_stamp("node-1");
    expect_stamp("node-2");
    eval_room_expect_ttl(&room, "nodes", EVAL_ROOM_ON_MS);
    eval_room_join(&room, "node-1", "bob");
    eval_room_leave(&room, "node-1", "ann");
    expect_stamp("node-1");
    eval_room_leave(&room, "node-1", "nobody");
    expect_stamp("node-1");
    eval_room_leave(&room, "node-1", "bob");
    expect_none("node-1");
    expect_stamp("node-2");
    eval_room_leave(&room, "node-2", "bob");
    assert_false(eval_room_has_key(&room, "nodes"));
}

static void a_join_again_stamps_again(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    age("node-1", 60000);
    eval_room_join(&room, "node-1", "ann");
    expect_stamp("node-1");
}

static void who_is_banned_brings_no_node_in(void **state)
{
    (void)state;
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 0");
    eval_room_join(&room, "node-1", "ann");
    assert_false(eval_room_has_key(&room, "nodes"));
}

static void a_node_that_was_reaped_is_off(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_join(&room, "node-2", "ann");
    eval_room_reap(&room, "node-1", 1);
    expect_stamp("node-1"); /* one is left */
    eval_room_reap(&room, "node-1", 1);
    expect_none("node-1");
    expect_stamp("node-2");
}

static void a_sync_stamps_the_node_or_takes_it_off(void **state)
{
    static const char *const ann[] = {"ann", "1", NULL};
    static const char *const nobody[] = {NULL};

    (void)state;
    eval_room_sync(&room, "node-1", EPOCH_1, ann);
    expect_stamp("node-1");
    age("node-1", 60000);
    eval_room_sync(&room, "node-1", EPOCH_1, ann);
    expect_stamp("node-1");
    redis_cmd(port(), "HDEL rc:{lobby}:nodes node-1");
    eval_room_sync(&room, "node-1", EPOCH_1, ann);
    expect_stamp("node-1");
    eval_room_join(&room, "node-2", "bob");
    eval_room_leave(&room, "node-1", "ann");
    age("node-1", 60000);
    eval_room_sync(&room, "node-1", EPOCH_1, nobody);
    expect_none("node-1");
    expect_stamp("node-2");
}

static void a_kicked_user_keeps_the_node_until_it_has_obeyed(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "HSET rc:{lobby}:on:node-1 ann %s", "kicked 2");
    redis_cmd(port(), "DEL rc:{lobby}:members");
    expect_stamp("node-1");
    eval_room_leave_after_kick(&room, "node-1", "ann");
    expect_none("node-1");
}

/* ---- who is silent ---- */

static const char *renew(const char *node)
{
    return eval_room_renew(&room, node, NULL);
}

static void a_renewal_stamps_the_node(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    age("node-1", 60000);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:nodes 1000");
    renew("node-1");
    expect_stamp("node-1");
    eval_room_expect_ttl(&room, "nodes", EVAL_ROOM_ON_MS);
    renew("node-2"); /* which has nobody */
    expect_none("node-2");
}

static void a_life_that_another_node_made_longer_stays(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:nodes %d", 2 * EVAL_ROOM_ON_MS);
    renew("node-1");
    eval_room_expect_ttl(&room, "nodes", 2 * EVAL_ROOM_ON_MS);
}

static void who_is_silent_by_its_own_interval_is_told(void **state)
{
    const int silent_ms = 2 * EVAL_ROOM_EVERY_MS + EVAL_ROOM_PATIENCE_MS;
    long long now = eval_now_ms(&redis);
    char stamp[64];

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "bob");
    assert_string_equal(renew("node-1"), "('" EPOCH_1 "' 0 2 1 2 0 0)");
    age("node-2", silent_ms - 5000);
    assert_string_equal(renew("node-1"), "('" EPOCH_1 "' 0 2 1 2 0 0)");
    age("node-2", silent_ms + 1);
    assert_string_equal(renew("node-1"), "('" EPOCH_1 "' 0 2 1 2 0 0 'node-2')");
    age("node-1", silent_ms + 1); /* never of itself */
    assert_string_equal(renew("node-1"), "('" EPOCH_1 "' 0 2 1 2 0 0 'node-2')");
    /* It renews more often than we do. */
    snprintf(stamp, sizeof(stamp), "%lld 1000", now - EVAL_ROOM_PATIENCE_MS - 2001);
    redis_cmd(port(), "HSET rc:{lobby}:nodes node-2 %s", stamp);
    assert_string_equal(renew("node-1"), "('" EPOCH_1 "' 0 2 1 2 0 0 'node-2')");
}

static void what_is_no_stamp_of_the_past_counts_as_silent(void **state)
{
    static const char *const odd[] = {
        "",       "x",    "1 2 3", "99999999999999 1000",
        "1e12 5", "-1 5", "5",     "1 9007199254740991",
    };

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "bob");
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        redis_cmd(port(), "HSET rc:{lobby}:nodes node-2 %s", odd[i]);
        assert_string_equal(renew("node-1"), "('" EPOCH_1 "' 0 2 1 2 0 0 'node-2')");
    }
}

static void at_most_sixteen_are_told_and_what_is_no_name_goes(void **state)
{
    const char *reply;
    unsigned count = 0;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 20; i++)
        redis_cmd(port(), "HSET rc:{lobby}:nodes n%d 1", i);
    redis_cmd(port(), "HSET rc:{lobby}:nodes %s 1", "no node");
    reply = renew("node-1");
    for (const char *at = reply; (at = strstr(at, " 'n")); at++)
        count++;
    assert_int_equal(count, 16);
    expect_none("no node");
    redis_cmd(port(), "DEL rc:{lobby}:nodes");
    renew("node-1");
}

/* ---- report ---- */

static const char *report(void)
{
    eval_begin(&redis, SCRIPT_REPORT);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:node-2:rooms");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "node-2");
    eval_arg(&redis, "lobby");
    eval_arg(&redis, "%d", LEASE_MS);
    return eval_run(&redis);
}

static void a_silent_node_that_beats_lives(void **state)
{
    (void)state;
    redis_cmd(port(), "ZADD rc:nodes %lld node-2",
              eval_now_ms(&redis) - LEASE_MS + 5000);
    assert_string_equal(report(), "1");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 1);
}

static void a_silent_node_that_does_not_beat_is_reaped_in_the_room_too(void **state)
{
    (void)state;
    redis_cmd(port(), "ZADD rc:nodes 5 node-2");
    assert_string_equal(report(), "0");
    assert_int_equal(redis_cmd_number(port(), "ZSCORE rc:nodes node-2"), 5);
    assert_int_equal(redis_cmd_number(port(), "SISMEMBER rc:node:node-2:rooms lobby"),
                     1);
    assert_string_equal(report(), "0");
}

/* The next heartbeat of any node tells that it is silent. */
static void a_node_that_redis_lost_is_known_again_as_a_silent_one(void **state)
{
    (void)state;
    assert_string_equal(report(), "0");
    assert_true(redis_cmd_number(port(), "ZSCORE rc:nodes node-2") <=
                eval_now_ms(&redis) - LEASE_MS);
    assert_int_equal(redis_cmd_number(port(), "SISMEMBER rc:node:node-2:rooms lobby"),
                     1);
}

/* ---- */

static int start(void **state)
{
    *state = &room;
    return eval_start(&redis);
}

#define TEST(f)                                                                        \
    cmocka_unit_test_setup_teardown(f, eval_room_begin_test, eval_room_end_test)
/* For states that no script leaves. */
#define ODD_TEST(f) cmocka_unit_test_setup(f, eval_room_begin_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_join_stamps_the_node_and_its_last_leave_takes_it_off),
        TEST(a_join_again_stamps_again),
        ODD_TEST(who_is_banned_brings_no_node_in),
        TEST(a_node_that_was_reaped_is_off),
        TEST(a_sync_stamps_the_node_or_takes_it_off),
        TEST(a_kicked_user_keeps_the_node_until_it_has_obeyed),
        TEST(a_renewal_stamps_the_node),
        TEST(a_life_that_another_node_made_longer_stays),
        TEST(who_is_silent_by_its_own_interval_is_told),
        TEST(what_is_no_stamp_of_the_past_counts_as_silent),
        TEST(at_most_sixteen_are_told_and_what_is_no_name_goes),
        ODD_TEST(a_silent_node_that_beats_lives),
        ODD_TEST(a_silent_node_that_does_not_beat_is_reaped_in_the_room_too),
        ODD_TEST(a_node_that_redis_lost_is_known_again_as_a_silent_one),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
