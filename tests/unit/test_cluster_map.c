/* test_cluster_map.c - what CLUSTER SLOTS answers, well and badly, and what two of them differ in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_map.h"
#include "common/strbuf.h"
#include "tests/support/unit/read_reply.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct cluster_host asked = {"asked", 7000};
static struct cluster_map map;
static struct strbuf text;

static int open_replies(void **state)
{
    (void)state;
    read_reply_open();
    return 0;
}

static int close_replies(void **state)
{
    (void)state;
    read_reply_close();
    strbuf_deinit(&text);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    cluster_map_init(&map);
    return 0;
}

static int end(void **state)
{
    (void)state;
    cluster_map_deinit(&map);
    return 0;
}

/* The beginning of an answer of so many ranges. */
static void answer(unsigned ranges)
{
    strbuf_reset(&text, 0);
    strbuf_add_format(&text, "*%u\r\n", ranges);
}

/* As Redis 7 says it, with a replica. `host` NULL: null. */
static void range(int first, int last, const char *host, int port)
{
    static const char node[] =
        "*4\r\n$%d\r\n%s\r\n:%d\r\n"
        "$40\r\n0123456789abcdef0123456789abcdef01234567\r\n*0\r\n";

    strbuf_add_format(&text, "*4\r\n:%d\r\n:%d\r\n", first, last);
    if (host)
        strbuf_add_format(&text, node, (int)strlen(host), host, port);
    else
        strbuf_add_format(&text, "*2\r\n$-1\r\n:%d\r\n", port);
    strbuf_add_format(&text, node, 7, "replica", 1);
}

static bool parse_into(struct cluster_map *out)
{
    cluster_map_deinit(out);
    return cluster_map_parse(out, read_reply(text.data), &asked);
}

static bool parse(void)
{
    return parse_into(&map);
}

static void expect_owner(unsigned slot, const char *host, unsigned port)
{
    const struct cluster_host *owner = cluster_map_owner(&map, slot);

    assert_non_null(owner);
    assert_string_equal(owner->host, host);
    assert_int_equal(owner->port, port);
}

static void each_slot_has_the_master_that_was_named(void **state)
{
    (void)state;
    answer(4);
    range(0, 5460, "a", 1);
    range(5461, 5461, "b", 2);
    range(5462, 10922, "a", 1);
    range(10923, 16383, "::1", 3);
    assert_true(parse());
    assert_int_equal(map.unserved, 0);
    assert_int_equal(map.masters_count, 3);
    expect_owner(0, "a", 1);
    expect_owner(5460, "a", 1);
    expect_owner(5461, "b", 2);
    expect_owner(5462, "a", 1);
    expect_owner(16383, "::1", 3);
}

static void a_master_without_a_name_is_where_was_asked(void **state)
{
    (void)state;
    answer(2);
    range(0, 0, "", 1);
    range(1, 1, NULL, 2);
    assert_true(parse());
    expect_owner(0, "asked", 1);
    expect_owner(1, "asked", 2);
}

static void slots_that_nobody_has_are_unserved(void **state)
{
    (void)state;
    answer(0);
    assert_true(parse());
    assert_int_equal(map.unserved, CLUSTER_SLOTS);
    assert_null(cluster_map_owner(&map, 0));
    answer(3);
    range(1, 2, "a", 1);
    range(16383, 16383, "a", 1);
    range(10, 19, "?", 1); /* Redis does not know its name yet */
    assert_true(parse());
    assert_int_equal(map.unserved, CLUSTER_SLOTS - 3);
    assert_null(cluster_map_owner(&map, 0));
    assert_null(cluster_map_owner(&map, 10));
    assert_null(cluster_map_owner(&map, 16382));
    expect_owner(2, "a", 1);
}

static void what_is_no_such_answer_is_refused(void **state)
{
    static const char *const answers[] = {
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "-ERR This instance has cluster support disabled\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n:1\r\n",
    };
    static const struct {
        int first, last;
        const char *host;
        int port;
    } ranges[] = {
        {-1, 1, "a", 1},        {2, 1, "a", 1},   {0, 16384, "a", 1},
        {16384, 16384, "a", 1}, {0, 1, "a", 0},   {0, 1, "a", -1},
        {0, 1, "a", 65536},     {0, 1, "a b", 1}, {0, 1, "a\r\nb", 1},
        {0, 1, "\xc3\xa9", 1},
    };
    char host[CLUSTER_HOST_MAX + 2];

    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        strbuf_reset(&text, 0);
        strbuf_add_text(&text, answers[i]);
        assert_false(parse());
    }
    for (size_t i = 0; i < COUNT(ranges); i++) {
        answer(1);
        range(ranges[i].first, ranges[i].last, ranges[i].host, ranges[i].port);
        assert_false(parse());
        assert_int_equal(map.unserved, CLUSTER_SLOTS);
        assert_int_equal(map.masters_count, 0);
    }
    memset(host, 'h', sizeof(host));
    host[CLUSTER_HOST_MAX + 1] = '\0';
    answer(1);
    range(0, 1, host, 1);
    assert_false(parse());
    host[CLUSTER_HOST_MAX] = '\0';
    answer(1);
    range(0, 1, host, 1);
    assert_true(parse());
    expect_owner(1, host, 1);
}

static void a_slot_that_two_have_makes_all_of_it_worthless(void **state)
{
    (void)state;
    answer(3);
    range(0, 100, "a", 1);
    range(200, 300, "b", 1);
    range(100, 101, "b", 1);
    assert_false(parse());
    assert_int_equal(map.unserved, CLUSTER_SLOTS);
    answer(2);
    range(0, 0, "a", 1);
    range(0, 0, "a", 1); /* the same one */
    assert_false(parse());
}

/* Slot by slot, each with another master. */
static void add_masters(unsigned count)
{
    answer(count);
    for (unsigned i = 0; i < count; i++) {
        char host[16];

        snprintf(host, sizeof(host), "node-%u", i);
        range((int)i, (int)i, host, 6379);
    }
}

static void there_may_be_many_masters_and_no_end_of_them(void **state)
{
    (void)state;
    add_masters(CLUSTER_MAP_MASTERS_MAX);
    assert_true(parse());
    assert_int_equal(map.masters_count, CLUSTER_MAP_MASTERS_MAX);
    expect_owner(1000, "node-1000", 6379);
    add_masters(CLUSTER_MAP_MASTERS_MAX + 1);
    assert_false(parse());
    answer(CLUSTER_SLOTS + 1);
    for (int i = 0; i <= CLUSTER_SLOTS; i++)
        range(i % CLUSTER_SLOTS, i % CLUSTER_SLOTS, "a", 1);
    assert_false(parse());
}

static void a_map_takes_what_moved_tells(void **state)
{
    const struct cluster_host a = {"a", 1}, b = {"b", 1};

    (void)state;
    cluster_map_set_owner(&map, 7, &a);
    assert_int_equal(map.unserved, CLUSTER_SLOTS - 1);
    cluster_map_set_owner(&map, 7, &b);
    cluster_map_set_owner(&map, 8, &b);
    assert_int_equal(map.unserved, CLUSTER_SLOTS - 2);
    assert_int_equal(map.masters_count, 2);
    expect_owner(7, "b", 1);
    for (unsigned i = 0; i < CLUSTER_MAP_MASTERS_MAX; i++) {
        struct cluster_host host = {"many", (uint16_t)(i + 1)};

        cluster_map_set_owner(&map, 100 + i, &host);
    }
    assert_null(cluster_map_owner(&map, 100 + CLUSTER_MAP_MASTERS_MAX - 1));
    expect_owner(100, "many", 1);
    expect_owner(8, "b", 1);
}

static void two_maps_differ_in_what_has_moved(void **state)
{
    struct cluster_map after;
    bool has_moved[CLUSTER_SLOTS];

    (void)state;
    cluster_map_init(&after);
    answer(3);
    range(0, 99, "a", 1);
    range(100, 199, "b", 1);
    range(300, 300, "c", 1);
    assert_true(parse());
    answer(5);
    range(100, 150, "b", 1); /* the masters have other places in it */
    range(151, 199, "a", 1); /* 49 moved */
    range(0, 90, "a", 1);    /* 9 went */
    range(200, 200, "d", 1); /* one came */
    range(300, 300, "c", 2); /* another port */
    assert_true(parse_into(&after));
    assert_int_equal(cluster_map_compare(&map, &after, has_moved), 49 + 9 + 1 + 1);
    assert_false(has_moved[0]);
    assert_true(has_moved[91]);
    assert_false(has_moved[150]);
    assert_true(has_moved[151]);
    assert_true(has_moved[200]);
    assert_false(has_moved[201]);
    assert_true(has_moved[300]);
    assert_int_equal(cluster_map_compare(&after, &after, has_moved), 0);
    cluster_map_deinit(&map);
    assert_int_equal(cluster_map_compare(&map, &after, has_moved),
                     CLUSTER_SLOTS - after.unserved);
    cluster_map_deinit(&after);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_slot_has_the_master_that_was_named),
        TEST(a_master_without_a_name_is_where_was_asked),
        TEST(slots_that_nobody_has_are_unserved),
        TEST(what_is_no_such_answer_is_refused),
        TEST(a_slot_that_two_have_makes_all_of_it_worthless),
        TEST(there_may_be_many_masters_and_no_end_of_them),
        TEST(a_map_takes_what_moved_tells),
        TEST(two_maps_differ_in_what_has_moved),
    };
    return cmocka_run_group_tests(tests, open_replies, close_replies);
}
