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
    const char *text, *kind;
    bool restarts;
} cases[] = {
    {"OOM command not allowed when used memory > 'maxmemory'.", "oom", false},
    {"READONLY You can't write against a read only replica.", "readonly", true},
    {"NOREPLICAS Not enough good replicas to write.", "readonly", true},
    {"LOADING Redis is loading the dataset in memory", "loading", true},
    {"MASTERDOWN Link with MASTER is down", "loading", true},
    {"BUSY Redis is busy running a script.", "busy", false},
    {"MISCONF Redis is configured to save RDB snapshots", "misconf", false},
    {"NOPERM this user has no permissions", "noperm", false},
    {"NOAUTH Authentication required.", "noperm", false},
    {"WRONGPASS invalid username-password pair", "noperm", false},
    {"NOSCRIPT No matching script.", "noscript", false},
    {"ERR unknown command 'JUMP'", "other", false},
    {"", "other", false},
};

static void each_refusal_has_a_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct metrics metrics = {0};
        struct redis_errors errors = {.metrics = &metrics, .link = "test"};
        unsigned label = metric_label("redis_errors_total", cases[i].kind);

        print_message("  %s\n", cases[i].text);
        assert_int_equal(redis_errors_take(&errors, cases[i].text, 1),
                         cases[i].restarts);
        assert_int_equal(metric_read(&metrics.redis_errors_total[label]), 1);
    }
}

static void a_kind_is_logged_once_in_ten_seconds_and_always_counted(void **state)
{
    struct metrics metrics = {0};
    struct redis_errors errors = {.metrics = &metrics, .link = "test"};
    unsigned label = metric_label("redis_errors_total", "timeout");

    (void)state;
    redis_errors_count(&errors, "timeout", "late", 0);
    redis_errors_count(&errors, "timeout", "late", 10000);
    assert_int_equal(errors.logged_at[label], 1); /* 0 would be: never */
    redis_errors_count(&errors, "timeout", "late", 10001);
    assert_int_equal(errors.logged_at[label], 10001);
    redis_errors_count_quietly(&errors, "timeout");
    assert_int_equal(metric_read(&metrics.redis_errors_total[label]), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_has_a_kind),
        cmocka_unit_test(a_kind_is_logged_once_in_ten_seconds_and_always_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
