/* test_history_members.c - history.lua and members.lua: pages that miss nothing. */
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

enum { MANY = 300, USERS = 3000, EXACT_MAX = 1000, PAGE = 100 };

static struct eval redis;
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

/* ---- history ---- */

/* The room has come to `seq` and holds the messages from `oldest` on: m7, m8, … */
static void make_history(int oldest, int seq)
{
    redis_cmd(port(), "DEL rc:{lobby}:history");
    redis_cmd(port(),
              "HSET rc:{lobby}:meta epoch " EPOCH_1 " seq %d rev 1 term 1 "
              "home 0123456789abcdef0123456789abcdef01234567",
              seq);
    for (int i = oldest; i <= seq; i++)
        redis_cmd(port(), "RPUSH rc:{lobby}:history m%d", i);
}

static const struct {
    const char *name;
    int oldest, seq; /* what there is */
    const char *after, *before;
    unsigned limit, max_bytes;
    const char *reply; /* behind the epoch */
} reads[] = {
    {"all", 1, 3, "0", "", 100, 1000, "3 1 1 0 'm1' 'm2' 'm3'"},
    {"behind the first", 1, 3, "1", "", 100, 1000, "3 1 2 0 'm2' 'm3'"},
    {"behind the last", 1, 3, "3", "", 100, 1000, "3 1 4 0"},
    {"behind what will be", 1, 3, "9", "", 100, 1000, "3 1 10 0"},
    {"two", 1, 3, "0", "", 2, 1000, "3 1 1 0 'm1' 'm2'"},
    {"none", 1, 3, "0", "", 0, 1000, "3 1 1 0"},
    {"an empty history", 1, 0, "0", "", 100, 1000, "0 1 1 0"},
    {"an empty history, backwards", 1, 0, "", "1", 100, 1000, "0 1 1 0"},
    {"a history that was cut", 8, 10, "0", "", 100, 1000, "10 8 8 0 'm8' 'm9' 'm10'"},
    {"what was cut, in part", 8, 10, "6", "", 100, 1000, "10 8 8 0 'm8' 'm9' 'm10'"},
    {"just what is there", 8, 10, "7", "", 100, 1000, "10 8 8 0 'm8' 'm9' 'm10'"},
    {"within a cut history", 8, 10, "8", "", 100, 1000, "10 8 9 0 'm9' 'm10'"},
    {"no history is kept", 11, 10, "0", "", 100, 1000, "10 11 11 0"},
    {"no history is kept, at the end", 11, 10, "10", "", 100, 1000, "10 11 11 0"},
    {"the last ones", 1, 5, "", "9007199254740992", 2, 1000, "5 1 4 0 'm4' 'm5'"},
    {"before the end", 1, 5, "", "6", 2, 1000, "5 1 4 0 'm4' 'm5'"},
    {"before the last", 1, 5, "", "5", 2, 1000, "5 1 3 0 'm3' 'm4'"},
    {"before the third", 1, 5, "", "3", 100, 1000, "5 1 1 0 'm1' 'm2'"},
    {"before the first", 1, 5, "", "1", 100, 1000, "5 1 1 0"},
    {"before the oldest held", 4, 5, "", "4", 100, 1000, "5 4 4 0"},
    {"before what was cut", 4, 5, "", "2", 100, 1000, "5 4 2 0"},
    {"before a cut history's second", 4, 6, "", "5", 100, 1000, "6 4 4 0 'm4'"},
    {"one message at least", 1, 3, "0", "", 100, 0, "3 1 1 0 'm1'"},
    {"one message at least, backwards", 1, 3, "", "4", 100, 0, "3 1 3 0 'm3'"},
    {"two that just fit", 1, 3, "0", "", 100, 5, "3 1 1 0 'm1' 'm2'"},
    {"two that do not fit", 1, 3, "0", "", 100, 4, "3 1 1 0 'm1'"},
    {"two that just fit, backwards", 1, 3, "", "4", 100, 5, "3 1 2 0 'm2' 'm3'"},
    {"two that do not fit, backwards", 1, 3, "", "4", 100, 4, "3 1 3 0 'm3'"},
};

static void a_piece_of_the_history_is_what_was_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reads); i++) {
        char expected[128];

        print_message("  %s\n", reads[i].name);
        make_history(reads[i].oldest, reads[i].seq);
        snprintf(expected, sizeof(expected), "('" EPOCH_1 "' %s)", reads[i].reply);
        assert_string_equal(eval_room_history(&room, reads[i].after, reads[i].before,
                                              reads[i].limit, reads[i].max_bytes),
                            expected);
    }
}

static void a_room_that_is_not_there_has_no_history(void **state)
{
    (void)state;
    redis_cmd(port(), "RPUSH rc:{lobby}:history left-over");
    assert_string_equal(eval_room_history(&room, "0", "", 100, 1000), "nil");
    assert_string_equal(eval_room_history(&room, "", "9", 100, 1000), "nil");
}

/* The numbers of the reply's messages follow each other from `first` to `last`. */
static void expect_numbers(const char *reply, int first, int last)
{
    const char *at = strchr(reply, ' ');
    int seq, oldest, from, changed, used;

    assert_int_equal(sscanf(at, "%d %d %d %d%n", &seq, &oldest, &from, &changed, &used),
                     4);
    assert_int_equal(from, first);
    at += used;
    for (int i = first; i <= last; i++) {
        int number;

        assert_int_equal(sscanf(at, " 'm%d'%n", &number, &used), 1);
        assert_int_equal(number, i);
        at += used;
    }
    assert_string_equal(at, ")");
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static void pages_fit_together_whatever_their_size(void **state)
{
    static const int limits[] = {1, 2, 63, 64, 65, 127, 128, 129, 299, 300, 301, 1000};
    static const int oldest = 5;
    int seq = oldest + MANY - 1;

    (void)state;
    make_history(oldest, seq);
    for (size_t i = 0; i < COUNT(limits); i++)
        for (int at = 0; at <= seq + 1; at += 7) {
            int first = most(at + 1, oldest), last = least(at - 1, seq);
            char number[16];

            snprintf(number, sizeof(number), "%d", at);
            expect_numbers(
                eval_room_history(&room, number, "", (unsigned)limits[i], 100000),
                first, least(first + limits[i] - 1, seq));
            first = last < oldest ? last + 1 : most(last - limits[i] + 1, oldest);
            expect_numbers(
                eval_room_history(&room, "", number, (unsigned)limits[i], 100000),
                first, last);
        }
}

static void a_tombstone_keeps_the_numbers_right(void **state)
{
    static const char stone[] = "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":2,"
                                "\"deleted\":true,\"ts\":1}";
    char expected[256];

    (void)state;
    make_history(1, 4);
    redis_cmd(port(), "LSET rc:{lobby}:history 1 %s", stone);

    snprintf(expected, sizeof(expected), "('" EPOCH_1 "' 4 1 2 0 '%s' 'm3')", stone);
    assert_string_equal(eval_room_history(&room, "1", "", 2, 1000), expected);
    assert_string_equal(eval_room_history(&room, "", "4", 2, 1000), expected);
}

static void large_messages_come_in_pages_of_bytes(void **state)
{
    char text[1001];
    const char *after[] = {"0", "3", "6", "9"};
    static const int last[] = {3, 6, 9, 10};

    (void)state;
    eval_room_join(&room, "node-1", "ann");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 10; i++)
        eval_room_say(&room, "node-1", "ann", text);
    for (size_t i = 0; i < COUNT(after); i++) {
        const char *reply = eval_room_history(&room, after[i], "", 100, 3500);
        int count = 0;

        for (const char *at = reply; (at = strstr(at, q("'seq':"))); at++)
            count++;
        assert_int_equal(count, last[i] - atoi(after[i]));
    }
}

/* ---- members ---- */

static const char *read_members(const char *cursor, unsigned limit)
{
    eval_begin(&redis, SCRIPT_MEMBERS);
    eval_key(&redis, "rc:{lobby}:members");
    eval_arg(&redis, "%s", cursor);
    eval_arg(&redis, "%u", limit);
    eval_arg(&redis, "%d", EXACT_MAX);
    eval_arg(&redis, "0");
    return eval_run(&redis);
}

static void a_small_room_gives_all_its_members(void **state)
{
    (void)state;
    assert_string_equal(read_members("", PAGE), "(0 'all')");
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-2", "ann");
    eval_room_join(&room, "node-2", "b o b");
    assert_string_equal(read_members("", PAGE), "(2 'all' 'ann' 'b o b')");
    assert_string_equal(read_members("", 1), "(2 'all' 'ann' 'b o b')");
}

static void add_members(int from, int to)
{
    for (int i = from; i < to; i++)
        redis_cmd(port(), "HSET rc:{lobby}:members user-%d 1", i);
}

/* Marks the users of a page in `met` and leaves the next cursor in `cursor`. */
static void take_page(const char *reply, bool *met, char *cursor)
{
    int count, used;

    assert_int_equal(sscanf(reply, "(%d '%31[^']'%n", &count, cursor, &used), 2);
    for (const char *at = reply + used; *at == ' '; at += used) {
        int user;

        assert_int_equal(sscanf(at, " 'user-%d'%n", &user, &used), 1);
        assert_in_range(user, 0, 2 * USERS - 1);
        met[user] = true;
    }
}

static void the_exact_limit_is_still_exact(void **state)
{
    static bool met[2 * USERS];
    char cursor[32];

    (void)state;
    add_members(0, EXACT_MAX);
    take_page(read_members("", PAGE), met, cursor);
    assert_string_equal(cursor, "all");
    for (int i = 0; i < EXACT_MAX; i++)
        assert_true(met[i]);
    add_members(EXACT_MAX, EXACT_MAX + 1);
    take_page(read_members("", PAGE), met, cursor);
    assert_string_not_equal(cursor, "all");
}

static void who_stays_is_met_though_others_come_and_go(void **state)
{
    static bool met[2 * USERS];
    char cursor[32] = "";
    int pages = 0, at = USERS;

    (void)state;
    add_members(0, USERS);
    do {
        take_page(read_members(cursor, PAGE), met, cursor);
        pages++;
        if (at < 2 * USERS) { /* the hash grows, and every other user leaves */
            add_members(at, at + 100);
            for (int i = at - USERS; i < at - USERS + 100; i += 2)
                redis_cmd(port(), "HDEL rc:{lobby}:members user-%d", i);
            at += 100;
        }
    } while (strcmp(cursor, "0") != 0);

    assert_true(pages > 10);
    for (int i = 1; i < USERS; i += 2)
        assert_true(met[i]);
}

static void a_page_is_about_as_large_as_asked(void **state)
{
    static bool met[2 * USERS];
    char cursor[32] = "";
    int pages = 0;

    (void)state;
    add_members(0, USERS);
    do {
        const char *reply = read_members(cursor, PAGE);
        int names = 0;

        for (const char *at = reply; (at = strstr(at, "'user-")); at++)
            names++;
        assert_true(names <= 2 * PAGE);
        take_page(reply, met, cursor);
        pages++;
    } while (strcmp(cursor, "0") != 0);
    assert_in_range(pages, USERS / PAGE / 2, USERS / PAGE * 2);
    for (int i = 0; i < USERS; i++)
        assert_true(met[i]);
}

static void a_scan_goes_on_when_the_room_has_become_small(void **state)
{
    (void)state;
    add_members(0, 3);
    /* A cursor of the time when it was large. */
    assert_non_null(strstr(read_members("1024", PAGE), "(3 '"));
    redis_cmd(port(), "DEL rc:{lobby}:members");
    assert_string_equal(read_members("1024", PAGE), "(0 '0')");
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
        TEST(a_piece_of_the_history_is_what_was_asked_for),
        TEST(a_room_that_is_not_there_has_no_history),
        TEST(pages_fit_together_whatever_their_size),
        TEST(a_tombstone_keeps_the_numbers_right),
        TEST(large_messages_come_in_pages_of_bytes),
        TEST(a_small_room_gives_all_its_members),
        TEST(the_exact_limit_is_still_exact),
        TEST(who_stays_is_met_though_others_come_and_go),
        TEST(a_page_is_about_as_large_as_asked),
        TEST(a_scan_goes_on_when_the_room_has_become_small),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
