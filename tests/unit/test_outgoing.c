/* test_outgoing.c - what was said and is not acked: what is sent next, and what is shown once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/outgoing.h"

static void say(struct outgoing *o, uint64_t id, const char *text)
{
    outgoing_say(o, id, text, strlen(text));
}

static uint64_t send_next(struct outgoing *o, size_t most)
{
    struct outgoing_entry *entry = outgoing_due(o, most);

    if (!entry)
        return 0;
    outgoing_on_sent(o, entry);
    return entry->id;
}

static void they_are_sent_in_the_order_said(void **state)
{
    struct outgoing o;

    (void)state;
    outgoing_init(&o);
    say(&o, 1, "a");
    say(&o, 2, "the longest");
    say(&o, 3, "c");
    assert_null(outgoing_longest_sent(&o));
    assert_int_equal(send_next(&o, 0), 1);
    assert_int_equal(send_next(&o, 1), 0); /* the one before it is not answered */
    assert_int_equal(send_next(&o, 2), 2);
    assert_int_equal(outgoing_longest_sent(&o)->id, 2);
    outgoing_again(&o, outgoing_find(&o, 1)); /* Redis did not take it */
    assert_int_equal(send_next(&o, 2), 1);
    assert_int_equal(outgoing_find(&o, 1)->times, 2);
    outgoing_discard(&o, outgoing_find(&o, 1)); /* acked */
    assert_int_equal(send_next(&o, 2), 3);
    outgoing_on_lost(&o);
    assert_int_equal(o.sent, 0);
    assert_int_equal(send_next(&o, 0), 2);
    assert_int_equal(send_next(&o, 0), 3);
    assert_int_equal(send_next(&o, 0), 0);
    outgoing_deinit(&o);
    assert_int_equal(o.count, 0);
    assert_int_equal(o.sent, 0);
}

static void they_are_shown_once_whatever_comes_first(void **state)
{
    struct outgoing o;

    (void)state;
    outgoing_init(&o);
    say(&o, 1, "a");
    say(&o, 2, "b");
    say(&o, 3, "c");
    outgoing_on_ack(&o, 1, 1, true); /* ack, message */
    assert_int_equal(o.count, 3);
    outgoing_on_message(&o, "a", 1);
    assert_int_equal(o.count, 2);
    outgoing_on_message(&o, "b", 2); /* message, ack */
    assert_int_equal(outgoing_find(&o, 2)->came_as, 2);
    outgoing_on_ack(&o, 2, 2, false);
    assert_null(outgoing_find(&o, 2));
    free(outgoing_on_refused(&o, 3));
    assert_int_equal(o.count, 0);
    assert_null(outgoing_on_refused(&o, 3));
    outgoing_deinit(&o);
}

/* Redis did not take the first one at once, and took the second. */
static void an_ack_may_overtake_another(void **state)
{
    struct outgoing o;

    (void)state;
    outgoing_init(&o);
    say(&o, 1, "a");
    say(&o, 2, "b");
    outgoing_on_ack(&o, 2, 5, true);
    outgoing_on_message(&o, "b", 5);
    assert_null(outgoing_find(&o, 2));
    assert_int_equal(outgoing_find(&o, 1)->came_as, 0);
    say(&o, 3, "c");
    outgoing_on_ack(&o, 1, 7, true);
    outgoing_on_message(&o, "c", 6); /* the one that is acked is not asked about it */
    assert_int_equal(outgoing_find(&o, 3)->came_as, 6);
    outgoing_deinit(&o);
}

/* The same user says the same somewhere else. */
static void a_message_that_was_another_one_hides_nothing(void **state)
{
    struct outgoing o;

    (void)state;
    outgoing_init(&o);
    say(&o, 1, "yes");
    outgoing_on_message(&o, "yes", 7);
    assert_int_equal(outgoing_find(&o, 1)->came_as, 7);
    outgoing_on_ack(&o, 1, 8, true);
    assert_int_equal(outgoing_find(&o, 1)->came_as, 0);
    outgoing_on_message(&o, "yes", 8);
    assert_int_equal(o.count, 0);
    outgoing_deinit(&o);
}

static void a_new_epoch_brings_nothing_of_the_old_one(void **state)
{
    struct outgoing o;

    (void)state;
    outgoing_init(&o);
    say(&o, 1, "a");
    say(&o, 2, "b");
    outgoing_on_ack(&o, 1, 9, true);
    outgoing_on_message(&o, "b", 8);
    outgoing_on_new_epoch(&o);
    assert_null(outgoing_find(&o, 1));
    assert_int_equal(outgoing_find(&o, 2)->came_as, 0); /* it is shown again */
    outgoing_deinit(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_sent_in_the_order_said),
        cmocka_unit_test(they_are_shown_once_whatever_comes_first),
        cmocka_unit_test(an_ack_may_overtake_another),
        cmocka_unit_test(a_message_that_was_another_one_hides_nothing),
        cmocka_unit_test(a_new_epoch_brings_nothing_of_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
