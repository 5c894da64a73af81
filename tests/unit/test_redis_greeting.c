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
/* As many bytes as are announced. */
#define STANDALONE "$23\r\nredis_mode:standalone\r\n\r\n"
#define CLUSTER "$20\r\nredis_mode:cluster\r\n\r\n"
#define SENTINEL "$21\r\nredis_mode:sentinel\r\n\r\n"

#define ASKS_SERVER "$4\r\nINFO\r\n$6\r\nserver\r\n"

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

/* INFO, KILL, NAME, CLIENT INFO: of one without a password and with database 0. */
static void greet(struct redis_greeting *g, const char *kill, const char *info)
{
    begin(g);
    assert_int_equal(take(g, STANDALONE), REDIS_GREETING_GOES_ON);
    assert_int_equal(take(g, kill), REDIS_GREETING_GOES_ON);
    assert_int_equal(take(g, OK), REDIS_GREETING_GOES_ON);
    assert_int_equal(take(g, info), REDIS_GREETING_DONE);
}

static void everything_is_said_in_order(void **state)
{
    struct redis_greeting g = {.me = {"ann", "secret", "gw-1", 3, REDIS_TCP}};

    (void)state;
    redis_greeting_begin(&g);
    expect_next(&g, "$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n");
    expect_next(&g, ASKS_SERVER);
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n"
                    "$19\r\n9223372036854775807\r\n$4\r\nADDR\r\n$9\r\n0.0.0.0:0\r\n");
    expect_next(&g, "$6\r\nSELECT\r\n$1\r\n3\r\n");
    expect_next(&g, "$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$4\r\ngw-1\r\n");
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nINFO\r\n");
    assert_false(redis_greeting_next(&g, &cmd));
}

static void what_is_not_set_is_not_said(void **state)
{
    struct redis_greeting g = {.me = {NULL, "secret", "gw-1", 0, REDIS_TCP}};
    unsigned count = 1;

    (void)state;
    redis_greeting_begin(&g);
    expect_next(&g, "$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    while (redis_greeting_next(&g, &cmd))
        count++;
    assert_int_equal(count, 5);
}

static void the_connection_before_is_ended_by_its_number_and_address(void **state)
{
    struct redis_greeting g = {.me = {NULL, NULL, "gw-1", 0, REDIS_TCP}};

    (void)state;
    greet(&g, ":0\r\n", INFO);
    assert_false(redis_greeting_take_ended(&g));
    redis_greeting_on_lost(&g);
    redis_greeting_begin(&g);
    expect_next(&g, ASKS_SERVER);
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n$1\r\n7\r\n"
                    "$4\r\nADDR\r\n$9\r\n1.2.3.4:5\r\n");
    greet(&g, ":1\r\n", INFO);
    assert_true(redis_greeting_take_ended(&g));
    assert_false(redis_greeting_take_ended(&g));
}

/* An attempt that did not come to its own number leaves the one before to be ended. */
static void a_greeting_that_broke_off_forgets_nothing(void **state)
{
    struct redis_greeting g = {.me = {NULL, NULL, "gw-1", 0, REDIS_TCP}};

    (void)state;
    greet(&g, ":0\r\n", INFO);
    redis_greeting_take_ended(&g);
    redis_greeting_on_lost(&g);
    begin(&g);
    take(&g, STANDALONE);
    take(&g, ":1\r\n");
    redis_greeting_on_lost(&g);
    redis_greeting_begin(&g);
    expect_next(&g, ASKS_SERVER);
    expect_next(&g, "$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n$1\r\n7\r\n"
                    "$4\r\nADDR\r\n$9\r\n1.2.3.4:5\r\n");
}

static void without_a_right_the_connection_before_is_loose(void **state)
{
    struct redis_greeting g = {.me = {NULL, NULL, "gw-1", 0, REDIS_TCP}};

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
        {0, NOPERM, false},                    /* AUTH */
        {1, NOPERM, true},                     /* INFO */
        {1, "-NOAUTH none\r\n", false},        /* AUTH came in vain */
        {2, NOPERM, true},                     /* KILL */
        {2, "-ERR unknown command\r\n", true}, /* in place of a proxy */
        {2, "-LOADING Redis is loading\r\n", false},
        {3, NOPERM, false}, /* SELECT */
        {4, NOPERM, true},  /* SETNAME */
        {5, NOPERM, true},  /* CLIENT INFO */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_greeting g = {.me = {NULL, "secret", "gw-1", 3, REDIS_TCP}};

        begin(&g);
        for (unsigned n = 0; n < cases[i].before; n++)
            assert_int_equal(take(&g, OK), REDIS_GREETING_GOES_ON);
        assert_int_equal(redis_greeting_is_bearable(&g, read_reply(cases[i].error)),
                         cases[i].is_bearable);
        assert_int_equal(take(&g, cases[i].error) == REDIS_GREETING_REFUSED,
                         !cases[i].is_bearable);
    }
}

static void the_mode_must_be_that_of_the_url(void **state)
{
    static const struct {
        enum redis_form form;
        const char *info;
        enum redis_why why;
    } cases[] = {
        {REDIS_TCP, STANDALONE, REDIS_WHY_NOT_KNOWN},
        {REDIS_TCP, CLUSTER, REDIS_WHY_CLUSTER},
        {REDIS_TCP, SENTINEL, REDIS_WHY_SENTINEL},
        {REDIS_UNIX, CLUSTER, REDIS_WHY_CLUSTER},
        {REDIS_SENTINEL, CLUSTER, REDIS_WHY_CLUSTER},
        {REDIS_CLUSTER, CLUSTER, REDIS_WHY_NOT_KNOWN},
        {REDIS_CLUSTER, STANDALONE, REDIS_WHY_NOT_CLUSTER},
        {REDIS_CLUSTER, SENTINEL, REDIS_WHY_SENTINEL},
        {REDIS_TCP, "$40\r\nvalkey_version:8.0.1\nserver_mode:cluster\r\n",
         REDIS_WHY_CLUSTER},
        /* Who does not say is believed. */
        {REDIS_TCP, "$20\r\nredis_version:7.0.15\r\n", REDIS_WHY_NOT_KNOWN},
        {REDIS_CLUSTER, ":1\r\n", REDIS_WHY_NOT_KNOWN},
        {REDIS_TCP, NOPERM, REDIS_WHY_NOT_KNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_greeting g = {.me = {.name = "gw-1", .form = cases[i].form}};

        begin(&g);
        assert_int_equal(take(&g, cases[i].info) == REDIS_GREETING_REFUSED,
                         cases[i].why != REDIS_WHY_NOT_KNOWN);
        assert_int_equal(g.why, cases[i].why);
    }
}

static void behind_sentinels_only_a_master_will_do(void **state)
{
    static const struct {
        const char *info;
        bool is_good;
    } cases[] = {
        {"$30\r\nrole:master\nconnected_slaves:0\r\n", true},
        {"$24\r\nrole:slave\nmaster_host:h\r\n", false},
        {"$7\r\nnothing\r\n", false},
        {NOPERM, true}, /* a node without +info is not ready anyway, and says so */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_greeting g = {.me = {.name = "gw-1", .form = REDIS_SENTINEL}};

        redis_greeting_begin(&g);
        expect_next(&g, ASKS_SERVER);
        expect_next(&g, "$4\r\nINFO\r\n$11\r\nreplication\r\n");
        assert_int_equal(take(&g, STANDALONE), REDIS_GREETING_GOES_ON);
        g.sent_count++; /* more is to come */
        assert_int_equal(take(&g, cases[i].info) != REDIS_GREETING_REFUSED,
                         cases[i].is_good);
        assert_int_equal(g.why,
                         cases[i].is_good ? REDIS_WHY_NOT_KNOWN : REDIS_WHY_REPLICA);
    }
}

static void a_refused_login_is_told(void **state)
{
    static const char *const refusals[] = {
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        "-ERR AUTH <password> called without any password configured\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct redis_greeting g = {.me = {.name = "gw-1", .password = "secret"}};

        begin(&g);
        assert_int_equal(take(&g, refusals[i]), REDIS_GREETING_REFUSED);
        assert_int_equal(g.why, REDIS_WHY_LOGIN);
        g.me.password = NULL;
        begin(&g);
        assert_int_equal(g.why, REDIS_WHY_NOT_KNOWN);
        assert_int_equal(take(&g, "-NOAUTH Authentication required.\r\n"),
                         REDIS_GREETING_REFUSED);
        assert_int_equal(g.why, REDIS_WHY_LOGIN);
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
        cmocka_unit_test_setup_teardown(the_mode_must_be_that_of_the_url, start, stop),
        cmocka_unit_test_setup_teardown(behind_sentinels_only_a_master_will_do, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_refused_login_is_told, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
