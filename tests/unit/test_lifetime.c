/* test_lifetime.c - when tokens are warned about and end, with the clock passed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/lifetime.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { START_S = 1800000000, WARN_S = 60, LEEWAY_S = 30, MANY = 1000, BIN_MS = 100 };

struct token {
    struct lifetime lifetime;
    uint64_t warned_ms, ended_ms; /* 0: not yet */
    unsigned warnings, ends;
};

static struct lifetimes all;
static uint64_t now_ms;
static uint32_t seed;

static struct token *token_of(struct lifetime *lifetime)
{
    return list_entry(lifetime, struct token, lifetime);
}

static void on_warn(struct lifetime *lifetime)
{
    token_of(lifetime)->warned_ms = now_ms;
    token_of(lifetime)->warnings++;
}

static void on_end(struct lifetime *lifetime)
{
    token_of(lifetime)->ended_ms = now_ms;
    token_of(lifetime)->ends++;
}

static uint32_t some(void *data, uint32_t below)
{
    (void)data;
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static int begin(void **state)
{
    (void)state;
    now_ms = (uint64_t)START_S * 1000;
    seed = 5;
    all = (struct lifetimes){
        .warn_ms = WARN_S * 1000,
        .leeway_ms = LEEWAY_S * 1000,
        .random = some,
        .on_warn = on_warn,
        .on_end = on_end,
    };
    lifetimes_init(&all, now_ms);
    return 0;
}

/* In ticks of `step_ms`. */
static void pass(uint64_t ms, uint64_t step_ms)
{
    for (uint64_t end_ms = now_ms + ms; now_ms < end_ms;) {
        now_ms += step_ms;
        lifetimes_tick(&all, now_ms);
    }
}

static const struct {
    uint64_t life_s, warn_from_s, warn_until_s; /* from the start */
} lives[] = {
    {3600, 3540, 3570}, {60, 0, 30}, {61, 1, 31},
    {10, 0, 5},         {1, 0, 1},   {86400, 86340, 86370},
};

static void a_warning_comes_once_and_then_the_end(void **state)
{
    static const uint64_t steps[] = {LIFETIME_TICK_MS, 117, 1000};

    for (size_t i = 0; i < COUNT(lives); i++)
        for (size_t k = 0; k < COUNT(steps); k++) {
            struct token token = {0};
            uint64_t start_ms, end_ms;

            begin(state);
            start_ms = now_ms;
            end_ms = start_ms + 1000 * (lives[i].life_s + LEEWAY_S);
            print_message("  a life of %u s in ticks of %u ms\n",
                          (unsigned)lives[i].life_s, (unsigned)steps[k]);
            lifetime_set(&all, &token.lifetime, START_S + lives[i].life_s);
            pass(1000 * (lives[i].life_s + LEEWAY_S + 5), steps[k]);
            assert_int_equal(token.warnings, 1);
            assert_int_equal(token.ends, 1);
            assert_in_range(token.warned_ms, start_ms + 1000 * lives[i].warn_from_s,
                            start_ms + 1000 * lives[i].warn_until_s + 2 * steps[k]);
            assert_in_range(token.ended_ms, end_ms, end_ms + 2 * steps[k]);
        }
}

static void what_has_no_end_never_ends(void **state)
{
    struct token token = {0};

    (void)state;
    lifetime_set(&all, &token.lifetime, 0);
    pass(1000000, 1000);
    assert_int_equal(token.warnings + token.ends, 0);
    lifetime_stop(&token.lifetime);
}

static void another_end_counts_from_then_on(void **state)
{
    struct token token = {0};

    (void)state;
    lifetime_set(&all, &token.lifetime, START_S + 100);
    pass(75000, 100);
    assert_int_equal(token.warnings, 1);
    lifetime_set(&all, &token.lifetime, START_S + 1000);
    pass(800000, 100);
    assert_int_equal(token.warnings, 1);
    assert_int_equal(token.ends, 0);
    pass(200000, 100);
    assert_int_equal(token.warnings, 2);
    assert_int_equal(token.ends, 1);
}

static void an_exact_end_has_no_leeway(void **state)
{
    for (int at_once = 0; at_once < 2; at_once++) {
        struct token token = {0};
        uint64_t start_ms;

        begin(state);
        start_ms = now_ms;
        lifetime_set(&all, &token.lifetime, START_S + 3600);
        lifetime_set_exact(&all, &token.lifetime, START_S + 40, at_once);
        pass(45000, 100);
        assert_int_equal(token.warnings, 1);
        assert_in_range(token.warned_ms, start_ms,
                        start_ms + (at_once ? 0 : 20000) + 2 * LIFETIME_TICK_MS);
        assert_in_range(token.ended_ms, start_ms + 40000, start_ms + 40000 + 200);
    }
}

static void what_is_stopped_never_ends(void **state)
{
    struct token token = {0}, never = {0};

    (void)state;
    lifetime_set(&all, &token.lifetime, START_S + 100);
    lifetime_stop(&token.lifetime);
    lifetime_stop(&never.lifetime);
    pass(200000, 1000);
    assert_int_equal(token.warnings + token.ends, 0);
}

static const struct {
    int64_t by_s;
} jumps[] = {{3631}, {7 * 86400}, {400 * 86400}};

/* Set forward while a token lives: it ends with the next tick. */
static void a_clock_that_is_set_forward_ends_what_is_over(void **state)
{
    for (size_t i = 0; i < COUNT(jumps); i++) {
        struct token soon = {0}, later = {0};

        begin(state);
        print_message("  by %lld s\n", (long long)jumps[i].by_s);
        lifetime_set(&all, &soon.lifetime, START_S + 3600);
        lifetime_set(&all, &later.lifetime, (uint64_t)(START_S + jumps[i].by_s + 600));
        now_ms += (uint64_t)(1000 * jumps[i].by_s);
        lifetimes_tick(&all, now_ms);
        lifetimes_tick(&all, now_ms += LIFETIME_TICK_MS);
        assert_int_equal(soon.ends, 1);
        assert_int_equal(later.warnings, 0);
        pass(1000 * (600 + LEEWAY_S + 1), 1000);
        assert_int_equal(later.warnings, 1);
        assert_int_equal(later.ends, 1);
    }
}

/* Set back: it lives on, and is warned about at its time. */
static void a_clock_that_is_set_back_lets_it_live_on(void **state)
{
    struct token token = {0};

    (void)state;
    lifetime_set(&all, &token.lifetime, START_S + 3600);
    now_ms -= 1800000;
    pass(5300000, 1000);
    assert_int_equal(token.warnings, 0);
    pass(100000, 1000);
    assert_int_equal(token.warnings, 1);
    pass(100000, 1000);
    assert_int_equal(token.ends, 1);
}

static void warnings_of_tokens_with_one_end_are_spread(void **state)
{
    struct token *tokens = calloc(MANY, sizeof(*tokens));
    unsigned bins[WARN_S * 1000 / BIN_MS] = {0};

    (void)state;
    for (int i = 0; i < MANY; i++)
        lifetime_set(&all, &tokens[i].lifetime, START_S + 3600);
    pass(3600000, 100);
    for (int i = 0; i < MANY; i++) {
        uint64_t since = tokens[i].warned_ms - 1000 * (uint64_t)(START_S + 3540);

        assert_int_equal(tokens[i].warnings, 1);
        assert_true(since / BIN_MS < COUNT(bins));
        bins[since / BIN_MS]++;
        lifetime_stop(&tokens[i].lifetime);
    }
    for (size_t i = 0; i < COUNT(bins); i++)
        assert_true(bins[i] <= MANY * 3 / 100);
    free(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_warning_comes_once_and_then_the_end, begin),
        cmocka_unit_test_setup(what_has_no_end_never_ends, begin),
        cmocka_unit_test_setup(another_end_counts_from_then_on, begin),
        cmocka_unit_test_setup(what_is_stopped_never_ends, begin),
        cmocka_unit_test_setup(an_exact_end_has_no_leeway, begin),
        cmocka_unit_test_setup(a_clock_that_is_set_forward_ends_what_is_over, begin),
        cmocka_unit_test_setup(a_clock_that_is_set_back_lets_it_live_on, begin),
        cmocka_unit_test_setup(warnings_of_tokens_with_one_end_are_spread, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
