/* test_fleet_view.c - the nodes of the fleet, out of Redis's answers and as JSON: silent ones, names
 * that are none, stamps in the future.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/fleet_view.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/read_reply.h"

#define NOW_MS 1700000000000u

static struct metrics metrics;
static struct fleet_view view;
static struct strbuf out;

static int start(void **state)
{
    (void)state;
    read_reply_open();
    metrics = (struct metrics){0};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fleet_view_deinit(&view);
    strbuf_deinit(&out);
    read_reply_close();
    return 0;
}

/* c heard now, a 5 s ago, no name, b a moment ahead, d a minute ahead. */
static void take_five(void)
{
    fleet_view_take_names(&view, &metrics,
                          read_reply("*10\r\n$1\r\nc\r\n$13\r\n1700000000000\r\n"
                                     "$1\r\na\r\n$13\r\n1699999995000\r\n"
                                     "$3\r\nx y\r\n$13\r\n1700000000000\r\n"
                                     "$1\r\nb\r\n$13\r\n1700000000900\r\n"
                                     "$1\r\nd\r\n$13\r\n1700000060000\r\n"),
                          NOW_MS);
}

/* What a node says of itself. */
static void take_node(size_t i)
{
    fleet_view_take_node(
        &view, i,
        read_reply("*7\r\n$9\r\n10.0.0.1:\r\n$3\r\n0.1\r\n$3\r\n100\r\n"
                   "$1\r\n7\r\n$1\r\n3\r\n$1\r\n5\r\n$1\r\n1\r\n"));
}

static void nodes_are_sorted_and_what_is_no_name_is_left_out(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d"};

    (void)state;
    take_five();
    assert_int_equal(view.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(view.nodes[i].name, names[i]);
    assert_int_equal(metric_read(&metrics.malformed_total[2]), 1);
}

static void a_stamp_in_the_future_does_not_tell_when(void **state)
{
    static const uint64_t ages[] = {5000, 0, 0, FLEET_VIEW_AGE_UNKNOWN_MS};

    (void)state;
    take_five();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(view.nodes[i].heartbeat_age_ms, ages[i]);
}

static void totals_are_of_the_nodes_that_speak(void **state)
{
    (void)state;
    take_five();
    take_node(0);
    take_node(2);
    fleet_view_take_node(
        &view, 1,
        read_reply("*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"));
    view.rooms = 4;
    view.messages_total = 99;
    fleet_view_add_totals(&view, &out);
    assert_string_equal(out.data, q(",'connections':14,'members':10,'rooms':4,"
                                    "'gateways':2,'messages_total':99}"));
}

static void a_silent_node_is_listed_with_nothing_known(void **state)
{
    (void)state;
    fleet_view_take_names(&view, &metrics,
                          read_reply("*4\r\n$1\r\na\r\n$13\r\n1699999999000\r\n"
                                     "$1\r\nb\r\n$13\r\n1700000000000\r\n"),
                          NOW_MS);
    take_node(1);
    fleet_view_add_nodes(&view, &out);
    assert_string_equal(
        out.data, q("[{'node':'a','address':null,'version':null,'started_at':null,"
                    "'connections':null,'rooms':null,'members':null,'draining':null,"
                    "'heartbeat_age_ms':1000},"
                    "{'node':'b','address':'10.0.0.1:','version':'0.1',"
                    "'started_at':100,'connections':7,'rooms':3,'members':5,"
                    "'draining':true,'heartbeat_age_ms':0}]"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nodes_are_sorted_and_what_is_no_name_is_left_out),
        TEST(a_stamp_in_the_future_does_not_tell_when),
        TEST(totals_are_of_the_nodes_that_speak),
        TEST(a_silent_node_is_listed_with_nothing_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
