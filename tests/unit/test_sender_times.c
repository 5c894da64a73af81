/* test_sender_times.c - when what waits for a client is written. The clock is the test's: it
 * takes the place of the C library's, so libuv's time stands still until pass_ms.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "tests/support/unit/senders.h"

enum {
    MAX_BYTES = 8000, /* of a queue */
    FLUSH_MS = 20,
    PRESENCE_MS = 100,
    CROWD = 400, /* as in sender.c */
};

/* ---- the clock ---- */

static uint64_t clock_ms = 5000;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    now->tv_sec = (time_t)(clock_ms / 1000);
    now->tv_nsec = (long)(clock_ms % 1000 * 1000000);
    return 0;
}

static void pass_ms(uint32_t ms)
{
    clock_ms += ms;
    senders_turn();
}

/* ---- when it is written ---- */

static void without_times_all_that_is_queued_in_a_turn_is_one_write(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_say(owner, SENDER_PRESENCE, 'a');
    owner_say(owner, SENDER_SIGNAL, 'b');
    owner_say(owner, SENDER_MESSAGE, 'c');
    owner_say(owner, SENDER_REPLY, 'd');
    owner_expect(owner, "");
    senders_turn();
    owner_expect(owner, "abcd");
    assert_int_equal(metric_read(&senders.metrics.writes_total), 1);
    assert_int_equal(metric_read(&senders.metrics.sent_bytes_total), 4);
    owner_free(owner);
    senders_end();
}

static void messages_wait_after_a_write_and_not_after_a_quiet_time(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, FLUSH_MS, PRESENCE_MS);
    owner = owner_open();
    owner_say(owner, SENDER_MESSAGE, 'a');
    senders_turn();
    owner_expect(owner, "a");
    owner_say(owner, SENDER_MESSAGE, 'b');
    pass_ms(FLUSH_MS - 1);
    owner_say(owner, SENDER_SIGNAL, 'c');
    senders_turn();
    owner_expect(owner, "");
    pass_ms(1);
    owner_expect(owner, "bc");
    pass_ms(FLUSH_MS - 1);
    owner_say(owner, SENDER_MESSAGE, 'd');
    senders_turn();
    owner_expect(owner, "");
    pass_ms(FLUSH_MS);
    owner_expect(owner, "d");
    pass_ms(FLUSH_MS);
    owner_say(owner, SENDER_MESSAGE, 'e');
    senders_turn();
    owner_expect(owner, "e");
    owner_free(owner);
    senders_end();
}

static void presence_waits_its_time_from_the_first_on(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, PRESENCE_MS);
    owner = owner_open();
    owner_say(owner, SENDER_PRESENCE, 'a');
    pass_ms(PRESENCE_MS - 1);
    owner_say(owner, SENDER_PRESENCE, 'b');
    senders_turn();
    owner_expect(owner, "");
    pass_ms(1);
    owner_expect(owner, "ab");
    owner_say(owner, SENDER_PRESENCE, 'c');
    pass_ms(PRESENCE_MS - 1);
    owner_expect(owner, "");
    pass_ms(1);
    owner_expect(owner, "c");
    owner_free(owner);
    senders_end();
}

static void each_waits_its_own_time(void **state)
{
    struct owner *first, *second;

    (void)state;
    senders_begin(MAX_BYTES, 0, PRESENCE_MS);
    first = owner_open();
    second = owner_open();
    owner_say(first, SENDER_PRESENCE, 'a');
    pass_ms(1);
    owner_say(second, SENDER_PRESENCE, 'b');
    pass_ms(PRESENCE_MS - 1);
    owner_expect(first, "a");
    owner_expect(second, "");
    pass_ms(1);
    owner_expect(second, "b");
    owner_free(first);
    owner_free(second);
    senders_end();
}

static void what_waits_goes_out_with_what_does_not_and_in_order(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, FLUSH_MS, PRESENCE_MS);
    owner = owner_open();
    owner_say(owner, SENDER_REPLY, 'a');
    senders_turn();
    owner_say(owner, SENDER_PRESENCE, 'b');
    owner_say(owner, SENDER_MESSAGE, 'c');
    senders_turn();
    owner_expect(owner, "a");
    owner_say(owner, SENDER_REPLY, 'd');
    senders_turn();
    owner_expect(owner, "bcd");
    pass_ms(PRESENCE_MS);
    assert_int_equal(metric_read(&senders.metrics.writes_total), 2);
    owner_free(owner);
    senders_end();
}

static void the_more_urgent_class_decides(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, FLUSH_MS, PRESENCE_MS);
    owner = owner_open();
    owner_say(owner, SENDER_REPLY, '.');
    senders_turn();
    owner_expect(owner, ".");
    owner_say(owner, SENDER_PRESENCE, 'a');
    owner_say(owner, SENDER_MESSAGE, 'b'); /* no longer with presence */
    pass_ms(FLUSH_MS - 1);
    owner_expect(owner, "");
    pass_ms(1);
    owner_expect(owner, "ab");
    owner_say(owner, SENDER_MESSAGE, 'c');
    pass_ms(FLUSH_MS / 2);
    owner_say(owner, SENDER_PRESENCE, 'd'); /* does not put it off */
    pass_ms(FLUSH_MS / 2);
    owner_expect(owner, "cd");
    owner_free(owner);
    senders_end();
}

static void a_long_queue_does_not_wait(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(1024 * 1024, FLUSH_MS, PRESENCE_MS);
    owner = owner_open();
    owner_send(owner, SENDER_PRESENCE, 'p', 16 * 1024 - QUEUE_FRAME_BYTES);
    senders_turn();
    assert_int_equal(owner_hear(owner, SIZE_MAX), 0);
    owner_say(owner, SENDER_PRESENCE, 'p');
    senders_turn();
    assert_true(owner_hear(owner, SIZE_MAX) > 0);
    owner_free(owner);
    senders_end();
}

/* So many senders of one socket, each with presence to write. */
static struct sender *new_crowd(struct owner *owner, unsigned count)
{
    struct sender *others = xcalloc(count, sizeof(*others));
    struct frame *frame = letters_new('.', 1);

    for (unsigned i = 0; i < count; i++) {
        sender_init(&others[i], &senders.env);
        sender_attach(&others[i], (uv_stream_t *)&owner->pipe);
        sender_open(&others[i]);
        assert_true(sender_send(&others[i], frame, SENDER_PRESENCE));
    }
    frame_unref(frame);
    return others;
}

static void free_crowd(struct owner *owner, struct sender *others, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sender_stop(&others[i]);
    owner_free(owner); /* so ends what is in flight */
    for (unsigned i = 0; i < count; i++)
        sender_deinit(&others[i]);
    free(others);
}

/* After how many ms the last one of `count` with presence is written. */
static uint32_t crowd_waits_ms(unsigned count)
{
    struct owner *owner = owner_open(), *last = owner_open();
    struct sender *others = new_crowd(owner, count - 1);
    uint32_t waited_ms = 0;

    owner_say(last, SENDER_PRESENCE, 'p');
    while (owner_hear(last, SIZE_MAX) == 0) {
        pass_ms(PRESENCE_MS / 2);
        owner_hear(owner, SIZE_MAX);
        waited_ms += PRESENCE_MS / 2;
        assert_true(waited_ms <= 20 * PRESENCE_MS);
    }
    free_crowd(owner, others, count - 1);
    owner_free(last);
    return waited_ms;
}

static void presence_waits_longer_the_more_wait(void **state)
{
    (void)state;
    senders_begin(MAX_BYTES, 0, PRESENCE_MS);
    assert_int_equal(crowd_waits_ms(CROWD), PRESENCE_MS);
    assert_int_equal(crowd_waits_ms(CROWD + 1), 2 * PRESENCE_MS);
    assert_int_equal(crowd_waits_ms(2 * CROWD + 1), 3 * PRESENCE_MS);
    assert_int_equal(crowd_waits_ms(12 * CROWD), 10 * PRESENCE_MS);
    assert_int_equal(crowd_waits_ms(CROWD), PRESENCE_MS); /* none is still counted */
    senders_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_times_all_that_is_queued_in_a_turn_is_one_write),
        cmocka_unit_test(messages_wait_after_a_write_and_not_after_a_quiet_time),
        cmocka_unit_test(presence_waits_its_time_from_the_first_on),
        cmocka_unit_test(each_waits_its_own_time),
        cmocka_unit_test(what_waits_goes_out_with_what_does_not_and_in_order),
        cmocka_unit_test(the_more_urgent_class_decides),
        cmocka_unit_test(a_long_queue_does_not_wait),
        cmocka_unit_test(presence_waits_longer_the_more_wait),
    };
    signal(SIGPIPE, SIG_IGN); /* as main.c does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
