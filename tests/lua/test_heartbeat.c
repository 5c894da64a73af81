/* test_heartbeat.c - heartbeat.lua: who is alive, who is silent, and who must take
 * another name. */
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
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { LEASE_MS = 10000 };

static struct eval redis;

static int port(void)
{
    return eval_port(&redis);
}

static const char *beat_with_lease(const char *node, bool first, int messages,
                                   int lease_ms)
{
    eval_begin(&redis, SCRIPT_HEARTBEAT);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:%s", node);
    eval_key(&redis, "rc:node:%s:claim", node);
    eval_key(&redis, "rc:events");
    eval_key(&redis, "rc:stats");
    eval_arg(&redis, "%s", node);
    eval_arg(&redis, "%d", lease_ms);
    eval_arg(&redis, "%d", first);
    eval_arg(&redis, "%d", messages);
    eval_arg(&redis, "address");
    eval_arg(&redis, "host:9001");
    eval_arg(&redis, "connections");
    eval_arg(&redis, "3");
    return eval_run(&redis);
}

/* As of a shard that is not the first one. */
static const char *beat_without_stats(const char *node, bool first, int messages)
{
    eval_begin(&redis, SCRIPT_HEARTBEAT);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:%s", node);
    eval_key(&redis, "rc:node:%s:claim", node);
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "%s", node);
    eval_arg(&redis, "%d", LEASE_MS);
    eval_arg(&redis, "%d", first);
    eval_arg(&redis, "%d", messages);
    eval_arg(&redis, "connections");
    eval_arg(&redis, "3");
    return eval_run(&redis);
}

static const char *beat(const char *node, bool first)
{
    return beat_with_lease(node, first, 0, LEASE_MS);
}

/* The node was last heard of `ago_ms` ago, and nothing else is there of it. */
static void hear_of(const char *node, long long ago_ms)
{
    redis_cmd(port(), "ZADD rc:nodes %lld %s", eval_now_ms(&redis) - ago_ms, node);
}

static void the_first_heartbeat_makes_the_node_known(void **state)
{
    long long before = eval_now_ms(&redis), score;
    char *address;

    (void)state;
    assert_string_equal(beat("me", true), "('ok')");
    score = redis_cmd_number(port(), "ZSCORE rc:nodes me");
    assert_true(score >= before && score <= eval_now_ms(&redis));
    address = redis_cmd_text(port(), "HGET rc:node:me address");
    assert_string_equal(address, "host:9001");
    assert_int_equal(redis_cmd_number(port(), "HGET rc:node:me connections"), 3);
    assert_true(redis_cmd_number(port(), "PTTL rc:node:me") > LEASE_MS - 5000);
    assert_true(redis_cmd_number(port(), "PTTL rc:node:me") <= LEASE_MS);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:stats"), 0);
    free(address);
}

static const char *enter(const char *node, const char *where)
{
    eval_begin(&redis, SCRIPT_REGISTER);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:%s:rooms", node);
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "%s", node);
    eval_arg(&redis, "%s", where);
    return eval_run(&redis);
}

static void registering_a_room_is_no_heartbeat(void **state)
{
    long long score;

    (void)state;
    hear_of("me", 5000);
    score = redis_cmd_number(port(), "ZSCORE rc:nodes me");
    assert_string_equal(enter("me", "lobby"), "1");
    assert_string_equal(enter("me", "lobby"), "0");
    assert_string_equal(enter("me", "a b"), "1");
    assert_int_equal(redis_cmd_number(port(), "SCARD rc:node:me:rooms"), 2);
    assert_int_equal(redis_cmd_number(port(), "ZSCORE rc:nodes me"), score);
}

/* As after a Redis that lost all, and for a call that was held up until the node was forgotten. */
static void a_node_that_redis_does_not_know_registers_nothing(void **state)
{
    (void)state;
    assert_string_equal(enter("me", "lobby"), "-1");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
    assert_string_equal(beat("me", false), "('dead')"); /* it needs another name */
}

static void the_next_ones_prolong_it(void **state)
{
    long long score;

    (void)state;
    beat("me", true);
    hear_of("me", 3000);
    redis_cmd(port(), "PEXPIRE rc:node:me 1000");
    score = redis_cmd_number(port(), "ZSCORE rc:nodes me");

    assert_string_equal(beat("me", false), "('ok')");
    assert_true(redis_cmd_number(port(), "ZSCORE rc:nodes me") >= score + 3000);
    assert_true(redis_cmd_number(port(), "PTTL rc:node:me") > 1000);
}

static void silent_nodes_are_told_but_not_the_others(void **state)
{
    const char *reply;

    (void)state;
    hear_of("silent", LEASE_MS + 1000);
    hear_of("longest", LEASE_MS + 9000);
    hear_of("late", LEASE_MS - 5000);
    hear_of("fresh", 0);

    reply = beat("me", true);
    assert_string_equal(reply, "('ok' 'longest' 'silent')");
    assert_int_equal(redis_cmd_number(port(), "ZCARD rc:nodes"), 5);
}

static void a_stamp_in_the_future_becomes_half_a_lease_old(void **state)
{
    static const long long ahead[] = {2000, 3600000, 9000000000000};

    (void)state;
    for (size_t i = 0; i < COUNT(ahead); i++) {
        long long before = eval_now_ms(&redis), score;

        eval_reset(&redis);
        hear_of("dead", -ahead[i]);
        assert_string_equal(beat("me", true), "('ok')");
        score = redis_cmd_number(port(), "ZSCORE rc:nodes dead");
        assert_true(score >= before - LEASE_MS / 2);
        assert_true(score <= eval_now_ms(&redis) - LEASE_MS / 2);
    }
    redis_cmd(port(), "ZADD rc:nodes +inf dead");
    assert_string_equal(beat("me", false), "('ok')");
    redis_cmd(port(), "ZINCRBY rc:nodes -%d dead", LEASE_MS / 2 - 1000);
    assert_string_equal(beat("me", false), "('ok')");
    redis_cmd(port(), "ZINCRBY rc:nodes -1000 dead");
    assert_string_equal(beat("me", false), "('ok' 'dead')");
}

/* Its next heartbeat comes a third of a lease later, if not before. */
static void a_living_node_whose_stamp_is_in_the_future_renews_it_in_time(void **state)
{
    (void)state;
    beat("alive", true);
    hear_of("alive", -3600000);
    assert_string_equal(beat("me", true), "('ok')");
    redis_cmd(port(), "ZINCRBY rc:nodes -%d alive", LEASE_MS / 3);
    assert_string_equal(beat("me", false), "('ok')");
    assert_string_equal(beat("alive", false), "('ok')");
    assert_string_equal(beat("me", false), "('ok')");
    assert_true(redis_cmd_number(port(), "ZSCORE rc:nodes alive") >
                eval_now_ms(&redis) - LEASE_MS / 3);
}

static void at_most_sixteen_are_told(void **state)
{
    int quotes = 0;

    (void)state;
    for (int i = 0; i < 40; i++)
        redis_cmd(port(), "ZADD rc:nodes %d node-%d", i, i);
    for (const char *at = beat("me", true); (at = strchr(at, '\'')); at++)
        quotes++;
    assert_int_equal(quotes, 2 * (1 + 16));
}

static void the_node_itself_is_never_silent(void **state)
{
    (void)state;
    beat("me", true);
    hear_of("me", LEASE_MS - 1);
    assert_string_equal(beat("me", false), "('ok')");
}

static void messages_are_added_up(void **state)
{
    (void)state;
    beat_with_lease("me", true, 7, LEASE_MS);
    beat_with_lease("you", true, 0, LEASE_MS);
    beat_with_lease("you", false, 5, LEASE_MS);
    assert_int_equal(redis_cmd_number(port(), "HGET rc:stats messages_total"), 12);
}

/* ---- dead ---- */

/* What happened to the node between two heartbeats. */
static void lose_hash(void)
{
    redis_cmd(port(), "DEL rc:node:me");
}

static void claim_it(void)
{
    redis_cmd(port(), "SET rc:node:me:claim you");
}

static void forget_it(void)
{
    redis_cmd(port(), "ZREM rc:nodes me");
    redis_cmd(port(), "DEL rc:node:me rc:node:me:claim");
}

static void lose_place(void)
{
    redis_cmd(port(), "ZREM rc:nodes me");
}

static void lose_everything(void)
{
    redis_cmd(port(), "FLUSHALL");
}

static const struct {
    const char *name;
    void (*happens)(void);
} deaths[] = {
    {"somebody reaps it", claim_it},
    {"it is forgotten", forget_it},
    {"it is not among the nodes", lose_place},
    {"Redis lost all", lose_everything},
};

static void a_heartbeat_without_the_key_of_totals_adds_nothing(void **state)
{
    (void)state;
    assert_string_equal(beat_without_stats("me", true, 5), "('ok')");
    assert_string_equal(beat_without_stats("me", false, 7), "('ok')");
    assert_int_equal(redis_cmd_number(port(), "HGET rc:node:me connections"), 3);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:stats"), 0);
}

static void who_was_declared_dead_learns_it_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(deaths); i++) {
        char *before, *after;

        print_message("  %s\n", deaths[i].name);
        eval_reset(&redis);
        beat("me", true);
        deaths[i].happens();
        before = eval_state(&redis);
        assert_string_equal(beat_with_lease("me", false, 9, LEASE_MS), "('dead')");
        assert_string_equal(beat("me", false), "('dead')");
        after = eval_state(&redis);
        assert_string_equal(after, before);
        assert_string_equal(beat("my-new-name", true), "('ok')");
        free(before);
        free(after);
    }
}

static bool is_expired(void *data)
{
    (void)data;
    return redis_cmd_number(port(), "EXISTS rc:node:me") == 0;
}

static void who_was_silent_for_a_lease_is_told_and_dead_once_it_is_claimed(void **state)
{
    (void)state;
    beat_with_lease("me", true, 0, 50);
    assert_true(wait_until(is_expired, NULL, 5000));
    assert_string_equal(beat_with_lease("you", true, 0, 50), "('ok' 'me')");
    claim_it();
    assert_string_equal(beat_with_lease("me", false, 0, 50), "('dead')");
    assert_string_equal(beat_with_lease("you", false, 0, 50), "('ok' 'me')");
}

/* As after a Redis that stood still for longer than the lease: it looks at all its rooms. */
static void who_was_silent_but_not_claimed_keeps_its_name(void **state)
{
    (void)state;
    beat("me", true);
    lose_hash();
    assert_string_equal(beat("me", false), "('lost')");
    assert_string_equal(beat("me", false), "('ok')");
}

/* ---- the numbers of the policy ---- */

static const char *beat_with_policy(void)
{
    eval_begin(&redis, SCRIPT_HEARTBEAT);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:me");
    eval_key(&redis, "rc:node:me:claim");
    eval_key(&redis, "rc:events");
    eval_key(&redis, "rc:stats");
    eval_key(&redis, "rc:policy");
    eval_arg(&redis, "me");
    eval_arg(&redis, "%d", LEASE_MS);
    eval_arg(&redis, "1");
    eval_arg(&redis, "0");
    eval_arg(&redis, "connections");
    eval_arg(&redis, "3");
    return eval_run(&redis);
}

static void the_first_shard_tells_the_numbers_of_the_policy(void **state)
{
    (void)state;
    assert_string_equal(beat_with_policy(), "('ok' ('0' '0' '0' '0' '0'))");
    redis_cmd(port(), "HSET rc:policy keys {} keys_rev 5 sanctions_rev 1796069551604");
    assert_string_equal(beat_with_policy(), "('ok' ('5' '0' '0' '1796069551604' '0'))");
    redis_cmd(port(), "DEL rc:policy");
    redis_cmd(port(), "SET rc:policy x");
    assert_string_equal(beat_with_policy(), "('ok' ('0' '0' '0' '0' '0'))");
}

static const char *restore(const char *rev, const char *keys)
{
    eval_begin(&redis, SCRIPT_RESTORE);
    eval_key(&redis, "rc:policy");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "keys_rev");
    eval_arg(&redis, "%s", rev);
    eval_arg(&redis, "keys");
    eval_arg(&redis, "%s", keys);
    return eval_run(&redis);
}

static void keys_are_put_back_unless_redis_has_newer_ones(void **state)
{
    char *keys;

    (void)state;
    assert_string_equal(restore("7", "seven"), "1");
    assert_string_equal(restore("7", "another"), "0");
    assert_string_equal(restore("6", "six"), "0");
    keys = redis_cmd_text(port(), "HGET rc:policy keys");
    assert_string_equal(keys, "seven");
    free(keys);
    assert_string_equal(restore("1796069551604", "newest"), "1");
    redis_cmd(port(), "HSET rc:policy keys_rev garbage");
    assert_string_equal(restore("8", "eight"), "1");
    assert_int_equal(redis_cmd_number(port(), "HGET rc:policy keys_rev"), 8);
}

/* ---- */

static int start(void **state)
{
    *state = &redis;
    return eval_start(&redis);
}

static int begin(void **state)
{
    (void)state;
    return eval_reset(&redis);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_heartbeat_makes_the_node_known),
        TEST(the_next_ones_prolong_it),
        TEST(registering_a_room_is_no_heartbeat),
        TEST(a_node_that_redis_does_not_know_registers_nothing),
        TEST(silent_nodes_are_told_but_not_the_others),
        TEST(a_stamp_in_the_future_becomes_half_a_lease_old),
        TEST(a_living_node_whose_stamp_is_in_the_future_renews_it_in_time),
        TEST(at_most_sixteen_are_told),
        TEST(the_node_itself_is_never_silent),
        TEST(messages_are_added_up),
        TEST(a_heartbeat_without_the_key_of_totals_adds_nothing),
        TEST(who_was_declared_dead_learns_it_and_changes_nothing),
        TEST(who_was_silent_for_a_lease_is_told_and_dead_once_it_is_claimed),
        TEST(who_was_silent_but_not_claimed_keeps_its_name),
        TEST(the_first_shard_tells_the_numbers_of_the_policy),
        TEST(keys_are_put_back_unless_redis_has_newer_ones),
    };
    return cmocka_run_group_tests(tests, start, eval_teardown);
}
