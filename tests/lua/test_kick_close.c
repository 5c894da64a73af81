/* test_kick_close.c - kick.lua and close.lua: out on all nodes at once, whatever joins or
 * leaves meanwhile, and what a node finds that did not hear of it. */
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

#define KICKED "{\"type\":\"kicked\",\"room\":\"lobby\",\"reason\":\"spam\"}"
#define LEFT_HEAD                                                                      \
    "{\"type\":\"member_left\",\"room\":\"lobby\",\"reason\":\"kicked\",\"user\":"     \
    "\"ann\",\"members\":"
#define CLOSED "{\"type\":\"room_closed\",\"room\":\"lobby\",\"reason\":\"late\"}"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* `nodes`: up to a NULL. */
static const char *kick_on(const char *user, const char *const *nodes)
{
    eval_begin(&redis, SCRIPT_KICK);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:members");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:kicks");
    eval_key(&redis, "rc:{lobby}:events");
    eval_key(&redis, "rc:{lobby}:nodes");
    eval_key(&redis, "rc:{lobby}:changed");
    for (int i = 0; nodes[i]; i++)
        eval_key(&redis, "rc:{lobby}:on:%s", nodes[i]);
    eval_arg(&redis, "%s", user);
    eval_arg(&redis, "%s", user);
    eval_arg(&redis, "spam");
    eval_arg(&redis, KICKED);
    eval_arg(&redis, LEFT_HEAD);
    eval_arg(&redis, "%u", room.events_max);
    eval_arg(&redis, "%d", EVAL_ROOM_TTL_MS);
    return eval_run(&redis);
}

static const char *const both[] = {"node-1", "node-2", NULL};

static const char *kick(const char *user)
{
    return kick_on(user, both);
}

static const char *close_on(const char *const *nodes)
{
    eval_begin(&redis, SCRIPT_CLOSE);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:members");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:kicks");
    eval_key(&redis, "rc:{lobby}:keys");
    eval_key(&redis, "rc:{lobby}:keys:old");
    eval_key(&redis, "rc:{lobby}:bans");
    eval_key(&redis, "rc:{lobby}:mutes");
    eval_key(&redis, "rc:{lobby}:closed");
    eval_key(&redis, "rc:{lobby}:events");
    eval_key(&redis, "rc:{lobby}:nodes");
    eval_key(&redis, "rc:{lobby}:changed");
    for (int i = 0; nodes[i]; i++)
        eval_key(&redis, "rc:{lobby}:on:%s", nodes[i]);
    eval_arg(&redis, "late");
    eval_arg(&redis, CLOSED);
    return eval_run(&redis);
}

static const char *close_room(void)
{
    return close_on(both);
}

static void expect_field(const char *suffix, const char *field, const char *wanted)
{
    char *value = eval_room_field(&room, suffix, field);

    if (!wanted)
        assert_null(value);
    else
        assert_string_equal(value, wanted);
    free(value);
}

/* ann on both nodes, bob on the second. */
static void fill(void)
{
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "ann");
    eval_room_join(&room, "node-2", "bob");
    eval_room_notices(&room);
}

/* ---- kick ---- */

static void a_kick_takes_the_user_off_all_nodes_and_tells_both_sides(void **state)
{
    (void)state;
    fill();
    assert_string_equal(kick("ann"), "('ok' 'kicked 3' 1 2)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 3 kicked 0 0 ann\n" KICKED "\n" LEFT_HEAD "1}");
    expect_field("members", "ann", NULL);
    expect_field("on:node-1", "ann", "kicked 3");
    expect_field("on:node-2", "ann", "kicked 3");
    expect_field("kicks", "ann", "3 spam");
    eval_room_expect_ttl(&room, "kicks", 600000);
    expect_field("members", "bob", "1");
    eval_room_expect_books_balance(&room);
}

static void who_was_kicked_may_not_speak_though_the_node_is_deaf(void **state)
{
    (void)state;
    fill();
    kick("ann");
    assert_string_equal(eval_room_say(&room, "node-1", "ann", "me again"),
                        "('" EPOCH_1 "' -1)");
}

static void a_join_behind_the_kick_counts_again(void **state)
{
    (void)state;
    fill();
    kick("ann");
    assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                        "('ok' '" EPOCH_1 "' 0 4 2 0 0 0)");
    expect_field("on:node-1", "ann", EPOCH_1);
    expect_field("on:node-2", "ann", "kicked 3");
    expect_field("members", "ann", "1");
    eval_room_expect_books_balance(&room);
}

static void the_node_that_puts_its_clients_out_takes_the_mark_away(void **state)
{
    (void)state;
    fill();
    kick("ann");
    eval_room_leave_after_kick(&room, "node-1", "ann");
    expect_field("on:node-1", "ann", NULL);
    assert_string_equal(eval_room_reap(&room, "node-2", 500), "(1 0 0)");
    expect_field("on:node-2", "ann", NULL);
    eval_room_expect_books_balance(&room);
}

static void a_deaf_node_learns_of_the_kick_and_does_not_put_the_user_back(void **state)
{
    (void)state;
    fill();
    kick("ann");
    eval_room_notices(&room);
    assert_string_equal(
        eval_room_sync(&room, "node-1", EPOCH_1, (const char *[]){"ann", "1", NULL}),
        "('ok' '" EPOCH_1 "' 0 3 1 0 0 0 'ann' 'spam')");
    assert_string_equal(eval_room_notices(&room), "");
    expect_field("on:node-1", "ann", NULL);
    eval_room_expect_books_balance(&room);
}

static void the_last_one_kicked_starts_the_countdown(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_say(&room, "node-1", "ann", "hi");
    eval_room_notices(&room);
    assert_string_equal(kick("ann"), "('ok' 'kicked 2' 1)");
    assert_non_null(strstr(eval_room_notices(&room), LEFT_HEAD "0}"));
    assert_true(eval_room_number(&room, "meta", "empty_since") > 0);
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_TTL_MS);
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_TTL_MS);
}

static void nobody_is_kicked_who_is_not_in(void **state)
{
    char *before, *after;

    (void)state;
    assert_string_equal(kick("ann"), "('absent')");
    fill();
    before = eval_state(&redis);
    assert_string_equal(kick("cem"), "('absent')");
    after = eval_state(&redis);
    assert_string_equal(before, after);
    assert_string_equal(eval_room_notices(&room), "");
    free(before);
    free(after);
}

static const char *const none[] = {NULL};

static void a_caller_that_does_not_name_all_nodes_is_told_which(void **state)
{
    static const char *const one[] = {"node-1", NULL};

    (void)state;
    fill();
    assert_string_equal(kick_on("ann", none), "('again' 'node-1' 'node-2')");
    assert_string_equal(kick_on("ann", one), "('again' 'node-2')");
    assert_string_equal(close_on(one), "('again' 'node-2')");
    expect_field("members", "ann", "2");
    assert_string_equal(eval_room_notices(&room), "");
    eval_room_leave(&room, "node-2", "ann");
    eval_room_leave(&room, "node-2", "bob");
    assert_string_equal(kick_on("ann", one), "('ok' 'kicked 4' 1)");
    assert_string_equal(close_on(one), "(0 'closed " EPOCH_1 "' 1)");
}

/* The room was remade while node-1 was deaf: it has not put ann in again, but must not later. */
static void who_was_in_before_a_remake_is_kicked_and_closed_out_too(void **state)
{
    static const char *const ann[] = {"ann", "1", NULL};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    eval_room_join(&room, "node-2", "bob");
    eval_room_notices(&room);
    assert_string_equal(kick("ann"), "('ok' 'kicked 4' 1)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_2 " 4 kicked 0 0 ann\n" KICKED);
    assert_string_equal(kick("cem"), "('absent')");
    assert_string_equal(kick("ann"), "('absent')");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_2 "' 0 4 1 0 0 0 'ann' 'spam')");
    close_room();
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('closed' 'late')");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_2, ann),
                        "('closed' 'late')");
    eval_room_leave(&room, "node-1", "");
    eval_room_leave(&room, "node-2", "");
}

/* Strangers' fields are no nodes, and a room that lost nodes is not kept from being closed. */
static void what_is_no_node_is_not_asked_for(void **state)
{
    static const char *const one[] = {"node-1", NULL};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "HSET rc:{lobby}:nodes %s 1 %b 2", "no node", "", (size_t)0);
    assert_string_equal(kick_on("ann", one), "('ok' 'kicked 2' 1)");
    redis_cmd(port(), "DEL rc:{lobby}:nodes");
    assert_string_equal(close_on(none), "(0 'closed " EPOCH_1 "')");
}

static void nine_thousand_nodes_are_named_in_one_answer(void **state)
{
    const char *reply;
    unsigned count = 0;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 9000; i += 100)
        redis_cmd(
            port(), "EVAL %s 1 rc:{lobby}:nodes %d",
            "for i=ARGV[1],ARGV[1]+99 do redis.call('HSET',KEYS[1],'n'..i,'1 1') end",
            i);
    reply = kick_on("ann", none);
    for (const char *at = reply; (at = strchr(at, ' ')); at++)
        count++;
    assert_int_equal(count, 9001);
}

static void in_large_rooms_only_who_is_kicked_is_told(void **state)
{
    (void)state;
    fill();
    room.events_max = 0;
    kick("ann");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 3 kicked 0 0 ann\n" KICKED);
}

/* ---- close ---- */

static void a_closed_room_leaves_only_what_deaf_nodes_must_find(void **state)
{
    (void)state;
    fill();
    eval_room_say(&room, "node-2", "bob", "hi");
    kick("ann");
    redis_cmd(port(), "HSET rc:{lobby}:bans eve 0");
    eval_room_notices(&room);

    assert_string_equal(close_room(), "(1 'closed " EPOCH_1 "' 1 2)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 4 closed 0 0 -\n" CLOSED);
    assert_false(eval_room_has_key(&room, "meta"));
    assert_false(eval_room_has_key(&room, "members"));
    assert_false(eval_room_has_key(&room, "history"));
    assert_false(eval_room_has_key(&room, "kicks"));
    assert_true(eval_room_has_key(&room, "bans"));
    expect_field("on:node-2", "bob", NULL);
    expect_field("on:node-1", "", "closed " EPOCH_1);
    expect_field("on:node-2", "", "closed " EPOCH_1);
    eval_room_expect_ttl(&room, "closed", 600000);
    eval_room_expect_ttl(&room, "on:node-2", 600000);
    eval_room_expect_books_balance(&room);
}

static void a_node_that_hears_of_the_closing_takes_the_mark_away(void **state)
{
    (void)state;
    fill();
    close_room();
    assert_string_equal(eval_room_reap(&room, "node-2", 500), "(0 0 0)");
    assert_false(eval_room_has_key(&room, "on:node-2"));
}

static void a_deaf_node_learns_of_the_closing(void **state)
{
    (void)state;
    fill();
    close_room();
    assert_string_equal(
        eval_room_sync(&room, "node-2", EPOCH_1, (const char *[]){"bob", "2", NULL}),
        "('closed' 'late')");
}

static void a_join_behind_the_closing_makes_another_room(void **state)
{
    (void)state;
    fill();
    close_room();
    room.epoch = EPOCH_2;
    assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                        "('ok' '" EPOCH_2 "' 0 1 1 0 1 0)");
    expect_field("on:node-1", "", NULL);
    eval_room_expect_books_balance(&room);
}

static const char *const room_keys[] = {"meta",   "members",  "history",  "kicks",
                                        "keys",   "keys:old", "bans",     "mutes",
                                        "closed", "changed",  "on:node-1"};

static void a_broken_room_is_closed_whichever_key_is_odd(void **state)
{
    static const char *const types[] = {"SET %s x", "RPUSH %s x", "HSET %s x x",
                                        "SADD %s x"};

    for (size_t i = 0; i < sizeof(room_keys) / sizeof(room_keys[0]); i++)
        for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
            char *key;

            eval_room_begin_test(state);
            key = eval_room_key(&room, room_keys[i]);
            print_message("  %s: %.4s\n", key, types[k]);
            eval_room_join(&room, "node-1", "ann");
            eval_room_join(&room, "node-2", "bob");
            eval_room_say(&room, "node-1", "ann", "hi");
            redis_cmd(port(), "DEL %s", key);
            redis_cmd(port(), types[k], key);
            redis_cmd(port(), "EXPIRE %s 600", key);
            eval_room_notices(&room);
            assert_non_null(strstr(close_room(), " 'closed "));
            assert_non_null(strstr(eval_room_notices(&room), " closed 0 0 -"));
            assert_false(eval_room_has_key(&room, "meta"));
            assert_false(eval_room_has_key(&room, "members"));
            assert_false(eval_room_has_key(&room, "history"));
            room.epoch = EPOCH_2;
            assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                                "('ok' '" EPOCH_2 "' 0 1 1 0 1 0)");
            free(key);
        }
}

/* Of the room nothing else is left, but who joins it is refused. */
static void a_key_of_a_wrong_type_alone_is_a_room_to_close(void **state)
{
    for (size_t i = 0; i < sizeof(room_keys) / sizeof(room_keys[0]); i++) {
        char *key;

        eval_room_begin_test(state);
        key = eval_room_key(&room, room_keys[i]);
        print_message("  %s\n", key);
        redis_cmd(port(),
                  strcmp(room_keys[i], "changed") == 0 ? "SADD %s x" : "ZADD %s 1 x",
                  key);
        redis_cmd(port(), "EXPIRE %s 600", key);
        assert_non_null(strstr(close_room(), " 'closed *'"));
        assert_string_equal(eval_room_join(&room, "node-1", "ann"),
                            "('ok' '" EPOCH_1 "' 0 1 1 0 1 0)");
        free(key);
    }
}

static void a_node_learns_of_the_closing_of_a_room_without_epoch(void **state)
{
    (void)state;
    fill();
    redis_cmd(port(), "SET rc:{lobby}:meta x");
    eval_room_notices(&room);
    assert_string_equal(close_room(), "(2 'closed *' 1 2)");
    assert_string_equal(eval_room_notices(&room),
                        "1 0000000000000000 1 closed 0 0 - -\n" CLOSED);
    assert_string_equal(
        eval_room_sync(&room, "node-2", EPOCH_1, (const char *[]){"bob", "2", NULL}),
        "('closed' 'late')");
}

/* As if meta had none: it is broken, and renew.lua finds it. */
static void where_rev_is_no_number_nobody_is_kicked_and_the_room_is_closed(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_room_begin_test(state);
        fill();
        eval_room_set_rev(&room, *odd);
        assert_string_equal(kick("ann"), "('absent')");
        assert_string_equal(eval_room_notices(&room), "");
        eval_room_expect_rev(&room, *odd);
        assert_string_equal(close_room(), "(2 'closed *' 1 2)");
        assert_string_equal(eval_room_notices(&room),
                            "1 0000000000000000 1 closed 0 0 - -\n" CLOSED);
    }
}

static void the_largest_rev_is_one(void **state)
{
    (void)state;
    fill();
    eval_room_set_rev(&room, "9007199254740991");
    assert_string_equal(close_room(), "(2 'closed " EPOCH_1 "' 1 2)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 9007199254740992 closed 0 0 -\n" CLOSED);
}

static void what_a_room_leaves_behind_is_no_room_to_close(void **state)
{
    (void)state;
    redis_cmd(port(), "HSET rc:{lobby}:keys 3:ann:k 1");
    redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s", "3 rude");
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 0");
    assert_string_equal(close_room(), "nil");
}

static void a_room_that_is_not_there_is_not_closed(void **state)
{
    (void)state;
    assert_string_equal(close_room(), "nil");
    assert_false(eval_room_has_key(&room, "closed"));
    assert_string_equal(eval_room_notices(&room), "");
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
        TEST(a_kick_takes_the_user_off_all_nodes_and_tells_both_sides),
        TEST(who_was_kicked_may_not_speak_though_the_node_is_deaf),
        TEST(a_join_behind_the_kick_counts_again),
        TEST(the_node_that_puts_its_clients_out_takes_the_mark_away),
        TEST(a_deaf_node_learns_of_the_kick_and_does_not_put_the_user_back),
        TEST(the_last_one_kicked_starts_the_countdown),
        TEST(nobody_is_kicked_who_is_not_in),
        TEST(a_caller_that_does_not_name_all_nodes_is_told_which),
        TEST(who_was_in_before_a_remake_is_kicked_and_closed_out_too),
        TEST(what_is_no_node_is_not_asked_for),
        TEST(nine_thousand_nodes_are_named_in_one_answer),
        TEST(in_large_rooms_only_who_is_kicked_is_told),
        TEST(a_closed_room_leaves_only_what_deaf_nodes_must_find),
        TEST(a_node_that_hears_of_the_closing_takes_the_mark_away),
        TEST(a_deaf_node_learns_of_the_closing),
        TEST(a_join_behind_the_closing_makes_another_room),
        TEST(a_broken_room_is_closed_whichever_key_is_odd),
        TEST(a_key_of_a_wrong_type_alone_is_a_room_to_close),
        TEST(a_node_learns_of_the_closing_of_a_room_without_epoch),
        TEST(where_rev_is_no_number_nobody_is_kicked_and_the_room_is_closed),
        TEST(the_largest_rev_is_one),
        TEST(what_a_room_leaves_behind_is_no_room_to_close),
        TEST(a_room_that_is_not_there_is_not_closed),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
