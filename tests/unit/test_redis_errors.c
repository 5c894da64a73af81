/* test_redis_errors.c - refusals of Redis: each is counted by its kind, and some are a reason for
 * another connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/redis_errors.h"

static const struct {
    const char *text;
    enum redis_error kind;
    bool restarts;
} cases[] = {
    {"OOM command not allowed when used memory > 'maxmemory'.", REDIS_OOM, false},
    {"READONLY You can't write against a read only replica.", REDIS_READONLY, true},
    {"NOREPLICAS Not enough good replicas to write.", REDIS_READONLY, true},
    {"LOADING Redis is loading the dataset in memory", REDIS_LOADING, true},
    {"MASTERDOWN Link with MASTER is down", REDIS_LOADING, true},
    {"BUSY Redis is busy running a script.", REDIS_BUSY, false},
    {"MISCONF Redis is configured to save RDB snapshots", REDIS_MISCONF, false},
    {"NOPERM this user has no permissions", REDIS_NOPERM, false},
    {"NOAUTH Authentication required.", REDIS_NOPERM, false},
    {"WRONGPASS invalid username-password pair", REDIS_NOPERM, false},
    {"NOSCRIPT No matching script.", REDIS_NOSCRIPT, false},
    {"ERR unknown command 'JUMP'", REDIS_OTHER, false},
    {"", REDIS_OTHER, false},
};

static void each_refusal_has_a_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct metrics metrics = {0};
        struct redis_errors errors = {.metrics = &metrics, .link = "test"};

        print_message("  %s\n", cases[i].text);
        assert_int_equal(redis_errors_take(&errors, cases[i].text, 1),
                         cases[i].restarts);
        assert_int_equal(metric_read(&metrics.redis_errors_total[cases[i].kind]), 1);
    }
}

static void a_kind_is_logged_once_in_ten_seconds_and_always_counted(void **state)
{
    struct metrics metrics = {0};
    struct redis_errors errors = {.metrics = &metrics, .link = "test"};

    (void)state;
    redis_errors_count(&errors, REDIS_TIMEOUT, "late", 0);
    redis_errors_count(&errors, REDIS_TIMEOUT, "late", 10000);
    assert_int_equal(errors.logged_at[REDIS_TIMEOUT], 1); /* 0 would be: never */
    redis_errors_count(&errors, REDIS_TIMEOUT, "late", 10001);
    assert_int_equal(errors.logged_at[REDIS_TIMEOUT], 10001);
    redis_errors_count_quietly(&errors, REDIS_TIMEOUT);
    assert_int_equal(metric_read(&metrics.redis_errors_total[REDIS_TIMEOUT]), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_has_a_kind),
        cmocka_unit_test(a_kind_is_logged_once_in_ten_seconds_and_always_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
