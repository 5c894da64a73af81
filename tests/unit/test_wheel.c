/* test_wheel.c - coarse timers: each is woken at its tick, also beyond one turn of the wheel, and
 * any order of setting, moving and removing against a plain model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wheel.h"

enum { TIMERS = 20, STEPS = 5000 };

static struct wheel wheel;
static struct {
    struct wheel_timer timer; /* first */
    uint32_t due;             /* of the model; 0: not set */
    unsigned woken;
    bool sets_again;
} things[TIMERS];

static int set_up(void **state)
{
    (void)state;
    wheel_init(&wheel);
    memset(things, 0, sizeof(things));
    for (unsigned i = 0; i < TIMERS; i++)
        list_init(&things[i].timer.link);
    return 0;
}

static void wake(struct wheel *of, struct wheel_timer *timer)
{
    unsigned i = (unsigned)((char *)timer - (char *)things) / sizeof(things[0]);

    assert_ptr_equal(of, &wheel);
    assert_true(list_is_empty(&timer->link)); /* it is out of the wheel */
    assert_int_equal(things[i].due, wheel.now);
    things[i].due = 0;
    things[i].woken++;
    if (things[i].sets_again) {
        things[i].due = wheel.now + 1;
        wheel_set(&wheel, timer, wheel.now); /* past: the next one */
    }
}

static void turn(unsigned ticks)
{
    while (ticks-- > 0)
        wheel_turn(&wheel, wake);
}

static void set(unsigned i, uint32_t at)
{
    things[i].due = at;
    wheel_set(&wheel, &things[i].timer, at);
}

static void a_timer_is_woken_at_its_tick_and_once(void **state)
{
    (void)state;
    set(0, 3);
    turn(2);
    assert_int_equal(things[0].woken, 0);
    turn(1);
    assert_int_equal(things[0].woken, 1);
    turn(200);
    assert_int_equal(things[0].woken, 1);
}

static void a_timer_beyond_the_wheel_waits_until_its_turn(void **state)
{
    (void)state;
    set(0, WHEEL_SLOTS - 1);
    set(1, WHEEL_SLOTS);
    set(2, WHEEL_SLOTS + 1);
    set(3, 10 * WHEEL_SLOTS + 7);
    turn(10 * WHEEL_SLOTS + 6);
    assert_int_equal(things[0].woken + things[1].woken + things[2].woken, 3);
    assert_int_equal(things[3].woken, 0);
    turn(1);
    assert_int_equal(things[3].woken, 1);
}

static void what_is_past_is_woken_at_the_next_tick(void **state)
{
    (void)state;
    turn(10);
    wheel_set(&wheel, &things[0].timer, 4);
    wheel_set(&wheel, &things[1].timer, 10);
    things[0].due = things[1].due = 11;
    turn(1);
    assert_int_equal(things[0].woken, 1);
    assert_int_equal(things[1].woken, 1);
}

static void a_timer_that_is_set_while_it_is_woken_waits_a_tick(void **state)
{
    (void)state;
    things[0].sets_again = true;
    set(0, 1);
    turn(1);
    assert_int_equal(things[0].woken, 1);
    turn(100);
    assert_int_equal(things[0].woken, 101);
}

static void a_timer_is_moved_and_removed(void **state)
{
    (void)state;
    set(0, 5);
    set(0, 9);
    set(1, 5);
    wheel_remove(&things[1].timer);
    wheel_remove(&things[1].timer);
    turn(20);
    assert_int_equal(things[0].woken, 1);
    assert_int_equal(things[1].woken, 0);
}

static unsigned pick(unsigned n)
{
    static uint64_t random = 0x9e3779b97f4a7c15u;

    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return (unsigned)(random >> 33) % n;
}

static void any_order_wakes_each_at_its_tick(void **state)
{
    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = pick(TIMERS);

        if (pick(4) == 0) {
            wheel_remove(&things[i].timer);
            things[i].due = 0;
        } else if (pick(2)) {
            set(i, wheel.now + 1 + pick(pick(2) ? 10 : 300));
        } else {
            turn(1);
        }
        for (i = 0; i < TIMERS; i++)
            assert_true(things[i].due == 0 || things[i].due > wheel.now);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_timer_is_woken_at_its_tick_and_once),
        TEST(a_timer_beyond_the_wheel_waits_until_its_turn),
        TEST(what_is_past_is_woken_at_the_next_tick),
        TEST(a_timer_that_is_set_while_it_is_woken_waits_a_tick),
        TEST(a_timer_is_moved_and_removed),
        TEST(any_order_wakes_each_at_its_tick),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
