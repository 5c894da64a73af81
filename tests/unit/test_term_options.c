/* test_term_options.c - what the terminal client is asked to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/term_options.h"
#include "tests/support/unit/hear.h"

enum { WORDS_MAX = 24 };

static struct term_options options;
static char *argv[WORDS_MAX + 1];
static struct hearing hearing;

static int set_up(void **state)
{
    (void)state;
    clearenv();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    term_options_deinit(&options);
    term_options_deinit(&options);
    return 0;
}

static enum term_outcome load(const char *const words[])
{
    enum term_outcome outcome;
    int argc = 1;

    argv[0] = (char *)"roomcast";
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    term_options_deinit(&options);
    hear_begin(&hearing, stderr);
    outcome = term_options_load(&options, argc, argv);
    hear_end(&hearing);
    return outcome;
}

#define LOAD(...) load((const char *const[]){__VA_ARGS__, NULL})

static void addresses_come_from_flags_variable_or_default(void **state)
{
    (void)state;
    assert_int_equal(LOAD("lobby"), TERM_RUN);
    assert_int_equal(options.address_count, 1);
    assert_string_equal(options.addresses[0].host, "127.0.0.1");
    assert_int_equal(options.addresses[0].port, 9001);
    assert_string_equal(options.addresses[0].path, "/ws");

    setenv("ROOMCAST_URL", "ws://a,ws://[::1]:7/chat", 1);
    assert_int_equal(LOAD("lobby"), TERM_RUN);
    assert_int_equal(options.address_count, 2);
    assert_int_equal(options.addresses[0].port, 80);
    assert_string_equal(options.addresses[1].host, "::1");
    assert_string_equal(options.addresses[1].path, "/chat");

    assert_int_equal(LOAD("--url", "ws://b:1", "--url=ws://c:2"), TERM_RUN);
    assert_int_equal(options.address_count, 2);
    assert_string_equal(options.addresses[1].host, "c");
}

static void rooms_stand_between_flags(void **state)
{
    (void)state;
    assert_int_equal(LOAD("one", "--json", "two", "--", "--three"), TERM_RUN);
    assert_int_equal(options.room_count, 3);
    assert_string_equal(options.rooms[0], "one");
    assert_string_equal(options.rooms[1], "two");
    assert_string_equal(options.rooms[2], "--three");
    assert_true(options.is_json && options.is_plain);
    assert_true(strlen(options.user) > 0);
}

static void the_timeout_may_be_a_fraction(void **state)
{
    (void)state;
    assert_int_equal(LOAD("lobby"), TERM_RUN);
    assert_int_equal(options.timeout_ms, 30000);
    assert_int_equal(LOAD("--timeout-secs", "0.5"), TERM_RUN);
    assert_int_equal(options.timeout_ms, 500);
}

static void seventeen_addresses_are_too_many(void **state)
{
    (void)state;
    setenv("ROOMCAST_URL",
           "ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,"
           "ws://h,ws://h,ws://h,ws://h,ws://h,ws://h",
           1);
    assert_int_equal(LOAD("lobby"), TERM_RUN);
    setenv("ROOMCAST_URL",
           "ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,"
           "ws://h,ws://h,ws://h,ws://h,ws://h,ws://h,ws://h",
           1);
    assert_int_equal(LOAD("lobby"), TERM_EXIT_BAD);
    assert_string_equal(hearing.said, "ROOMCAST_URL: at most 16 addresses\n");
}

static void a_bad_one_is_one_line_with_its_flag(void **state)
{
    static const struct {
        const char *flag, *said;
    } bad[] = {
        {"--url=", "--url: must not be empty\n"},
        {"--url=ws://a,", "--url: must be ws://HOST[:PORT][/PATH]\n"},
        {"--url=ws://a:0", "--url: the port must be 1 to 65535\n"},
        {"--follow=yes", "--follow: must be 0 or 1\n"},
        {"--timeout-secs=86400.1", "--timeout-secs: must be a number of seconds from "
                                   "0.1 to 86400, with at most 3 "
                                   "decimals\n"},
        {"--user", "--user: needs a value\n"},
        {"-p", "-p: there is no such flag (--help lists them)\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(LOAD(bad[i].flag), TERM_EXIT_BAD);
        assert_string_equal(hearing.said, bad[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_come_from_flags_variable_or_default,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(rooms_stand_between_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_timeout_may_be_a_fraction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(seventeen_addresses_are_too_many, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_bad_one_is_one_line_with_its_flag, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
