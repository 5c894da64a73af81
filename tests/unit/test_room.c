/* test_room.c - users and members of a room, what goes out to Redis for them and in which order,
 * and what the answers change.
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

static struct room_user *find_user(const char *name)
{
    return map_find(&the_room()->users, name, strlen(name));
}

/* Nothing waits for an answer. */
static void assert_quiet(void)
{
    assert_int_equal(rig.calls_count, 0);
}

/* ---- the first join ---- */

static void the_first_join_subscribes_then_registers_then_joins(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_join(ann);
    assert_int_equal(ann->member.state, MEMBER_WAITING);
    assert_int_equal(rig.metrics.rooms, 1);
    assert_int_equal(rig.metrics.members, 1);
    assert_int_equal(rig.calls_count, 1);
    rig_subscribed();
    assert_int_equal(rig.calls_count, 1);
    rig_registered(true);
    assert_int_equal(rig.calls_count, 1);
    assert_int_equal(ann->member.state, MEMBER_JOINING);
    assert_false(ann->is_answered);
    rig_joined(RIG_EPOCH, 0, 1);
    assert_true(ann->is_answered);
    assert_int_equal(ann->error, PROTO_OK);
    assert_int_equal(ann->member.rev, 1);
    assert_true(find_user("ann")->is_in);
    assert_string_equal(room_log_epoch(&the_room()->log), RIG_EPOCH);
    assert_int_equal(announce_rev(the_room()), 1);
}

static void a_second_join_waits_for_nothing(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_join(bob);
    assert_int_equal(rig.calls_count, 1);
    assert_int_equal(rig_count(RIG_JOIN), 1);
    rig_joined(RIG_EPOCH, 0, 2);
    assert_int_equal(bob->error, PROTO_OK);
    assert_int_equal(the_room()->users.count, 2);
}

static void a_room_is_not_asked_for_while_redis_is_away(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_join(ann);
    rooms_set_up(&rig.rooms, false);
    assert_true(ann->is_answered);
    assert_int_equal(ann->error, PROTO_UNAVAILABLE);
    assert_null(ann->member.room);
    assert_null(the_room());
    rig_join(ann);
    rig_subscribed();
    assert_int_equal(rig_count(RIG_REGISTER), 0);
    rooms_set_up(&rig.rooms, true);
    rig_registered(true);
    assert_int_equal(rig_count(RIG_JOIN), 1);
}

/* ---- a join that fails ---- */

static void a_refused_member_is_out_and_its_user_unknown(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_join(bob);
    rig_refused(PROTO_BANNED);
    assert_int_equal(bob->error, PROTO_BANNED);
    assert_null(bob->member.room);
    assert_null(find_user("bob"));
    assert_quiet();
}

static void a_join_of_unknown_outcome_is_reversed(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_join(bob);
    rig_refused(PROTO_UNAVAILABLE);
    assert_int_equal(bob->error, PROTO_UNAVAILABLE);
    assert_null(bob->member.room);
    assert_true(find_user("bob")->is_leaving);
    assert_int_equal(find_user("bob")->reason, LEAVE_JOIN_FAILED);
    rig_left(true);
    assert_null(find_user("bob"));
    assert_quiet();
}

static void a_room_whose_registration_failed_waits_for_the_heartbeat(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_join(ann);
    rig_subscribed();
    rig_registered(false);
    assert_int_equal(ann->error, PROTO_UNAVAILABLE);
    assert_true(rig.rooms.has_stuck);
    assert_true(the_room()->is_stuck);
    assert_quiet();
    rig_join(bob); /* fails at once */
    assert_int_equal(bob->error, PROTO_UNAVAILABLE);
    assert_quiet();
    rooms_pump(&rig.rooms);
    assert_false(rig.rooms.has_stuck);
    rig_closed(true); /* it may have been registered */
    assert_null(the_room());
}

/* ---- several connections of a user ---- */

static void a_user_is_in_until_its_last_member_leaves(void **state)
{
    struct rig_client *first = rig_client("ann"), *second = rig_client("ann");

    (void)state;
    rig_live(0, 1, first, second, NULL);
    assert_int_equal(the_room()->users.count, 1);
    rig_leave(first, LEAVE_ASKED);
    assert_quiet();
    assert_false(find_user("ann")->is_leaving);
    rig_leave(second, LEAVE_ASKED);
    assert_true(find_user("ann")->is_leaving);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
}

static void a_join_waits_until_the_leave_of_its_user_is_answered(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_join(ann);
    assert_int_equal(ann->member.state, MEMBER_WAITING);
    assert_int_equal(rig_count(RIG_JOIN), 0);
    rig_left(true);
    assert_int_equal(rig_count(RIG_JOIN), 1);
    assert_int_equal(ann->member.state, MEMBER_JOINING);
}

static void a_leave_waits_until_the_join_is_answered(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_join(bob);
    rig_leave(bob, LEAVE_ASKED);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    assert_null(bob->member.room);
    rig_joined(RIG_EPOCH, 0, 2);
    assert_false(bob->is_answered);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    rig_left(true);
    assert_null(find_user("bob"));
}

static void a_join_that_was_refused_leaves_another_connection_in(void **state)
{
    struct rig_client *first = rig_client("ann"), *second = rig_client("ann");

    (void)state;
    rig_live(0, 1, first, NULL);
    rig_join(second);
    rig_refused(PROTO_UNAVAILABLE);
    assert_null(second->member.room);
    assert_non_null(first->member.room);
    assert_int_equal(find_user("ann")->members, 1);
    assert_quiet();
}

/* ---- the grace ---- */

static void a_user_whose_socket_closed_stays_for_the_grace(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    assert_quiet();
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms, false), 2000);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 1999, false), 1);
    assert_quiet();
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 2000, false), 0);
    assert_true(find_user("ann")->is_leaving);
    assert_int_equal(find_user("ann")->reason, LEAVE_SOCKET_CLOSED);
    rig_left(true);
    rig_closed(true);
    assert_null(the_room());
    assert_int_equal(rig_count(RIG_UNSUBSCRIBE), 1);
    assert_int_equal(rig.metrics.rooms, 0);
    assert_int_equal(rig.metrics.members, 0);
}

static void a_user_that_comes_back_was_never_gone(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    rig_join(ann);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 5000, false), 0);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    assert_int_equal(rig_count(RIG_JOIN), 1);
}

/* Of a Redis Cluster, while it has no home. */
static void while_nobody_can_come_back_no_grace_ends(void **state)
{
    struct rig_client *ann = rig_client("ann");
    struct room *room = rig_live(0, 1, ann, NULL);

    (void)state;
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    room->cluster.homeless_ms = 1;
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 2000, false), 2000);
    room->cluster.homeless_ms = 0;
    room_restart_grace(room);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 3999, false), 2000);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 5999, false), 0);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
}

static void without_a_grace_a_user_leaves_at_once(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig.rooms.grace_ms = 0;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
}

static void at_the_end_no_grace_is_waited_for(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms, true), 0);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
}

static void an_outage_starts_the_grace_again(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    rooms_set_up(&rig.rooms, false);
    rooms_set_up(&rig.rooms, true);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 5000, false), 2000);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    rooms_end_grace(&rig.rooms, rig.now_ms + 7000, false);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
}

static void only_a_user_in_grace_is_removed(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    room_end_grace(find_user("bob"), LEAVE_KICKED);
    assert_quiet();
    find_user("ann")->kicked_rev = 2;
    room_end_grace(find_user("ann"), LEAVE_KICKED);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(find_user("ann")->reason, LEAVE_KICKED);
    assert_true(list_is_empty(&rig.rooms.grace));
}

static void users_of_a_closed_room_need_not_leave(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    room_forget_users(the_room());
    assert_null(find_user("ann"));
    rig_leave(bob, LEAVE_ASKED);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    assert_int_equal(rig_count(RIG_CLOSE), 1);
}

/* ---- an outage ---- */

static void after_an_outage_a_room_is_registered_and_compared(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(5, 1, ann, NULL);
    rooms_set_up(&rig.rooms, false);
    assert_false(rooms_are_synced(&rig.rooms));
    assert_quiet();
    rooms_set_up(&rig.rooms, true);
    rig_registered(true);
    assert_int_equal(rig_count(RIG_SYNC), 1);
    assert_false(room_is_ready(the_room()));
    assert_false(rooms_are_synced(&rig.rooms));
    rig_synced(RIG_EPOCH, 5, 1);
    assert_true(room_is_ready(the_room()));
    assert_true(rooms_are_synced(&rig.rooms));
    assert_int_equal(rig.metrics.syncs_total, 1);
    assert_quiet();
    rig_assert_given(ann, "");
}

static void joins_wait_until_the_room_is_compared(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    room_needs_sync(the_room());
    rig_join(bob);
    rig_registered(true);
    assert_int_equal(rig_count(RIG_JOIN), 0);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_int_equal(rig_count(RIG_JOIN), 1);
}

static void a_comparison_that_failed_is_made_again_with_the_heartbeat(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    room_needs_sync(the_room());
    rig_registered(true);
    rig_join(bob);
    rig_synced(NULL, 0, 0);
    assert_int_equal(bob->error, PROTO_UNAVAILABLE);
    assert_non_null(ann->member.room);
    assert_true(rig.rooms.has_stuck);
    assert_true(rooms_are_synced(&rig.rooms)); /* as far as Redis lets it */
    assert_quiet();
    rooms_pump(&rig.rooms);
    rig_registered(true);
    assert_int_equal(rig_count(RIG_SYNC), 1);
}

static void what_is_doubted_during_a_call_is_compared_after_it(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    room_needs_sync(the_room());
    room_needs_sync(the_room()); /* one call at a time */
    assert_int_equal(rig_count(RIG_REGISTER), 1);
    rig_registered(true);
    room_needs_sync(the_room());
    rig_synced(RIG_EPOCH, 0, 1);
    rig_registered(true);
    assert_int_equal(rig_count(RIG_SYNC), 1);
}

/* ---- notices were dropped ---- */

static void after_a_drop_each_room_is_compared_in_its_turn(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    bob->room = "s";
    rig_live(0, 1, bob, NULL);
    rig.rooms.doubts_left = 1;
    rooms_on_dropped(&rig.rooms);
    assert_true(ann->member.room->was_deaf && bob->member.room->was_deaf);
    assert_int_equal(rig_count(RIG_REGISTER), 1);
    rooms_doubt_more(&rig.rooms);
    assert_int_equal(rig_count(RIG_REGISTER), 2);
    assert_int_equal(rig.rooms.doubts_left, ROOM_DOUBTS - 1);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_false(ann->member.room->was_deaf || bob->member.room->was_deaf);
    rooms_doubt_more(&rig.rooms);
    assert_quiet();
}

static void rooms_under_another_token_are_compared_before_them(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");
    struct rig_client *last;

    (void)state;
    rig_live(0, 1, ann, NULL);
    bob->room = "s";
    rig_live(0, 1, bob, NULL);
    rig.rooms.doubts_left = 0;
    rooms_on_dropped(&rig.rooms);
    last = list_first(&rig.rooms.deaf) == &ann->member.room->deaf ? bob : ann;
    room_doubt_token(last->member.room, (struct token){2, 2});
    rig.rooms.doubts_left = 0;
    rooms_doubt_more(&rig.rooms);
    assert_int_equal(rig_count(RIG_REGISTER), 2);
    assert_ptr_equal(rig_take(RIG_REGISTER).room, last->member.room);
    room_on_registered(last->member.room, true);
    rig_registered(true);
}

static void a_sync_that_was_sent_before_a_drop_does_not_make_up_for_it(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    room_needs_sync(the_room());
    rig_registered(true);
    rig.rooms.doubts_left = 0;
    rooms_on_dropped(&rig.rooms);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_true(the_room()->was_deaf);
    rooms_doubt_more(&rig.rooms);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_false(the_room()->was_deaf);
}

static void a_room_that_is_freed_waits_for_no_turn(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig.rooms.doubts_left = 0;
    rooms_on_dropped(&rig.rooms);
    rig_leave(ann, LEAVE_ASKED);
    rig_left(true);
    rig_closed(true);
    assert_int_equal(rig.rooms.map.count, 0);
    assert_true(list_is_empty(&rig.rooms.deaf));
}

/* ann is as good as never in: nothing is told Redis once more. */
static void who_left_and_could_not_come_back_is_forgotten(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_join(ann);
    room_doubt(the_room());
    rig_left(true);
    rooms_set_up(&rig.rooms, false);
    assert_int_equal(ann->error, PROTO_UNAVAILABLE);
    assert_null(find_user("ann"));
    assert_int_equal(rig_count(RIG_LEAVE), 0);
}

static void a_leave_that_failed_makes_the_room_compare(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_left(false);
    assert_null(find_user("ann"));
    assert_true(the_room()->needs_sync);
    assert_int_equal(rig_count(RIG_REGISTER), 1);
}

/* As while a slot of a Redis Cluster is on its way. */
static void
a_leave_without_an_answer_goes_out_again_once_the_room_was_synced(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_leave_unanswered();
    assert_true(find_user("ann")->is_leaving);
    rig_registered(true);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    rig_synced(NULL, 0, 0);
    rooms_pump(&rig.rooms);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(find_user("ann")->reason, LEAVE_ASKED);
    rig_left(true);
    assert_null(find_user("ann"));
}

/* Also of the last one; the room is not closed before. */
static void who_comes_back_meanwhile_waits_for_the_leave(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_leave_unanswered();
    assert_int_equal(rig_count(RIG_CLOSE), 0);
    rig_join(ann);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_int_equal(rig_count(RIG_JOIN), 0);
    rig_left(true);
    rig_joined(RIG_EPOCH, 0, 3);
    assert_true(ann->is_answered);
    assert_int_equal(ann->error, PROTO_OK);
    assert_true(find_user("ann")->is_in);
}

static void who_left_a_room_that_was_closed_since_need_not_leave_again(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, bob, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_leave_unanswered();
    room_forget_users(the_room());
    assert_null(find_user("ann"));
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
}

static void another_name_makes_everything_to_be_told_again(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    assert_true(the_room()->is_told);
    rooms_on_renamed(&rig.rooms);
    assert_false(the_room()->is_told);
    rig_registered(true);
    assert_false(the_room()->is_told);
    rig_synced(RIG_EPOCH, 0, 1);
    assert_true(the_room()->is_told);
}

static void a_renamed_worker_does_not_close_what_it_never_opened(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_SOCKET_CLOSED);
    rooms_set_up(&rig.rooms, false);
    rooms_on_renamed(&rig.rooms);
    rooms_end_grace(&rig.rooms, rig.now_ms, true);
    rig_left(true);
    assert_int_equal(rig_count(RIG_CLOSE), 0);
    assert_null(the_room());
}

/* ---- the room was recreated ---- */

static void a_join_into_a_recreated_room_goes_out_again_after_the_reset(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(5, 1, ann, NULL);
    rig_join(bob);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    assert_false(bob->is_answered);
    assert_int_equal(bob->member.state, MEMBER_WAITING);
    assert_int_equal(rig_count(RIG_JOIN), 0);
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 0, 2);
    rig_assert_given(ann, "reset 0");
    rig_joined(RIG_OTHER_EPOCH, 0, 2);
    assert_true(bob->is_answered);
    assert_int_equal(bob->error, PROTO_OK);
    assert_int_equal(bob->member.rev, 2);
}

static void a_member_that_joins_again_stays_in_whatever_the_answer(void **state)
{
    struct rig_client *ann = rig_client("ann");
    (void)state;
    rig_live(5, 1, ann, NULL);
    ann->is_answered = false;
    rig_rejoin(ann);
    rig_refused(PROTO_UNAVAILABLE);
    assert_true(ann->is_answered);
    assert_int_equal(ann->error, PROTO_UNAVAILABLE);
    assert_non_null(ann->member.room);
    assert_int_equal(ann->member.state, MEMBER_LIVE);
    rig_rejoin(ann);
    rig_joined(RIG_EPOCH, 5, 3);
    assert_int_equal(ann->member.rev, 3);
    assert_int_equal(ann->member.state, MEMBER_FIRST_BATCH);
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(ann, "ack 5, batch 1-5");
    assert_int_equal(ann->member.state, MEMBER_LIVE);
}

/* ---- the end of a room ---- */

static void a_room_whose_closing_failed_is_closed_with_the_heartbeat(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_left(true);
    rig_closed(false);
    assert_non_null(the_room());
    assert_quiet();
    rooms_pump(&rig.rooms);
    rig_closed(true);
    assert_null(the_room());
}

static void who_comes_while_the_room_is_closed_keeps_it(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    rig_live(0, 1, ann, NULL);
    rig_leave(ann, LEAVE_ASKED);
    rig_left(true);
    rig_join(bob);
    assert_int_equal(rig_count(RIG_JOIN), 0);
    rig_closed(true);
    rig_registered(true); /* the closing has reversed that */
    rig_joined(RIG_EPOCH, 0, 1);
    assert_int_equal(bob->error, PROTO_OK);
    assert_int_equal(rig_count(RIG_UNSUBSCRIBE), 0);
}

static void a_ref_keeps_an_empty_room(void **state)
{
    struct rig_client *ann = rig_client("ann");
    struct room *room;

    (void)state;
    room = room_ref(rig_live(0, 1, ann, NULL));
    rig_leave(ann, LEAVE_ASKED);
    rig_left(true);
    assert_quiet();
    assert_ptr_equal(the_room(), room);
    room_unref(room);
    rig_closed(true);
    assert_null(the_room());
}

static void a_room_that_redis_never_heard_of_is_freed_at_once(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    rig_join(ann);
    rig_leave(ann, LEAVE_ASKED);
    assert_null(the_room());
    assert_int_equal(rig_count(RIG_UNSUBSCRIBE), 1);
}

/* ---- any order ---- */

static void redis_has_those_who_are_in_in_any_order(void **state)
{
    static const struct world_shape shape = {.messages = 10,
                                             .reads = 60,
                                             .joins = 80,
                                             .far = 5,
                                             .kicks = 10,
                                             .closings = 4,
                                             .outages = 10,
                                             .losses = 5,
                                             .refusals = 50};

    (void)state;
    world_run(&shape, 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_first_join_subscribes_then_registers_then_joins),
        TEST(a_second_join_waits_for_nothing),
        TEST(a_room_is_not_asked_for_while_redis_is_away),
        TEST(a_refused_member_is_out_and_its_user_unknown),
        TEST(a_join_of_unknown_outcome_is_reversed),
        TEST(a_room_whose_registration_failed_waits_for_the_heartbeat),
        TEST(a_user_is_in_until_its_last_member_leaves),
        TEST(a_join_waits_until_the_leave_of_its_user_is_answered),
        TEST(a_leave_waits_until_the_join_is_answered),
        TEST(a_join_that_was_refused_leaves_another_connection_in),
        TEST(a_user_whose_socket_closed_stays_for_the_grace),
        TEST(a_user_that_comes_back_was_never_gone),
        TEST(while_nobody_can_come_back_no_grace_ends),
        TEST(without_a_grace_a_user_leaves_at_once),
        TEST(at_the_end_no_grace_is_waited_for),
        TEST(an_outage_starts_the_grace_again),
        TEST(only_a_user_in_grace_is_removed),
        TEST(users_of_a_closed_room_need_not_leave),
        TEST(after_an_outage_a_room_is_registered_and_compared),
        TEST(joins_wait_until_the_room_is_compared),
        TEST(a_comparison_that_failed_is_made_again_with_the_heartbeat),
        TEST(what_is_doubted_during_a_call_is_compared_after_it),
        TEST(after_a_drop_each_room_is_compared_in_its_turn),
        TEST(rooms_under_another_token_are_compared_before_them),
        TEST(a_sync_that_was_sent_before_a_drop_does_not_make_up_for_it),
        TEST(a_room_that_is_freed_waits_for_no_turn),
        TEST(who_left_and_could_not_come_back_is_forgotten),
        TEST(a_leave_that_failed_makes_the_room_compare),
        TEST(a_leave_without_an_answer_goes_out_again_once_the_room_was_synced),
        TEST(who_comes_back_meanwhile_waits_for_the_leave),
        TEST(who_left_a_room_that_was_closed_since_need_not_leave_again),
        TEST(another_name_makes_everything_to_be_told_again),
        TEST(a_renamed_worker_does_not_close_what_it_never_opened),
        TEST(a_join_into_a_recreated_room_goes_out_again_after_the_reset),
        TEST(a_member_that_joins_again_stays_in_whatever_the_answer),
        TEST(a_room_whose_closing_failed_is_closed_with_the_heartbeat),
        TEST(who_comes_while_the_room_is_closed_keeps_it),
        TEST(a_ref_keeps_an_empty_room),
        TEST(a_room_that_redis_never_heard_of_is_freed_at_once),
        cmocka_unit_test(redis_has_those_who_are_in_in_any_order),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
