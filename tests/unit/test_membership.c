/* test_membership.c - one connection's part in one room, from the join to live: as
 * a resume, refused, and repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/catchup.h"
#include "tests/unit/membership_stage.h"

/* ---- joins ---- */

static void a_join_goes_from_waiting_to_live(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    stage_say(s, "j1");
    assert_int_equal(stage_state(s), MEMBER_WAITING);
    stage_settle(s);
    assert_int_equal(stage_state(s), MEMBER_JOINING);
    stage_answer_join(s, PROTO_OK, 2, 0);
    assert_int_equal(stage_state(s), MEMBER_FIRST_BATCH);
    assert_int_equal(s->read_after, 0);
    assert_true(s->slot.is_taken);
    assert_true(s->is_watched);
    assert_false(s->is_settled);
    stage_expect(s, "");
    stage_give(s, 1, 1, 2);
    stage_expect(s, ACK("1", "2", "false") BATCH("<1>,<2>", "false"));
    assert_int_equal(stage_state(s), MEMBER_LIVE);
    assert_int_equal(s->requests.count, 0);
    assert_false(s->slot.is_taken);
    assert_false(s->is_watched);
    assert_true(s->is_settled);
    stage_free(s);
}

static void a_long_history_comes_in_batches_as_the_socket_drains(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    stage_say(s, "j1");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 2, 0);
    s->is_choked = true;
    stage_give_first(s);
    stage_expect(s, ACK("1", "2", "false") BATCH("<1>", "true"));
    assert_int_equal(stage_state(s), MEMBER_IN_HISTORY);
    assert_false(s->is_reading); /* the client takes no more */
    stage_drain(s);
    assert_true(s->is_reading);
    assert_int_equal(s->read_after, 1);
    stage_give(s, 1, 2, 2);
    stage_expect(s, BATCH("<2>", "false"));
    assert_int_equal(stage_state(s), MEMBER_LIVE);
    stage_free(s);
}

static void a_resume_gets_what_came_after_its_cursor(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    s->since_epoch = (struct json_text){EPOCH, PROTO_EPOCH_LEN};
    s->since_seq = 2;
    stage_say(s, "j1");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 3, 0);
    assert_int_equal(s->read_after, 2);
    stage_give(s, 1, 3, 3);
    stage_expect(s, ACK("1", "3", "true") BATCH("<3>", "false"));
    stage_free(s);
}

/* A cursor of another epoch, beyond the last message, or of odd length. */
static void a_resume_in_vain_gets_the_whole_history(void **state)
{
    static const struct {
        struct json_text epoch;
        uint64_t seq;
    } cases[] = {
        {{OTHER_EPOCH, PROTO_EPOCH_LEN}, 2},
        {{EPOCH, PROTO_EPOCH_LEN}, 4},
        {{EPOCH, PROTO_EPOCH_LEN - 1}, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage *s = stage_new();

        s->since_epoch = cases[i].epoch;
        s->since_seq = cases[i].seq;
        stage_say(s, "j1");
        stage_settle(s);
        stage_answer_join(s, PROTO_OK, 3, 0);
        assert_int_equal(s->read_after, 0);
        stage_give(s, 1, 1, 3);
        stage_expect(s, ACK("1", "3", "false") BATCH("<1>,<2>,<3>", "false"));
        stage_free(s);
    }
}

static void a_resume_from_before_the_history_is_not_recovered(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    s->since_epoch = (struct json_text){EPOCH, PROTO_EPOCH_LEN};
    s->since_seq = 2;
    stage_say(s, "j1");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 5, 0);
    stage_give(s, 4, 4, 5); /* message 3 is gone */
    stage_expect(s, ACK("1", "5", "false") BATCH("<4>,<5>", "false"));
    stage_free(s);
}

/* ---- failed joins ---- */

static void a_refused_join_is_answered_and_dropped(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    stage_say(s, "j1");
    stage_say(s, "m2");
    stage_settle(s);
    stage_answer_join(s, PROTO_BANNED, 0, 1500);
    stage_expect(
        s, "{'type':'error','id':1,'code':'banned',"
           "'message':'banned from this room','retry_after_ms':1500}\nm2 not in\n");
    assert_null(stage_find(s));
    assert_int_equal(s->in.count, 0);
    assert_int_equal(s->requests.count, 0);
    stage_free(s);
}

static void a_join_without_redis_may_be_tried_again(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    stage_say(s, "j1");
    stage_settle(s);
    stage_answer_join(s, PROTO_UNAVAILABLE, 0, 0);
    stage_expect(s, "{'type':'error','id':1,'code':'unavailable','message':"
                    "'Redis cannot be reached or refuses','retry_after_ms':1000}\n");
    assert_int_equal(s->in.count, 0);
    stage_free(s);
}

static void a_join_into_a_room_that_is_stuck_fails_at_once(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    stage_say(s, "j1");
    s->is_subscribing = false;
    room_on_subscribed(s->room);
    s->is_registering = false;
    room_ref(s->room);
    room_on_registered(s->room, false);
    assert_int_equal(s->in.count, 0);
    s->sent.len = 0;
    stage_say(s, "j2");
    stage_expect(s, "{'type':'error','id':2,'code':'unavailable','message':"
                    "'Redis cannot be reached or refuses','retry_after_ms':1000}\n");
    assert_int_equal(s->in.count, 0);
    s->room->is_stuck = false;
    room_unref(s->room);
    stage_free(s);
}

static void a_join_whose_history_cannot_be_read_fails(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    stage_say(s, "j1");
    stage_say(s, "m2");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 2, 0);
    stage_fail_read(s);
    stage_expect(
        s, "{'type':'error','id':1,'code':'unavailable','message':'Redis cannot be "
           "reached or refuses','retry_after_ms':1000}\nm2 not in\n");
    assert_int_equal(s->in.count, 0);
    assert_non_null(s->leaving);
    assert_int_equal(s->leave_reason, LEAVE_JOIN_FAILED);
    assert_false(s->slot.is_taken);
    stage_free(s);
}

/* ---- again ---- */

static void a_repeated_join_is_answered_as_the_first(void **state)
{
    struct stage *s = stage_new_live(2);
    struct membership *m = stage_find(s);

    (void)state;
    stage_say(s, "j2");
    stage_say(s, "m3");
    assert_int_equal(stage_state(s), MEMBER_LIVE); /* until Redis has answered */
    stage_answer_join(s, PROTO_OK, 2, 0);
    stage_expect(s, "");
    stage_give(s, 1, 1, 2);
    stage_expect(s, ACK("2", "2", "false") BATCH("<1>,<2>", "false") "m3 runs\n");
    assert_ptr_equal(stage_find(s), m);
    assert_int_equal(s->in.count, 1);
    stage_free(s);
}

static void a_repeated_join_that_is_refused_changes_nothing(void **state)
{
    struct stage *s = stage_new_live(2);
    struct membership *m = stage_find(s);

    (void)state;
    stage_say(s, "j2");
    stage_say(s, "m3");
    stage_answer_join(s, PROTO_BANNED, 0, 0);
    stage_expect(s, "{'type':'error','id':2,'code':'banned',"
                    "'message':'banned from this room'}\nm3 runs\n");
    assert_ptr_equal(stage_find(s), m);
    assert_int_equal(stage_state(s), MEMBER_LIVE);
    stage_free(s);
}

static void a_failed_read_after_the_ack_is_tried_again(void **state)
{
    struct stage *s = stage_new_live(2);

    (void)state;
    stage_say(s, "j2");
    stage_answer_join(s, PROTO_OK, 2, 0);
    stage_fail_read(s);
    stage_expect(s,
                 ""); /* it is in, and its join goes on after the room was compared */
    assert_int_equal(s->in.count, 1);
    assert_int_equal(stage_state(s), MEMBER_FIRST_BATCH);
    stage_settle(s);
    assert_int_equal(s->syncs, 1);
    stage_drain(s);
    stage_give(s, 1, 1, 2);
    stage_expect(s, ACK("2", "2", "false") BATCH("<1>,<2>", "false"));
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_goes_from_waiting_to_live),
        cmocka_unit_test(a_long_history_comes_in_batches_as_the_socket_drains),
        cmocka_unit_test(a_resume_gets_what_came_after_its_cursor),
        cmocka_unit_test(a_resume_in_vain_gets_the_whole_history),
        cmocka_unit_test(a_resume_from_before_the_history_is_not_recovered),
        cmocka_unit_test(a_refused_join_is_answered_and_dropped),
        cmocka_unit_test(a_join_without_redis_may_be_tried_again),
        cmocka_unit_test(a_join_into_a_room_that_is_stuck_fails_at_once),
        cmocka_unit_test(a_join_whose_history_cannot_be_read_fails),
        cmocka_unit_test(a_repeated_join_is_answered_as_the_first),
        cmocka_unit_test(a_repeated_join_that_is_refused_changes_nothing),
        cmocka_unit_test(a_failed_read_after_the_ack_is_tried_again),
    };

    return cmocka_run_group_tests(tests, stage_set_up, stage_tear_down);
}
