/* test_reap_claim_forget.c - reap.lua, claim.lua and forget.lua: a node that died is reaped
 * by the node that finds it, and each of its members goes once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/redis/eval_room.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LEFT(user, members)                                                            \
    "{\"type\":\"member_left\",\"room\":\"lobby\",\"reason\":\"expired\",\"user\":"    \
    "\"" user "\",\"members\":" members "}"

enum { LEASE_MS = 10000, PAGE = 500, CROWD = 600 };

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* What reap.lua answers. */
struct reaped {
    int gone, left, still;
};

static struct reaped reap(unsigned most)
{
    struct reaped u;

    assert_int_equal(sscanf(eval_room_reap(&room, "dead", most), "(%d %d %d)", &u.gone,
                            &u.left, &u.still),
                     3);
    return u;
}

static const char *claim(const char *claimant, int lease_ms, int claim_ms)
{
    eval_begin(&redis, SCRIPT_CLAIM);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:dead:claim");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "dead");
    eval_arg(&redis, "%d", lease_ms);
    eval_arg(&redis, "%s", claimant);
    eval_arg(&redis, "%d", claim_ms);
    return eval_run(&redis);
}

static const char *forget(const char *node)
{
    eval_begin(&redis, SCRIPT_FORGET);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:%s", node);
    eval_key(&redis, "rc:node:%s:rooms", node);
    eval_key(&redis, "rc:node:%s:claim", node);
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "%s", node);
    return eval_run(&redis);
}

/* The node was last heard of `ago_ms` ago. */
static void hear_of(const char *node, long long ago_ms)
{
    redis_cmd(port(), "ZADD rc:nodes %lld %s", eval_now_ms(&redis) - ago_ms, node);
}

/* `count` users come in through the node that will die. */
static void crowd(int count)
{
    for (int i = 0; i < count; i++) {
        char user[32];

        snprintf(user, sizeof(user), "user-%d", i);
        eval_room_join(&room, "dead", user);
    }
    redis_cmd(port(), "SADD rc:node:dead:rooms lobby");
    eval_room_notices(&room);
}

/* ---- reap ---- */

static void the_members_of_a_dead_node_go(void **state)
{
    (void)state;
    eval_room_join(&room, "dead", "ann");
    eval_room_join(&room, "alive", "bob");
    eval_room_say(&room, "dead", "ann", "hi");
    eval_room_notices(&room);

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(1 1 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 3 left 0 0 ann\n" LEFT("ann", "1"));
    assert_false(eval_room_has_key(&room, "on:dead"));
    assert_null(eval_room_field(&room, "meta", "empty_since"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_KEEP_MS);
}

static void the_last_of_them_starts_the_countdown(void **state)
{
    long long before, empty_since;

    (void)state;
    eval_room_join(&room, "dead", "ann");
    eval_room_say(&room, "dead", "ann", "hi");
    before = eval_now_ms(&redis);

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(1 0 0)");
    empty_since = eval_room_number(&room, "meta", "empty_since");
    assert_true(empty_since >= before && empty_since <= eval_now_ms(&redis));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_TTL_MS);
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_TTL_MS);
}

static void who_is_also_on_a_living_node_stays(void **state)
{
    (void)state;
    eval_room_join(&room, "dead", "ann");
    eval_room_join(&room, "alive", "ann");
    eval_room_notices(&room);

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(0 1 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 1);
    assert_string_equal(eval_room_leave(&room, "alive", "ann"), "(0 0)");
}

static void reaping_twice_takes_out_once(void **state)
{
    char *before, *after;

    (void)state;
    eval_room_join(&room, "dead", "ann");
    eval_room_join(&room, "alive", "ann");
    eval_room_reap(&room, "dead", PAGE);
    eval_room_notices(&room);
    before = eval_state(&redis);

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(0 1 0)");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    assert_string_equal(eval_room_notices(&room), "");
    free(before);
    free(after);
}

static void who_left_before_is_not_counted_down_again(void **state)
{
    (void)state;
    eval_room_join(&room, "dead", "ann");
    eval_room_join(&room, "alive", "ann");
    eval_room_leave(&room, "dead", "ann");

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(0 1 0)");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
}

static void users_of_another_epoch_count_as_absent(void **state)
{
    (void)state;
    eval_room_join(&room, "dead", "ann");
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;
    eval_room_join(&room, "alive", "ann");
    eval_room_notices(&room);

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(0 1 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_false(eval_room_has_key(&room, "on:dead"));
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
}

static void a_room_that_is_gone_is_not_made_again(void **state)
{
    (void)state;
    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(0 0 0)");
    redis_cmd(port(), "HSET rc:{lobby}:on:dead ann " EPOCH_1);
    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(0 0 0)");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
    assert_string_equal(eval_room_notices(&room), "");
}

static void six_hundred_members_go_in_pages(void **state)
{
    int gone = 0, calls = 0;
    struct reaped u;

    (void)state;
    room.events_max = CROWD;
    crowd(CROWD);
    do {
        u = reap(PAGE);
        assert_true(u.gone <= PAGE);
        gone += u.gone;
        assert_int_equal(u.left, CROWD - gone);
        assert_int_equal(u.still, CROWD - gone);
        eval_room_expect_books_balance(&room);
        calls++;
    } while (u.still > 0 && calls < 10);

    assert_int_equal(gone, CROWD);
    assert_true(calls <= 3);
    assert_false(eval_room_has_key(&room, "members"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_TTL_MS);
}

/* A small hash is one block, and HSCAN gives all of it whatever COUNT says. */
static void a_page_is_kept_to_also_where_redis_gives_more(void **state)
{
    struct reaped u;

    (void)state;
    crowd(100);
    u = reap(30);
    assert_int_equal(u.gone, 30);
    assert_int_equal(u.still, 70);
    u = reap(70);
    assert_int_equal(u.gone, 70);
    assert_int_equal(u.still, 0);
}

/* `count` users of the dead node, without a call for each. */
static void crowd_at_once(int count)
{
    redis_cmd(port(),
              "EVAL %s 3 rc:{lobby}:meta rc:{lobby}:members rc:{lobby}:on:dead %d %d",
              "redis.call('HSET', KEYS[1], 'epoch', '" EPOCH_1 "', 'seq', 0, 'rev', 1)"
              "for i = 1, ARGV[1] do redis.call('HSET', KEYS[2], i, 1)"
              "    redis.call('HSET', KEYS[3], i, '" EPOCH_1 "') end "
              "for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end",
              count, EVAL_ROOM_KEEP_MS);
}

/* What is deleted leaves holes in a large hash, which a scan from its start would meet
 * again and again. */
static void ten_thousand_members_go_page_by_page(void **state)
{
    enum { USERS = 10000 };

    (void)state;
    room.events_max = 0;
    crowd_at_once(USERS);
    for (int i = 1; i <= USERS / PAGE; i++) {
        struct reaped u = reap(PAGE);

        assert_int_equal(u.gone, PAGE);
        assert_int_equal(u.still, USERS - i * PAGE);
    }
    assert_false(eval_room_has_key(&room, "members"));
}

static bool has_saved(void *data)
{
    char *info = redis_cmd_text(port(), "INFO persistence");
    bool saved = strstr(info, "rdb_bgsave_in_progress:0") != NULL;

    (void)data;
    free(info);
    return saved;
}

static void remove_dump(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/dump.rdb", redis.server.dir);
    unlink(path);
}

/* While a child of Redis saves, a hash that has become nearly empty stays large. */
static void the_last_few_of_a_large_hash_go(void **state)
{
    enum { USERS = 20000, STAY = 3 };

    (void)state;
    room.events_max = 0;
    crowd_at_once(USERS);
    redis_cmd(port(), "CONFIG SET rdb-key-save-delay 100000");
    redis_cmd(port(), "BGSAVE");
    redis_cmd(port(), "EVAL %s 2 rc:{lobby}:members rc:{lobby}:on:dead %d",
              "for i = 1, ARGV[1] do redis.call('HDEL', KEYS[1], i)"
              "    redis.call('HDEL', KEYS[2], i) end",
              USERS - STAY);
    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(3 0 0)");
    assert_false(has_saved(NULL));
    redis_cmd(port(), "CONFIG SET rdb-key-save-delay 0");
    assert_true(wait_until(has_saved, NULL, 30000));
    remove_dump();
}

/* ---- presence events ---- */

static const char *const odd_rooms[] = {
    "SET rc:{lobby}:meta x",        "SET rc:{lobby}:members x",
    "SET rc:{lobby}:history x",     "SET rc:{lobby}:on:node-1 x",
    "HSET rc:{lobby}:meta rev x",   "HDEL rc:{lobby}:meta rev",
    "HSET rc:{lobby}:members ann x"};

static void a_node_is_reaped_from_a_broken_room_too(void **state)
{
    for (size_t i = 0; i < sizeof(odd_rooms) / sizeof(odd_rooms[0]); i++) {
        print_message("  %s\n", odd_rooms[i]);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        redis_cmd(port(), odd_rooms[i]);
        assert_non_null(strstr(eval_room_reap(&room, "node-1", 500), " 0)"));
        assert_false(eval_room_has_key(&room, "on:node-1"));
    }
    eval_reset(&redis);
}

static void where_rev_is_no_number_the_node_is_reaped_and_nobody_is_told(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_room_begin_test(state);
        crowd(2);
        eval_room_set_rev(&room, *odd);
        assert_string_equal(eval_room_reap(&room, "dead", 500), "(0 2 0)");
        assert_false(eval_room_has_key(&room, "on:dead"));
        assert_string_equal(eval_room_notices(&room), "");
        eval_room_expect_rev(&room, *odd);
    }
    eval_reset(&redis);
}

static void a_room_that_stays_crowded_hears_nothing(void **state)
{
    (void)state;
    room.events_max = 2;
    crowd(1);
    eval_room_join(&room, "alive", "ann");
    eval_room_join(&room, "alive", "bob");
    eval_room_join(&room, "alive", "cem");
    eval_room_notices(&room);

    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(1 3 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 5);
}

/* What counts is how many are in when the notice goes out. */
static void a_room_that_is_crowded_no_more_hears_all(void **state)
{
    const char *notice;

    (void)state;
    room.events_max = 2;
    crowd(4);
    assert_string_equal(eval_room_reap(&room, "dead", PAGE), "(4 0 0)");
    notice = eval_room_notices(&room);
    assert_non_null(strstr(notice, q("'members':3}")));
    assert_non_null(strstr(notice, q("'members':0}")));
}

static const struct {
    const char *user, *json, *token;
} names[] = {
    {"a/b", "a/b", "a%2Fb"},
    {"a\\/b", "a\\\\/b", "a%5C%2Fb"},
    {"\\\\//\\", "\\\\\\\\//\\\\", "%5C%5C%2F%2F%5C"},
    {"say \"/\"", "say \\\"/\\\"", "say%20%22%2F%22"},
    {"\xf0\x9f\x98\x80/\xc3\xa4", "\xf0\x9f\x98\x80/\xc3\xa4", "%F0%9F%98%80%2F%C3%A4"},
    {"a,b", "a,b", "a%2Cb"},
    {"17", "17", "17"},
    {"Az09-._~", "Az09-._~", "Az09-._~"},
    {"%41^]+", "%41^]+", "%2541%5E%5D%2B"},
};

static void names_of_any_kind_become_valid_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char expected[256];

        print_message("  %s\n", names[i].user);
        eval_reset(&redis);
        eval_room_join(&room, "dead", names[i].user);
        eval_room_notices(&room);
        eval_room_reap(&room, "dead", PAGE);
        snprintf(expected, sizeof(expected),
                 "1 " EPOCH_1 " 2 left 0 0 %s\n" LEFT("%s", "0"), names[i].token,
                 names[i].json);
        assert_string_equal(eval_room_notices(&room), expected);
        eval_room_expect_event(&room, strchr(expected, '\n') + 1, names[i].user);
    }
}

/* ---- claim ---- */

static void a_silent_node_is_claimed_by_one(void **state)
{
    (void)state;
    hear_of("dead", LEASE_MS);
    assert_string_equal(claim("one", LEASE_MS, 60000), "1");
    assert_string_equal(claim("two", LEASE_MS, 60000), "0");
    assert_string_equal(claim("one", LEASE_MS, 60000), "1"); /* goes on */
    /* The node is dead from now on, until it is forgotten. */
    assert_int_equal(redis_cmd_number(port(), "PTTL rc:node:dead:claim"), -1);
}

static void a_node_that_came_back_is_not_claimed(void **state)
{
    (void)state;
    hear_of("dead", LEASE_MS + 1000);
    hear_of("dead", 0); /* before the claim that was already on its way */
    assert_string_equal(claim("one", LEASE_MS, 60000), "0");
    hear_of("dead", LEASE_MS - 5000);
    assert_string_equal(claim("one", LEASE_MS, 60000), "0");
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:node:dead:claim"), 0);
}

static void a_stamp_of_a_time_to_come_is_looked_at_again_later(void **state)
{
    (void)state;
    hear_of("dead", -3600000);
    assert_string_equal(claim("one", LEASE_MS, 60000), "0");
    hear_of("dead", LEASE_MS);
    redis_cmd(port(), "SET rc:node:dead:claim %s",
              "two 99999999999999"); /* of that time */
    assert_string_equal(claim("one", LEASE_MS, 60000), "1");
    assert_string_equal(claim("two", LEASE_MS, 60000), "0");
}

static void a_node_that_is_buried_is_not_claimed(void **state)
{
    (void)state;
    assert_string_equal(claim("one", LEASE_MS, 60000), "0");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
}

static void a_name_of_ones_own_is_claimed_at_once(void **state)
{
    (void)state;
    hear_of("dead", 0);
    assert_string_equal(claim("dead's new name", 0, 60000), "1");
}

/* It was lost with everything else, and then had members again. */
static void a_name_of_ones_own_that_redis_lost_is_claimed_too(void **state)
{
    (void)state;
    assert_string_equal(claim("dead's new name", 0, 60000), "1");
    /* Others find it, should the new name die half-way. */
    assert_true(redis_cmd_number(port(), "ZSCORE rc:nodes dead") > 0);
}

static void a_claim_is_a_hint_that_grows_old(void **state)
{
    char claimed[32];

    (void)state;
    hear_of("dead", LEASE_MS);
    snprintf(claimed, sizeof(claimed), "one %lld", eval_now_ms(&redis) - 9000);
    redis_cmd(port(), "SET rc:node:dead:claim %s", claimed);
    assert_string_equal(claim("two", LEASE_MS, 60000), "0");
    assert_string_equal(claim("two", LEASE_MS, 8000), "1");
    assert_string_equal(claim("one", LEASE_MS, 8000), "0");
}

static void what_is_no_claim_holds_nobody_up(void **state)
{
    static const char *const odd[] = {"", "one", "one two", "one 1.5", "one -1", " 5"};

    (void)state;
    hear_of("dead", LEASE_MS);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        redis_cmd(port(), "SET rc:node:dead:claim %b", odd[i], strlen(odd[i]));
        assert_string_equal(claim("two", LEASE_MS, 60000), "1");
    }
}

/* ---- forget ---- */

static void a_node_is_buried_once_nothing_is_left_of_it(void **state)
{
    (void)state;
    hear_of("dead", LEASE_MS);
    hear_of("alive", 0);
    redis_cmd(port(), "HSET rc:node:dead pid 1");
    redis_cmd(port(), "SADD rc:node:dead:rooms lobby");
    claim("one", LEASE_MS, 60000);
    assert_string_equal(forget("dead"), "0");
    assert_int_equal(redis_cmd_number(port(), "ZCARD rc:nodes"), 2);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:node:dead"), 1);

    redis_cmd(port(), "SREM rc:node:dead:rooms lobby");
    assert_string_equal(forget("dead"), "1");
    assert_string_equal(forget("dead"), "0");
    assert_int_equal(redis_cmd_number(port(), "ZCARD rc:nodes"), 1);
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 1);
}

/* ---- all together ---- */

/* Marks who is named in the notices; nobody twice. Returns how many. */
static int mark_named(const char *notices, bool *named)
{
    int count = 0;

    for (const char *at = notices; (at = strstr(at, q("'user':'user-"))); at++) {
        int user = atoi(at + strlen(q("'user':'user-")));

        assert_in_range(user, 0, CROWD - 1);
        assert_false(named[user]);
        named[user] = true;
        count++;
    }
    return count;
}

/* Two that both believe in their claim, because the first one's had expired. */
static void two_claimants_reap_each_member_once(void **state)
{
    static bool named[CROWD];
    int gone = 0, calls = 0;
    struct reaped u;

    (void)state;
    room.events_max = CROWD;
    crowd(CROWD);
    for (int i = 0; i < CROWD; i += 2) { /* half of them are also elsewhere */
        char user[32];

        snprintf(user, sizeof(user), "user-%d", i);
        eval_room_join(&room, "alive", user);
    }
    hear_of("dead", LEASE_MS);
    assert_string_equal(claim("one", LEASE_MS, 60000), "1");
    redis_cmd(port(), "DEL rc:node:dead:claim");
    assert_string_equal(claim("two", LEASE_MS, 60000), "1");
    do { /* in turn: this one with small pages, that one with large ones */
        u = reap(calls % 2 ? 170 : 7);
        gone += u.gone;
        eval_room_expect_books_balance(&room);
        calls++;
    } while (u.still > 0 && calls < 50);

    assert_int_equal(gone, CROWD / 2);
    assert_int_equal(mark_named(eval_room_notices(&room), named), CROWD / 2);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:members"), CROWD / 2);
    redis_cmd(port(), "SREM rc:node:dead:rooms lobby");
    redis_cmd(port(), "SREM rc:node:dead:rooms lobby");
    assert_string_equal(forget("dead"), "1");
    assert_string_equal(forget("dead"), "0");
}

static void what_a_claimant_left_half_done_is_finished_by_the_next(void **state)
{
    (void)state;
    crowd(CROWD);
    hear_of("dead", LEASE_MS);
    claim("one", LEASE_MS, 60000);
    reap(PAGE); /* and dies */
    assert_string_equal(forget("dead"), "0");
    redis_cmd(port(), "DEL rc:node:dead:claim"); /* it expires */

    assert_string_equal(claim("two", LEASE_MS, 60000), "1");
    while (reap(PAGE).still > 0)
        ;
    assert_false(eval_room_has_key(&room, "members"));
    redis_cmd(port(), "SREM rc:node:dead:rooms lobby");
    assert_string_equal(forget("dead"), "1");
}

/* ---- */

static int start(void **state)
{
    *state = &room;
    return eval_start(&redis);
}

#define TEST(f)                                                                        \
    cmocka_unit_test_setup_teardown(f, eval_room_begin_test, eval_room_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_members_of_a_dead_node_go),
        TEST(the_last_of_them_starts_the_countdown),
        TEST(who_is_also_on_a_living_node_stays),
        TEST(reaping_twice_takes_out_once),
        TEST(who_left_before_is_not_counted_down_again),
        TEST(users_of_another_epoch_count_as_absent),
        TEST(a_room_that_is_gone_is_not_made_again),
        TEST(six_hundred_members_go_in_pages),
        TEST(a_page_is_kept_to_also_where_redis_gives_more),
        TEST(ten_thousand_members_go_page_by_page),
        TEST(the_last_few_of_a_large_hash_go),
        TEST(a_node_is_reaped_from_a_broken_room_too),
        TEST(where_rev_is_no_number_the_node_is_reaped_and_nobody_is_told),
        TEST(a_room_that_stays_crowded_hears_nothing),
        TEST(a_room_that_is_crowded_no_more_hears_all),
        TEST(names_of_any_kind_become_valid_json),
        TEST(a_silent_node_is_claimed_by_one),
        TEST(a_node_that_came_back_is_not_claimed),
        TEST(a_stamp_of_a_time_to_come_is_looked_at_again_later),
        TEST(a_node_that_is_buried_is_not_claimed),
        TEST(a_name_of_ones_own_is_claimed_at_once),
        TEST(a_name_of_ones_own_that_redis_lost_is_claimed_too),
        TEST(a_claim_is_a_hint_that_grows_old),
        TEST(what_is_no_claim_holds_nobody_up),
        TEST(a_node_is_buried_once_nothing_is_left_of_it),
        TEST(two_claimants_reap_each_member_once),
        TEST(what_a_claimant_left_half_done_is_finished_by_the_next),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
