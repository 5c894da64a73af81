/* test_slot.c - who gets the slot for a large answer, and who may read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/slot.h"

struct scene {
    struct slot slot; /* first */
    struct slot_reads reads;
    char trace[256];
    unsigned lefts;
    bool can_send;
};

struct waiter {
    struct slot_wait wait; /* first */
    struct scene *scene;
    char name;
    bool leaves_at_once, reads;
};

static bool can_send(const struct slot *slot)
{
    return ((const struct scene *)(const void *)slot)->can_send;
}

static void on_left(struct slot *slot)
{
    ((struct scene *)(void *)slot)->lefts++;
}

static const struct slot_hooks hooks = {can_send, on_left};

static void begin(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    slot_init(&s->slot, &hooks);
    slot_reads_init(&s->reads);
    s->can_send = true;
}

static void on_go(struct slot_wait *wait)
{
    struct waiter *w = (struct waiter *)(void *)wait;

    assert_true(list_is_empty(&wait->link));
    strncat(w->scene->trace, &w->name, 1);
    if (w->reads)
        assert_true(slot_begin_read(&w->scene->reads, wait));
    else
        assert_true(w->scene->slot.is_taken);
    if (w->leaves_at_once)
        slot_leave(&w->scene->slot);
}

static struct waiter new_waiter(struct scene *s, char name)
{
    struct waiter w = {.scene = s, .name = name};

    w.wait.go = on_go;
    return w;
}

/* ---- the slot ---- */

static void a_free_slot_is_taken_at_once(void **state)
{
    struct scene s;
    struct waiter a;

    (void)state;
    begin(&s);
    a = new_waiter(&s, 'a');
    slot_wait_init(&a.wait, on_go);
    assert_true(slot_take(&s.slot, &a.wait));
    assert_true(s.slot.is_taken);
    assert_null(slot_first(&s.slot));
    slot_leave(&s.slot);
    assert_false(s.slot.is_taken);
    assert_int_equal(s.lefts, 1);
    assert_string_equal(s.trace, ""); /* the one that took it is not called */
}

static void one_at_a_time_in_the_order_they_came(void **state)
{
    struct scene s;
    struct waiter w[4];

    (void)state;
    begin(&s);
    for (int i = 0; i < 4; i++) {
        w[i] = new_waiter(&s, (char)('a' + i));
        slot_wait_init(&w[i].wait, on_go);
        assert_int_equal(slot_take(&s.slot, &w[i].wait), i == 0);
    }
    assert_ptr_equal(slot_first(&s.slot), &w[1].wait);
    assert_string_equal(s.trace, "");
    slot_leave(&s.slot);
    assert_string_equal(s.trace, "b");
    slot_give(&s.slot); /* it is taken */
    assert_string_equal(s.trace, "b");
    slot_leave(&s.slot);
    slot_leave(&s.slot);
    assert_string_equal(s.trace, "bcd");
    slot_leave(&s.slot);
    assert_false(s.slot.is_taken);
    assert_int_equal(s.lefts, 4);
}

static void a_slot_is_given_only_as_the_client_takes_more(void **state)
{
    struct scene s;
    struct waiter a, b;

    (void)state;
    begin(&s);
    a = new_waiter(&s, 'a');
    b = new_waiter(&s, 'b');
    slot_wait_init(&a.wait, on_go);
    slot_wait_init(&b.wait, on_go);
    s.can_send = false;
    assert_false(slot_take(&s.slot, &a.wait));
    slot_give(&s.slot);
    assert_string_equal(s.trace, "");
    assert_false(s.slot.is_taken);
    s.can_send = true;
    assert_false(slot_take(&s.slot, &b.wait)); /* after the one that waits */
    slot_give(&s.slot);
    assert_string_equal(s.trace, "a");
    s.can_send = false;
    slot_leave(&s.slot);
    assert_string_equal(s.trace, "a");
    assert_false(s.slot.is_taken);
    s.can_send = true;
    slot_give(&s.slot);
    assert_string_equal(s.trace, "ab");
}

static void asking_twice_is_waiting_once(void **state)
{
    struct scene s;
    struct waiter a, b;

    (void)state;
    begin(&s);
    a = new_waiter(&s, 'a');
    b = new_waiter(&s, 'b');
    slot_wait_init(&a.wait, on_go);
    slot_wait_init(&b.wait, on_go);
    s.can_send = false;
    slot_take(&s.slot, &a.wait);
    slot_take(&s.slot, &b.wait);
    slot_take(&s.slot, &a.wait); /* and keeps its place */
    s.can_send = true;
    slot_give(&s.slot);
    slot_leave(&s.slot);
    slot_leave(&s.slot);
    assert_string_equal(s.trace, "ab");
}

static void a_dead_waiter_gets_nothing(void **state)
{
    struct scene s;
    struct waiter w[3];

    (void)state;
    begin(&s);
    for (int i = 0; i < 3; i++) {
        w[i] = new_waiter(&s, (char)('a' + i));
        slot_wait_init(&w[i].wait, on_go);
        slot_take(&s.slot, &w[i].wait);
    }
    slot_stop_waiting(&w[1].wait);
    slot_stop_waiting(&w[1].wait); /* twice is allowed */
    memset(&w[1], 0xff, sizeof(w[1]));
    slot_leave(&s.slot);
    assert_string_equal(s.trace, "c");
}

static void one_that_leaves_at_once_lets_the_next_go(void **state)
{
    struct scene s;
    struct waiter w[4];

    (void)state;
    begin(&s);
    for (int i = 0; i < 4; i++) {
        w[i] = new_waiter(&s, (char)('a' + i));
        slot_wait_init(&w[i].wait, on_go);
        w[i].leaves_at_once = i == 1 || i == 2;
        slot_take(&s.slot, &w[i].wait);
    }
    slot_leave(&s.slot);
    assert_string_equal(s.trace, "bcd");
    assert_true(s.slot.is_taken);
    assert_int_equal(s.lefts, 3);
}

/* ---- reads ---- */

static void a_worker_has_so_many_reads_at_a_time(void **state)
{
    struct scene s;
    struct waiter w[SLOT_READS_MAX + 3];

    (void)state;
    begin(&s);
    for (int i = 0; i < SLOT_READS_MAX + 3; i++) {
        w[i] = new_waiter(&s, (char)('a' + i));
        w[i].reads = true;
        slot_wait_init(&w[i].wait, on_go);
        assert_int_equal(slot_begin_read(&s.reads, &w[i].wait), i < SLOT_READS_MAX);
    }
    assert_int_equal(s.reads.count, SLOT_READS_MAX);
    slot_next_reads(&s.reads);
    assert_string_equal(s.trace, "");
    slot_end_read(&s.reads);
    slot_next_reads(&s.reads);
    assert_string_equal(s.trace, "i");
    assert_int_equal(s.reads.count, SLOT_READS_MAX);
    slot_end_read(&s.reads);
    slot_end_read(&s.reads);
    slot_next_reads(&s.reads);
    assert_string_equal(s.trace, "ijk");
    for (int i = 0; i < SLOT_READS_MAX; i++)
        slot_end_read(&s.reads);
    assert_int_equal(s.reads.count, 0);
}

static void a_dead_waiter_reads_nothing(void **state)
{
    struct scene s;
    struct waiter w[SLOT_READS_MAX + 2];

    (void)state;
    begin(&s);
    for (int i = 0; i < SLOT_READS_MAX + 2; i++) {
        w[i] = new_waiter(&s, (char)('a' + i));
        w[i].reads = true;
        slot_wait_init(&w[i].wait, on_go);
        slot_begin_read(&s.reads, &w[i].wait);
    }
    slot_stop_waiting(&w[SLOT_READS_MAX].wait);
    slot_end_read(&s.reads);
    slot_next_reads(&s.reads);
    assert_string_equal(s.trace, "j");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_slot_is_taken_at_once),
        cmocka_unit_test(one_at_a_time_in_the_order_they_came),
        cmocka_unit_test(a_slot_is_given_only_as_the_client_takes_more),
        cmocka_unit_test(asking_twice_is_waiting_once),
        cmocka_unit_test(a_dead_waiter_gets_nothing),
        cmocka_unit_test(one_that_leaves_at_once_lets_the_next_go),
        cmocka_unit_test(a_worker_has_so_many_reads_at_a_time),
        cmocka_unit_test(a_dead_waiter_reads_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
