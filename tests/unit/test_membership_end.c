/* test_membership_end.c - what a membership waits for, and how it ends: the slot, the
 * hand-over to the next one, and a drop at every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/catchup.h"
#include "tests/unit/membership_stage.h"

/* ---- the slot ---- */

static void a_read_waits_until_the_client_takes_it(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    s->is_choked = true;
    stage_say(s, "j1");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 1, 0);
    assert_false(s->is_reading);
    assert_ptr_equal(slot_first(&s->slot), &stage_find(s)->slot);
    stage_drain(s);
    assert_true(s->is_reading);
    stage_give(s, 1, 1, 1);
    stage_expect(s, ACK("1", "1", "false") BATCH("<1>", "false"));
    stage_free(s);
}

static void a_slot_that_is_not_needed_any_more_is_left(void **state)
{
    struct stage *s = stage_new_live(0);
    struct member *member = &stage_find(s)->member;

    (void)state;
    catchup_fall_behind(member);
    s->is_choked = true;
    stage_append(s, "<1>"); /* from the ring */
    assert_int_equal(member->state, MEMBER_LIVE);
    stage_expect(s, "<1>\n");
    s->is_full = true;
    catchup_fall_behind(member);
    stage_append(s, "<2>");
    room_log_drop(&s->room->log); /* now only the history has it */
    s->is_full = false;
    catchup_go_on(member);
    assert_non_null(slot_first(&s->slot));
    member->progress.cursor = 2; /* as if it had got it by another way */
    catchup_go_on(member);
    assert_int_equal(member->state, MEMBER_LIVE);
    stage_drain(s);
    assert_false(s->slot.is_taken);
    assert_false(s->is_reading);
    assert_null(slot_first(&s->slot));
    stage_free(s);
}

static void a_slow_client_catches_up_from_the_history(void **state)
{
    struct stage *s = stage_new_live(1);
    struct member *member = &stage_find(s)->member;

    (void)state;
    s->is_full = s->is_choked = true;
    catchup_fall_behind(member);
    stage_append(s, "<2>");
    room_log_drop(&s->room->log);
    catchup_go_on(member);
    stage_expect(s, "");
    stage_drain(s);
    assert_int_equal(s->read_after, 1);
    stage_give(s, 1, 2, 2);
    stage_expect(s, "<2>\n");
    assert_int_equal(member->state, MEMBER_LIVE);
    stage_free(s);
}

/* ---- the hand-over ---- */

static void what_waits_goes_over_to_the_next_membership(void **state)
{
    struct stage *s = stage_new_live(0);
    struct membership *before = stage_find(s);

    (void)state;
    stage_say(s, "h2");
    stage_say(s, "l3");
    stage_say(s, "j4");
    stage_say(s, "m5");
    stage_say(s, "h6");
    stage_expect(s, "h2 runs\n");
    stage_answer(s, 2);
    stage_expect(s, "l3 runs\n"); /* and the rest waits for j4 */
    assert_ptr_not_equal(stage_find(s), before);
    assert_int_equal(s->in.count, 1);
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 0, 0);
    stage_give(s, 1, 1, 0);
    stage_expect(s, ACK("4", "0", "false") BATCH("", "false") "m5 runs\n");
    stage_answer(s, 5);
    stage_expect(s, "h6 runs\n");
    stage_free(s);
}

static void what_waits_for_a_join_in_vain_finds_nobody(void **state)
{
    struct stage *s = stage_new_live(0);

    (void)state;
    stage_say(s, "h2");
    stage_say(s, "l3");
    stage_say(s, "m4");
    stage_say(s, "j5");
    stage_say(s, "m6");
    stage_answer(s, 2);
    stage_expect(s, "h2 runs\nl3 runs\nm4 not in\n");
    stage_settle(s);
    stage_answer_join(s, PROTO_BANNED, 0, 0);
    stage_expect(s, "{'type':'error','id':5,'code':'banned',"
                    "'message':'banned from this room'}\nm6 not in\n");
    stage_free(s);
}

static void a_chain_of_joins_and_leaves_is_handed_on(void **state)
{
    struct stage *s = stage_new_live(0);

    (void)state;
    stage_say(s, "m2");
    for (int i = 0; i < 3; i++) {
        stage_say(s, "l3");
        stage_say(s, "j4");
    }
    stage_say(s, "m5");
    stage_answer(s, 2);
    for (int i = 0; i < 3; i++) {
        stage_settle(s);
        assert_int_equal(s->in.count, 1);
        stage_answer_join(s, PROTO_OK, 0, 0);
        stage_give(s, 1, 1, 0);
    }
    s->sent.len = 0;
    assert_non_null(s->running[5]);
    assert_int_equal(s->turns, 7); /* each is dispatched once */
    assert_int_equal(stage_state(s), MEMBER_LIVE);
    stage_free(s);
}

/* ---- the end ---- */

static void check_dropped(struct stage *s, struct membership *m)
{
    assert_null(m->in);
    assert_null(m->member.room);
    assert_int_equal(s->in.count, 0);
    assert_null(stage_find(s));
    assert_null(slot_first(&s->slot));
    assert_int_equal(s->requests.count, 0);
    assert_int_equal(s->slot.is_taken, s->is_reading); /* until the read is answered */
    membership_drop(m, LEAVE_ASKED);                   /* nothing */
    assert_int_equal(s->in.count, 0);
}

#define NOT_JOINED                                                                     \
    "{'type':'error','id':1,'code':'not_joined','message':'not in this room'}\n"

/* At each state, waiting for the slot or reading. */
static void a_drop_at_any_state_answers_the_join(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * (MEMBER_LIVE + 1); i++) {
        struct stage *s = stage_new_at((enum member_state)(i / 2), i % 2);
        bool has_ack = i / 2 > MEMBER_FIRST_BATCH;
        struct membership *m = stage_find(s);

        membership_drop(m, LEAVE_ASKED);
        stage_expect(s, has_ack ? "" : NOT_JOINED);
        check_dropped(s, m);
        stage_free(s);
    }
}

static void a_socket_that_ends_at_any_state_is_told_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * (MEMBER_LIVE + 1); i++) {
        struct stage *s = stage_new_at((enum member_state)(i / 2), i % 2);
        struct membership *m = stage_find(s);

        stage_end_socket(s);
        stage_expect(s, "");
        check_dropped(s, m);
        stage_free(s);
    }
}

static void one_that_is_put_out_at_any_state_is_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * (MEMBER_LIVE + 1); i++) {
        struct stage *s = stage_new_at((enum member_state)(i / 2), i % 2);
        bool has_ack = i / 2 > MEMBER_FIRST_BATCH;
        struct membership *m = stage_find(s);

        room_leave(&m->member, LEAVE_KICKED, 5000); /* as announce.c does */
        m->member.calls->removed(&m->member);
        stage_expect(s, has_ack ? "" : NOT_JOINED);
        check_dropped(s, m);
        stage_free(s);
    }
}

static void what_waits_when_the_socket_ends_does_not_run(void **state)
{
    struct stage *s = stage_new_live(0);

    (void)state;
    stage_say(s, "h2");
    stage_say(s, "m3");
    stage_say(s, "j4");
    s->sent.len = 0;
    stage_end_socket(s);
    stage_expect(s, "");
    assert_int_equal(s->requests.count, 1); /* Redis has not answered h2 */
    assert_null(s->running[2]->turns);
    assert_null(membership_of_request(s->running[2]));
    assert_int_equal(s->leave_reason, LEAVE_SOCKET_CLOSED);
    stage_free(s);
}

static void a_leave_that_waits_when_the_socket_ends_is_a_leave(void **state)
{
    struct stage *s = stage_new_live(0);

    (void)state;
    stage_say(s, "h2");
    stage_say(s, "l3");
    stage_end_socket(s);
    assert_non_null(s->leaving);
    assert_int_equal(s->leave_reason, LEAVE_ASKED);
    stage_free(s);
}

static void a_read_for_one_that_was_dropped_gives_nothing(void **state)
{
    struct stage *s = stage_new_at(MEMBER_FIRST_BATCH, false);

    (void)state;
    membership_drop(stage_find(s), LEAVE_ASKED);
    membership_end_turn(&s->env); /* its memory is gone */
    s->sent.len = 0;
    stage_give(s, 1, 1, 2);
    stage_expect(s, "");
    assert_false(s->slot.is_taken);
    stage_free(s);
}

static void a_slot_of_one_that_was_dropped_goes_to_the_next(void **state)
{
    struct stage *s = stage_new_at(MEMBER_FIRST_BATCH, false);

    (void)state;
    membership_drop(stage_find(s), LEAVE_ASKED);
    stage_say(s, "j2");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, 2, 0);
    assert_non_null(slot_first(&s->slot)); /* the old read has it */
    s->sent.len = 0;
    stage_give(s, 1, 1, 2);
    assert_true(s->is_reading);
    stage_give(s, 1, 1, 2);
    stage_expect(s, ACK("2", "2", "false") BATCH("<1>,<2>", "false"));
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_waits_until_the_client_takes_it),
        cmocka_unit_test(a_slot_that_is_not_needed_any_more_is_left),
        cmocka_unit_test(a_slow_client_catches_up_from_the_history),
        cmocka_unit_test(what_waits_goes_over_to_the_next_membership),
        cmocka_unit_test(what_waits_for_a_join_in_vain_finds_nobody),
        cmocka_unit_test(a_chain_of_joins_and_leaves_is_handed_on),
        cmocka_unit_test(a_drop_at_any_state_answers_the_join),
        cmocka_unit_test(a_socket_that_ends_at_any_state_is_told_nothing),
        cmocka_unit_test(one_that_is_put_out_at_any_state_is_dropped),
        cmocka_unit_test(what_waits_when_the_socket_ends_does_not_run),
        cmocka_unit_test(a_leave_that_waits_when_the_socket_ends_is_a_leave),
        cmocka_unit_test(a_read_for_one_that_was_dropped_gives_nothing),
        cmocka_unit_test(a_slot_of_one_that_was_dropped_goes_to_the_next),
    };

    return cmocka_run_group_tests(tests, stage_set_up, stage_tear_down);
}
