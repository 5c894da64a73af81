/* test_listings.c - what the admin service reads and keeps: room.lua, rooms.lua, sample.lua,
 * audit.lua, and the members with their nodes. */
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
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* ---- one room ---- */

static const char *read_room(const char *name)
{
    eval_begin(&redis, SCRIPT_ROOM);
    eval_key(&redis, "rc:{%s}:meta", name);
    eval_key(&redis, "rc:{%s}:members", name);
    eval_key(&redis, "rc:{%s}:history", name);
    eval_key(&redis, "rc:{%s}:bans", name);
    eval_key(&redis, "rc:{%s}:mutes", name);
    eval_key(&redis, "rc:{%s}:kicks", name);
    eval_key(&redis, "rc:{%s}:keys", name);
    eval_key(&redis, "rc:{%s}:keys:old", name);
    eval_key(&redis, "rc:{%s}:closed", name);
    eval_key(&redis, "rc:{%s}:nodes", name);
    eval_key(&redis, "rc:{%s}:changed", name);
    eval_key(&redis, "rc:{%s}:on:node-1", name);
    eval_key(&redis, "rc:{%s}:on:node-2", name);
    eval_arg(&redis, "%s", name);
    return eval_run(&redis);
}

static void a_room_is_read_in_one_piece(void **state)
{
    char epoch[32];
    long long seq, shard, created, members, ttl, held;

    (void)state;
    assert_string_equal(read_room("lobby"), "('lobby')");
    eval_room_join(&room, "node-1", "ann");
    eval_room_say(&room, "node-1", "ann", "hi");
    assert_int_equal(sscanf(read_room("lobby"),
                            "('lobby' '%16s' %lld %lld %lld %lld %lld %lld)", epoch,
                            &seq, &shard, &created, &members, &ttl, &held),
                     7);
    assert_string_equal(epoch, EPOCH_1);
    assert_int_equal(seq, 1);
    assert_int_equal(shard, 0);
    assert_int_equal(created, eval_room_number(&room, "meta", "created_at"));
    assert_int_equal(members, 1);
    assert_in_range(ttl, 1, EVAL_ROOM_KEEP_MS);
    assert_int_equal(held, 1);
}

/* ---- the index ---- */

static const char *page(const char *score, const char *name, int limit)
{
    eval_begin(&redis, SCRIPT_ROOMS);
    eval_key(&redis, "rc:rooms");
    eval_arg(&redis, "%s", score);
    eval_arg(&redis, "%s", name);
    eval_arg(&redis, "%d", limit);
    return eval_run(&redis);
}

static const struct {
    const char *command, *why;
} broken[] = {
    {"SET rc:{lobby}:meta x", "meta is a string, not a hash"},
    {"SET rc:{lobby}:members x", "members is a string, not a hash"},
    {"HSET rc:{lobby}:history x x", "history is a hash, not a list"},
    {"ZADD rc:{lobby}:bans 1 x", "bans is a zset, not a hash"},
    {"RPUSH rc:{lobby}:mutes x", "mutes is a list, not a hash"},
    {"SADD rc:{lobby}:kicks x", "kicks is a set, not a hash"},
    {"SET rc:{lobby}:keys x", "keys is a string, not a hash"},
    {"SET rc:{lobby}:keys:old x", "keys:old is a string, not a hash"},
    {"HSET rc:{lobby}:closed x x", "closed is a hash, not a string"},
    {"SET rc:{lobby}:changed x", "changed is a string, not a zset"},
    {"SET rc:{lobby}:on:node-1 x", "on:node-1 is a string, not a hash"},
    {"RPUSH rc:{lobby}:on:node-2 x", "on:node-2 is a list, not a hash"},
    {"HDEL rc:{lobby}:meta epoch", "meta has no epoch"},
    {"HSET rc:{lobby}:meta seq x", "meta has no number in seq"},
    {"HDEL rc:{lobby}:meta rev", "meta has no number in rev"},
};

static void a_broken_room_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char expected[128], key[64];

        print_message("  %s\n", broken[i].why);
        eval_room_begin(&room, &redis);
        eval_room_join(&room, "node-1", "ann");
        eval_room_say(&room, "node-1", "ann", "hi");
        if (broken[i].command[0] != 'H' || !strstr(broken[i].command, "meta")) {
            snprintf(key, sizeof(key), "%.*s",
                     (int)strcspn(strstr(broken[i].command, "rc:"), " "),
                     strstr(broken[i].command, "rc:"));
            redis_cmd(port(), "DEL %s", key);
        }
        redis_cmd(port(), broken[i].command);
        snprintf(expected, sizeof(expected), "('lobby' '%s')", broken[i].why);
        assert_string_equal(read_room("lobby"), expected);
        eval_reset(&redis);
    }
}

static void pages_go_down_by_score_and_then_by_name(void **state)
{
    (void)state;
    assert_string_equal(page("", "", 2), "(0)");
    redis_cmd(port(), "ZADD rc:rooms 3 c 1 a 2 b1 2 b2 2 B3");
    assert_string_equal(page("", "", 2), "(5 'c' '3' 'b2' '2')");
    assert_string_equal(page("2", "b2", 2), "(5 'b1' '2' 'B3' '2')");
    assert_string_equal(page("2", "B3", 2), "(5 'a' '1')");
    assert_string_equal(page("1", "a", 2), "(5)");
}

static void a_page_goes_on_where_a_room_has_gone(void **state)
{
    (void)state;
    redis_cmd(port(), "ZADD rc:rooms 2 a 2 b 2 c 1 d");
    redis_cmd(port(), "ZREM rc:rooms b");
    assert_string_equal(page("2", "b", 9), "(3 'a' '2' 'd' '1')");
    assert_string_equal(page("1.5", "zzz", 9), "(3 'd' '1')");
    assert_string_equal(page("99", "x", 9), "(3 'c' '2' 'a' '2' 'd' '1')");
}

static void names_are_ordered_by_their_bytes(void **state)
{
    (void)state;
    redis_cmd(port(), "ZADD rc:rooms 1 a 1 B 1 %s 1 ab", "\xc3\xa4");
    assert_string_equal(page("1", "\xc3\xa4", 9), "(4 'ab' '1' 'a' '1' 'B' '1')");
    assert_string_equal(page("1", "aa", 9), "(4 'a' '1' 'B' '1')");
}

/* Each room is met once, however many have the same score. */
static void a_walk_meets_every_room_once(void **state)
{
    enum { ROOMS = 500, LIMIT = 7 };
    static bool met[ROOMS];
    char score[32] = "", name[32] = "";
    int count = 0;

    (void)state;
    for (int i = 0; i < ROOMS; i++)
        redis_cmd(port(), "ZADD rc:rooms %d room-%d", i % 3, i);
    for (bool more = true; more;) {
        const char *at = page(score, name, LIMIT);
        int number, used, total;

        assert_int_equal(sscanf(at, "(%d%n", &total, &used), 1);
        more = false;
        for (at += used;
             sscanf(at, " 'room-%d' '%31[^']'%n", &number, score, &used) == 2;
             at += used) {
            assert_false(met[number]);
            met[number] = more = true;
            snprintf(name, sizeof(name), "room-%d", number);
            count++;
        }
    }
    assert_int_equal(count, ROOMS);
}

/* ---- members with their nodes ---- */

static void members_come_with_how_many_nodes_they_are_on(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "ann");
    eval_room_join(&room, "node-2", "bob");
    eval_begin(&redis, SCRIPT_MEMBERS);
    eval_key(&redis, "rc:{lobby}:members");
    eval_arg(&redis, "%s", "");
    eval_arg(&redis, "100");
    eval_arg(&redis, "1000");
    eval_arg(&redis, "1");
    assert_string_equal(eval_run(&redis), "(2 'all' 'ann' '2' 'bob' '1')");
}

/* ---- the series ---- */

static const char *sample(const char *replica, int keep)
{
    eval_begin(&redis, SCRIPT_SAMPLE);
    eval_key(&redis, "rc:stats:sampler");
    eval_key(&redis, "rc:stats:online");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "%s", replica);
    eval_arg(&redis, "6000");
    eval_arg(&redis, "%d", keep);
    eval_arg(&redis, q(",'rooms':1}"));
    return eval_run(&redis);
}

static long long samples(void)
{
    return redis_cmd_number(port(), "LLEN rc:stats:online");
}

static void one_replica_samples_and_once_in_ten_seconds(void **state)
{
    char *first;

    (void)state;
    assert_string_equal(sample("a", 10), "1");
    assert_string_equal(sample("b", 10), "0");
    first = redis_cmd_text(port(), "LINDEX rc:stats:online 0");
    assert_non_null(strstr(first, q("{'ts':1")));
    assert_non_null(strstr(first, q(",'rooms':1}")));
    free(first);
    redis_cmd(port(), "DEL rc:stats:sampler"); /* a is gone */
    redis_cmd(port(), "LSET rc:stats:online 0 %s", q("{'ts':1,'rooms':1}"));
    assert_string_equal(sample("b", 10), "1");
    assert_string_equal(sample("a", 10), "0");
    assert_int_equal(samples(), 2);
}

static void samples_of_a_time_to_come_do_not_stop_the_series(void **state)
{
    (void)state;
    redis_cmd(port(), "RPUSH rc:stats:online %s", q("{'ts':5}"));
    for (int i = 0; i < 300; i++)
        redis_cmd(port(), "RPUSH rc:stats:online %s", q("{'ts':99999999999999}"));
    redis_cmd(port(), "SET rc:stats:sampler gone PX 3600000");
    assert_string_equal(sample("a", 1000), "1");
    assert_int_equal(samples(), 2);
    assert_string_equal(sample("b", 1000), "0");
}

static void the_series_is_capped_at_its_oldest_end(void **state)
{
    char *last;

    (void)state;
    for (int i = 0; i < 5; i++)
        redis_cmd(port(), "RPUSH rc:stats:online %s", q("{'ts':5}"));
    assert_string_equal(sample("a", 3), "1");
    assert_int_equal(samples(), 3);
    last = redis_cmd_text(port(), "LINDEX rc:stats:online -1");
    assert_non_null(strstr(last, "rooms"));
    free(last);
}

/* ---- the trail ---- */

static void an_entry_is_kept_and_told_with_its_id(void **state)
{
    const char *id;
    char notice[256];

    (void)state;
    eval_begin(&redis, SCRIPT_AUDIT);
    eval_key(&redis, "rc:audit");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "1000");
    eval_arg(&redis, q(",'who':'me'}"));
    eval_arg(&redis, "who");
    eval_arg(&redis, "me");
    id = eval_run(&redis);
    snprintf(notice, sizeof(notice),
             q("{'type':'audit','id':'%.15s','ts':%.13s,'who':'me'}"), id + 1, id + 1);
    assert_string_equal(eval_notices(&redis, "rc:events"), notice);
    assert_int_equal(redis_cmd_number(port(), "XLEN rc:audit"), 1);
}

/* ---- policy ---- */

static const char *set_policy(long long seen, long long known, const char *keys)
{
    eval_begin(&redis, SCRIPT_POLICY);
    eval_key(&redis, "rc:policy");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "keys_rev");
    eval_arg(&redis, "%lld", seen);
    eval_arg(&redis, "%lld", known);
    eval_arg(&redis, "keys");
    eval_arg(&redis, "%s", keys);
    return eval_run(&redis);
}

static long long policy_rev(void)
{
    return redis_cmd_number(port(), "HGET rc:policy keys_rev");
}

static void expect_policy(const char *text)
{
    char *keys = redis_cmd_text(port(), "HGET rc:policy keys");

    assert_string_equal(keys, text);
    free(keys);
}

/* As a string of fields and values, by field. */
static char *all_classes(void)
{
    return redis_cmd_text(port(), "EVAL %s 1 rc:classes",
                          "local a = redis.call('HGETALL', KEYS[1]) "
                          "return table.concat(a, ' ')");
}

static const char *set_classes(long long seen, const char *prefix)
{
    eval_begin(&redis, SCRIPT_POLICY);
    eval_key(&redis, "rc:policy");
    eval_key(&redis, "rc:events");
    eval_key(&redis, "rc:classes");
    eval_arg(&redis, "classes_rev");
    eval_arg(&redis, "%lld", seen);
    eval_arg(&redis, "0");
    if (prefix) {
        eval_arg(&redis, "%s", prefix);
        eval_arg(&redis, "{}");
    }
    return eval_run(&redis);
}

static const char *read_classes(void)
{
    eval_begin(&redis, SCRIPT_CLASSES);
    eval_key(&redis, "rc:policy");
    eval_key(&redis, "rc:classes");
    eval_arg(&redis, "classes_rev");
    return eval_run(&redis);
}

static const char *restore_classes(long long rev, const char *prefix)
{
    eval_begin(&redis, SCRIPT_RESTORE);
    eval_key(&redis, "rc:policy");
    eval_key(&redis, "rc:events");
    eval_key(&redis, "rc:classes");
    eval_arg(&redis, "classes_rev");
    eval_arg(&redis, "%lld", rev);
    eval_arg(&redis, "%s", prefix);
    eval_arg(&redis, "{}");
    return eval_run(&redis);
}

static void expect_classes(const char *text)
{
    char *classes = all_classes();

    assert_string_equal(classes, text);
    free(classes);
}

static void a_hash_of_its_own_is_replaced_as_a_whole(void **state)
{
    long long rev;

    (void)state;
    assert_string_equal(read_classes(), "('0' ())");
    set_classes(0, "a");
    rev = redis_cmd_number(port(), "HGET rc:policy classes_rev");
    set_classes(rev, "b");
    expect_classes("b {}");
    set_classes(rev, "c"); /* somebody else was first */
    expect_classes("b {}");
    rev = redis_cmd_number(port(), "HGET rc:policy classes_rev");
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:policy"), 1);
    assert_string_equal(restore_classes(rev, "old"), "0");
    assert_string_equal(restore_classes(rev + 1, "d"), "1");
    expect_classes("d {}");
    set_classes(rev + 1, NULL);
    expect_classes("");
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:policy rc:classes"), 1);
}

static void a_policy_changes_if_it_is_what_was_read(void **state)
{
    long long now = eval_now_ms(&redis), first, ahead;

    (void)state;
    set_policy(0, 0, "a");
    first = policy_rev();
    assert_true(first >= now);
    set_policy(0, 0, "b");
    set_policy(first + 1, 0, "b");
    expect_policy("a");
    assert_int_equal(policy_rev(), first);
    ahead = first + 1000000;
    set_policy(first, ahead, "b");
    expect_policy("b");
    assert_int_equal(policy_rev(), ahead + 1);
    set_policy(ahead + 1, 0, "c");
    assert_int_equal(policy_rev(), ahead + 2);
    redis_cmd(port(), "HSET rc:policy keys_rev nonsense");
    set_policy(0, 0, "d");
    expect_policy("d");
    assert_true(policy_rev() >= now && policy_rev() < ahead);
}

/* ---- */

static int start(void **state)
{
    *state = &room;
    return eval_start(&redis);
}

#define TEST(f) cmocka_unit_test_setup(f, eval_room_begin_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_read_in_one_piece),
        TEST(a_broken_room_says_why),
        TEST(pages_go_down_by_score_and_then_by_name),
        TEST(a_page_goes_on_where_a_room_has_gone),
        TEST(names_are_ordered_by_their_bytes),
        TEST(a_walk_meets_every_room_once),
        TEST(members_come_with_how_many_nodes_they_are_on),
        TEST(one_replica_samples_and_once_in_ten_seconds),
        TEST(samples_of_a_time_to_come_do_not_stop_the_series),
        TEST(the_series_is_capped_at_its_oldest_end),
        TEST(an_entry_is_kept_and_told_with_its_id),
        TEST(a_policy_changes_if_it_is_what_was_read),
        TEST(a_hash_of_its_own_is_replaced_as_a_whole),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
