/* test_auth.c - the bearer token, and addresses that guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/auth.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { FAILURES_MAX = 3, REFILL_MS = 6000 };

static struct auth auth;

static enum auth_result check(const char *header, const char *address, uint64_t now_ms)
{
    return auth_check(&auth, (struct json_text){header, header ? strlen(header) : 0},
                      address, now_ms);
}

static const struct {
    const char *header;
    enum auth_result result;
} headers[] = {
    {NULL, AUTH_MISSING},
    {"Bearer secret", AUTH_OK},
    {"bearer secret", AUTH_OK},
    {"BEARER   secret", AUTH_OK},
    {"Bearer", AUTH_WRONG},
    {"Bearer ", AUTH_WRONG},
    {"Bearer secre", AUTH_WRONG},
    {"Bearer secrets", AUTH_WRONG},
    {"Bearer Secret", AUTH_WRONG},
    {"Bearer secret ", AUTH_WRONG},
    {"secret", AUTH_WRONG},
    {"Basic secret", AUTH_WRONG},
    {"", AUTH_WRONG},
};

static void only_the_token_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        char address[16];

        snprintf(address, sizeof(address), "10.0.0.%zu", i);
        print_message("  %s\n", headers[i].header ? headers[i].header : "none");
        assert_int_equal(check(headers[i].header, address, 1), headers[i].result);
    }
}

static void
wrong_tokens_of_an_address_are_throttled_and_the_right_one_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < FAILURES_MAX; i++)
        assert_int_equal(check("Bearer x", "a", 1000), AUTH_WRONG);
    assert_int_equal(check("Bearer x", "a", 1000), AUTH_THROTTLED);
    assert_int_equal(check("Bearer secret", "a", 1000), AUTH_OK);
    assert_int_equal(check("Bearer x", "a", 1000), AUTH_THROTTLED);
    assert_int_equal(check("Bearer secret", "b", 1000), AUTH_OK);
    assert_int_equal(check(NULL, "a", 1000), AUTH_MISSING);
}

static void one_more_guess_comes_back_after_each_pause(void **state)
{
    (void)state;
    for (int i = 0; i < FAILURES_MAX; i++)
        check("Bearer x", "a", 1000);
    assert_int_equal(check("Bearer x", "a", 1000 + REFILL_MS - 1), AUTH_THROTTLED);
    assert_int_equal(check("Bearer x", "a", 1000 + REFILL_MS), AUTH_WRONG);
    assert_int_equal(check("Bearer x", "a", 1000 + REFILL_MS), AUTH_THROTTLED);
    assert_int_equal(check("Bearer secret", "a", 1000 + 2 * REFILL_MS), AUTH_OK);
}

static void failures_that_are_over_do_not_count(void **state)
{
    (void)state;
    check("Bearer x", "a", 1000);
    check("Bearer x", "a", 1000);
    for (int i = 0; i < FAILURES_MAX; i++)
        assert_int_equal(check("Bearer x", "a", 1000 + 2 * REFILL_MS), AUTH_WRONG);
    assert_int_equal(check("Bearer x", "a", 1000 + 2 * REFILL_MS), AUTH_THROTTLED);
    assert_int_equal(auth.failures.count, 1);
}

static void addresses_without_number_take_no_memory_without_bound(void **state)
{
    (void)state;
    for (int i = 0; i < 30000; i++) {
        char address[32];

        snprintf(address, sizeof(address), "2001:db8::%x", i);
        check("Bearer x", address, 1000);
    }
    assert_int_equal(auth.failures.count, 10000);
    assert_int_equal(check("Bearer x", "2001:db8::0", 1000), AUTH_WRONG);
}

static int begin(void **state)
{
    (void)state;
    auth_init(&auth, "secret", FAILURES_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    auth_deinit(&auth);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_token_is_right),
        TEST(wrong_tokens_of_an_address_are_throttled_and_the_right_one_is_not),
        TEST(one_more_guess_comes_back_after_each_pause),
        TEST(failures_that_are_over_do_not_count),
        TEST(addresses_without_number_take_no_memory_without_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
