/* test_outbox.c - messages on their way to Redis: one call a room, in order, and each is answered
 * once whatever happens to the call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/outbox.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { SENT_MAX = 600 };

/* A room with one live member, and what became of the messages. */
static struct {
    struct outbox outbox;
    struct rig_client *ann;
    struct room *room;
    struct sent {
        unsigned answers;
        enum proto_error error;
        uint64_t seq;
    } sent[SENT_MAX];
    unsigned order[SENT_MAX], answered; /* which were answered, one after the other */
} w;

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    store_rig_open(&rig.config, &rig.metrics);
    outbox_init(&w.outbox, &store_rig.store);
    w.ann = rig_client("ann");
    w.room = rig_live(5, 1, w.ann, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close();
    store_rig_close();
    return 0;
}

static void on_done(void *data, const struct room *room,
                    const struct publish_result *result, const char *epoch)
{
    struct sent *sent = data;

    assert_ptr_equal(room, w.room);
    assert_int_equal(epoch != NULL && result->error == PROTO_OK,
                     result->error == PROTO_OK);
    sent->answers++;
    sent->error = result->error;
    sent->seq = result->seq;
    w.order[w.answered++] = (unsigned)(sent - w.sent);
}

static void add_of(unsigned i, const char *user, const char *tail_text)
{
    const struct publish_message message = {.user = {user, strlen(user)},
                                            .tail = {tail_text, strlen(tail_text)}};

    outbox_add(&w.outbox, w.room, &message, rig.now_ms, on_done, &w.sent[i]);
    assert_int_equal(w.sent[i].answers, 0);
}

static void add(unsigned i)
{
    char tail[16];

    snprintf(tail, sizeof(tail), ",%u}", i);
    add_of(i, "ann", tail);
}

static void flush(void)
{
    outbox_flush(&w.outbox, rig.now_ms);
}

static void assert_sent(unsigned i, enum proto_error error, uint64_t seq)
{
    assert_int_equal(w.sent[i].answers, 1);
    assert_int_equal(w.sent[i].error, error);
    assert_int_equal(w.sent[i].seq, seq);
}

#define HEAD "{\"type\":\"message\",\"room\":\"r\",\"seq\":"

static void the_messages_of_a_turn_go_as_one_call(void **state)
{
    (void)state;
    add(0);
    add(1);
    assert_int_equal(store_rig.calls_count, 0);
    flush();
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_assert_call(SCRIPT_PUBLISH, 7, HEAD " 1 ann 2 0 ,0} ,1}");
    store_rig_answer(RIG_EPOCH " 999 - 6");
    assert_sent(0, PROTO_OK, 6);
    assert_sent(1, PROTO_OK, 7);
    assert_int_equal(store_rig.touched, 1);
    flush();
    assert_int_equal(store_rig.calls_count, 0);
}

static void what_comes_during_a_call_waits_for_its_answer(void **state)
{
    (void)state;
    add(0);
    flush();
    add(1);
    flush();
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer(RIG_EPOCH " 999 - 6");
    assert_sent(0, PROTO_OK, 6);
    assert_int_equal(w.sent[1].answers, 0);
    flush();
    store_rig_assert_call(SCRIPT_PUBLISH, 7, HEAD " 1 ann 1 0 ,1}");
    store_rig_answer(RIG_EPOCH " 999 - 7");
    assert_sent(1, PROTO_OK, 7);
}

static void a_call_takes_256_messages(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++)
        add(i);
    flush();
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer(RIG_EPOCH " 999 - 6");
    assert_int_equal(w.answered, 256);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - 262");
    assert_int_equal(w.answered, 300);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(w.order[i], i);
        assert_sent(i, PROTO_OK, 6 + i);
    }
}

static void a_call_takes_so_many_bytes_but_one_message_in_any_case(void **state)
{
    static char big[300 * 1024];

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    add_of(0, "ann", big);
    add(1);
    big[128 * 1024] = '\0';
    add_of(2, "ann", big);
    add_of(3, "ann", big);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - 6");
    assert_int_equal(w.answered, 1);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - 7");
    assert_int_equal(w.answered, 3); /* the third beside it would be too much */
    flush();
    store_rig_answer(RIG_EPOCH " 999 - 9");
    assert_int_equal(w.answered, 4);
}

static void messages_wait_until_the_room_is_ready(void **state)
{
    (void)state;
    room_needs_sync(w.room);
    add(0);
    flush();
    assert_int_equal(store_rig.calls_count, 0);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 5, 1);
    flush();
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer(RIG_EPOCH " 999 - 6");
    assert_sent(0, PROTO_OK, 6);
}

static void what_waits_too_long_is_unavailable(void **state)
{
    (void)state;
    room_needs_sync(w.room);
    add(0);
    rig.now_ms += 999;
    add(1);
    flush();
    assert_int_equal(w.answered, 0);
    rig.now_ms += 1;
    flush();
    assert_sent(0, PROTO_UNAVAILABLE, 0);
    assert_sent(1, PROTO_UNAVAILABLE, 0); /* they keep their order */
    assert_int_equal(store_rig.calls_count, 0);
}

static void a_redis_that_is_away_fails_all(void **state)
{
    (void)state;
    add(0);
    flush();
    add(1);
    outbox_fail(&w.outbox);
    assert_sent(1, PROTO_UNAVAILABLE, 0);
    assert_int_equal(w.sent[0].answers, 0);
    store_rig_answer(NULL);
    assert_sent(0, PROTO_UNAVAILABLE, 0);
    assert_int_equal(store_rig.touched, 0);
    flush();
    assert_int_equal(store_rig.calls_count, 0);
}

static void an_unknown_outcome_makes_the_room_compare(void **state)
{
    (void)state;
    add(0);
    flush();
    store_rig_answer(NULL);
    assert_sent(0, PROTO_UNAVAILABLE, 0);
    assert_int_equal(store_rig.refusals, 1);
    assert_true(w.room->needs_sync);
    assert_int_equal(rig_count(RIG_REGISTER), 1);
}

static void a_mute_is_told_and_nothing_is_compared(void **state)
{
    (void)state;
    add(0);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - -502");
    assert_sent(0, PROTO_MUTED, 0);
    assert_int_equal(rig_count(RIG_REGISTER), 0);
}

static void who_is_in_here_but_not_in_redis_makes_the_room_compare(void **state)
{
    (void)state;
    add(0);
    add_of(1, "joe", ",1}"); /* is in neither */
    flush();
    store_rig_answer(RIG_EPOCH " 999 - -1 -1");
    assert_sent(0, PROTO_UNAVAILABLE, 0);
    assert_sent(1, PROTO_NOT_JOINED, 0);
    assert_int_equal(rig_count(RIG_REGISTER), 1);
}

static void who_is_in_neither_is_not_joined(void **state)
{
    struct rig_client *bob = rig_client("bob");

    (void)state;
    rig_join(bob);
    rig_joined(RIG_EPOCH, 5, 2);
    add(0);
    add_of(1, "bob", ",1}");
    add_of(2, "joe", ",2}");
    rig_leave(bob, LEAVE_ASKED); /* is leaving */
    flush();
    store_rig_answer(RIG_EPOCH " 999 - 6 -1 -1");
    assert_sent(0, PROTO_OK, 6);
    assert_sent(1, PROTO_NOT_JOINED, 0);
    assert_sent(2, PROTO_NOT_JOINED, 0);
    assert_int_equal(rig_count(RIG_REGISTER), 0);
}

static void messages_keep_the_room_until_they_are_answered(void **state)
{
    (void)state;
    add(0);
    rig_leave(w.ann, LEAVE_ASKED);
    rig_left(true);
    assert_ptr_equal(room_find(&rig.rooms, "r", 1), w.room);
    flush();
    add(1); /* more, while the call has the ref */
    store_rig_answer(RIG_EPOCH " 999 - -1");
    assert_ptr_equal(room_find(&rig.rooms, "r", 1), w.room);
    assert_int_equal(rig_count(RIG_CLOSE), 0);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - -1");
    assert_int_equal(w.answered, 2);
    rig_closed(true);
    assert_null(room_find(&rig.rooms, "r", 1));
}

static void two_calls_do_not_take_the_same_ref(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++)
        add(i);
    rig_leave(w.ann, LEAVE_ASKED);
    rig_left(true);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - -1");
    assert_int_equal(w.answered, 256);
    assert_int_equal(rig_count(RIG_CLOSE), 0);
    flush();
    store_rig_answer(RIG_EPOCH " 999 - -1");
    assert_int_equal(w.answered, 300);
    rig_closed(true);
    assert_null(room_find(&rig.rooms, "r", 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_messages_of_a_turn_go_as_one_call),
        TEST(what_comes_during_a_call_waits_for_its_answer),
        TEST(a_call_takes_256_messages),
        TEST(a_call_takes_so_many_bytes_but_one_message_in_any_case),
        TEST(messages_wait_until_the_room_is_ready),
        TEST(what_waits_too_long_is_unavailable),
        TEST(a_redis_that_is_away_fails_all),
        TEST(an_unknown_outcome_makes_the_room_compare),
        TEST(a_mute_is_told_and_nothing_is_compared),
        TEST(who_is_in_here_but_not_in_redis_makes_the_room_compare),
        TEST(who_is_in_neither_is_not_joined),
        TEST(messages_keep_the_room_until_they_are_answered),
        TEST(two_calls_do_not_take_the_same_ref),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
