/* test_redis_greeting.c - what a connection to Redis says first: in which order, what may be
 * refused, and whether the connection before has been ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "common/redis_greeting.h"
#include "tests/support/unit/read_reply.h"

#define OK "+OK\r\n"
#define NOPERM "-NOPERM this user has no permissions\r\n"
#define INFO "$27\r\nid=7 addr=1.2.3.4:5 name=x\n\r\n"

static struct redis_command cmd;

static int start(void **state)
{
    (void)state;
    read_reply_open();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    read_reply_close();
    redis_command_deinit(&cmd);
    return 0;
}

/* The next command has these words, each as RESP prints it. */
static void expect_next(struct redis_greeting *g, const char *args)
{
    assert_true(redis_greeting_next(g, &cmd));
    assert_int_equal(cmd.args.len, strlen(args));
    assert_memory_equal(cmd.args.data, args, cmd.args.len);
}

static enum redis_greeting_result take(struct redis_greeting *g, const char *bytes)
{
    return redis_greeting_take(g, bytes[0] == '-' ? UV_EREMOTEIO : 0,
                               read_reply(bytes));
}

static void begin(struct redis_greeting *g)
{
    redis_greeting_begin(g);
    while (redis_greeting_next(g, &cmd))
        ;
}

/* KILL, NAME, INFO: of one without a password and with database 0. */
static void greet(struct redis_greeting *g, const char *kill, const char *info)
{
    begin(g);
    assert_int_equal(take(g, kill), REDIS_GREETING_GOES_ON);
    assert_int_equal(take(g, OK), REDIS_GREETING_GOES_ON);
    assert_int_equal(take(g, info), REDIS_GREETING_DONE);
}

static void everything_is_said_in_order(void **state)
{
    struct redis_greeting g = {.me = {"ann", "secret", "gw-1", 3}};

    (void)state;
    redis_greeting_begin(&g);
    expect_next(&g, "$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n");
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n"
                    "$19\r\n9223372036854775807\r\n$4\r\nADDR\r\n$9\r\n0.0.0.0:0\r\n");
    expect_next(&g, "$6\r\nSELECT\r\n$1\r\n3\r\n");
    expect_next(&g, "$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$4\r\ngw-1\r\n");
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nINFO\r\n");
    assert_false(redis_greeting_next(&g, &cmd));
}

static void what_is_not_set_is_not_said(void **state)
{
    struct redis_greeting g = {.me = {NULL, "secret", "gw-1", 0}};
    unsigned count = 1;

    (void)state;
    redis_greeting_begin(&g);
    expect_next(&g, "$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    while (redis_greeting_next(&g, &cmd))
        count++;
    assert_int_equal(count, 4);
}

static void the_connection_before_is_ended_by_its_number_and_address(void **state)
{
    struct redis_greeting g = {.me = {NULL, NULL, "gw-1", 0}};

    (void)state;
    greet(&g, ":0\r\n", INFO);
    assert_false(redis_greeting_take_ended(&g));
    redis_greeting_on_lost(&g);
    redis_greeting_begin(&g);
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n$1\r\n7\r\n"
                    "$4\r\nADDR\r\n$9\r\n1.2.3.4:5\r\n");
    greet(&g, ":1\r\n", INFO);
    assert_true(redis_greeting_take_ended(&g));
    assert_false(redis_greeting_take_ended(&g));
}

/* An attempt that did not come to its own number leaves the one before to be ended. */
static void a_greeting_that_broke_off_forgets_nothing(void **state)
{
    struct redis_greeting g = {.me = {NULL, NULL, "gw-1", 0}};

    (void)state;
    greet(&g, ":0\r\n", INFO);
    redis_greeting_take_ended(&g);
    redis_greeting_on_lost(&g);
    begin(&g);
    take(&g, ":1\r\n");
    redis_greeting_on_lost(&g);
    redis_greeting_begin(&g);
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n$1\r\n7\r\n"
                    "$4\r\nADDR\r\n$9\r\n1.2.3.4:5\r\n");
}

static void without_a_right_the_connection_before_is_loose(void **state)
{
    struct redis_greeting g = {.me = {NULL, NULL, "gw-1", 0}};

    (void)state;
    greet(&g, ":0\r\n", INFO);
    redis_greeting_take_ended(&g);
    redis_greeting_on_lost(&g);
    greet(&g, NOPERM, INFO); /* it could not be ended */
    assert_false(redis_greeting_take_ended(&g));
    redis_greeting_on_lost(&g);
    greet(&g, ":1\r\n", NOPERM); /* what we are is not known, */
    assert_true(redis_greeting_take_ended(&g));
    redis_greeting_on_lost(&g);
    greet(&g, ":1\r\n", INFO); /* so this was nobody */
    assert_false(redis_greeting_take_ended(&g));
}

static void only_rights_that_one_can_live_without_may_be_refused(void **state)
{
    static const struct {
        unsigned before; /* replies, all good */
        const char *error;
        bool is_bearable;
    } cases[] = {
        {0, NOPERM, false},                    /* SELECT comes after KILL, AUTH first */
        {1, NOPERM, true},                     /* KILL */
        {1, "-ERR unknown command\r\n", true}, /* in place of a proxy */
        {1, "-LOADING Redis is loading\r\n", false},
        {2, NOPERM, false}, /* SELECT */
        {3, NOPERM, true},  /* SETNAME */
        {4, NOPERM, true},  /* INFO */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_greeting g = {.me = {NULL, "secret", "gw-1", 3}};

        begin(&g);
        for (unsigned n = 0; n < cases[i].before; n++)
            assert_int_equal(take(&g, OK), REDIS_GREETING_GOES_ON);
        assert_int_equal(redis_greeting_is_bearable(&g, read_reply(cases[i].error)),
                         cases[i].is_bearable);
        assert_int_equal(take(&g, cases[i].error) == REDIS_GREETING_REFUSED,
                         !cases[i].is_bearable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_said_in_order, start, stop),
        cmocka_unit_test_setup_teardown(what_is_not_set_is_not_said, start, stop),
        cmocka_unit_test_setup_teardown(
            the_connection_before_is_ended_by_its_number_and_address, start, stop),
        cmocka_unit_test_setup_teardown(a_greeting_that_broke_off_forgets_nothing,
                                        start, stop),
        cmocka_unit_test_setup_teardown(without_a_right_the_connection_before_is_loose,
                                        start, stop),
        cmocka_unit_test_setup_teardown(
            only_rights_that_one_can_live_without_may_be_refused, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
