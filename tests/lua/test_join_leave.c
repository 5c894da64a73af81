/* test_join_leave.c - join.lua, leave.lua and renew.lua: who is in, how often, and how
 * long the room lives.
 *
 * Over 400 lines because the three are about one thing. */
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define JOINED(user, members)                                                          \
    "{\"type\":\"member_joined\",\"room\":\"lobby\",\"user\":\"" user                  \
    "\",\"members\":" members "}"
#define LEFT(user, members)                                                            \
    "{\"type\":\"member_left\",\"room\":\"lobby\",\"reason\":\"left\",\"user\":"       \
    "\"" user "\",\"members\":" members "}"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* The room was lost and is made again under another epoch, by `user` on node-2. */
static void lose_and_remake(const char *user)
{
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;
    eval_room_join(&room, "node-2", user);
    eval_room_notices(&room);
}

/* ---- join ---- */

static void the_first_join_makes_the_room(void **state)
{
    long long before = eval_now_ms(&redis), created_at;
    char *epoch, *came_in;

    (void)state;
    assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                        "('ok' '" EPOCH_1 "' 0 1 1 0 1 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 1 joined 0 0 ann\n" JOINED("ann", "1"));
    epoch = eval_room_field(&room, "meta", "epoch");
    came_in = eval_room_field(&room, "on:node-1", "ann");
    assert_string_equal(epoch, EPOCH_1);
    assert_string_equal(came_in, EPOCH_1);
    assert_int_equal(eval_room_number(&room, "meta", "seq"), 0);
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 1);
    assert_int_equal(eval_room_number(&room, "meta", "shard_id"), 0);
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    assert_null(eval_room_field(&room, "meta", "empty_since"));
    created_at = eval_room_number(&room, "meta", "created_at");
    assert_true(created_at >= before && created_at <= eval_now_ms(&redis));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
    eval_room_expect_ttl(&room, "members", EVAL_ROOM_KEEP_MS);
    eval_room_expect_ttl(&room, "on:node-1", EVAL_ROOM_ON_MS);
    free(epoch);
    free(came_in);
}

static void a_second_user_raises_the_count_and_the_rev(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_notices(&room);
    room.epoch = EPOCH_2; /* not needed: the room is there */

    assert_string_equal(eval_room_join(&room, "node-2", "bob"),
                        "('ok' '" EPOCH_1 "' 0 2 2 0 0 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 2 joined 0 0 bob\n" JOINED("bob", "2"));
}

static void joining_again_through_the_same_node_only_prolongs(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_notices(&room);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:meta 5000");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:members 5000");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:on:node-1 5000");

    for (int i = 0; i < 3; i++)
        assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                            "('ok' '" EPOCH_1 "' 0 1 1 0 0 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
    eval_room_expect_ttl(&room, "members", EVAL_ROOM_KEEP_MS);
    eval_room_expect_ttl(&room, "on:node-1", EVAL_ROOM_ON_MS);
}

static void a_user_on_two_nodes_is_one_member(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_notices(&room);

    assert_string_equal(eval_room_join(&room, "node-2", "ann"),
                        "('ok' '" EPOCH_1 "' 0 1 1 0 0 0)");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 2);
    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 1);
    assert_null(eval_room_field(&room, "meta", "empty_since"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
    assert_string_equal(eval_room_leave(&room, "node-2", "ann"), "(0 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 2 left 0 0 ann\n" LEFT("ann", "0"));
}

static void a_join_tells_where_the_history_stands(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 3; i++)
        eval_room_say(&room, "node-1", "ann", "hi");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:members 5000");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:history 5000");

    assert_string_equal(eval_room_join(&room, "node-1", "bob"),
                        "('ok' '" EPOCH_1 "' 3 2 2 3 0 0)");
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_KEEP_MS);
}

static void a_room_that_was_lost_is_recreated_without_leftovers(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_say(&room, "node-1", "ann", "gone with the room");
    eval_room_notices(&room);
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;

    assert_string_equal(eval_room_join(&room, "node-1", "bob"),
                        "('ok' '" EPOCH_2 "' 0 1 1 0 1 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_2 " 1 joined 0 0 bob\n" JOINED("bob", "1"));
    assert_false(eval_room_has_key(&room, "history"));
    /* What stands of node-2 is of the old epoch, and counts as absent. */
    assert_string_equal(eval_room_leave(&room, "node-2", "ann"), "(1 0)");
    assert_string_equal(eval_room_join(&room, "node-2", "ann"),
                        "('ok' '" EPOCH_2 "' 0 2 2 0 0 0)");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
}

static const struct {
    const char *name;
    long long until; /* 0: for good, else from now */
    bool refused;
} bans[] = {
    {"for good", 0, true},
    {"for a minute", 60000, true},
    {"for a year", 31536000000, true},
    {"until now", -1, false},
    {"until long ago", -1000000000000, false},
};

static void a_ban_keeps_out_while_it_lasts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bans); i++) {
        long long until = bans[i].until ? eval_now_ms(&redis) + bans[i].until : 0;
        const char *reply;
        char *before, *after;

        print_message("  %s\n", bans[i].name);
        eval_reset(&redis);
        redis_cmd(port(), "HSET rc:{lobby}:bans ann %lld", until);
        before = eval_state(&redis);
        reply = eval_room_join(&room, "node-1", "ann");
        if (!bans[i].refused) {
            assert_string_equal(reply, "('ok' '" EPOCH_1 "' 0 1 1 0 1 0)");
        } else {
            long long left;

            assert_int_equal(sscanf(reply, "('banned' %lld)", &left), 1);
            assert_true(until == 0 ? left == 0 : left > 0 && left <= bans[i].until);
            after = eval_state(&redis);
            assert_string_equal(after, before);
            assert_string_equal(eval_room_notices(&room), "");
            free(after);
        }
        assert_non_null(strstr(eval_room_join(&room, "node-1", "bob"), "'ok'"));
        free(before);
    }
}

static void an_odd_ban_is_for_good_and_keeps_out_nobody_else(void **state)
{
    (void)state;
    for (const char *const *odd = eval_room_odd_times; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_reset(&redis);
        redis_cmd(port(), "HSET rc:{lobby}:bans bob %b", *odd, strlen(*odd));
        assert_string_equal(
            eval_room_join_all(&room, "node-1",
                               (const char *[]){"ann", "bob", "cem", NULL}),
            "('ok' '" EPOCH_1 "' 0 2 2 0 1 0 1 -1 0)");
        assert_string_equal(eval_room_join(&room, "node-1", "bob"), "('banned' 0)");
    }
}

static void a_ban_does_not_put_out_and_keeps_its_own_life(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 0");
    assert_string_equal(eval_room_join(&room, "node-2", "ann"), "('banned' 0)");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    eval_room_join(&room, "node-2", "bob");
    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 0)");
    assert_string_equal(eval_room_leave(&room, "node-2", "bob"), "(0 0)");

    assert_int_equal(redis_cmd_number(port(), "PTTL rc:{lobby}:bans"), -1);
}

/* ---- leave ---- */

static void the_last_leave_starts_the_countdown_and_a_join_stops_it(void **state)
{
    long long before, empty_since;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_say(&room, "node-1", "ann", "hi");
    eval_room_notices(&room);
    before = eval_now_ms(&redis);

    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(0 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 2 left 0 0 ann\n" LEFT("ann", "0"));
    empty_since = eval_room_number(&room, "meta", "empty_since");
    assert_true(empty_since >= before && empty_since <= eval_now_ms(&redis));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_TTL_MS);
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_TTL_MS);
    assert_false(eval_room_has_key(&room, "members"));
    assert_false(eval_room_has_key(&room, "on:node-1"));

    room.epoch = EPOCH_2; /* not needed: the room is still there */
    assert_string_equal(eval_room_join(&room, "node-2", "bob"),
                        "('ok' '" EPOCH_1 "' 1 3 1 1 0 0)");
    assert_null(eval_room_field(&room, "meta", "empty_since"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_KEEP_MS);
}

static void a_leave_that_is_not_the_last_starts_no_countdown(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_notices(&room);

    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 1)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 3 left 0 0 ann\n" LEFT("ann", "1"));
    assert_null(eval_room_field(&room, "meta", "empty_since"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
}

static void leaving_twice_counts_once(void **state)
{
    char *before, *after;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "ann");
    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 0)");
    eval_room_notices(&room);
    before = eval_state(&redis);

    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 0)");
    assert_string_equal(eval_room_leave(&room, "node-3", "ann"), "(1 0)");
    assert_string_equal(eval_room_leave(&room, "node-2", "bob"), "(1 1)");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    assert_string_equal(eval_room_notices(&room), "");
    free(before);
    free(after);
}

static void leaving_a_room_that_is_not_there_makes_none(void **state)
{
    (void)state;
    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(0 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
}

static void a_leave_under_another_epoch_takes_nobody_out(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    lose_and_remake("ann");

    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 1);
}

static void a_leave_where_rev_is_no_number_is_told_to_nobody(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_join(&room, "node-1", "bob");
        eval_room_notices(&room);
        eval_room_set_rev(&room, *odd);
        assert_string_equal(eval_room_leave(&room, "node-1", "bob"), "(2 1)");
        assert_string_equal(eval_room_notices(&room), "");
        eval_room_expect_rev(&room, *odd);
    }
    eval_reset(&redis);
}

static void a_leave_after_the_room_was_lost_leaves_no_key_for_good(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "DEL rc:{lobby}:meta");

    assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(1 0)");
    assert_false(eval_room_has_key(&room, "meta"));
    assert_false(eval_room_has_key(&room, "on:node-1"));
    eval_room_expect_ttl(&room, "members", EVAL_ROOM_KEEP_MS);
}

/* A kick takes the user off the members for all nodes, and each node cleans up. */
static void kick(const char *user)
{
    redis_cmd(port(), "HDEL rc:{lobby}:members %s", user);
    redis_cmd(port(), "HINCRBY rc:{lobby}:meta rev 1");
}

static void a_leave_after_a_kick_only_cleans_up(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "ann");
    eval_room_join(&room, "node-2", "bob");
    kick("ann");
    eval_room_notices(&room);

    assert_string_equal(eval_room_leave_after_kick(&room, "node-1", "ann"), "(1 0)");
    assert_string_equal(eval_room_leave_after_kick(&room, "node-2", "ann"), "(1 1)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 3);
    assert_null(eval_room_field(&room, "meta", "empty_since"));
}

static void who_came_back_after_a_kick_stays(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "bob");
    kick("ann");
    assert_string_equal(eval_room_join(&room, "node-2", "ann"),
                        "('ok' '" EPOCH_1 "' 0 4 2 0 0 0)");
    eval_room_notices(&room);

    assert_string_equal(eval_room_leave_after_kick(&room, "node-1", "ann"), "(2 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
}

/* ---- several in one turn ---- */

static void those_who_come_together_are_one_notice(void **state)
{
    (void)state;
    eval_room_join(&room, "node-2", "bob");
    eval_room_notices(&room);

    /* Ann comes with two connections, bob is in already. */
    assert_string_equal(
        eval_room_join_all(&room, "node-1",
                           (const char *[]){"ann", "bob", "c,m", "ann", NULL}),
        "('ok' '" EPOCH_1 "' 0 3 3 0 0 0 1 1 0 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 3 joined 0 0 ann,c%2Cm\n" JOINED(
                            "ann", "2") "\n" JOINED("c,m", "3"));
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    assert_int_equal(eval_room_number(&room, "members", "bob"), 2);
}

static void who_is_banned_does_not_keep_out_those_who_come_along(void **state)
{
    (void)state;
    redis_cmd(port(), "HSET rc:{lobby}:bans eve 0 joe 0");

    assert_string_equal(eval_room_join_all(&room, "node-1",
                                           (const char *[]){"eve", "ann", "joe", NULL}),
                        "('ok' '" EPOCH_1 "' 0 1 1 0 1 0 -1 0 -1)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 1 joined 0 0 ann\n" JOINED("ann", "1"));
    assert_string_equal(
        eval_room_join_all(&room, "node-1", (const char *[]){"eve", "joe", NULL}),
        "('banned' 0 0)");
}

/* ---- what a class asks for ---- */

#define FULL "-2000000000000000"
#define NO_ROOM "-3000000000000000"

static const char *join_limited(const char *limits, const char *const *users)
{
    room.limits = limits;
    return eval_room_join_all(&room, "node-1", users);
}

static void nobody_comes_into_a_full_room(void **state)
{
    (void)state;
    assert_string_equal(
        join_limited("2 1 ,", (const char *[]){"ann", "ann", "bob", "cem", NULL}),
        "('ok' '" EPOCH_1 "' 0 2 2 0 1 0 1 1 0 " FULL ")");
    assert_string_equal(join_limited("2 1 ,", (const char *[]){"cem", "dan", NULL}),
                        "('refused' " FULL " " FULL ")");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 2);
    room.limits = NULL;
    eval_room_leave(&room, "node-1", "bob");
    assert_string_equal(join_limited("2 1 ,", (const char *[]){"cem", NULL}),
                        "('ok' '" EPOCH_1 "' 0 4 2 0 0 0)");
}

static void who_is_in_comes_in_again(void **state)
{
    (void)state;
    join_limited("", (const char *[]){"ann", "bob", NULL});
    eval_room_join(&room, "node-2", "ann"); /* through another node */
    room.limits = "1 1 ,";
    assert_string_equal(eval_room_join(&room, "node-2", "bob"),
                        "('ok' '" EPOCH_1 "' 0 2 2 0 0 0)");
    assert_string_equal(eval_room_join(&room, "node-2", "cem"), "('refused' " FULL ")");
}

static void who_moderates_comes_into_a_full_room(void **state)
{
    (void)state;
    assert_string_equal(
        join_limited("1 1 ,2,", (const char *[]){"ann", "mod", "bob", NULL}),
        "('ok' '" EPOCH_1 "' 0 2 2 0 1 0 1 0 " FULL ")");
}

static void only_who_moderates_makes_the_room(void **state)
{
    (void)state;
    assert_string_equal(join_limited("0 0 ,", (const char *[]){"ann", "bob", NULL}),
                        "('refused' " NO_ROOM " " NO_ROOM ")");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
    assert_string_equal(
        join_limited("0 0 ,2,", (const char *[]){"ann", "mod", "bob", NULL}),
        "('ok' '" EPOCH_1 "' 0 3 3 0 1 0 2 1 0)");
    assert_string_equal(join_limited("0 0 ,", (const char *[]){"cem", NULL}),
                        "('ok' '" EPOCH_1 "' 0 4 4 0 0 0)");
}

static void a_ban_counts_beside_a_limit(void **state)
{
    (void)state;
    redis_cmd(port(), "HSET rc:{lobby}:bans eve 0");
    assert_string_equal(
        join_limited("1 1 ,1,", (const char *[]){"eve", "ann", "bob", NULL}),
        "('ok' '" EPOCH_1 "' 0 1 1 0 1 0 -1 0 " FULL ")");
    assert_string_equal(join_limited("1 1 ,", (const char *[]){"eve", "bob", NULL}),
                        "('refused' -1 " FULL ")");
}

/* ---- */

static void those_who_leave_together_are_one_notice(void **state)
{
    (void)state;
    eval_room_join_all(&room, "node-1", (const char *[]){"ann", "bob", "cem", NULL});
    eval_room_join(&room, "node-2", "bob");
    eval_room_notices(&room);

    assert_string_equal(
        eval_room_leave_all(&room, "node-1",
                            (const char *[]){"ann", "bob", "dia", NULL}),
        "(2 1)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 4 left 0 0 ann\n" LEFT("ann", "2"));
    assert_string_equal(
        eval_room_leave_all(&room, "node-1", (const char *[]){"cem", NULL}), "(1 0)");
    assert_string_equal(
        eval_room_leave_all(&room, "node-2", (const char *[]){"bob", NULL}), "(0 0)");
    eval_room_notices(&room);

    eval_room_join_all(&room, "node-1", (const char *[]){"ann", "bob", NULL});
    eval_room_notices(&room);
    assert_string_equal(
        eval_room_leave_all(&room, "node-1", (const char *[]){"bob", "ann", NULL}),
        "(0 0)");
    assert_string_equal(
        eval_room_notices(&room),
        "1 " EPOCH_1 " 10 left 0 0 bob,ann\n" LEFT("bob", "1") "\n" LEFT("ann", "0"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_TTL_MS);
}

/* ---- presence events ---- */

static void a_crowded_room_sends_no_presence_events(void **state)
{
    (void)state;
    room.events_max = 2;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_notices(&room);

    assert_string_equal(eval_room_join(&room, "node-1", "cem"),
                        "('ok' '" EPOCH_1 "' 0 3 3 0 0 0)");
    eval_room_join(&room, "node-1", "dia");
    assert_string_equal(eval_room_leave(&room, "node-1", "dia"), "(3 3)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 5);
    eval_room_leave(&room, "node-1", "cem");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 6 left 0 0 cem\n" LEFT("cem", "2"));
}

static void no_presence_events_at_all_if_the_limit_is_0(void **state)
{
    (void)state;
    room.events_max = 0;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_leave(&room, "node-1", "bob");

    /* But nodes that had members in a room of which Redis lost the meta learn of it. */
    assert_string_equal(eval_room_notices(&room), "1 " EPOCH_1 " 1 remade 0 0 -\n");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 3);
}

static const struct {
    const char *room, *user, *token;
} names[] = {
    {"a/b", "c/d", "c%2Fd"},
    {"a\\b", "c\\d\\/e", "c%5Cd%5C%2Fe"},
    {"say \"hi\"", "\"", "%22"},
    {"\xf0\x9f\x98\x80", "J\xc3\xb6rg \xf0\x9f\x91\x8d", "J%C3%B6rg%20%F0%9F%91%8D"},
    {"a:b", "a:b:", "a%3Ab%3A"},
    {"%41", "100%", "100%25"},
    {"a,b", "-", "-"},
    {"*", "a,b", "a%2Cb"},
    {"1 2", "1", "1"},
    {"[a-z]?", "\xe2\x80\xa6", "%E2%80%A6"},
};

static void names_of_any_kind_stay_what_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct strbuf header = {0};
        const char *notice;

        print_message("  %s in %s\n", names[i].user, names[i].room);
        room.name = names[i].room;
        assert_string_equal(eval_room_join(&room, "node-1", names[i].user),
                            "('ok' '" EPOCH_1 "' 0 1 1 0 1 0)");
        notice = eval_room_notices(&room);
        strbuf_add_format(&header, "1 " EPOCH_1 " 1 joined 0 0 %s\n", names[i].token);
        assert_memory_equal(notice, header.data, header.len);
        eval_room_expect_event(&room, notice + header.len, names[i].user);
        strbuf_deinit(&header);
        assert_int_equal(eval_room_number(&room, "members", names[i].user), 1);
        eval_room_expect_books_balance(&room);
        assert_string_equal(eval_room_leave(&room, "node-1", names[i].user), "(0 0)");
        eval_room_notices(&room);
    }
}

/* ---- renew ---- */

static void a_renewal_keeps_a_room_in_use_alive(void **state)
{
    static const char *const keys[] = {"meta", "members", "on:node-1", "history"};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_join(&room, "node-2", "cem");
    eval_room_say(&room, "node-1", "ann", "hi");
    for (size_t i = 0; i < COUNT(keys); i++)
        redis_cmd(port(), "PEXPIRE rc:{lobby}:%s 5000", keys[i]);

    assert_string_equal(eval_room_renew(&room, "node-1", NULL),
                        "('" EPOCH_1 "' 1 3 2 3 0 0)");
    for (size_t i = 0; i < COUNT(keys); i++)
        eval_room_expect_ttl(&room, keys[i],
                             strncmp(keys[i], "on:", 3) == 0 ? EVAL_ROOM_ON_MS
                                                             : EVAL_ROOM_KEEP_MS);
}

static void a_renewal_right_after_another_nodes_prolongs_only_its_own_key(void **state)
{
    static const char *const shared[] = {"meta", "members", "history"};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "bob");
    eval_room_say(&room, "node-1", "ann", "hi");
    for (size_t i = 0; i < COUNT(shared); i++)
        redis_cmd(port(), "PEXPIRE rc:{lobby}:%s %d", shared[i],
                  EVAL_ROOM_KEEP_MS / 20 * 19);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:on:node-2 5000");

    assert_string_equal(eval_room_renew(&room, "node-2", NULL),
                        "('" EPOCH_1 "' 1 2 1 2 0 0)");
    for (size_t i = 0; i < COUNT(shared); i++)
        eval_room_expect_ttl(&room, shared[i], EVAL_ROOM_KEEP_MS / 20 * 19);
    eval_room_expect_ttl(&room, "on:node-2", EVAL_ROOM_ON_MS);
}

static void a_renewal_from_a_node_that_redis_forgot_says_so(void **state)
{
    (void)state;
    eval_room_join(&room, "node-2", "ann");

    assert_string_equal(eval_room_renew(&room, "node-1", NULL),
                        "('" EPOCH_1 "' 0 1 0 1 0 0)");
    assert_false(eval_room_has_key(&room, "on:node-1"));
}

/* Each leaves the two counts as they are, or `members` the larger. */
static const struct {
    const char *name, *commands[2];
    int wrong;
} odd_users[] = {
    {"nothing", {"PING", NULL}, 0},
    {"a ghost in a user's place in members",
     {"HDEL rc:{lobby}:members ann", "HSET rc:{lobby}:members ghost 1"},
     1},
    {"a ghost in a user's place on the node",
     {"HDEL rc:{lobby}:on:node-1 ann",
      "HSET rc:{lobby}:on:node-1 ghost 00000000000000e1"},
     1},
    {"another epoch", {"HSET rc:{lobby}:on:node-1 ann 00000000000000e2", NULL}, 1},
    {"two at once",
     {"HSET rc:{lobby}:on:node-1 ann x", "HSET rc:{lobby}:members bob 0"},
     2},
    {"a count that is a word", {"HSET rc:{lobby}:members ann many", NULL}, 1},
    {"a count below 0", {"HSET rc:{lobby}:members ann -3", NULL}, 1},
    {"a count and a half", {"HSET rc:{lobby}:members ann 1.5", NULL}, 1},
    {"a count that Lua cannot count on",
     {"HSET rc:{lobby}:members ann 9007199254740993", NULL},
     1},
    {"another node's user", {"HDEL rc:{lobby}:on:node-2 cem", NULL}, 0},
};

static void a_renewal_tells_of_whom_redis_does_not_have(void **state)
{
    static const char *const users[] = {"ann", "bob", NULL};

    for (size_t i = 0; i < COUNT(odd_users); i++) {
        char expected[64];

        print_message("  %s\n", odd_users[i].name);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_join(&room, "node-1", "bob");
        eval_room_join(&room, "node-2", "cem");
        for (size_t k = 0; k < 2 && odd_users[i].commands[k]; k++)
            redis_cmd(port(), odd_users[i].commands[k]);
        snprintf(expected, sizeof(expected), "('" EPOCH_1 "' 0 3 2 3 %d 0)",
                 odd_users[i].wrong);
        assert_string_equal(eval_room_renew(&room, "node-1", users), expected);
        eval_reset(&redis);
    }
}

static void a_renewal_takes_a_hundred_users(void **state)
{
    enum { USERS = 100 };
    static char list[USERS][16];
    const char *users[USERS + 1] = {NULL};

    (void)state;
    for (int i = 0; i < USERS; i++) {
        snprintf(list[i], sizeof(list[i]), "u%d", i);
        users[i] = list[i];
    }
    eval_room_join_all(&room, "node-1", users);
    assert_string_equal(eval_room_renew(&room, "node-1", users),
                        "('" EPOCH_1 "' 0 100 100 100 0 0)");
    redis_cmd(port(), "HDEL rc:{lobby}:members u99");
    redis_cmd(port(), "HSET rc:{lobby}:members ghost 1");
    assert_string_equal(eval_room_renew(&room, "node-1", users),
                        "('" EPOCH_1 "' 0 100 100 100 1 0)");
    eval_reset(&redis);
}

static void a_renewal_does_not_stop_the_countdown_of_an_empty_room(void **state)
{
    char *before, *after;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_say(&room, "node-1", "ann", "hi");
    eval_room_leave(&room, "node-1", "ann");
    before = eval_state(&redis);

    assert_string_equal(eval_room_renew(&room, "node-1", NULL),
                        "('" EPOCH_1 "' 1 2 0 0 0 0)");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* What a neighbour may make of a meta: it counts as lost. */
static const struct {
    const char *name, *command;
} odd_metas[] = {
    {"no epoch", "HDEL rc:{lobby}:meta epoch"},
    {"an epoch that is none", "HSET rc:{lobby}:meta epoch 12"},
    {"an epoch in capitals", "HSET rc:{lobby}:meta epoch 0123456789ABCDEF"},
    {"an epoch of other letters", "HSET rc:{lobby}:meta epoch zzzzzzzzzzzzzzzz"},
    {"no seq", "HDEL rc:{lobby}:meta seq"},
    {"a seq that is a word", "HSET rc:{lobby}:meta seq many"},
    {"a seq without end", "HSET rc:{lobby}:meta seq inf"},
    {"a seq that is none", "HSET rc:{lobby}:meta seq nan"},
    {"a seq that Redis cannot count on",
     "HSET rc:{lobby}:meta seq 9223372036854775807"},
    {"a seq below 0", "HSET rc:{lobby}:meta seq -5"},
    {"a seq and a half", "HSET rc:{lobby}:meta seq 1.5"},
    {"a seq that only Lua reads", "HSET rc:{lobby}:meta seq 0x7"},
    {"no rev", "HDEL rc:{lobby}:meta rev"},
    {"a rev below 0", "HSET rc:{lobby}:meta rev -5"},
    {"a rev that is a word", "HSET rc:{lobby}:meta rev many"},
    {"a rev that Lua cannot count on", "HSET rc:{lobby}:meta rev 9007199254740993"},
};

static void a_meta_without_its_numbers_is_no_room_to_a_renewal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_metas); i++) {
        print_message("  %s\n", odd_metas[i].name);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        redis_cmd(port(), odd_metas[i].command);
        assert_string_equal(eval_room_renew(&room, "node-1", NULL), "('' 0 0 1 1 0 0)");
    }
}

static void a_join_recreates_a_room_whose_meta_has_lost_its_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_metas); i++) {
        print_message("  %s\n", odd_metas[i].name);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_say(&room, "node-1", "ann", "hi");
        redis_cmd(port(), "HSET rc:{lobby}:meta keys_at 5 empty_since 7 bytes 9");
        redis_cmd(port(), odd_metas[i].command);
        eval_room_notices(&room);
        room.epoch = EPOCH_2;
        assert_string_equal(eval_room_join(&room, "node-2", "bob"),
                            "('ok' '" EPOCH_2 "' 0 1 1 0 1 0)");
        assert_non_null(strstr(eval_room_notices(&room), "1 " EPOCH_2 " 1 joined"));
        assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:meta"), 9);
        assert_string_equal(eval_room_say(&room, "node-2", "bob", "hi"),
                            "('" EPOCH_2 "' 1)");
    }
}

static const char *const odd_counts[] = {"many", "0", "-3", "1e300", "nan", ""};

static void a_count_of_nodes_that_is_no_number_counts_as_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_counts); i++) {
        print_message("  '%s'\n", odd_counts[i]);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "bob");
        redis_cmd(port(), "HSET rc:{lobby}:members ann %b", odd_counts[i],
                  strlen(odd_counts[i]));
        assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                            "('ok' '" EPOCH_1 "' 0 2 2 0 0 0)");
        assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
        eval_room_expect_books_balance(&room);
    }
}

static void a_user_with_such_a_count_can_leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_counts); i++) {
        if (strcmp(odd_counts[i], "1e300") == 0)
            continue; /* a number, and so many nodes are left */
        print_message("  '%s'\n", odd_counts[i]);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        redis_cmd(port(), "HSET rc:{lobby}:members ann %b", odd_counts[i],
                  strlen(odd_counts[i]));
        assert_string_equal(eval_room_leave(&room, "node-1", "ann"), "(0 0)");
        eval_room_expect_books_balance(&room);
    }
}

static void a_renewal_of_a_room_that_is_gone_makes_none(void **state)
{
    (void)state;
    assert_string_equal(eval_room_renew(&room, "node-1", NULL), "('' 0 0 0 0 0 '' 0)");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
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
        TEST(the_first_join_makes_the_room),
        TEST(a_second_user_raises_the_count_and_the_rev),
        TEST(joining_again_through_the_same_node_only_prolongs),
        TEST(a_user_on_two_nodes_is_one_member),
        TEST(a_join_tells_where_the_history_stands),
        TEST(a_room_that_was_lost_is_recreated_without_leftovers),
        TEST(a_ban_keeps_out_while_it_lasts),
        TEST(an_odd_ban_is_for_good_and_keeps_out_nobody_else),
        TEST(a_ban_does_not_put_out_and_keeps_its_own_life),
        TEST(the_last_leave_starts_the_countdown_and_a_join_stops_it),
        TEST(a_leave_that_is_not_the_last_starts_no_countdown),
        TEST(leaving_twice_counts_once),
        TEST(leaving_a_room_that_is_not_there_makes_none),
        TEST(a_leave_under_another_epoch_takes_nobody_out),
        TEST(a_leave_where_rev_is_no_number_is_told_to_nobody),
        TEST(a_leave_after_the_room_was_lost_leaves_no_key_for_good),
        TEST(a_leave_after_a_kick_only_cleans_up),
        TEST(who_came_back_after_a_kick_stays),
        TEST(those_who_come_together_are_one_notice),
        TEST(who_is_banned_does_not_keep_out_those_who_come_along),
        TEST(nobody_comes_into_a_full_room),
        TEST(who_is_in_comes_in_again),
        TEST(who_moderates_comes_into_a_full_room),
        TEST(only_who_moderates_makes_the_room),
        TEST(a_ban_counts_beside_a_limit),
        TEST(those_who_leave_together_are_one_notice),
        TEST(a_crowded_room_sends_no_presence_events),
        TEST(no_presence_events_at_all_if_the_limit_is_0),
        TEST(names_of_any_kind_stay_what_they_are),
        TEST(a_renewal_keeps_a_room_in_use_alive),
        TEST(a_renewal_right_after_another_nodes_prolongs_only_its_own_key),
        TEST(a_renewal_from_a_node_that_redis_forgot_says_so),
        TEST(a_renewal_tells_of_whom_redis_does_not_have),
        TEST(a_renewal_takes_a_hundred_users),
        TEST(a_renewal_does_not_stop_the_countdown_of_an_empty_room),
        TEST(a_renewal_of_a_room_that_is_gone_makes_none),
        TEST(a_meta_without_its_numbers_is_no_room_to_a_renewal),
        TEST(a_join_recreates_a_room_whose_meta_has_lost_its_numbers),
        TEST(a_count_of_nodes_that_is_no_number_counts_as_none),
        TEST(a_user_with_such_a_count_can_leave),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
