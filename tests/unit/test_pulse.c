/* test_pulse.c - when a client is pinged, and when it is taken for gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/pulse.h"

enum { INTERVAL_S = 20 };

static enum pulse_verdict check(struct pulse *pulse, bool was_heard, bool is_choked,
                                bool is_read)
{
    const struct pulse_signs signs = {was_heard, is_choked, is_read};

    return pulse_check(pulse, &signs);
}

static void a_ping_is_due_once_an_interval(void **state)
{
    struct pulse pulse = {0};
    unsigned pings = 0;

    (void)state;
    pulse_start(&pulse, 100, INTERVAL_S);
    for (uint32_t now_s = 100; now_s < 100 + 5 * INTERVAL_S; now_s++) {
        bool is_due = pulse_is_due(&pulse, now_s, INTERVAL_S);

        assert_int_equal(is_due, now_s > 100 && (now_s - 100) % INTERVAL_S == 0);
        pings += is_due;
    }
    assert_int_equal(pings, 4);
}

static void a_client_that_is_heard_is_pinged_again_and_again(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(check(&pulse, true, false, true), PULSE_PING);
}

static void a_client_that_misses_two_pongs_is_gone(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_int_equal(check(&pulse, false, false, true), PULSE_PING);
    assert_int_equal(check(&pulse, false, false, true), PULSE_PING);
    assert_int_equal(check(&pulse, false, false, true), PULSE_NO_PONG);
}

static void a_pong_in_time_begins_the_count_again(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_int_equal(check(&pulse, false, false, true), PULSE_PING);
    assert_int_equal(check(&pulse, false, false, true), PULSE_PING);
    assert_int_equal(check(&pulse, true, false, true), PULSE_PING);
    assert_int_equal(check(&pulse, false, false, true), PULSE_PING);
    assert_int_equal(check(&pulse, false, false, true), PULSE_NO_PONG);
}

static void a_client_that_is_not_read_cannot_miss_a_pong(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(check(&pulse, false, false, false), PULSE_PING);
}

static void a_choked_client_is_not_pinged_and_never_reads_in_the_end(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_int_equal(check(&pulse, false, true, false), PULSE_WAIT);
    assert_int_equal(check(&pulse, false, true, false), PULSE_WAIT);
    assert_int_equal(check(&pulse, false, true, false), PULSE_NEVER_READS);
}

static void a_choked_client_that_was_heard_has_time_again(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_int_equal(check(&pulse, false, true, false), PULSE_WAIT);
    assert_int_equal(check(&pulse, false, true, false), PULSE_WAIT);
    assert_int_equal(check(&pulse, true, true, false), PULSE_WAIT);
    assert_int_equal(check(&pulse, false, true, false), PULSE_WAIT);
    assert_int_equal(check(&pulse, false, true, false), PULSE_NEVER_READS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_is_due_once_an_interval),
        cmocka_unit_test(a_client_that_is_heard_is_pinged_again_and_again),
        cmocka_unit_test(a_client_that_misses_two_pongs_is_gone),
        cmocka_unit_test(a_pong_in_time_begins_the_count_again),
        cmocka_unit_test(a_client_that_is_not_read_cannot_miss_a_pong),
        cmocka_unit_test(a_choked_client_is_not_pinged_and_never_reads_in_the_end),
        cmocka_unit_test(a_choked_client_that_was_heard_has_time_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
