/* test_user_limit.c - what Redis is asked and told of the connections of a user, and which of them are
 * ordered closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/user_limit.h"
#include "tests/support/unit/store_rig.h"

static const struct json_text ann = {"ann", 3}, odd = {"o d\xc3\xa9", 5};
static struct metrics metrics;
static struct user_limit limit;
static struct config config;
static bool is_away;

static struct store *find_store(void *owner, struct json_text user)
{
    assert_ptr_equal(owner, &limit);
    assert_true(user.len > 0);
    return is_away ? NULL : &store_rig.store;
}

static int begin(void **state)
{
    (void)state;
    log_max = LOG_SILENT;
    is_away = false;
    config.user_connections_max = 2;
    store_rig_open(&config, &metrics);
    limit = (struct user_limit){.find_store = find_store, .owner = &limit};
    user_limit_init(&limit, &config);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    user_limit_deinit(&limit);
    store_rig_close();
    return 0;
}

/* A connection of ann's comes, and these are all. */
static void come(const char *all)
{
    assert_true(user_limit_enter(&limit, ann) > 0);
    store_rig_answer(all);
}

static void expect_command(const char *words)
{
    store_rig_assert_call(SCRIPTS_COUNT, 0, words);
}

static void a_connection_is_counted_once_and_removed_once(void **state)
{
    uint64_t serial;

    (void)state;
    serial = user_limit_enter(&limit, ann);
    assert_int_equal(serial, 1);
    store_rig_assert_call(SCRIPT_USER, 0, "rc:user:{ann}:conns n1 1 2 86400000");
    store_rig_answer("");
    assert_int_equal(store_rig.calls_count, 0);
    user_limit_leave(&limit, ann, serial);
    expect_command("ZREM rc:user:{ann}:conns n1 1");
    store_rig_answer_number(1);
    assert_int_equal(user_limit_enter(&limit, ann), 2);
    store_rig_answer("");
}

static void without_a_limit_and_without_redis_nobody_is_counted(void **state)
{
    (void)state;
    is_away = true;
    assert_int_equal(user_limit_enter(&limit, ann), 0);
    is_away = false;
    limit.most = 0;
    assert_int_equal(user_limit_enter(&limit, ann), 0);
    assert_int_equal(store_rig.calls_count, 0);
}

static void the_oldest_is_ordered_closed(void **state)
{
    (void)state;
    come("n2~7 n1~1 n1~2");
    expect_command("EXISTS rc:node:n2");
    store_rig_answer_number(1);
    expect_command("PUBLISH rc:canary:n2 replaced 7%20ann");
    store_rig_answer_number(1);
    assert_int_equal(store_rig.calls_count, 0);
}

static void it_may_be_on_this_node(void **state)
{
    (void)state;
    come("n1~7 n1~1 n1~2");
    expect_command("PUBLISH rc:canary:n1 replaced 7%20ann");
    store_rig_answer_number(1);
}

static void those_of_nodes_that_are_gone_are_removed_first(void **state)
{
    (void)state;
    come("n2~7 n3~1 n2~8 n1~1");
    expect_command("EXISTS rc:node:n2");
    store_rig_put_off();
    expect_command("EXISTS rc:node:n3");
    store_rig_answer_number(0);
    store_rig_answer_number(1);
    expect_command("ZREM rc:user:{ann}:conns n3 1");
    store_rig_answer_number(1);
    expect_command("PUBLISH rc:canary:n2 replaced 7%20ann");
    store_rig_answer_number(1);
    come("n2~7 n2~8 n3~1 n1~1");
    store_rig_answer_number(0);
    store_rig_answer_number(1);
    expect_command("ZREM rc:user:{ann}:conns n2 7 n2 8");
    store_rig_answer_number(2);
    assert_int_equal(store_rig.calls_count, 0); /* the others are few enough */
}

static void where_redis_goes_away_meanwhile_nothing_is_done(void **state)
{
    (void)state;
    come("n2~7 n3~1 n1~1");
    store_rig_answer(NULL);
    store_rig_answer_number(0);
    assert_int_equal(store_rig.calls_count, 0);
    assert_true(user_limit_enter(&limit, ann) > 0);
    store_rig_answer(NULL);
    assert_true(user_limit_enter(&limit, ann) > 0);
    store_rig_answer_error("OOM");
    assert_int_equal(store_rig.calls_count, 0);
}

static void what_is_no_entry_is_left_out(void **state)
{
    (void)state;
    come("junk n1~ n1~x {~1 n2~99999999999999999999 n1~1 n1~2");
    assert_int_equal(store_rig.calls_count, 0);
    come("junk n1~1 n1~2 n1~3");
    expect_command("PUBLISH rc:canary:n1 replaced 1%20ann");
    store_rig_answer_number(1);
}

static void who_goes_while_redis_is_away_is_removed_later(void **state)
{
    uint64_t first = user_limit_enter(&limit, ann), second;

    (void)state;
    store_rig_answer("");
    second = user_limit_enter(&limit, odd);
    store_rig_answer("");
    is_away = true;
    user_limit_leave(&limit, ann, first);
    user_limit_go_on(&limit);
    assert_int_equal(store_rig.calls_count, 0);
    is_away = false;
    user_limit_leave(&limit, odd, second);
    store_rig_answer(NULL); /* it was lost on its way */
    user_limit_go_on(&limit);
    assert_int_equal(store_rig.calls_count, 2);
    expect_command("ZREM rc:user:{ann}:conns n1 1");
    store_rig_answer_number(1);
    expect_command("ZREM rc:user:{o d\xc3\xa9}:conns n1 2");
    store_rig_answer_number(1);
    user_limit_go_on(&limit);
    assert_int_equal(store_rig.calls_count, 0);
}

static void what_is_still_to_be_removed_is_bounded(void **state)
{
    enum { MANY = 70000, MOST = 65536 };

    (void)state;
    is_away = true;
    for (uint64_t serial = 1; serial <= MANY; serial++)
        user_limit_leave(&limit, ann, serial);
    assert_int_equal(limit.left_count, MOST);
}

static void an_order_is_a_serial_and_a_user(void **state)
{
    static const char *const bad[] = {
        "", "7", "7 ", " ann", "x ann", "-7 ann", "99999999999999999999 ann"};
    struct json_text user;
    uint64_t serial;

    (void)state;
    assert_true(user_limit_parse_order((struct json_text){"7 o d", 5}, &serial, &user));
    assert_int_equal(serial, 7);
    assert_int_equal(user.len, 3);
    assert_memory_equal(user.base, "o d", 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(user_limit_parse_order((struct json_text){bad[i], strlen(bad[i])},
                                            &serial, &user));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_counted_once_and_removed_once),
        TEST(without_a_limit_and_without_redis_nobody_is_counted),
        TEST(the_oldest_is_ordered_closed),
        TEST(it_may_be_on_this_node),
        TEST(those_of_nodes_that_are_gone_are_removed_first),
        TEST(where_redis_goes_away_meanwhile_nothing_is_done),
        TEST(what_is_no_entry_is_left_out),
        TEST(who_goes_while_redis_is_away_is_removed_later),
        TEST(what_is_still_to_be_removed_is_bounded),
        TEST(an_order_is_a_serial_and_a_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
