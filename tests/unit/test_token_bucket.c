/* test_token_bucket.c - the token bucket, with the time passed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/token_bucket.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct token_bucket_rate ten = {10, 5};

/* Takes as long as there are tokens, at most `most`; how many there were. */
static uint32_t take_all(struct token_bucket *bucket, uint32_t per_sec, uint32_t burst,
                         uint32_t now_ms, uint32_t most)
{
    uint32_t taken = 0;

    while (taken < most &&
           token_bucket_take(bucket, &(struct token_bucket_rate){per_sec, burst},
                             now_ms) == 0)
        taken++;
    return taken;
}

static void without_a_rate_there_is_no_limit(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    assert_int_equal(take_all(&bucket, 0, 0, 5, 100000), 100000);
    assert_int_equal(take_all(&bucket, 0, 3, 5, 100000), 100000);
}

static const struct {
    uint32_t per_sec, burst, tokens;
} bursts[] = {
    {1, 1, 1},    {20, 200, 200},  {20, 0, 20}, /* 0: as many as in a second */
    {1000, 1, 1}, {1, 1000, 1000}, {1000000, 10, 10}, {5, 5000000, 5000000},
};

static void a_bucket_starts_full_and_holds_the_burst(void **state)
{
    static const uint32_t starts[] = {0, 1, 1000000, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(bursts); i++)
        for (size_t k = 0; k < COUNT(starts); k++) {
            struct token_bucket bucket = {0};

            print_message("  %u a second, burst %u, at %u\n", bursts[i].per_sec,
                          bursts[i].burst, starts[k]);
            assert_int_equal(take_all(&bucket, bursts[i].per_sec, bursts[i].burst,
                                      starts[k], bursts[i].tokens + 1),
                             bursts[i].tokens);
        }
}

static void a_refusal_tells_when_to_come_back_and_no_earlier(void **state)
{
    static const struct {
        struct token_bucket_rate rate;
        uint32_t wait_ms;
    } rates[] = {{{1, 1}, 1000}, {{2, 1}, 500},  {{3, 1}, 334},    {{20, 200}, 50},
                 {{7, 1}, 143},  {{1000, 1}, 1}, {{1000000, 1}, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT(rates); i++) {
        struct token_bucket bucket = {0};
        uint32_t now = 77, wait;

        take_all(&bucket, rates[i].rate.per_sec, rates[i].rate.burst, now, UINT32_MAX);
        wait = token_bucket_take(&bucket, &rates[i].rate, now);
        assert_int_equal(wait, rates[i].wait_ms);
        if (wait > 1)
            assert_int_equal(token_bucket_take(&bucket, &rates[i].rate, now + wait - 1),
                             1);
        assert_int_equal(token_bucket_take(&bucket, &rates[i].rate, now + wait), 0);
    }
}

static void a_refusal_costs_nothing(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    take_all(&bucket, 10, 5, 0, 5);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(token_bucket_take(&bucket, &ten, 0), 100);
    assert_int_equal(token_bucket_take(&bucket, &ten, 100), 0);
}

static void tokens_come_back_with_time_up_to_the_burst(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    take_all(&bucket, 10, 5, 0, 5);
    assert_int_equal(take_all(&bucket, 10, 5, 300, 100), 3);
    assert_int_equal(take_all(&bucket, 10, 5, 350, 100), 0);
    assert_int_equal(take_all(&bucket, 10, 5, 400, 100), 1);
    assert_int_equal(take_all(&bucket, 10, 5, 1000000, 100), 5);
}

static void over_a_long_time_the_rate_is_kept(void **state)
{
    struct token_bucket bucket = {0};
    uint32_t taken = 0;

    (void)state;
    for (uint32_t now = 0; now < 600000; now += 3) /* somebody who never waits */
        taken += take_all(&bucket, 7, 3, now, 1000);
    assert_in_range(taken, 7 * 600 - 1, 7 * 600 + 3);
}

/* The clock is 32 bits of milliseconds, and starts again after 49 days. */
static void the_clock_may_start_again(void **state)
{
    struct token_bucket bucket = {0};
    uint32_t now = UINT32_MAX - 100;

    (void)state;
    take_all(&bucket, 10, 5, now, 5);
    assert_int_equal(token_bucket_take(&bucket, &ten, now), 100);
    assert_int_equal(take_all(&bucket, 10, 5, now + 300, 100), 3);
}

static void what_is_spent_beyond_the_bucket_is_paid_back(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    token_bucket_spend(&bucket, &ten, 5, 0);
    assert_int_equal(token_bucket_wait_ms(&bucket, &ten, 0, 0),
                     0); /* empty, and owes nothing */
    assert_int_equal(token_bucket_wait_ms(&bucket, &ten, 1, 0), 100);
    token_bucket_spend(&bucket, &ten, 20, 0);
    assert_int_equal(token_bucket_wait_ms(&bucket, &ten, 0, 0), 2000);
    assert_int_equal(token_bucket_wait_ms(&bucket, &ten, 0, 1999), 1);
    assert_int_equal(token_bucket_wait_ms(&bucket, &ten, 0, 2000), 0);
    assert_int_equal(take_all(&bucket, 10, 5, 2000, 100), 0);
    assert_int_equal(take_all(&bucket, 10, 5, 2300, 100), 3);
    token_bucket_spend(&bucket, &(struct token_bucket_rate){0, 5}, 1000, 9000);
    assert_int_equal(
        token_bucket_wait_ms(&bucket, &(struct token_bucket_rate){0, 5}, 5, 9000), 0);
}

/* The largest settings, the largest read, a bucket that was empty for 49 days. */
static void the_largest_numbers_do_not_wrap(void **state)
{
    static const struct token_bucket_rate most = {1000000000, 1000000000};
    struct token_bucket bucket = {0};

    (void)state;
    for (int i = 0; i < 2000; i++)
        token_bucket_spend(&bucket, &most, 1000000, 0);
    assert_int_equal(token_bucket_wait_ms(&bucket, &most, 0, 0), 1000);
    assert_int_equal(token_bucket_wait_ms(&bucket, &most, 0, 999), 1);
    assert_true(token_bucket_is_half_full(&bucket, &most, UINT32_MAX));
}

static void half_full_is_said_to_the_token(void **state)
{
    static const struct token_bucket_rate rate = {10, 6};
    struct token_bucket bucket = {0};

    (void)state;
    assert_true(token_bucket_is_half_full(&bucket, &rate, 0));
    take_all(&bucket, 10, 6, 0, 3);
    assert_true(token_bucket_is_half_full(&bucket, &rate, 0));
    take_all(&bucket, 10, 6, 0, 1);
    assert_false(token_bucket_is_half_full(&bucket, &rate, 99));
    assert_true(token_bucket_is_half_full(&bucket, &rate, 100));
    token_bucket_spend(&bucket, &rate, 1000, 100);
    assert_false(token_bucket_is_half_full(&bucket, &rate, 100));
    assert_true(
        token_bucket_is_half_full(&bucket, &(struct token_bucket_rate){0, 0}, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_there_is_no_limit),
        cmocka_unit_test(a_bucket_starts_full_and_holds_the_burst),
        cmocka_unit_test(a_refusal_tells_when_to_come_back_and_no_earlier),
        cmocka_unit_test(a_refusal_costs_nothing),
        cmocka_unit_test(tokens_come_back_with_time_up_to_the_burst),
        cmocka_unit_test(over_a_long_time_the_rate_is_kept),
        cmocka_unit_test(the_clock_may_start_again),
        cmocka_unit_test(what_is_spent_beyond_the_bucket_is_paid_back),
        cmocka_unit_test(the_largest_numbers_do_not_wrap),
        cmocka_unit_test(half_full_is_said_to_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
