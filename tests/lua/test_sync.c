/* test_sync.c - sync.lua and remake.lua: a node's users are put back as they were, but
 * for those who were put out meanwhile, and what Redis lost does not go unseen. */
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

#define REMADE(epoch, rev) "1 " epoch " " rev " remade 0 0 -\n"
#define JOINED(user, members)                                                          \
    "{\"type\":\"member_joined\",\"room\":\"lobby\",\"user\":\"" user                  \
    "\",\"members\":" members "}"

static const char *const nobody[] = {NULL};
static const char *const ann[] = {"ann", "1", NULL};
static const char *const ann_and_bob[] = {"ann", "1", "bob", "2", NULL};

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* Redis lost all it had; what a call makes has the second epoch. */
static void lose_everything(void)
{
    redis_cmd(port(), "FLUSHALL");
    eval_room_notices(&room);
    room.epoch = EPOCH_2;
}

/* ---- putting back ---- */

static void where_all_is_well_only_the_life_is_prolonged(void **state)
{
    static const char *const keys[] = {"meta", "members", "on:node-1", "history"};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_say(&room, "node-1", "ann", "hi");
    eval_room_notices(&room);
    for (size_t i = 0; i < COUNT(keys); i++)
        redis_cmd(port(), "PEXPIRE rc:{lobby}:%s 5000", keys[i]);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob),
                        "('ok' '" EPOCH_1 "' 1 2 2 2 0 0)");
    assert_string_equal(eval_room_notices(&room), "");
    for (size_t i = 0; i < COUNT(keys); i++)
        eval_room_expect_ttl(&room, keys[i],
                             strncmp(keys[i], "on:", 3) == 0 ? EVAL_ROOM_ON_MS
                                                             : EVAL_ROOM_KEEP_MS);
}

static void a_room_that_redis_lost_is_recreated(void **state)
{
    long long before;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_say(&room, "node-1", "ann", "hi");
    lose_everything();
    before = eval_now_ms(&redis);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob),
                        "('ok' '" EPOCH_2 "' 0 2 2 2 0 0)");
    assert_string_equal(eval_room_notices(&room),
                        REMADE(EPOCH_2, "0") "\n\n"
                                             "1 " EPOCH_2
                                             " 2 joined 0 0 ann,bob\n" JOINED(
                                                 "ann", "1") "\n" JOINED("bob", "2"));
    assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
    assert_int_equal(eval_room_number(&room, "meta", "shard_id"), 0);
    assert_true(eval_room_number(&room, "meta", "created_at") >= before);
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
}

static void a_second_node_finds_the_room_that_the_first_created(void **state)
{
    static const char *const cem[] = {"cem", "3", "ann", "4", NULL};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_join(&room, "node-2", "cem");
    eval_room_join(&room, "node-2", "ann");
    lose_everything();
    eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob);
    eval_room_notices(&room);
    room.epoch = "00000000000000e3";

    assert_string_equal(eval_room_sync(&room, "node-2", EPOCH_1, cem),
                        "('ok' '" EPOCH_2 "' 0 3 3 2 0 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_2 " 3 joined 0 0 cem\n" JOINED("cem", "3"));
    assert_int_equal(eval_room_number(&room, "members", "ann"), 2);
}

static void only_meta_lost_is_the_room_lost(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "cem");
    eval_room_say(&room, "node-1", "ann", "gone");
    eval_room_notices(&room);
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_2 "' 0 1 1 1 0 0)");
    assert_false(eval_room_has_key(&room, "history"));
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:members"), 1);
}

static void who_is_missing_is_put_back_and_the_others_stay(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "cem");
    eval_room_notices(&room);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob),
                        "('ok' '" EPOCH_1 "' 0 3 3 2 0 0)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 3 joined 0 0 bob\n" JOINED("bob", "3"));
}

static void extra_users_are_counted(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "ghost");
    eval_room_notices(&room);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 0 2 2 2 0 0)");
}

static void a_user_who_is_in_through_another_node_is_not_announced(void **state)
{
    (void)state;
    eval_room_join(&room, "node-2", "ann");
    eval_room_notices(&room);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 0 1 1 1 0 0)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "members", "ann"), 2);
}

/* ---- a key that was lost ---- */

#define TORN "('torn' '" EPOCH_1 "')"

/* Remakes the room and syncs ann and bob through both nodes: all must be counted once. */
static void expect_remade(void)
{
    static const char *const both[] = {"ann", "1", "bob", "2", NULL};

    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    room.epoch = EPOCH_2;
    for (int again = 0; again < 2; again++) {
        eval_room_sync(&room, "node-1", EPOCH_1, both);
        eval_room_sync(&room, "node-2", EPOCH_1, (const char *[]){"bob", "3", NULL});
        assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
        assert_int_equal(eval_room_number(&room, "members", "bob"), 2);
        eval_room_expect_books_balance(&room);
    }
}

static const char *const lost_keys[] = {
    "DEL rc:{lobby}:members",           "DEL rc:{lobby}:on:node-1",
    "HDEL rc:{lobby}:members bob",      "HDEL rc:{lobby}:on:node-1 bob",
    "HSET rc:{lobby}:members bob x",    "HSET rc:{lobby}:members bob 1.5",
    "HSET rc:{lobby}:members bob 1e300"};

static void a_lost_key_of_members_shows_and_nothing_is_done(void **state)
{
    static const char *const both[] = {"ann", "1", "bob", "2", NULL};

    for (size_t i = 0; i < COUNT(lost_keys); i++) {
        char *before, *after;

        print_message("  %s\n", lost_keys[i]);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_join(&room, "node-1", "bob");
        eval_room_join(&room, "node-2", "bob");
        room.told = true;
        assert_non_null(strstr(eval_room_sync(&room, "node-1", EPOCH_1, both), "'ok'"));
        redis_cmd(port(), lost_keys[i]);
        eval_room_notices(&room);
        before = eval_state(&redis);
        assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, both), TORN);
        after = eval_state(&redis);
        assert_string_equal(after, before);
        assert_string_equal(eval_room_notices(&room), "");
        expect_remade();
        free(before);
        free(after);
    }
}

/* What stands in place of the epoch was put there by somebody else: nobody is counted again,
 * and nobody is told anything. */
static void a_user_under_an_odd_epoch_is_counted_as_before(void **state)
{
    static const char *const both[] = {"ann", "1", "bob", "2", NULL};
    static const char *const values[] = {EPOCH_2, "x", "", "kicked"};

    for (size_t i = 0; i < COUNT(values); i++) {
        print_message("  '%s'\n", values[i]);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_join(&room, "node-1", "bob");
        eval_room_join(&room, "node-2", "bob");
        room.told = true;
        redis_cmd(port(), "HSET rc:{lobby}:on:node-1 ann %b bob %b", values[i],
                  strlen(values[i]), values[i], strlen(values[i]));
        eval_room_notices(&room);
        assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, both),
                            "('ok' '" EPOCH_1 "' 0 2 2 2 0 0)");
        assert_string_equal(eval_room_notices(&room), "");
        assert_int_equal(eval_room_number(&room, "members", "ann"), 1);
        assert_int_equal(eval_room_number(&room, "members", "bob"), 2);
        eval_room_expect_books_balance(&room);
    }
}

static void under_a_new_name_nothing_is_torn(void **state)
{
    (void)state;
    eval_room_join(&room, "node-2", "ann");
    room.told = false;
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 0 1 1 1 0 0)");
}

static void a_kicked_user_tears_nothing(void **state)
{
    (void)state;
    room.told = true;
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    redis_cmd(port(), "HDEL rc:{lobby}:members ann");
    redis_cmd(port(), "HSET rc:{lobby}:on:node-1 ann %s", "kicked 3");
    redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s", "3 rude");
    redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 0 2 1 1 0 0 'ann' 'rude')");
}

static void a_meta_without_numbers_is_recreated(void **state)
{
    static const char *const commands[] = {
        "HSET rc:{lobby}:meta seq x", "HDEL rc:{lobby}:meta rev",
        "HSET rc:{lobby}:meta rev 1.5", "HSET rc:{lobby}:meta epoch short"};

    for (size_t i = 0; i < COUNT(commands); i++) {
        print_message("  %s\n", commands[i]);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_say(&room, "node-1", "ann", "hi");
        redis_cmd(port(), commands[i]);
        room.epoch = EPOCH_2;
        room.told = true;
        assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                            "('ok' '" EPOCH_2 "' 0 1 1 1 0 0)");
        assert_false(eval_room_has_key(&room, "history"));
        eval_room_expect_books_balance(&room);
    }
}

static void a_closing_of_a_room_without_epoch_is_for_every_former_one(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "SET rc:{lobby}:closed %s EX 600", "* broken");
    assert_non_null(strstr(eval_room_sync(&room, "node-1", EPOCH_1, ann), "'ok'"));
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('closed' 'broken')");
}

static void syncing_twice_changes_nothing(void **state)
{
    (void)state;
    eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob);
    eval_room_notices(&room);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob),
                        "('ok' '" EPOCH_1 "' 0 2 2 2 0 0)");
    assert_string_equal(eval_room_notices(&room), "");
}

static void a_sync_stops_the_countdown(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_leave(&room, "node-1", "ann");

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 0 3 1 1 0 0)");
    assert_null(eval_room_field(&room, "meta", "empty_since"));
    eval_room_expect_ttl(&room, "meta", EVAL_ROOM_KEEP_MS);
}

static void a_sync_of_nobody_does_not_prolong_an_empty_room(void **state)
{
    char *before, *after;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    eval_room_leave(&room, "node-1", "ann");
    before = eval_state(&redis);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, nobody),
                        "('ok' '" EPOCH_1 "' 0 2 0 0 0 0)");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* The node's last user is on the way out while Redis has just lost the room. */
static void a_sync_of_nobody_leaves_no_key_that_never_expires(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    lose_everything();

    eval_room_sync(&room, "node-1", EPOCH_1, nobody);
    eval_room_leave(&room, "node-1", "ann");
    assert_true(!eval_room_has_key(&room, "meta") ||
                redis_cmd_number(port(), "PTTL rc:{lobby}:meta") > 0);
}

static void a_lost_tail_shows_in_the_number(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 5; i++)
        eval_room_say(&room, "node-1", "ann", "hi");
    redis_cmd(port(), "HSET rc:{lobby}:meta seq 3");
    redis_cmd(port(), "LTRIM rc:{lobby}:history 0 2");

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 3 1 1 1 0 0)");
}

/* ---- a lost tail ---- */

/* Ann and Bob are in through different nodes; Redis knows five messages of what were
 * more. */
static void lose_tail(void)
{
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "bob");
    for (int i = 0; i < 5; i++)
        eval_room_say(&room, "node-1", "ann", "hi");
    eval_room_notices(&room);
}

static void a_new_epoch_begins_at_one_where_rev_is_no_number(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        eval_room_set_rev(&room, *odd);
        eval_room_remake(&room, EPOCH_1, EPOCH_2);
        eval_room_expect_rev(&room, "1");
    }
    eval_reset(&redis);
}

static void a_new_epoch_goes_on_with_the_numbers(void **state)
{
    (void)state;
    lose_tail();
    assert_string_equal(eval_room_remake(&room, EPOCH_1, EPOCH_2), "'" EPOCH_2 "'");
    assert_string_equal(eval_room_notices(&room), REMADE(EPOCH_2, "3"));
    assert_int_equal(eval_room_number(&room, "meta", "seq"), 5);
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 3);
    assert_int_equal(redis_cmd_number(port(), "LLEN rc:{lobby}:history"), 5);
    /* Nobody is in until they are put back. */
    assert_string_equal(eval_room_say(&room, "node-1", "ann", "hi"),
                        "('" EPOCH_2 "' -1)");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_2 "' 5 4 1 1 0 5)");
    assert_string_equal(
        eval_room_sync(&room, "node-2", EPOCH_1, (const char *[]){"bob", "2", NULL}),
        "('ok' '" EPOCH_2 "' 5 5 2 1 0 5)");
    assert_string_equal(eval_room_say(&room, "node-1", "ann", "hi"),
                        "('" EPOCH_2 "' 6)");
}

static void of_several_who_find_out_one_begins_the_new_epoch(void **state)
{
    char *before, *after;

    (void)state;
    lose_tail();
    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    eval_room_sync(&room, "node-1", EPOCH_2, ann);
    before = eval_state(&redis);
    assert_string_equal(eval_room_remake(&room, EPOCH_1, "00000000000000e3"),
                        "'" EPOCH_2 "'");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void a_room_that_is_gone_gets_no_new_epoch(void **state)
{
    (void)state;
    assert_string_equal(eval_room_remake(&room, EPOCH_1, EPOCH_2), "nil");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
}

static void the_life_of_a_room_is_not_changed_by_a_new_epoch(void **state)
{
    (void)state;
    lose_tail();
    redis_cmd(port(), "PEXPIRE rc:{lobby}:meta 200000");
    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    eval_room_expect_ttl(&room, "meta", 200000);
    eval_room_expect_ttl(&room, "history", EVAL_ROOM_KEEP_MS);
}

static void five_hundred_users_go_in_one_call(void **state)
{
    static const char *users[2 * 500 + 1];
    static char names[500][32];
    int lines = 0;

    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(names[i], sizeof(names[i]), "user-%d", i);
        users[2 * i] = names[i];
        users[2 * i + 1] = "1";
    }
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_2, users),
                        "('ok' '" EPOCH_1 "' 0 500 500 500 0 0)");
    for (const char *at = eval_room_notices(&room); (at = strstr(at, "member_joined"));
         at++)
        lines++;
    assert_int_equal(lines, 500);
}

/* ---- who was put out ---- */

static const struct {
    const char *name, *kick; /* the kick as it stands in Redis */
    const char *rev;         /* of ann's join */
    const char *reason;      /* NULL: she is put back */
} kicks[] = {
    {"after the join", "7 spam", "6", "spam"},
    {"long after the join", "1000000000000 spam", "6", "spam"},
    {"before the join", "7 spam", "8", NULL},
    {"of the join's own rev", "7 spam", "7", NULL},
    {"10 is more than 9", "10 spam", "9", "spam"},
    {"9 is less than 10", "9 spam", "10", NULL},
    {"a reason of words", "7 no more of this ", "6", "no more of this "},
    {"no reason", "7 ", "6", ""},
    {"no reason, no space", "7", "6", ""},
    {"a reason like a number", "7 12", "6", "12"},
    {"a reason beyond ASCII", "7 \xf0\x9f\x9a\xab \"", "6", "\xf0\x9f\x9a\xab \""},
    {"what is no kick", "spam", "6", NULL},
};

static void a_kick_newer_than_the_join_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kicks); i++) {
        const char *users[] = {"ann", kicks[i].rev, "bob", "1", NULL};
        char expected[128];

        print_message("  %s\n", kicks[i].name);
        eval_reset(&redis);
        eval_room_join(&room, "node-2", "cem");
        redis_cmd(port(), "HSET rc:{lobby}:meta rev 20");
        redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s bobby %s", kicks[i].kick,
                  "9 not bob");
        redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");
        if (kicks[i].reason)
            snprintf(expected, sizeof(expected),
                     "('ok' '" EPOCH_1 "' 0 21 2 1 0 0 'ann' '%s')", kicks[i].reason);
        else
            snprintf(expected, sizeof(expected), "('ok' '" EPOCH_1 "' 0 22 3 2 0 0)");
        assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, users), expected);
        assert_int_equal(eval_room_number(&room, "members", "ann"), !kicks[i].reason);
        assert_int_equal(eval_room_number(&room, "members", "bob"), 1);
        eval_room_expect_books_balance(&room);
    }
}

static void all_that_were_kicked_are_named_and_gone(void **state)
{
    (void)state;
    eval_room_join(&room, "node-2", "cem");
    redis_cmd(port(),
              "HSET rc:{lobby}:on:node-1 ann " EPOCH_1); /* not cleaned up yet */
    redis_cmd(port(), "EXPIRE rc:{lobby}:on:node-1 600");
    redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s bob %s", "5 a", "6 b");
    redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");
    eval_room_notices(&room);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob),
                        "('ok' '" EPOCH_1 "' 0 1 1 0 0 0 'ann' 'a' 'bob' 'b')");
    assert_string_equal(eval_room_notices(&room), "");
    assert_false(eval_room_has_key(&room, "on:node-1"));
}

/* A remake keeps the kicks, and rev goes on. */
static void a_kick_counts_after_the_room_was_remade(void **state)
{
    (void)state;
    room.epoch = EPOCH_2;
    eval_room_join(&room, "node-2", "cem");
    redis_cmd(port(), "HSET rc:{lobby}:meta rev 9");
    redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s", "5 spam");
    redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_2 "' 0 9 1 0 0 0 'ann' 'spam')");
    assert_string_equal(
        eval_room_sync(&room, "node-1", EPOCH_1, (const char *[]){"ann", "5", NULL}),
        "('ok' '" EPOCH_2 "' 0 10 2 1 0 0)"); /* came in after it */
}

/* So that a node which was deaf gives its members what was said under the new epoch. */
static void a_sync_tells_where_the_epoch_began(void **state)
{
    static const char *const cem[] = {"cem", "1", NULL};

    (void)state;
    eval_room_join(&room, "node-2", "cem");
    eval_room_say(&room, "node-2", "cem", "one");
    assert_string_equal(eval_room_sync(&room, "node-2", EPOCH_1, cem),
                        "('ok' '" EPOCH_1 "' 1 1 1 1 0 0)");
    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    eval_room_sync(&room, "node-2", EPOCH_1, cem);
    eval_room_say(&room, "node-2", "cem", "two");
    assert_string_equal(eval_room_sync(&room, "node-2", EPOCH_2, cem),
                        "('ok' '" EPOCH_2 "' 2 3 1 1 0 1)");
}

/* Ann joined at rev 24 of a log that Redis has lost: it went back to rev 2, and kicked her. */
static void a_kick_wins_over_a_join_of_a_lost_log(void **state)
{
    static const char *const ann_at_24[] = {"ann", "24", NULL};
    static const char *const ann_later[] = {"ann", "18446744073709551615", NULL};
    static const struct {
        const char *terms, *token; /* of meta, and what the node knows */
        const char *rev;
        bool stays;
    } logs[] = {
        {"1 000000000000000a 0 0", "1.000000000000000a", "3", false},
        {"1 000000000000000a 0 0", "1.000000000000000a", "40", true},
        /* The next server took over at rev 2, and has gone far beyond 24. */
        {"1 000000000000000a 0 0,2 000000000000000b 0 2", "1.000000000000000a", "40",
         false},
        /* It took over after the join. */
        {"1 000000000000000a 0 0,2 000000000000000b 0 30", "1.000000000000000a", "40",
         true},
        {"7 000000000000000b 0 30", "1.000000000000000a", "40", false},
        {"1 000000000000000a 0 0", "", "40", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(logs); i++) {
        const char *reply;

        print_message("  %zu\n", i);
        eval_reset(&redis);
        eval_room_join(&room, "node-2", "cem");
        redis_cmd(port(), "HSET rc:{lobby}:meta rev %s terms %s", logs[i].rev,
                  logs[i].terms);
        redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s", "3 spam");
        redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");
        room.token = logs[i].token;
        reply = eval_room_sync(&room, "node-1", EPOCH_1, ann_at_24);
        assert_int_equal(strstr(reply, "'ann' 'spam'") == NULL, logs[i].stays);
        /* Whose join was answered with an epoch that the node had yet to learn of. */
        reply = eval_room_sync(&room, "node-1", EPOCH_1, ann_later);
        assert_null(strstr(reply, "'ann' 'spam'"));
    }
}

static void a_banned_user_is_not_put_back(void **state)
{
    (void)state;
    eval_room_join(&room, "node-2", "cem");
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 0 bob 1");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann_and_bob),
                        "('ok' '" EPOCH_1 "' 0 2 2 1 0 0 'ann' 'banned')");
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:{lobby}:members ann"), 0);
}

static void a_kick_out_of_a_lost_room_does_not_follow_into_the_new_one(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    redis_cmd(port(), "HSET rc:{lobby}:kicks ann %s", "5 spam");
    redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;
    eval_room_sync(&room, "node-1", EPOCH_1, ann);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_2, ann),
                        "('ok' '" EPOCH_2 "' 0 1 1 1 0 0)");
}

static const struct {
    const char *name, *closed, *known;
    const char *reason; /* NULL: put back */
} closings[] = {
    {"the room that is known", EPOCH_1 " party is over", EPOCH_1, "party is over"},
    {"without a reason", EPOCH_1 " ", EPOCH_1, ""},
    {"an earlier life of the room", EPOCH_1 " over", EPOCH_2, NULL},
    {"a room that was never seen", EPOCH_1 " over", "", NULL},
    {"what is no closing", "over", EPOCH_1, NULL},
    {"an epoch that begins alike", EPOCH_1 "0 over", EPOCH_1, NULL},
};

static void a_closing_that_was_not_heard_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(closings); i++) {
        char expected[64], *before, *after;

        print_message("  %s\n", closings[i].name);
        eval_reset(&redis);
        room.epoch = EPOCH_2;
        redis_cmd(port(), "SET rc:{lobby}:closed %s EX 600", closings[i].closed);
        before = eval_state(&redis);
        if (closings[i].reason)
            snprintf(expected, sizeof(expected), "('closed' '%s')", closings[i].reason);
        else
            snprintf(expected, sizeof(expected), "('ok' '" EPOCH_2 "' 0 1 1 1 0 0)");
        assert_string_equal(eval_room_sync(&room, "node-1", closings[i].known, ann),
                            expected);
        after = eval_state(&redis);
        assert_true((strcmp(before, after) == 0) == (closings[i].reason != NULL));
        free(before);
        free(after);
    }
}

static void a_closing_wins_also_if_the_room_was_made_again(void **state)
{
    (void)state;
    redis_cmd(port(), "SET rc:{lobby}:closed %s EX 600", EPOCH_1 " over");
    room.epoch = EPOCH_2;
    eval_room_join(&room, "node-2", "cem");
    eval_room_notices(&room);

    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('closed' 'over')");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:members"), 1);
}

/* ---- presence events ---- */

static void a_crowded_room_hears_nothing_of_a_sync(void **state)
{
    (void)state;
    room.events_max = 1;
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_2, ann_and_bob),
                        "('ok' '" EPOCH_1 "' 0 2 2 2 0 0)");
    assert_string_equal(eval_room_notices(&room), REMADE(EPOCH_1, "0"));
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 2);
}

static const struct {
    const char *user, *json, *token;
} names[] = {
    {"a/b", "a/b", "a%2Fb"},
    {"a\\b", "a\\\\b", "a%5Cb"},
    {"a\\/b", "a\\\\/b", "a%5C%2Fb"},
    {"\\\\//\\", "\\\\\\\\//\\\\", "%5C%5C%2F%2F%5C"},
    {"\"", "\\\"", "%22"},
    {"\\\"/", "\\\\\\\"/", "%5C%22%2F"},
    {"u002f\\u002f", "u002f\\\\u002f", "u002f%5Cu002f"},
    {"\xf0\x9f\x98\x80/\xc3\xa4", "\xf0\x9f\x98\x80/\xc3\xa4", "%F0%9F%98%80%2F%C3%A4"},
    {"a,b", "a,b", "a%2Cb"},
    {"-", "-", "-"},
    {"%5C", "%5C", "%255C"},
    {"true", "true", "true"},
    {"17", "17", "17"},
    {"1e3", "1e3", "1e3"},
};

static void names_of_any_kind_become_valid_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *users[] = {names[i].user, "1", NULL};
        char expected[512];

        print_message("  %s\n", names[i].user);
        eval_reset(&redis);
        eval_room_sync(&room, "node-1", EPOCH_2, users);
        snprintf(expected, sizeof(expected),
                 REMADE(EPOCH_1, "0") "\n\n1 " EPOCH_1
                                      " 1 joined 0 0 %s\n" JOINED("%s", "1"),
                 names[i].token, names[i].json);
        assert_string_equal(eval_room_notices(&room), expected);
        eval_room_expect_event(&room, strrchr(expected, '\n') + 1, names[i].user);
    }
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
        TEST(where_all_is_well_only_the_life_is_prolonged),
        TEST(a_room_that_redis_lost_is_recreated),
        TEST(a_second_node_finds_the_room_that_the_first_created),
        TEST(only_meta_lost_is_the_room_lost),
        TEST(who_is_missing_is_put_back_and_the_others_stay),
        TEST(extra_users_are_counted),
        TEST(a_user_who_is_in_through_another_node_is_not_announced),
        TEST(a_lost_key_of_members_shows_and_nothing_is_done),
        TEST(a_user_under_an_odd_epoch_is_counted_as_before),
        TEST(under_a_new_name_nothing_is_torn),
        TEST(a_kicked_user_tears_nothing),
        TEST(a_meta_without_numbers_is_recreated),
        TEST(a_closing_of_a_room_without_epoch_is_for_every_former_one),
        TEST(syncing_twice_changes_nothing),
        TEST(a_sync_stops_the_countdown),
        TEST(a_sync_of_nobody_does_not_prolong_an_empty_room),
        TEST(a_sync_of_nobody_leaves_no_key_that_never_expires),
        TEST(a_lost_tail_shows_in_the_number),
        TEST(a_new_epoch_begins_at_one_where_rev_is_no_number),
        TEST(a_new_epoch_goes_on_with_the_numbers),
        TEST(of_several_who_find_out_one_begins_the_new_epoch),
        TEST(a_room_that_is_gone_gets_no_new_epoch),
        TEST(the_life_of_a_room_is_not_changed_by_a_new_epoch),
        TEST(five_hundred_users_go_in_one_call),
        TEST(a_kick_newer_than_the_join_wins),
        TEST(all_that_were_kicked_are_named_and_gone),
        TEST(a_kick_counts_after_the_room_was_remade),
        TEST(a_sync_tells_where_the_epoch_began),
        TEST(a_kick_wins_over_a_join_of_a_lost_log),
        TEST(a_banned_user_is_not_put_back),
        TEST(a_kick_out_of_a_lost_room_does_not_follow_into_the_new_one),
        TEST(a_closing_that_was_not_heard_wins),
        TEST(a_closing_wins_also_if_the_room_was_made_again),
        TEST(a_crowded_room_hears_nothing_of_a_sync),
        TEST(names_of_any_kind_become_valid_json),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
