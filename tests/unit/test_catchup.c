/* test_catchup.c - one member's way from the history to the live messages: each turn of it by
 * itself, and any order of what can happen against a plain model (room_world.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/room_world.h"

static int set_up(void **state)
{
    (void)state;
    rig_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close();
    return 0;
}

static struct room *the_room(void)
{
    return room_find(&rig.rooms, "r", 1);
}

/* Bob joins a room at `seq` with a live Ann; his first read is under way. */
static struct rig_client *join_at(uint64_t seq)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    rig_live(seq, 1, ann, NULL);
    rig_join(bob);
    rig_joined(RIG_EPOCH, seq, 2);
    assert_int_equal(bob->member.state, MEMBER_FIRST_BATCH);
    return bob;
}

static struct rig_client *resume_at(uint64_t seq, uint64_t since)
{
    struct rig_client *bob = rig_client("bob");

    rig_live(seq, 1, rig_client("ann"), NULL);
    bob->has_since = true;
    bob->since = since;
    rig_join(bob);
    rig_joined(RIG_EPOCH, seq, 2);
    return bob;
}

static void assert_state(const struct rig_client *client, enum member_state state)
{
    assert_int_equal(client->member.state, state);
}

/* A read after this message is under way, and no other. */
static void assert_reads_after(uint64_t after)
{
    unsigned i = 0;

    assert_int_equal(rig_count(RIG_READ), 1);
    while (rig.calls[i].kind != RIG_READ)
        i++;
    assert_int_equal(rig.calls[i].after, after);
}

/* ---- a join ---- */

static void a_join_is_given_the_history_in_one_batch(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    assert_reads_after(0);
    rig_assert_given(bob, "");
    rig_read(rig_history(3, 1, 1, 3));
    rig_assert_given(bob, "ack 3, batch 1-3");
    assert_state(bob, MEMBER_LIVE);
    assert_true(bob->member.has_ack);
    rig_messages(4, 4);
    rig_assert_given(bob, "4");
}

static void a_join_of_an_empty_room_is_given_an_empty_batch(void **state)
{
    struct rig_client *bob = join_at(0);

    (void)state;
    rig_read(rig_history(0, 1, 1, 0));
    rig_assert_given(bob, "ack 0, batch none");
    assert_state(bob, MEMBER_LIVE);
}

static void a_long_history_comes_in_several_batches(void **state)
{
    struct rig_client *bob = join_at(5);

    (void)state;
    rig_read(rig_history(5, 1, 1, 2));
    rig_assert_given(bob, "ack 5, batch 1-2 more");
    assert_state(bob, MEMBER_IN_HISTORY);
    assert_reads_after(2);
    rig_read(rig_history(5, 1, 3, 4));
    rig_assert_given(bob, "batch 3-4 more");
    assert_reads_after(4);
    rig_read(rig_history(5, 1, 5, 5));
    rig_assert_given(bob, "batch 5-5");
    assert_state(bob, MEMBER_LIVE);
}

static void what_comes_during_the_read_follows_from_the_ring(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_messages(4, 4);
    rig_messages(5, 6);
    rig_assert_given(bob, "");
    rig_read(rig_history(3, 1, 1, 3));
    rig_assert_given(bob, "ack 3, batch 1-3, 4, 5, 6");
    assert_state(bob, MEMBER_LIVE);
    assert_int_equal(rig_count(RIG_READ), 0);
}

static void a_read_may_know_more_than_this_worker_has_heard(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(bob, "ack 5, batch 1-5");
    assert_state(bob, MEMBER_CATCHING_UP);
    rig_messages(4, 4);
    rig_assert_given(bob, "");
    assert_state(bob, MEMBER_CATCHING_UP);
    rig_messages(5, 5);
    assert_state(bob, MEMBER_LIVE);
    rig_messages(6, 6);
    rig_assert_given(bob, "6");
    assert_int_equal(rig_count(RIG_READ), 0);
}

static void a_batch_ends_where_the_ack_said(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_read(rig_history(3, 1, 1, 1));
    rig_messages(4, 5);
    rig_read(rig_history(5, 1, 2, 5));
    rig_assert_given(bob, "ack 3, batch 1-1 more, batch 2-3, 4, 5");
}

static void a_history_that_was_cut_meanwhile_leaves_a_gap(void **state)
{
    struct rig_client *bob = join_at(5);

    (void)state;
    rig_read(rig_history(5, 1, 1, 2));
    rig_read(rig_history(5, 4, 4, 5));
    rig_assert_given(bob, "ack 5, batch 1-2 more, gap 3-3, batch 4-5");
    assert_int_equal(rig.metrics.gaps_total, 1);
}

static void a_history_that_was_cut_beyond_the_ack_leaves_a_gap_up_to_it(void **state)
{
    struct rig_client *bob = join_at(4);

    (void)state;
    rig_read(rig_history(4, 1, 1, 2));
    rig_messages(5, 7);
    rig_read(rig_history(7, 6, 6, 7));
    rig_assert_given(bob, "ack 4, batch 1-2 more, gap 3-4, batch none, 5, 6, 7");
}

static void a_batch_that_brings_nothing_ends_the_batches(void **state)
{
    struct rig_client *bob = join_at(4);

    (void)state;
    rig_read(rig_history(4, 1, 1, 2));
    rig_read(rig_history(4, 1, 3, 2));
    rig_assert_given(bob, "ack 4, batch 1-2 more, batch none");
    assert_state(bob, MEMBER_CATCHING_UP);
    assert_reads_after(2); /* as messages, or as a gap */
    rig_read(rig_history(4, 1, 3, 4));
    rig_assert_given(bob, "3, 4");
    assert_state(bob, MEMBER_LIVE);
}

static void who_reads_from_the_start_is_told_of_no_gap(void **state)
{
    struct rig_client *bob = join_at(9);

    (void)state;
    rig_read(rig_history(9, 6, 6, 9));
    rig_assert_given(bob, "ack 9, batch 6-9");
}

static void nobody_is_given_the_ring_before_the_first_batch(void **state)
{
    struct rig_client *bob = join_at(0);

    (void)state;
    rig_messages(1, 2); /* of the ring it could take both */
    rig_assert_given(bob, "");
    assert_state(bob, MEMBER_FIRST_BATCH);
    rig_read(rig_history(1, 1, 1, 1));
    rig_assert_given(bob, "ack 1, batch 1-1, 2");
}

/* ---- a resume ---- */

static void a_resume_is_given_what_it_missed(void **state)
{
    struct rig_client *bob = resume_at(5, 3);

    (void)state;
    assert_reads_after(3);
    rig_read(rig_history(5, 1, 4, 5));
    rig_assert_given(bob, "ack 5, batch 4-5");
    assert_state(bob, MEMBER_LIVE);
}

static void a_resume_that_missed_nothing_is_given_an_empty_batch(void **state)
{
    struct rig_client *bob = resume_at(5, 5);

    (void)state;
    rig_read(rig_history(5, 1, 6, 5));
    rig_assert_given(bob, "ack 5, batch none");
    assert_state(bob, MEMBER_LIVE);
    rig_messages(6, 6);
    rig_assert_given(bob, "6");
}

static void a_resume_over_a_bad_line_is_told_of_the_gap(void **state)
{
    struct rig_client *bob = resume_at(8, 3);

    (void)state;
    rig_read(rig_history(8, 1, 6, 8));
    rig_assert_given(bob, "ack 8, gap 4-5, batch 6-8");
}

static void a_resume_of_what_redis_holds_no_more_starts_again(void **state)
{
    struct rig_client *bob = resume_at(8, 3);

    (void)state;
    rig_read(rig_history(8, 6, 6, 8));
    rig_assert_given(bob, "ack 8, batch 6-8");
}

/* ---- a ring that is too short ---- */

static void who_is_beyond_the_ring_reads_the_rest(void **state)
{
    struct rig_client *bob = join_at(2);

    (void)state;
    rig.rooms.logs.history_max_bytes = 100; /* one message */
    rig_messages(3, 3);
    rig_messages(4, 4);
    rig_messages(5, 5);
    rig_read(rig_history(2, 1, 1, 2));
    rig_assert_given(bob, "ack 2, batch 1-2");
    assert_state(bob, MEMBER_CATCHING_UP);
    assert_reads_after(2);
    rig_messages(6, 6);
    rig_read(rig_history(5, 3, 3, 5));
    rig_assert_given(bob, "3, 4, 5, 6");
    assert_state(bob, MEMBER_LIVE);
}

static void what_neither_ring_nor_history_has_is_a_gap(void **state)
{
    struct rig_client *bob = join_at(2);

    (void)state;
    rig.rooms.logs.history_max_bytes = 100;
    rig_messages(3, 5);
    rig_read(rig_history(2, 1, 1, 2));
    rig_read(rig_history(5, 5, 5, 5));
    rig_assert_given(bob, "ack 2, batch 1-2, gap 3-4, 5");
    assert_state(bob, MEMBER_LIVE);
}

static void a_history_without_messages_is_a_gap_up_to_its_number(void **state)
{
    struct rig_client *bob = join_at(2);

    (void)state;
    rig.rooms.logs.history_max_bytes = 100;
    rig_messages(3, 5);
    rig_read(rig_history(2, 1, 1, 2));
    rig_read(rig_history(5, 6, 6, 5));
    rig_assert_given(bob, "ack 2, batch 1-2, gap 3-5");
    assert_state(bob, MEMBER_LIVE);
}

static void the_ring_is_kept_only_while_somebody_is_behind(void **state)
{
    struct rig_client *bob = join_at(2);

    (void)state;
    assert_true(catchup_needs_ring(the_room()));
    rig_messages(3, 3);
    assert_true(room_log_has(&the_room()->log, 3));
    rig_read(rig_history(2, 1, 1, 2));
    assert_state(bob, MEMBER_LIVE);
    assert_false(catchup_needs_ring(the_room()));
    assert_false(room_log_has(&the_room()->log, 3));
    rig_messages(4, 4);
    assert_false(room_log_has(&the_room()->log, 4));
}

static void the_ring_goes_with_the_last_member_that_is_behind(void **state)
{
    struct rig_client *bob = join_at(2);

    (void)state;
    rig_messages(3, 3);
    rig_leave(bob, LEAVE_ASKED);
    assert_false(room_log_has(&the_room()->log, 3));
}

static void a_ring_that_is_kept_stays(void **state)
{
    (void)state;
    rig_live(2, 1, rig_client("ann"), NULL);
    catchup_keep_ring(the_room(), true);
    rig_messages(3, 3);
    assert_true(room_log_has(&the_room()->log, 3));
    catchup_keep_ring(the_room(), false);
    assert_false(room_log_has(&the_room()->log, 3));
}

/* ---- slow clients ---- */

static void a_slow_client_goes_on_from_the_ring(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(2, 1, ann, bob, NULL);
    ann->is_slow = true;
    rig_messages(3, 5);
    assert_state(ann, MEMBER_CATCHING_UP);
    assert_state(bob, MEMBER_LIVE);
    rig_assert_given(ann, "");
    rig_assert_given(bob, "3, 4, 5");
    rig_messages(6, 6);
    catchup_go_on(&ann->member);
    rig_assert_given(ann, "");
    ann->is_slow = false;
    catchup_go_on(&ann->member);
    rig_assert_given(ann, "3, 4, 5, 6");
    assert_state(ann, MEMBER_LIVE);
    assert_int_equal(rig_count(RIG_READ), 0);
    assert_int_equal(rig.metrics.deliveries_total, 3 + 1 + 4);
}

static void a_slow_client_reads_once_it_can_take_more(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(2, 1, ann, NULL);
    rig.rooms.logs.history_max_bytes = 100;
    ann->is_slow = true;
    rig_messages(3, 3);
    rig_messages(4, 4);
    assert_int_equal(rig_count(RIG_READ), 0);
    ann->is_slow = false;
    catchup_go_on(&ann->member);
    assert_reads_after(2);
    catchup_go_on(&ann->member); /* one read at a time */
    assert_reads_after(2);
    rig_read(rig_history(4, 3, 3, 4));
    rig_assert_given(ann, "3, 4");
    assert_state(ann, MEMBER_LIVE);
}

static void a_client_that_is_slow_again_goes_on_where_it_stopped(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(2, 1, ann, NULL);
    rig.rooms.logs.history_max_bytes = 100;
    ann->is_slow = true;
    rig_messages(3, 5);
    ann->is_slow = false;
    catchup_go_on(&ann->member);
    ann->is_slow = true;
    rig_read(rig_history(5, 3, 3, 5)); /* comes too early */
    rig_assert_given(ann, "");
    assert_int_equal(ann->member.progress.cursor, 2);
    ann->is_slow = false;
    catchup_go_on(&ann->member);
    assert_reads_after(2);
}

/* ---- reads that bring something else ---- */

static void a_read_of_another_epoch_makes_the_room_compare(void **state)
{
    struct rig_client *bob = join_at(3);
    struct history history = *rig_history(1, 1, 1, 1);

    (void)state;
    history.epoch = RIG_OTHER_EPOCH;
    rig_read(&history);
    rig_assert_given(bob, "");
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 1, 1);
    assert_reads_after(0);
    rig_read(&history);
    rig_assert_given(bob, "ack 1, batch 1-1");
    assert_state(bob, MEMBER_LIVE);
}

static void a_read_that_failed_is_made_again_after_the_comparison(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_read(rig_history(3, 1, 1, 1));
    rig_read(NULL);
    assert_int_equal(rig_count(RIG_READ), 0);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 3, 2);
    assert_reads_after(1);
    rig_read(rig_history(3, 1, 2, 3));
    rig_assert_given(bob, "ack 3, batch 1-1 more, batch 2-3");
}

static void a_read_from_before_the_member_joined_again_is_dropped(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_read(rig_history(3, 1, 1, 2));
    rig_rejoin(bob);
    rig_joined(RIG_EPOCH, 3, 2);
    rig_read(rig_history(3, 1, 3, 3)); /* of the read after 2 */
    rig_assert_given(bob, "ack 3, batch 1-2 more");
    assert_reads_after(0);
    rig_read(rig_history(3, 1, 1, 3));
    rig_assert_given(bob, "ack 3, batch 1-3");
}

/* Also one after the same message: it may be from before what the second join knew. */
static void a_read_of_the_first_join_does_not_answer_the_second(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_rejoin(bob);
    rig_joined(RIG_EPOCH, 3, 9);
    rig_read(rig_history(3, 1, 1, 3));
    rig_assert_given(bob, "");
    assert_reads_after(0);
    rig_read(rig_history(3, 1, 1, 3));
    rig_assert_given(bob, "ack 3, batch 1-3");
}

static void a_member_that_is_not_behind_wants_no_history(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(2, 1, ann, NULL);
    catchup_on_history(&ann->member, rig_history(3, 1, 3, 3));
    rig_assert_given(ann, "");
    catchup_go_on(&ann->member);
    assert_int_equal(rig_count(RIG_READ), 0);
}

/* ---- deletions ---- */

static void a_read_under_way_when_a_message_is_deleted_is_made_again(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_delete(3, 2);
    rig_read(rig_history(3, 1, 1, 3)); /* perhaps from before */
    rig_assert_given(bob, "");
    assert_reads_after(0);
    rig_read(rig_history(3, 1, 1, 3));
    rig_assert_given(bob, "ack 3, batch 1-3, deleted 2");
}

static void a_deletion_of_what_was_given_keeps_the_read(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_read(rig_history(3, 1, 1, 2));
    rig_delete(3, 2);
    rig_read(rig_history(3, 1, 3, 3));
    rig_assert_given(bob, "ack 3, batch 1-2 more, deleted 2, batch 3-3");
}

static void a_deletion_of_the_next_message_makes_the_read_again(void **state)
{
    struct rig_client *bob = join_at(3);

    (void)state;
    rig_read(rig_history(3, 1, 1, 2));
    rig_delete(3, 3);
    rig_read(rig_history(3, 1, 3, 3));
    rig_assert_given(bob, "ack 3, batch 1-2 more, deleted 3");
    assert_reads_after(2);
}

static void a_deletion_empties_the_ring(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(2, 1, ann, NULL);
    ann->is_slow = true;
    rig_messages(3, 4);
    rig_delete(2, 4);
    ann->is_slow = false;
    catchup_go_on(&ann->member);
    rig_assert_given(ann, "deleted 4");
    assert_reads_after(2);
}

/* ---- a reset ---- */

static void reset(uint64_t seq)
{
    room_needs_sync(the_room());
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, seq, 1);
}

static void a_reset_moves_a_member_that_was_given_something(void **state)
{
    struct rig_client *bob = join_at(9);

    (void)state;
    rig_read(rig_history(9, 1, 1, 4));
    reset(2);
    rig_assert_given(bob, "ack 9, batch 1-4 more, reset 2");
    rig_read(rig_history(9, 1, 5, 9)); /* from before */
    rig_assert_given(bob, "");
    assert_state(bob, MEMBER_LIVE);
    assert_int_equal(bob->member.progress.cursor, 2);
}

static void a_reset_before_the_first_batch_starts_it_again(void **state)
{
    struct rig_client *bob = resume_at(9, 4);
    struct history history;

    (void)state;
    reset(2);
    rig_assert_given(bob, "");
    rig_read(rig_history(9, 1, 5, 9)); /* from before */
    rig_assert_given(bob, "");
    assert_reads_after(0);
    history = *rig_history(2, 1, 1, 2);
    history.epoch = RIG_OTHER_EPOCH;
    rig_read(&history);
    rig_assert_given(bob, "ack 2, batch 1-2");
    assert_state(bob, MEMBER_LIVE);
}

static void a_slow_client_is_moved_by_a_reset(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(5, 1, ann, NULL);
    ann->is_slow = true;
    rig_messages(6, 6);
    ann->is_slow = false;
    reset(3);
    rig_assert_given(ann, "reset 3");
    assert_state(ann, MEMBER_LIVE);
}

/* ---- any order ---- */

static void there_is_no_hole_and_no_overlap_in_any_order(void **state)
{
    static const struct world_shape shape = {.messages = 60,
                                             .deletions = 10,
                                             .reads = 60,
                                             .slow = 30,
                                             .joins = 40,
                                             .far = 5,
                                             .kicks = 2,
                                             .closings = 1,
                                             .outages = 2,
                                             .losses = 1,
                                             .refusals = 10};

    (void)state;
    world_run(&shape, 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_join_is_given_the_history_in_one_batch),
        TEST(a_join_of_an_empty_room_is_given_an_empty_batch),
        TEST(a_long_history_comes_in_several_batches),
        TEST(what_comes_during_the_read_follows_from_the_ring),
        TEST(a_read_may_know_more_than_this_worker_has_heard),
        TEST(a_batch_ends_where_the_ack_said),
        TEST(a_history_that_was_cut_meanwhile_leaves_a_gap),
        TEST(a_history_that_was_cut_beyond_the_ack_leaves_a_gap_up_to_it),
        TEST(a_batch_that_brings_nothing_ends_the_batches),
        TEST(who_reads_from_the_start_is_told_of_no_gap),
        TEST(nobody_is_given_the_ring_before_the_first_batch),
        TEST(a_resume_is_given_what_it_missed),
        TEST(a_resume_that_missed_nothing_is_given_an_empty_batch),
        TEST(a_resume_over_a_bad_line_is_told_of_the_gap),
        TEST(a_resume_of_what_redis_holds_no_more_starts_again),
        TEST(who_is_beyond_the_ring_reads_the_rest),
        TEST(what_neither_ring_nor_history_has_is_a_gap),
        TEST(a_history_without_messages_is_a_gap_up_to_its_number),
        TEST(the_ring_is_kept_only_while_somebody_is_behind),
        TEST(the_ring_goes_with_the_last_member_that_is_behind),
        TEST(a_ring_that_is_kept_stays),
        TEST(a_slow_client_goes_on_from_the_ring),
        TEST(a_slow_client_reads_once_it_can_take_more),
        TEST(a_client_that_is_slow_again_goes_on_where_it_stopped),
        TEST(a_read_of_another_epoch_makes_the_room_compare),
        TEST(a_read_that_failed_is_made_again_after_the_comparison),
        TEST(a_read_from_before_the_member_joined_again_is_dropped),
        TEST(a_read_of_the_first_join_does_not_answer_the_second),
        TEST(a_member_that_is_not_behind_wants_no_history),
        TEST(a_read_under_way_when_a_message_is_deleted_is_made_again),
        TEST(a_deletion_of_what_was_given_keeps_the_read),
        TEST(a_deletion_of_the_next_message_makes_the_read_again),
        TEST(a_deletion_empties_the_ring),
        TEST(a_reset_moves_a_member_that_was_given_something),
        TEST(a_reset_before_the_first_batch_starts_it_again),
        TEST(a_slow_client_is_moved_by_a_reset),
        cmocka_unit_test(there_is_no_hole_and_no_overlap_in_any_order),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
