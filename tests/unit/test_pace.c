/* test_pace.c - the place of connections that send too much, with the time passed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/pace.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TEXT = 0x81, PING = 0x89, PER_SEC = 50, BURST = 200, BYTES_BURST = 1000 };

static void set_up(struct pace_env *env, struct pace *paces, size_t count)
{
    *env = (struct pace_env){.frames = {PER_SEC, BURST}, .bytes = {100, BYTES_BURST}};
    pace_env_init(env);
    for (size_t i = 0; i < count; i++) {
        paces[i] = (struct pace){0};
        pace_init(&paces[i]);
    }
}

static uint32_t take_frames(struct pace_env *env, struct pace *pace, uint32_t most,
                            uint32_t now_ms)
{
    uint32_t taken = 0;

    while (taken < most && pace_take_frame(env, pace, TEXT, now_ms))
        taken++;
    return taken;
}

static void half_of_each_bucket_makes_first(void **state)
{
    struct pace_env env;
    struct pace pace;

    (void)state;
    set_up(&env, &pace, 1);
    assert_true(pace_is_first(&env, &pace, 0));
    take_frames(&env, &pace, BURST / 2, 0);
    assert_true(pace_is_first(&env, &pace, 0));
    take_frames(&env, &pace, 1, 0);
    assert_false(pace_is_first(&env, &pace, 0));
    assert_true(pace_is_first(&env, &pace, 20));
    pace_take_bytes(&env, &pace, BYTES_BURST / 2 + 1, 20);
    assert_false(pace_is_first(&env, &pace, 20));
    assert_true(pace_is_first(&env, &pace, 30));
}

static void without_limits_everybody_is_first(void **state)
{
    struct pace_env env;
    struct pace pace;
    enum pace_why why;

    (void)state;
    set_up(&env, &pace, 1);
    env.frames = env.bytes = env.messages = (struct token_bucket_rate){0, 0};
    assert_int_equal(take_frames(&env, &pace, 100000, 0), 100000);
    pace_take_bytes(&env, &pace, UINT32_MAX, 0);
    assert_true(pace_is_first(&env, &pace, 0));
    assert_false(pace_wait(&env, &pace, 0, &why));
}

static void the_empty_bucket_says_why(void **state)
{
    static const struct {
        unsigned char byte;
        enum pace_why why;
    } frames[] = {
        {0x81, PACE_REQUESTS}, {0x82, PACE_REQUESTS}, {0x01, PACE_FRAMES},
        {0x00, PACE_FRAMES},   {0x80, PACE_FRAMES},   {0x89, PACE_FRAMES},
        {0x8a, PACE_FRAMES},   {0x88, PACE_FRAMES},   {0xff, PACE_FRAMES},
    };
    struct pace_env env;
    struct pace pace;
    enum pace_why why;

    (void)state;
    for (size_t i = 0; i < COUNT(frames); i++) {
        set_up(&env, &pace, 1);
        take_frames(&env, &pace, BURST, 0);
        assert_false(pace_take_frame(&env, &pace, frames[i].byte, 0));
        assert_true(pace_wait(&env, &pace, 0, &why));
        assert_int_equal(why, frames[i].why);
        pace_free(&env, &pace, 0);
    }
    set_up(&env, &pace, 1);
    pace_take_bytes(&env, &pace, BYTES_BURST, 0);
    assert_false(pace_wait(&env, &pace, 0, &why)); /* it owes nothing */
    pace_take_bytes(&env, &pace, 1, 0);
    assert_true(pace_wait(&env, &pace, 0, &why));
    assert_int_equal(why, PACE_BYTES);
}

static void a_message_takes_a_token_that_the_next_frame_waits_for(void **state)
{
    struct pace_env env;
    struct pace pace;
    enum pace_why why;

    (void)state;
    set_up(&env, &pace, 1);
    env.messages = (struct token_bucket_rate){10, 2};
    assert_true(pace_take_frame(&env, &pace, TEXT, 0));
    pace_take_message(&env, &pace, 0);
    assert_true(pace_is_first(&env, &pace, 0));
    assert_true(pace_take_frame(&env, &pace, TEXT, 0));
    pace_take_message(&env, &pace, 0);
    assert_false(pace_is_first(&env, &pace, 0));
    assert_false(pace_take_frame(&env, &pace, PING, 99)); /* it may be anything */
    assert_true(pace_wait(&env, &pace, 99, &why));
    assert_int_equal(why, PACE_MESSAGES);
    pace_free(&env, &pace, 99);
    assert_true(pace_take_frame(&env, &pace, PING, 100));
    assert_false(pace_wait(&env, &pace, 100, &why));
}

static void the_queue_is_a_round(void **state)
{
    struct pace_env env;
    struct pace paces[3];

    (void)state;
    set_up(&env, paces, COUNT(paces));
    assert_null(pace_next(&env));
    for (size_t i = 0; i < COUNT(paces); i++)
        pace_queue(&env, &paces[i], 0);
    for (size_t i = 0; i < 10 * COUNT(paces); i++) {
        assert_ptr_equal(pace_next(&env), &paces[i % COUNT(paces)]);
        pace_queue(&env, &paces[i % COUNT(paces)], 0);
    }
    pace_free(&env, &paces[0], 0);
    pace_free(&env, &paces[0], 0);
    assert_ptr_equal(pace_next(&env), &paces[1]);
    pace_free(&env, &paces[1], 0);
    pace_free(&env, &paces[2], 0);
    assert_null(pace_next(&env));
}

static void a_waiter_queues_when_there_is_a_token_and_no_earlier(void **state)
{
    struct pace_env env;
    struct pace paces[2];
    enum pace_why why;

    (void)state;
    set_up(&env, paces, COUNT(paces));
    for (size_t i = 0; i < COUNT(paces); i++)
        take_frames(&env, &paces[i], BURST, 1000);
    assert_true(pace_wait(&env, &paces[0], 1000, &why));
    pace_take_bytes(&env, &paces[1], BYTES_BURST + 200, 1000);
    assert_true(pace_wait(&env, &paces[1], 1000, &why));
    assert_int_equal(env.waiting, 2);
    for (uint32_t now = 1000; now < 1020; now++) {
        pace_turn(&env, now);
        assert_null(pace_next(&env));
    }
    pace_turn(&env, 1020);
    assert_ptr_equal(pace_next(&env), &paces[0]);
    assert_int_equal(env.waiting, 1);
    assert_false(pace_wait(&env, &paces[0], 1020, &why));
    assert_int_equal(take_frames(&env, &paces[0], 10, 1020), 1);
    assert_true(pace_wait(&env, &paces[0], 1020, &why));
    pace_free(&env, &paces[0], 1020);
    pace_turn(&env, 2990); /* also when the loop has not turned for long */
    assert_null(pace_next(&env));
    pace_turn(&env, 3000);
    assert_ptr_equal(pace_next(&env), &paces[1]);
    assert_int_equal(env.waiting, 0);
}

static void over_a_long_time_the_rate_is_kept(void **state)
{
    struct pace_env env;
    struct pace pace;
    enum pace_why why;
    uint32_t taken = 0;

    (void)state;
    set_up(&env, &pace, 1);
    pace_queue(&env, &pace, 0);
    for (uint32_t now = 0; now < 600000; now += 3) {
        pace_turn(&env, now);
        if (!pace_next(&env))
            continue;
        taken += take_frames(&env, &pace, 1000, now);
        assert_true(pace_wait(&env, &pace, now, &why));
    }
    assert_in_range(taken, PER_SEC * 600, PER_SEC * 600 + BURST);
}

static void a_run_of_waiting_ends_with_a_second_without(void **state)
{
    struct pace_env env;
    struct pace pace;
    enum pace_why why;

    (void)state;
    set_up(&env, &pace, 1);
    assert_int_equal(pace_run_ms(&pace, 5000), 0);
    take_frames(&env, &pace, BURST, 5000);
    for (uint32_t now = 5000; now < 9000; now += 20) { /* again and again */
        assert_true(pace_wait(&env, &pace, now, &why));
        pace_turn(&env, now + 20);
        pace_free(&env, &pace, now + 20);
        assert_int_equal(take_frames(&env, &pace, 10, now + 20), 1);
    }
    assert_in_range(pace_run_ms(&pace, 9000), 4000, 4001);
    assert_in_range(pace_run_ms(&pace, 10000), 5000, 5001);
    assert_int_equal(pace_run_ms(&pace, 10001), 0);
    take_frames(&env, &pace, BURST, 20000);
    assert_true(pace_wait(&env, &pace, 20000, &why));
    assert_in_range(pace_run_ms(&pace, 25000), 5000, 5001); /* at one stretch */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_each_bucket_makes_first),
        cmocka_unit_test(without_limits_everybody_is_first),
        cmocka_unit_test(the_empty_bucket_says_why),
        cmocka_unit_test(a_message_takes_a_token_that_the_next_frame_waits_for),
        cmocka_unit_test(the_queue_is_a_round),
        cmocka_unit_test(a_waiter_queues_when_there_is_a_token_and_no_earlier),
        cmocka_unit_test(over_a_long_time_the_rate_is_kept),
        cmocka_unit_test(a_run_of_waiting_ends_with_a_second_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
