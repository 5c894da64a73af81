/* test_redis_pending.c - the commands that wait for Redis: their order, their deadlines; and
 * whether a connection still lives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/redis_pending.h"
#include "common/redis_pulse.h"

enum { DEADLINE_MS = 100, SILENCE_MS = 3000 };

static int marks[1000];

static void on_reply(void *data, int status, const redisReply *reply)
{
    (void)data;
    (void)status;
    (void)reply;
}

static void add(struct redis_pending *p, unsigned mark, uint64_t sent_at, bool is_again)
{
    redis_pending_add(p, (struct redis_call){.on_reply = on_reply,
                                             .data = &marks[mark],
                                             .sent_at = sent_at,
                                             .is_again = is_again});
}

static void expect_taken(struct redis_pending *p, unsigned mark)
{
    assert_ptr_equal(redis_pending_first(p)->data, &marks[mark]);
    assert_ptr_equal(redis_pending_take(p).data, &marks[mark]);
}

/* The marks that expire at `now`, in order; -1 ends them. */
static void expect_expired(struct redis_pending *p, uint64_t now, const int *expected)
{
    struct redis_call call;
    unsigned at = 0;

    while (redis_pending_expire(p, &at, now, DEADLINE_MS, &call)) {
        assert_ptr_equal(call.data, &marks[*expected]);
        expected++;
    }
    assert_int_equal(*expected, -1);
}

static void calls_come_out_in_the_order_they_went_in(void **state)
{
    struct redis_pending p = {0};
    unsigned in = 0, out = 0;

    (void)state;
    for (unsigned round = 0; round < 9; round++) {
        while (in - out < 70 + 40 * round &&
               in < 1000) /* it grows while it is turned */
            add(&p, in++, 0, false);
        for (unsigned n = 0; n < 50; n++)
            expect_taken(&p, out++);
    }
    assert_int_equal(p.count, in - out);
    redis_pending_deinit(&p);
}

static void what_is_late_expires_once_and_still_has_its_reply(void **state)
{
    struct redis_pending p = {0};

    (void)state;
    add(&p, 0, 0, false);
    add(&p, 1, 10, false);
    add(&p, 2, 50, false);
    expect_expired(&p, 99, (const int[]){-1});
    expect_expired(&p, 110, (const int[]){0, 1, -1});
    expect_expired(&p, 120, (const int[]){-1});
    expect_taken(&p, 0);
    expect_expired(&p, 150, (const int[]){2, -1});
    assert_null(redis_pending_take(&p).on_reply);
    assert_null(redis_pending_take(&p).on_reply);
    assert_int_equal(p.count, 0);
    redis_pending_deinit(&p);
}

/* One that takes the place of another was sent late and counts from early. */
static void a_call_sent_again_expires_before_those_in_front_of_it(void **state)
{
    struct redis_pending p = {0};

    (void)state;
    add(&p, 0, 50, false);
    add(&p, 1, 0, true);
    add(&p, 2, 60, false);
    expect_expired(&p, 100, (const int[]){1, -1});
    expect_expired(&p, 160, (const int[]){0, 2, -1});
    expect_taken(&p, 0);
    expect_taken(&p, 1);
    assert_int_equal(p.again_count, 0);
    redis_pending_deinit(&p);
}

static void a_connection_without_a_sign_of_life_is_silent(void **state)
{
    struct redis_pulse pulse = {0};

    (void)state;
    redis_pulse_on_reply(&pulse, 1000);
    assert_false(redis_pulse_is_silent(&pulse, 1000, SILENCE_MS, 3999));
    assert_true(redis_pulse_is_silent(&pulse, 1000, SILENCE_MS, 4000));
    assert_false(
        redis_pulse_is_silent(&pulse, 2000, SILENCE_MS, 4000)); /* asked later */
    redis_pulse_on_bytes(&pulse, 100, 3900);
    assert_true(redis_pulse_is_silent(&pulse, 1000, SILENCE_MS, 4000));
}

static void many_bytes_are_a_sign_for_a_bounded_time(void **state)
{
    struct redis_pulse pulse = {0};

    (void)state;
    redis_pulse_on_reply(&pulse, 0);
    for (uint64_t now = 1000; now < 10 * SILENCE_MS; now += 1000) {
        redis_pulse_on_bytes(&pulse, 16 * 1024, now);
        assert_false(redis_pulse_is_silent(&pulse, 0, SILENCE_MS, now));
    }
    redis_pulse_on_bytes(&pulse, 16 * 1024, 10 * SILENCE_MS);
    assert_true(redis_pulse_is_silent(&pulse, 0, SILENCE_MS, 10 * SILENCE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_come_out_in_the_order_they_went_in),
        cmocka_unit_test(what_is_late_expires_once_and_still_has_its_reply),
        cmocka_unit_test(a_call_sent_again_expires_before_those_in_front_of_it),
        cmocka_unit_test(a_connection_without_a_sign_of_life_is_silent),
        cmocka_unit_test(many_bytes_are_a_sign_for_a_bounded_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
