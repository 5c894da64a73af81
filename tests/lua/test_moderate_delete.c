/* test_moderate_delete.c - moderate.lua: bans and mutes and how long they live; delete.lua:
 * a tombstone with the message's number and time. */
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":"
#define TWO                                                                            \
    ",\"user\":\"ann\",\"text\":\"two\",\"ts\":1700000000002,\"data\":{\"ts\":5}}"
#define DELETED(seq, rev)                                                              \
    "{\"type\":\"message_deleted\",\"room\":\"lobby\",\"seq\":" seq ",\"rev\":" rev "}"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* ---- moderate ---- */

static const char *moderate(const char *user, const char *secs, unsigned most)
{
    eval_begin(&redis, SCRIPT_MODERATE);
    eval_key(&redis, "rc:{lobby}:bans");
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:events");
    eval_arg(&redis, "%s", user);
    eval_arg(&redis, "%s", secs);
    eval_arg(&redis, "%u", most);
    return eval_run(&redis);
}

static const char *ban(const char *user, const char *secs)
{
    return moderate(user, secs, 1000);
}

static const char *lift(const char *user)
{
    return moderate(user, "", 1000);
}

static void a_ban_lasts_as_long_as_it_says(void **state)
{
    long long before = eval_now_ms(&redis), till;

    (void)state;
    ban("ann", "60");
    till = eval_room_number(&room, "bans", "ann");
    assert_true(till >= before + 60000 && till <= eval_now_ms(&redis) + 60000);
    eval_room_expect_ttl(&room, "bans", 60000);
}

static void the_hash_lives_as_long_as_its_latest_entry(void **state)
{
    (void)state;
    ban("ann", "60");
    ban("bob", "600");
    eval_room_expect_ttl(&room, "bans", 600000);
    ban("cem", "60");
    eval_room_expect_ttl(&room, "bans", 600000);
    ban("bob", "120");
    eval_room_expect_ttl(&room, "bans", 120000);
}

static void a_ban_for_good_never_expires_until_it_is_lifted(void **state)
{
    (void)state;
    ban("ann", "60");
    assert_string_equal(ban("bob", "0"), "('ok' 0)");
    assert_int_equal(redis_cmd_number(port(), "PTTL rc:{lobby}:bans"), -1);
    ban("cem", "60");
    assert_int_equal(redis_cmd_number(port(), "PTTL rc:{lobby}:bans"), -1);
    assert_string_equal(lift("bob"), "('ok' -1)");
    eval_room_expect_ttl(&room, "bans", 60000);
    lift("ann");
    lift("cem");
    assert_false(eval_room_has_key(&room, "bans"));
}

static void an_odd_ban_is_kept_for_good(void **state)
{
    (void)state;
    for (const char *const *odd = eval_room_odd_times; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_reset(&redis);
        redis_cmd(port(), "HSET rc:{lobby}:bans odd %b", *odd, strlen(*odd));
        assert_non_null(strstr(ban("ann", "60"), "'ok'"));
        assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:bans"), 2);
        assert_int_equal(redis_cmd_number(port(), "PTTL rc:{lobby}:bans"), -1);
        assert_string_equal(lift("odd"), "('ok' -1)");
        eval_room_expect_ttl(&room, "bans", 60000);
    }
}

static void what_is_over_cannot_be_lifted_and_is_dropped(void **state)
{
    (void)state;
    ban("ann", "60");
    redis_cmd(port(), "HSET rc:{lobby}:bans old 1000");
    assert_string_equal(lift("nobody"), "('absent')");
    assert_string_equal(lift("old"), "('absent')");
    ban("bob", "60");
    assert_null(eval_room_field(&room, "bans", "old"));
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:bans"), 2);
}

static void a_room_takes_no_more_entries_than_it_may(void **state)
{
    (void)state;
    moderate("ann", "60", 2);
    moderate("bob", "60", 2);
    assert_string_equal(moderate("cem", "60", 2), "('full')");
    assert_non_null(strstr(moderate("bob", "120", 2), "'ok'")); /* no new one */
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 1000");         /* its time is over */
    assert_non_null(strstr(moderate("cem", "60", 2), "'ok'"));
}

static void a_room_that_is_there_counts_it_as_a_change(void **state)
{
    (void)state;
    ban("ann", "60");
    assert_false(eval_room_has_key(&room, "meta"));
    eval_room_join(&room, "node-1", "bob");
    ban("ann", "60");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 2);
    lift("ann");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 3);
}

static void a_rev_that_is_no_number_stays_as_it_is(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "bob");
        eval_room_set_rev(&room, *odd);
        assert_non_null(strstr(ban("ann", "60"), "'ok'"));
        eval_room_expect_rev(&room, *odd);
    }
}

static void who_is_banned_cannot_join(void **state)
{
    (void)state;
    ban("ann", "0");
    assert_string_equal(eval_room_join(&room, "node-1", "ann"), "('banned' 0)");
    lift("ann");
    assert_non_null(strstr(eval_room_join(&room, "node-1", "ann"), "'ok'"));
}

/* ---- delete ---- */

static const char *delete_message(const char *seq)
{
    eval_begin(&redis, SCRIPT_DELETE);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:events");
    eval_key(&redis, "rc:{lobby}:changed");
    eval_arg(&redis, "%s", seq);
    eval_arg(&redis, HEAD);
    eval_arg(&redis, q("{'type':'message_deleted','room':'lobby','seq':%s,'rev':"),
             seq);
    eval_arg(&redis, "100");
    return eval_run(&redis);
}

static void expect_line(int index, const char *wanted)
{
    char *line = redis_cmd_text(port(), "LINDEX rc:{lobby}:history %d", index);

    assert_string_equal(line, wanted);
    free(line);
}

static void say_with_ts(const char *text, const char *ts, const char *data)
{
    char tail[256];
    struct eval_message message = {"ann", NULL, tail};

    snprintf(tail, sizeof(tail), q(",'user':'ann','text':'%s','ts':%s%s}"), text, ts,
             data);
    eval_room_publish(&room, "node-1", &message, 1);
}

static void a_deleted_message_keeps_its_number_and_its_time(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say_with_ts("one", "1700000000001", "");
    say_with_ts("two", "1700000000002", q(",'data':{'ts':5}"));
    say_with_ts("three", "1700000000003", "");
    eval_room_notices(&room);

    assert_string_equal(delete_message("2"), "('ok' '2' '" HEAD "2" TWO "')");
    expect_line(1, q(HEAD "2,'deleted':true,'ts':1700000000002}"));
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 2 deleted 2 2 -\n" DELETED("2", "2"));
    assert_int_equal(eval_room_number(&room, "meta", "seq"), 3);
    assert_int_equal(redis_cmd_number(port(), "LLEN rc:{lobby}:history"), 3);
}

/* So a gateway whose copy is older does not answer by it. */
static void a_deletion_is_told_with_a_join_a_sync_a_read_and_a_renewal(void **state)
{
    static const char *const ann[] = {"ann", "1", NULL};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say_with_ts("one", "1700000000001", "");
    assert_null(eval_room_field(&room, "meta", "changed"));
    delete_message("1");
    assert_int_equal(eval_room_number(&room, "meta", "changed"), 2);
    delete_message("1"); /* it is deleted already */
    assert_int_equal(eval_room_number(&room, "meta", "changed"), 2);
    assert_string_equal(eval_room_join(&room, "node-2", "bob"),
                        "('ok' '" EPOCH_1 "' 1 3 2 1 0 2)");
    assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1, ann),
                        "('ok' '" EPOCH_1 "' 1 3 2 1 2 0)");
    assert_string_equal(eval_room_renew(&room, "node-1", NULL),
                        "('" EPOCH_1 "' 1 3 1 2 0 2)");
    assert_string_equal(eval_room_history(&room, "1", "", 10, 1000),
                        "('" EPOCH_1 "' 1 1 2 2)");
}

static void a_deleted_message_is_counted_off_the_bytes(void **state)
{
    static const char *const bytes[] = {"1000", "-1000"};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 2; i++) {
        char *line, *tombstone;
        long long change;

        say_with_ts("a text that is longer than its tombstone", "1700000000001", "");
        line = redis_cmd_text(port(), "LINDEX rc:{lobby}:history %d", i);
        redis_cmd(port(), "HSET rc:{lobby}:meta bytes %s", bytes[i]);
        delete_message(i ? "2" : "1");
        tombstone = redis_cmd_text(port(), "LINDEX rc:{lobby}:history %d", i);
        change = (long long)strlen(line) - (long long)strlen(tombstone);
        assert_true(change > 0);
        assert_int_equal(eval_room_number(&room, "meta", "bytes"),
                         i ? change - 1000 : 1000 - change);
        free(line);
        free(tombstone);
    }
}

static void what_a_text_says_is_not_taken_for_its_time(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say_with_ts(q("\\',\\'ts\\':7"), "1700000000001", "");
    delete_message("1");
    expect_line(0, q(HEAD "1,'deleted':true,'ts':1700000000001}"));
}

static void deleting_again_tells_nobody(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say_with_ts("one", "1700000000001", "");
    delete_message("1");
    eval_room_notices(&room);
    assert_string_equal(delete_message("1"), "('ok')");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 2);
}

static void only_what_is_in_the_history_can_be_deleted(void **state)
{
    static const char *const others[] = {"0", "1", "4", "9007199254740992"};

    (void)state;
    assert_string_equal(delete_message("1"), "('no_room')");
    room.history_limit = 2;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 3; i++)
        say_with_ts("hi", "1700000000001", "");
    eval_room_notices(&room);
    for (size_t i = 0; i < COUNT(others); i++)
        assert_string_equal(delete_message(others[i]), "('no_message')");
    assert_string_equal(eval_room_notices(&room), "");
    assert_non_null(strstr(delete_message("2"), "'ok'"));
}

static void nothing_can_be_deleted_where_seq_cannot_be(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        eval_room_begin_test(state);
        eval_room_join(&room, "node-1", "ann");
        say_with_ts("hi", "1700000000001", "");
        eval_room_notices(&room);
        redis_cmd(port(), "HSET rc:{lobby}:meta seq %b", *odd, strlen(*odd));
        assert_string_equal(delete_message("1"), "('no_room')");
        assert_string_equal(eval_room_notices(&room), "");
    }
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
        TEST(a_ban_lasts_as_long_as_it_says),
        TEST(the_hash_lives_as_long_as_its_latest_entry),
        TEST(a_ban_for_good_never_expires_until_it_is_lifted),
        TEST(an_odd_ban_is_kept_for_good),
        TEST(what_is_over_cannot_be_lifted_and_is_dropped),
        TEST(a_room_takes_no_more_entries_than_it_may),
        TEST(a_room_that_is_there_counts_it_as_a_change),
        TEST(a_rev_that_is_no_number_stays_as_it_is),
        TEST(who_is_banned_cannot_join),
        TEST(a_deleted_message_keeps_its_number_and_its_time),
        TEST(a_deletion_is_told_with_a_join_a_sync_a_read_and_a_renewal),
        TEST(a_deleted_message_is_counted_off_the_bytes),
        TEST(what_a_text_says_is_not_taken_for_its_time),
        TEST(deleting_again_tells_nobody),
        TEST(only_what_is_in_the_history_can_be_deleted),
        TEST(nothing_can_be_deleted_where_seq_cannot_be),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
