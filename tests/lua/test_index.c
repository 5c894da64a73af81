/* test_index.c - index.lua, unindex.lua: listings end up with the rooms there are. */
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
#include "tests/support/unit/wait.h"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

static void begin(enum script script)
{
    eval_begin(&redis, script);
    eval_key(&redis, "rc:rooms");
    eval_key(&redis, "rc:rooms:members");
    eval_key(&redis, "rc:events");
}

/* As a gateway does: the rooms are looked at first. Up to a NULL. */
static const char *write_index(const char *const *rooms)
{
    long long members[128];

    for (size_t i = 0; rooms[i]; i++)
        members[i] = redis_cmd_number(port(), "EXISTS rc:{%s}:meta", rooms[i])
                         ? redis_cmd_number(port(), "HLEN rc:{%s}:members", rooms[i])
                         : -1;
    begin(SCRIPT_INDEX);
    for (size_t i = 0; rooms[i]; i++) {
        eval_arg(&redis, "%s", rooms[i]);
        if (members[i] < 0)
            eval_arg(&redis, "%s", "");
        else
            eval_arg(&redis, "%lld", members[i]);
    }
    return eval_run(&redis);
}

/* The same: those that exist are not named. */
static const char *take_off(const char *const *rooms)
{
    char *scores[128] = {NULL};
    bool exists[128];
    const char *reply;

    for (size_t i = 0; rooms[i]; i++) {
        scores[i] = redis_cmd_text(port(), "ZSCORE rc:rooms %s", rooms[i]);
        exists[i] = redis_cmd_number(port(), "EXISTS rc:{%s}:meta", rooms[i]);
    }
    begin(SCRIPT_UNINDEX);
    eval_arg(&redis, "room_expired");
    for (size_t i = 0; rooms[i]; i++) {
        if (exists[i])
            continue;
        eval_arg(&redis, "%s", rooms[i]);
        eval_arg(&redis, "%s", scores[i] ? scores[i] : "");
    }
    reply = eval_run(&redis);
    for (size_t i = 0; rooms[i]; i++)
        free(scores[i]);
    return reply;
}

static const char *const lobby[] = {"lobby", NULL};

static void join(const char *name, const char *user)
{
    room.name = name;
    eval_room_join(&room, "node-1", user);
}

/* -1: not in the index. */
static long long indexed_members(const char *name)
{
    char *score = redis_cmd_text(port(), "ZSCORE rc:rooms:members %s", name);
    long long members = score ? atoll(score) : -1;

    free(score);
    return members;
}

/* Both indexes hold the same rooms, so many. */
static void expect_rooms(long long count)
{
    assert_int_equal(redis_cmd_number(port(), "ZCARD rc:rooms"), count);
    assert_int_equal(redis_cmd_number(port(), "ZCARD rc:rooms:members"), count);
    assert_int_equal(redis_cmd_number(port(), "ZINTERCARD 2 rc:rooms rc:rooms:members"),
                     count);
}

/* ---- index ---- */

static void a_room_is_indexed_with_its_members_and_the_time(void **state)
{
    long long before = eval_now_ms(&redis), at;

    (void)state;
    join("lobby", "ann");
    join("lobby", "bob");
    assert_string_equal(write_index(lobby), "1");
    assert_int_equal(indexed_members("lobby"), 2);
    at = redis_cmd_number(port(), "ZSCORE rc:rooms lobby");
    assert_true(at >= before && at <= eval_now_ms(&redis));
    expect_rooms(1);
}

static void the_index_follows_the_room(void **state)
{
    (void)state;
    join("lobby", "ann");
    write_index(lobby);
    redis_cmd(port(), "ZADD rc:rooms 1 lobby");
    join("lobby", "bob");
    join("lobby", "cem");
    assert_string_equal(write_index(lobby), "0");
    assert_int_equal(indexed_members("lobby"), 3);
    assert_true(redis_cmd_number(port(), "ZSCORE rc:rooms lobby") > 1);
    eval_room_leave(&room, "node-1", "ann");
    eval_room_leave(&room, "node-1", "bob");
    eval_room_leave(&room, "node-1", "cem");
    assert_string_equal(write_index(lobby), "0");
    assert_int_equal(indexed_members("lobby"), 0);
    expect_rooms(1);
}

static void rooms_go_into_the_index_together(void **state)
{
    static const char *const rooms[] = {"a/b", "gone", "lobby",     "1",
                                        "a b", "a",    "also gone", NULL};

    (void)state;
    join("a/b", "ann");
    join("1", "ann");
    join("1", "bob");
    join("a b", "ann");
    join("a", "ann");
    join("lobby", "ann");
    write_index(lobby);
    assert_string_equal(write_index(rooms), "4");
    assert_int_equal(indexed_members("1"), 2);
    assert_int_equal(indexed_members("a b"), 1);
    assert_int_equal(indexed_members("gone"), -1);
    expect_rooms(5);
}

static void a_hundred_rooms_go_in_one_call(void **state)
{
    static char names[100][32];
    const char *rooms[101] = {NULL};

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof(names[i]), "room-%d", i);
        rooms[i] = names[i];
        join(names[i], "ann");
    }
    assert_string_equal(write_index(rooms), "100");
    expect_rooms(100);
}

static void a_room_that_expired_is_not_put_in_again(void **state)
{
    (void)state;
    assert_string_equal(write_index(lobby), "0");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
    join("lobby", "ann");
    redis_cmd(port(), "DEL rc:{lobby}:meta"); /* members may expire a moment later */
    assert_string_equal(write_index(lobby), "0");
    expect_rooms(0);
}

/* Rooms without members are what the slow walk looks through, to take off those that
 * have expired. */
static void a_room_that_expired_unseen_is_left_where_the_walk_finds_it(void **state)
{
    (void)state;
    join("lobby", "ann");
    write_index(lobby);
    redis_cmd(port(), "DEL rc:{lobby}:meta rc:{lobby}:members");

    assert_string_equal(write_index(lobby), "0");
    assert_true(indexed_members("lobby") <= 0);
}

/* ---- unindex ---- */

static void an_expired_room_is_taken_off_by_one_caller(void **state)
{
    (void)state;
    join("lobby", "ann");
    write_index(lobby);
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    assert_string_equal(take_off(lobby), "('lobby')");
    assert_string_equal(take_off(lobby), "()");
    expect_rooms(0);
}

/* Between the look at it and the call. */
static void a_room_that_was_made_again_stays(void **state)
{
    (void)state;
    join("lobby", "ann");
    write_index(lobby);
    redis_cmd(port(), "ZADD rc:rooms 1 lobby");
    write_index(lobby);
    begin(SCRIPT_UNINDEX);
    eval_arg(&redis, "room_expired");
    eval_arg(&redis, "lobby");
    eval_arg(&redis, "1");
    assert_string_equal(eval_run(&redis), "()");
    expect_rooms(1);
}

static void only_the_expired_ones_are_taken_off(void **state)
{
    static const char *const rooms[] = {"a", "b", "never", "c", "a b/c", NULL};

    (void)state;
    join("a", "ann");
    join("b", "ann");
    join("c", "ann");
    join("a b/c", "ann");
    write_index(rooms);
    redis_cmd(port(), "DEL rc:{a}:meta");
    redis_cmd(port(), "DEL %s", "rc:{a b/c}:meta");
    assert_string_equal(take_off(rooms), "('a' 'a b/c')");
    expect_rooms(2);
}

/* A room of which only one index knows: a write that another Redis has lost. */
static void what_one_index_forgot_does_not_stay_in_the_other(void **state)
{
    (void)state;
    redis_cmd(port(), "ZADD rc:rooms:members 0 lobby");
    assert_string_equal(take_off(lobby), "()");
    expect_rooms(0);
    redis_cmd(port(), "ZADD rc:rooms 1 lobby");
    assert_string_equal(take_off(lobby), "('lobby')");
    expect_rooms(0);
}

static bool is_gone(void *data)
{
    (void)data;
    return !eval_room_has_key(&room, "meta");
}

static void a_room_lives_on_empty_then_expires_and_goes(void **state)
{
    (void)state;
    join("lobby", "ann");
    eval_room_leave(&room, "node-1", "ann");
    write_index(lobby);
    assert_string_equal(take_off(lobby), "()");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:meta 50");
    assert_true(wait_until(is_gone, NULL, 5000));
    assert_string_equal(write_index(lobby), "0");
    assert_string_equal(take_off(lobby), "('lobby')");
    assert_string_equal(write_index(lobby), "0");
    expect_rooms(0);
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
        TEST(a_room_is_indexed_with_its_members_and_the_time),
        TEST(the_index_follows_the_room),
        TEST(rooms_go_into_the_index_together),
        TEST(a_hundred_rooms_go_in_one_call),
        TEST(a_room_that_expired_is_not_put_in_again),
        TEST(a_room_that_expired_unseen_is_left_where_the_walk_finds_it),
        TEST(an_expired_room_is_taken_off_by_one_caller),
        TEST(a_room_that_was_made_again_stays),
        TEST(only_the_expired_ones_are_taken_off),
        TEST(what_one_index_forgot_does_not_stay_in_the_other),
        TEST(a_room_lives_on_empty_then_expires_and_goes),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
