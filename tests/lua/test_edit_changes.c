/* test_edit_changes.c - edit.lua, and delete.lua for one's own; changes.lua: what was changed, in the
 * order of the changes, as it is now. */
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

#define HEAD "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":"
#define MINUTE "60000"

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* As a gateway does: with the time of now. */
static void say_at(const char *user, const char *text, long long ts, const char *data)
{
    char tail[256];
    struct eval_message message = {user, NULL, tail};

    snprintf(tail, sizeof(tail), q(",'user':'%s','text':'%s','ts':%lld%s}"), user, text,
             ts, data);
    eval_room_publish(&room, "node-1", &message, 1);
}

static void say(const char *user, const char *text)
{
    say_at(user, text, eval_now_ms(&redis), "");
}

static void begin(enum script script, const char *seq, const char *kind,
                  const char *keep)
{
    eval_begin(&redis, script);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:events");
    eval_key(&redis, "rc:{lobby}:changed");
    eval_key(&redis, "rc:{lobby}:on:node-1");
    eval_key(&redis, "rc:{lobby}:mutes");
    eval_key(&redis, "rc:{lobby}:bans");
    eval_arg(&redis, "%s", seq);
    eval_arg(&redis, HEAD);
    eval_arg(&redis, "{\"type\":\"message_%s\",\"room\":\"lobby\",\"seq\":%s%s", kind,
             seq, script == SCRIPT_DELETE ? ",\"rev\":" : "");
    eval_arg(&redis, "%s", keep);
}

static const char *edit_keeping(const char *user, const char *seq, const char *text,
                                const char *keep)
{
    begin(SCRIPT_EDIT, seq, "edited", keep);
    eval_arg(&redis, "%s", user);
    eval_arg(&redis, MINUTE);
    eval_arg(&redis, ",\"user\":\"%s\",\"text\":\"%s\"", user, text);
    eval_arg(&redis, ",\"data\":{\"ts\":1}");
    return eval_run(&redis);
}

static const char *edit(const char *user, const char *seq, const char *text)
{
    return edit_keeping(user, seq, text, "100");
}

static const char *delete_own(const char *user, const char *seq)
{
    begin(SCRIPT_DELETE, seq, "deleted", "100");
    eval_arg(&redis, "%s", user);
    eval_arg(&redis, MINUTE);
    return eval_run(&redis);
}

static const char *changes(const char *after, const char *last, const char *keep,
                           const char *max_bytes)
{
    eval_begin(&redis, SCRIPT_CHANGES);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:changed");
    eval_arg(&redis, "%s", after);
    eval_arg(&redis, "%s", last);
    eval_arg(&redis, HEAD);
    eval_arg(&redis, "D");
    eval_arg(&redis, "E");
    eval_arg(&redis, "%s", keep);
    eval_arg(&redis, "%s", max_bytes);
    return eval_run(&redis);
}

/* The number behind the last `"name":` of `text`. */
static long long number_in(const char *text, const char *name)
{
    const char *at = NULL;

    for (const char *next = text; (next = strstr(next, name)); next++)
        at = next;
    assert_non_null(at);
    return strtoll(at + strlen(name) + 2, NULL, 10);
}

/* ---- edit ---- */

static void an_edited_message_keeps_its_number_time_and_author(void **state)
{
    long long before = eval_now_ms(&redis), ts, at;
    char *line, wanted[512];

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say_at("ann", "one", before, ",\"data\":{\"ts\":7}");
    say("ann", "two");
    eval_room_notices(&room);
    assert_string_equal(edit("ann", "1", "uno"), "('ok' '2')");

    line = redis_cmd_text(port(), "LINDEX rc:{lobby}:history 0");
    at = number_in(line, "edited_at");
    ts = before;
    assert_true(at >= before && at <= eval_now_ms(&redis));
    snprintf(wanted, sizeof(wanted),
             HEAD "1,\"user\":\"ann\",\"text\":\"uno\",\"ts\":%lld,\"data\":{\"ts\":1},"
                  "\"edited_at\":%lld}",
             ts, at);
    assert_string_equal(line, wanted);
    snprintf(
        wanted, sizeof(wanted),
        "1 " EPOCH_1 " 2 edited 1 1 -\n"
        "{\"type\":\"message_edited\",\"room\":\"lobby\",\"seq\":1,\"user\":\"ann\","
        "\"text\":\"uno\",\"data\":{\"ts\":1},\"edited_at\":%lld,\"rev\":2}",
        at);
    assert_string_equal(eval_room_notices(&room), wanted);
    assert_int_equal(eval_room_number(&room, "meta", "seq"), 2);
    assert_int_equal(eval_room_number(&room, "meta", "changed"), 2);
    assert_int_equal(redis_cmd_number(port(), "ZSCORE rc:{lobby}:changed 1"), 2);
    free(line);
}

static void an_edit_is_counted_in_the_bytes(void **state)
{
    char *line;

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "short");
    edit("ann", "1", "a text that is longer than the one that was there");
    line = redis_cmd_text(port(), "LINDEX rc:{lobby}:history 0");
    assert_int_equal(eval_room_number(&room, "meta", "bytes"), (long long)strlen(line));
    free(line);
}

/* What is refused changes nothing, whichever of the two it is. */
static void expect_refused(const char *user, const char *seq, const char *why)
{
    char *before = eval_state(&redis), *after, wanted[32];

    snprintf(wanted, sizeof(wanted), "('%s')", why);
    assert_string_equal(edit(user, seq, "other"), wanted);
    assert_string_equal(delete_own(user, seq), wanted);
    after = eval_state(&redis);
    assert_string_equal(after, before);
    assert_string_equal(eval_room_notices(&room), "");
    free(before);
    free(after);
}

static void only_ones_own_and_only_for_a_while_may_be_changed(void **state)
{
    (void)state;
    expect_refused("ann", "1", "no_room");
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    say("bob", "of bob");
    say_at("ann", "old", eval_now_ms(&redis) - 61000, "");
    say("ann", "new");
    redis_cmd(port(), "RPUSH rc:{lobby}:history %s", "no JSON");
    redis_cmd(port(), "HSET rc:{lobby}:meta seq 4");
    eval_room_notices(&room);
    expect_refused("ann", "1", "forbidden");
    expect_refused("ann", "2", "forbidden");
    expect_refused("ann", "4", "forbidden");
    expect_refused("ann", "5", "no_message");
    expect_refused("ann", "0", "no_message");
    expect_refused("eve", "3", "not_joined");
    assert_non_null(strstr(edit("ann", "3", "other"), "'ok'"));
    assert_non_null(strstr(delete_own("ann", "3"), "'ok'"));
}

static void who_is_banned_or_muted_changes_nothing(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "hi");
    eval_room_notices(&room);
    redis_cmd(port(), "HSET rc:{lobby}:mutes ann 0");
    expect_refused("ann", "1", "muted");
    redis_cmd(port(), "HSET rc:{lobby}:bans ann %lld", eval_now_ms(&redis) + 60000);
    expect_refused("ann", "1", "banned");
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 1000");
    redis_cmd(port(), "HSET rc:{lobby}:mutes ann 1000");
    assert_non_null(strstr(edit("ann", "1", "other"), "'ok'"));
}

static void what_is_deleted_is_edited_no_more(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "hi");
    delete_own("ann", "1");
    assert_string_equal(edit("ann", "1", "other"), "('forbidden')");
    assert_string_equal(delete_own("ann", "1"), "('ok')");
}

/* ---- changed ---- */

static void what_was_changed_lives_as_long_as_the_history(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "hi");
    edit("ann", "1", "ho");
    eval_room_expect_ttl(&room, "changed", EVAL_ROOM_KEEP_MS);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:changed 1000");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:members 1000");
    eval_room_renew(&room, "node-1", NULL);
    eval_room_expect_ttl(&room, "changed", EVAL_ROOM_KEEP_MS);
    eval_room_leave(&room, "node-1", "ann");
    eval_room_expect_ttl(&room, "changed", EVAL_ROOM_TTL_MS);
    eval_room_join(&room, "node-1", "bob");
    eval_room_expect_ttl(&room, "changed", EVAL_ROOM_KEEP_MS);
    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    assert_false(eval_room_has_key(&room, "changed"));
}

static void a_room_that_is_recreated_has_no_changes(void **state)
{
    (void)state;
    redis_cmd(port(), "ZADD rc:{lobby}:changed 5 1");
    eval_room_join(&room, "node-1", "ann");
    assert_false(eval_room_has_key(&room, "changed"));
}

static void no_more_are_remembered_than_may_be(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    for (int i = 0; i < 4; i++)
        say("ann", "hi");
    for (int i = 1; i <= 4; i++) {
        char seq[16];

        snprintf(seq, sizeof(seq), "%d", i);
        edit_keeping("ann", seq, "ho", "3");
    }
    assert_int_equal(redis_cmd_number(port(), "ZCARD rc:{lobby}:changed"), 3);
    assert_non_null(
        strstr(changes("2", "9", "3", "10000"), "5 0 0 2")); /* all are there */
    assert_non_null(
        strstr(changes("1", "9", "3", "10000"), "5 0 1 2")); /* rev 2 is not */
}

/* ---- changes ---- */

static void expect_changes(const char *got, const char *wanted)
{
    static const char begin[] = "('" EPOCH_1 "' ";

    assert_memory_equal(got, begin, sizeof(begin) - 1);
    assert_string_equal(got + sizeof(begin) - 1, wanted);
}

static void changes_come_in_their_order_each_message_once(void **state)
{
    long long at;
    char wanted[512];

    (void)state;
    assert_string_equal(changes("0", "9", "100", "10000"), "nil");
    eval_room_join(&room, "node-1", "ann");
    expect_changes(changes("0", "9", "100", "10000"), "0 0 0)");
    for (int i = 0; i < 3; i++)
        say_at("ann", "hi", eval_now_ms(&redis), ",\"data\":{\"ts\":7}");
    edit("ann", "2", "ho");
    delete_own("ann", "3");
    edit("ann", "1", "one");
    edit("ann", "2", "two");
    expect_changes(changes("5", "9", "100", "10000"), "5 0 0)");
    at = number_in(changes("4", "9", "100", "10000"), "edited_at");
    snprintf(wanted, sizeof(wanted),
             "5 0 0 2 'E2,\"user\":\"ann\",\"text\":\"two\",\"data\":{\"ts\":1},"
             "\"edited_at\":%lld,\"rev\":5}')",
             at);
    expect_changes(changes("4", "9", "100", "10000"), wanted);
    assert_non_null(strstr(changes("2", "1", "100", "10000"), " 5 0 0 1 'E1,"));
}

static void a_page_ends_with_so_many_bytes_but_has_one(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "hi");
    say("ann", "ho");
    delete_own("ann", "2");
    delete_own("ann", "1");
    expect_changes(changes("0", "9", "100", "1"), "2 1 0 2 'D2,\"rev\":2}')");
    expect_changes(changes("2", "9", "100", "1"), "3 0 0 1 'D1,\"rev\":3}')");
    expect_changes(changes("0", "9", "100", "24"),
                   "3 0 0 2 'D2,\"rev\":2}' 1 'D1,\"rev\":3}')");
}

/* What it says now is not known, so nobody shall go on showing what it said. */
static void a_changed_message_that_has_left_the_history_is_told_as_deleted(void **state)
{
    (void)state;
    room.history_limit = 2;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "hi");
    edit("ann", "1", "ho");
    say("ann", "one");
    say("ann", "two");
    expect_changes(changes("0", "9", "2", "10000"), "2 0 0 1 'D1,\"rev\":2}')");
}

static void changes_that_were_lost_are_missed(void **state)
{
    (void)state;
    eval_room_join(&room, "node-1", "ann");
    say("ann", "hi");
    edit("ann", "1", "ho");
    redis_cmd(port(), "DEL rc:{lobby}:changed");
    expect_changes(changes("2", "9", "100", "10000"), "2 0 0)");
    expect_changes(changes("1", "9", "100", "10000"), "2 0 1)");
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
        TEST(an_edited_message_keeps_its_number_time_and_author),
        TEST(an_edit_is_counted_in_the_bytes),
        TEST(only_ones_own_and_only_for_a_while_may_be_changed),
        TEST(who_is_banned_or_muted_changes_nothing),
        TEST(what_is_deleted_is_edited_no_more),
        TEST(what_was_changed_lives_as_long_as_the_history),
        TEST(a_room_that_is_recreated_has_no_changes),
        TEST(no_more_are_remembered_than_may_be),
        TEST(changes_come_in_their_order_each_message_once),
        TEST(a_page_ends_with_so_many_bytes_but_has_one),
        TEST(a_changed_message_that_has_left_the_history_is_told_as_deleted),
        TEST(changes_that_were_lost_are_missed),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
