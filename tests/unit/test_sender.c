/* test_sender.c - what waits for one client: what is dropped, the marks of a long queue, the
 * order of bytes, the end, and all queues together. When it is written: test_sender_times.c.
 *
 * Over 400 lines because it is a list of small tests.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/unit/senders.h"

enum {
    MAX_BYTES = 8000, /* of a queue: 2000 are drained, above 4000 is choked */
    FLUSH_MS = 20,
    PRESENCE_MS = 100,
};

/* ---- what is dropped ---- */

static void signals_are_dropped_first(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_fill(owner, MAX_BYTES / 4 - COST);
    assert_true(owner_send(owner, SENDER_SIGNAL, 's', FRAME));
    assert_false(owner_send(owner, SENDER_SIGNAL, 's', FRAME));
    assert_int_equal(metric_read(&senders.metrics.signals_dropped_total), 1);
    assert_true(owner_send(owner, SENDER_PRESENCE, 'p', FRAME));
    assert_true(owner_send(owner, SENDER_MESSAGE, 'm', FRAME));
    assert_int_equal(metric_read(&senders.metrics.presence_dropped_total), 0);
    owner_free(owner);
    senders_end();
}

static void presence_is_dropped_next(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_fill(owner, MAX_BYTES / 2 - COST);
    assert_true(owner_send(owner, SENDER_PRESENCE, 'p', FRAME));
    assert_false(owner_send(owner, SENDER_PRESENCE, 'p', FRAME));
    assert_int_equal(metric_read(&senders.metrics.presence_dropped_total), 1);
    assert_true(owner_send(owner, SENDER_MESSAGE, 'm', FRAME));
    assert_int_equal(owner->slow, 0);
    owner_free(owner);
    senders_end();
}

static void a_message_is_refused_by_a_full_queue_and_a_reply_is_not(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_fill(owner, MAX_BYTES - COST);
    assert_true(owner_send(owner, SENDER_MESSAGE, 'm', FRAME));
    assert_int_equal(owner->slow, 0);
    assert_false(owner_send(owner, SENDER_MESSAGE, 'm', FRAME));
    assert_int_equal(owner->sender.queue.bytes, MAX_BYTES);
    assert_true(owner_send(owner, SENDER_REPLY, 'r', FRAME));
    assert_int_equal(owner->sender.queue.bytes, MAX_BYTES + COST);
    owner_free(owner);
    senders_end();
}

static void an_empty_queue_takes_anything(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    assert_true(owner_send(owner, SENDER_MESSAGE, 'm', (size_t)2 * MAX_BYTES));
    assert_false(sender_is_slow(&owner->sender));
    owner_free(owner);
    senders_end();
}

static void only_an_open_sender_takes_what_may_be_dropped(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_new();
    assert_false(owner_say(owner, SENDER_REPLY, 'a'));
    sender_push(&owner->sender, letters_new('b', 1));
    senders_turn();
    owner_expect(owner, "b");
    sender_open(&owner->sender);
    assert_true(owner_say(owner, SENDER_REPLY, 'c'));
    sender_end(&owner->sender);
    assert_false(owner_say(owner, SENDER_REPLY, 'd'));
    senders_turn();
    owner_expect(owner, "c");
    assert_false(owner_say(owner, SENDER_REPLY, 'e'));
    owner_free(owner);
    senders_end();
}

/* ---- marks ---- */

static void a_queue_is_choked_above_half_until_it_is_drained(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_fill(owner, MAX_BYTES / 2);
    assert_false(sender_is_choked(&owner->sender));
    owner_send(owner, SENDER_MESSAGE, 'm',
               (size_t)10 * MAX_BYTES); /* is slow, refused */
    assert_false(sender_is_choked(&owner->sender));
    sender_push(&owner->sender, letters_new('.', (size_t)10 * MAX_BYTES));
    assert_true(sender_is_choked(&owner->sender));
    sender_push(&owner->sender, letters_new('.', FRAME));
    assert_int_equal(owner->choked, 1);
    do {
        assert_true(sender_is_choked(&owner->sender));
        assert_int_equal(owner->drained, 0);
        senders_turn();
        owner_hear(owner, 1000);
    } while (owner->sender.queue.bytes > MAX_BYTES / 4);
    assert_false(sender_is_choked(&owner->sender));
    assert_int_equal(owner->drained, 1);
    owner_hear_all(owner);
    assert_int_equal(owner->drained, 1);
    assert_int_equal(owner->choked, 1);
    owner_free(owner);
    senders_end();
}

static void on_drained_comes_only_after_it_was_not(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_fill(owner, MAX_BYTES / 4);
    assert_true(sender_is_drained(&owner->sender));
    senders_turn();
    assert_int_equal(owner->drained, 0);
    owner_fill(owner, MAX_BYTES / 4 + COST);
    assert_false(sender_is_drained(&owner->sender));
    senders_turn();
    assert_int_equal(owner->drained, 1);
    owner_free(owner);
    senders_end();
}

static void on_drained_comes_after_a_message_was_refused(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, FLUSH_MS, PRESENCE_MS);
    owner = owner_open();
    owner_say(owner, SENDER_PRESENCE, 'p');
    assert_false(owner_send(owner, SENDER_MESSAGE, 'm', MAX_BYTES));
    assert_true(sender_is_drained(&owner->sender));
    senders_turn(); /* and the short queue does not wait for it */
    owner_expect(owner, "p");
    assert_int_equal(owner->drained, 1);
    owner_free(owner);
    senders_end();
}

static void slow_lasts_until_the_queue_is_drained(void **state)
{
    struct owner *owner;
    struct sender *sender;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    sender = &owner->sender;
    owner_fill(owner, MAX_BYTES);
    assert_false(sender_is_slow(sender));
    owner_say(owner, SENDER_MESSAGE, 'm');
    owner_say(owner, SENDER_REPLY, 'r');
    assert_true(sender_is_slow(sender));
    assert_int_equal(owner->slow, 1);
    assert_int_equal(metric_read(&senders.metrics.slow_consumers_total), 1);
    senders.now_s++; /* the second it began in does not count */
    assert_true(sender_is_slow_for(sender, 0));
    assert_false(sender_is_slow_for(sender, 1));
    senders.now_s++;
    assert_true(sender_is_slow_for(sender, 1));
    sender_excuse_second(sender);
    assert_false(sender_is_slow_for(sender, 1));
    sender_excuse_second(sender); /* none is left */
    assert_true(sender_is_slow_for(sender, 0));
    assert_false(sender_is_slow_for(sender, 1));
    owner_hear_all(owner);
    assert_false(sender_is_slow(sender));
    assert_false(sender_is_slow_for(sender, 0));
    sender_excuse_second(sender);
    assert_false(sender_is_slow(sender));
    owner_fill(owner, MAX_BYTES);
    owner_say(owner, SENDER_MESSAGE, 'm');
    assert_int_equal(owner->slow, 2);
    owner_free(owner);
    senders_end();
}

/* ---- the order of bytes ---- */

/* Frames of all lengths, the next one filled with the next letter. */
static void push_some(struct owner *owner, struct strbuf *pushed, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        size_t len =
            (size_t)rand() % 7 ? (size_t)rand() % 60 + 1 : (size_t)rand() % 20000 + 1;
        struct frame *frame = letters_new((char)('A' + rand() % 26), len);
        uv_buf_t bytes = frame_bytes(frame);

        strbuf_add(pushed, bytes.base, bytes.len);
        assert_true(sender_send(&owner->sender, frame, SENDER_REPLY));
        frame_unref(frame);
    }
}

static void bytes_stay_in_order_however_they_are_taken(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct strbuf pushed = {NULL, 0, 0};
        struct owner *owner;
        unsigned full = 0;

        srand(seed);
        senders_begin(64 * 1024, 0, 0);
        owner = owner_open();
        for (unsigned i = 0; i < 200; i++) {
            if (rand() % 2)
                push_some(owner, &pushed, (unsigned)rand() % 40);
            if (owner->sender.write) /* it goes on by itself */
                assert_int_equal(owner->sender.urgency, SENDER_NOT_QUEUED);
            senders_turn();
            full += owner->sender.write != NULL;
            owner_hear(owner, (size_t)rand() % 30000);
        }
        assert_true(full > 20);
        owner_hear_all(owner);
        assert_int_equal(owner->heard.len, pushed.len);
        assert_memory_equal(owner->heard.data, pushed.data, pushed.len);
        assert_int_equal(metric_read(&senders.metrics.sent_bytes_total), pushed.len);
        assert_int_equal(owner->failed, 0);
        strbuf_deinit(&pushed);
        owner_free(owner);
        senders_end();
    }
}

static void frames_on_their_way_survive_what_is_dropped(void **state)
{
    enum { FRAMES = 1000 };
    struct owner *owner;
    size_t whole;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    for (unsigned i = 0; i < FRAMES; i++)
        sender_push(&owner->sender, letters_new((char)('a' + i % 26), 100));
    senders_turn();
    assert_non_null(owner->sender.write);
    assert_true(owner->sender.queue.count > owner->sender.writing);
    sender_drop_unsent(&owner->sender);
    assert_int_equal(owner->sender.queue.count, owner->sender.writing);
    sender_push(&owner->sender, letters_new('!', 1));
    sender_end(&owner->sender);
    assert_int_equal(owner->ended, 0);
    owner_hear_all(owner);
    assert_int_equal(owner->ended, 1);
    whole = (owner->heard.len - 1) / 100;
    assert_int_equal(owner->heard.len, whole * 100 + 1);
    assert_in_range(whole, 1, FRAMES - 1);
    for (size_t i = 0; i < whole * 100; i++)
        assert_int_equal(owner->heard.data[i], 'a' + i / 100 % 26);
    assert_int_equal(owner->heard.data[whole * 100], '!');
    owner_free(owner);
    senders_end();
}

static void nothing_survives_of_what_is_not_on_its_way(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_fill(owner, MAX_BYTES);
    sender_drop_unsent(&owner->sender);
    assert_int_equal(metric_read(&senders.metrics.send_queue_bytes), 0);
    sender_push(&owner->sender, letters_new('!', 1));
    senders_turn();
    owner_expect(owner, "!");
    owner_free(owner);
    senders_end();
}

/* ---- the end ---- */

static void it_ends_when_the_last_byte_is_written(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_say(owner, SENDER_REPLY, 'a');
    senders_turn();
    assert_int_equal(owner->ended, 0); /* emptied, but open */
    sender_push(&owner->sender, letters_new('.', (size_t)50 * MAX_BYTES));
    sender_end(&owner->sender);
    while (owner->heard.len + owner->sender.queue.bytes > 0 && !owner->ended) {
        senders_turn();
        owner_hear(owner, 10000);
    }
    assert_int_equal(owner->ended, 1);
    assert_int_equal(owner->sender.queue.count, 0);
    assert_int_equal(owner->sender.state, SENDER_STOPPED);
    sender_shut(&owner->sender);
    owner_hear(owner, SIZE_MAX);
    assert_int_equal(recv(owner->peer, &(char){0}, 1, MSG_DONTWAIT), 0);
    owner_free(owner);
    senders_end();
}

static void a_socket_that_is_gone_fails_once(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    close(owner->peer);
    owner->peer = -1;
    owner_fill(owner, 1000);
    senders_turn();
    assert_int_equal(owner->failed, 1);
    senders_turn();
    assert_int_equal(owner->failed, 1);
    owner_free(owner);
    owner = owner_open(); /* and in the middle of a write */
    sender_push(&owner->sender, letters_new('.', (size_t)50 * MAX_BYTES));
    senders_turn();
    assert_non_null(owner->sender.write);
    assert_int_equal(owner->failed, 0);
    close(owner->peer);
    owner->peer = -1;
    senders_turn();
    assert_int_equal(owner->failed, 1);
    owner_free(owner);
    senders_end();
}

static void a_stopped_sender_writes_nothing_and_hears_of_no_write(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    owner_say(owner, SENDER_REPLY, 'a');
    sender_stop(&owner->sender);
    sender_push(&owner->sender, letters_new('b', 1));
    senders_turn();
    owner_expect(owner, "");
    owner_free(owner);
    owner = owner_open();
    sender_push(&owner->sender, letters_new('.', (size_t)50 * MAX_BYTES));
    senders_turn();
    assert_non_null(owner->sender.write);
    sender_stop(&owner->sender);
    owner_hear_all(owner);
    assert_int_equal(owner->drained + owner->failed + owner->ended, 0);
    owner_free(owner);
    senders_end();
}

/* ---- all queues together ---- */

static void the_longest_queue_goes_when_all_are_too_long(void **state)
{
    struct owner *owners[3];

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    senders.env.all_max_bytes = 5000;
    for (size_t i = 0; i < 3; i++)
        owners[i] = owner_open();
    owner_fill(owners[0], 1500);
    owner_fill(owners[1], 2000);
    owner_fill(owners[2], 1500);
    senders_turn();
    assert_int_equal(owners[1]->too_long, 0); /* just as much as may be */
    owner_fill(owners[0], 2900);
    owner_fill(owners[1], 3000);
    owner_fill(owners[2], 1000);
    senders_turn();
    assert_int_equal(owners[0]->too_long, 0);
    assert_int_equal(owners[1]->too_long, 1);
    assert_int_equal(owners[2]->too_long, 0);
    owner_fill(owners[0], 5000);
    owner_fill(owners[2], 6000); /* without the longest one it is 5000 */
    senders_turn();
    assert_int_equal(owners[0]->too_long, 0);
    assert_int_equal(owners[2]->too_long, 1);
    owner_fill(owners[0], 5100); /* the last one that is open */
    senders_turn();
    assert_int_equal(owners[0]->too_long, 1);
    assert_int_equal(owners[1]->too_long, 1);
    assert_int_equal(owners[2]->too_long, 1);
    for (size_t i = 0; i < 3; i++) {
        owner_free(owners[i]);
        owners[i] = owner_open();
    }
    owner_fill(owners[0], 4900);
    owner_fill(owners[1], 5200);
    owner_fill(owners[2], 5100); /* in one turn as many as have to */
    senders_turn();
    assert_int_equal(owners[0]->too_long, 0);
    assert_int_equal(owners[1]->too_long, 1);
    assert_int_equal(owners[2]->too_long, 1);
    for (size_t i = 0; i < 3; i++)
        owner_free(owners[i]);
    senders_end();
}

static void a_worker_looks_at_the_others_once_its_own_share_is_used_up(void **state)
{
    struct owner *owner;

    (void)state;
    senders_begin(MAX_BYTES, 0, 0);
    owner = owner_open();
    senders.env.all_max_bytes = 4000;
    senders.env.workers_count = 2;
    metric_set(&senders.others.send_queue_bytes, 9000);
    owner_fill(owner, 2000);
    senders_turn();
    assert_int_equal(owner->too_long, 0);
    metric_set(&senders.others.send_queue_bytes, 1000);
    owner_fill(owner, 3000);
    senders_turn();
    assert_int_equal(owner->too_long, 0);
    metric_set(&senders.others.send_queue_bytes, 1100);
    owner_fill(owner, 3000);
    senders_turn();
    assert_int_equal(owner->too_long, 1);
    owner_free(owner);
    senders_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_dropped_first),
        cmocka_unit_test(presence_is_dropped_next),
        cmocka_unit_test(a_message_is_refused_by_a_full_queue_and_a_reply_is_not),
        cmocka_unit_test(an_empty_queue_takes_anything),
        cmocka_unit_test(only_an_open_sender_takes_what_may_be_dropped),
        cmocka_unit_test(a_queue_is_choked_above_half_until_it_is_drained),
        cmocka_unit_test(on_drained_comes_only_after_it_was_not),
        cmocka_unit_test(on_drained_comes_after_a_message_was_refused),
        cmocka_unit_test(slow_lasts_until_the_queue_is_drained),
        cmocka_unit_test(bytes_stay_in_order_however_they_are_taken),
        cmocka_unit_test(frames_on_their_way_survive_what_is_dropped),
        cmocka_unit_test(nothing_survives_of_what_is_not_on_its_way),
        cmocka_unit_test(it_ends_when_the_last_byte_is_written),
        cmocka_unit_test(a_socket_that_is_gone_fails_once),
        cmocka_unit_test(a_stopped_sender_writes_nothing_and_hears_of_no_write),
        cmocka_unit_test(the_longest_queue_goes_when_all_are_too_long),
        cmocka_unit_test(a_worker_looks_at_the_others_once_its_own_share_is_used_up),
    };
    signal(SIGPIPE, SIG_IGN); /* as main.c does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
