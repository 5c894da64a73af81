/* test_announce.c - what goes by `rev`: who came and went, kicks, closings, deleted messages;
 * and signals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/announce.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/room_world.h"

/* A room at message 5 and rev 2 with two live members. */
static struct {
    struct rig_client *ann, *bob;
    struct room *room;
} w;

static int set_up(void **state)
{
    (void)state;
    rig_open();
    w.ann = rig_client("ann");
    w.bob = rig_client("bob");
    w.room = rig_live(5, 2, w.ann, w.bob, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close();
    return 0;
}

static void assert_given(const char *wanted)
{
    rig_assert_given(w.ann, wanted);
    rig_assert_given(w.bob, wanted);
}

static struct room *the_room(void)
{
    return room_find(&rig.rooms, "r", 1);
}

/* Eve, whose join is answered with this rev, but not acked. */
static struct rig_client *join_eve(uint64_t rev)
{
    struct rig_client *eve = rig_client("eve");

    rig_join(eve);
    rig_joined(RIG_EPOCH, 5, rev);
    return eve;
}

static void ack(void)
{
    rig_read(rig_history(5, 1, 6, 5));
}

/* ---- who is told ---- */

static void all_others_are_told_who_comes_and_goes(void **state)
{
    (void)state;
    rig_presence(NOTICE_JOINED, 3, "bob");
    rig_assert_given(w.ann, "joined bob");
    rig_assert_given(w.bob, "");
    rig_presence(NOTICE_LEFT, 4, "eve");
    assert_given("left eve");
    assert_int_equal(announce_rev(w.room), 4);
}

static void the_rev_never_goes_back(void **state)
{
    (void)state;
    rig_presence(NOTICE_LEFT, 9, "eve");
    rig_presence(NOTICE_LEFT, 4, "joe");
    assert_int_equal(announce_rev(w.room), 9);
}

#define JOINED(user)                                                                   \
    "{\"type\":\"member_joined\",\"room\":\"r\",\"user\":\"" user "\",\"members\":1}"

/* After an outage a later change may be heard before the sync has found the missed ones. */
static void what_was_missed_is_known_though_a_later_change_was_heard(void **state)
{
    (void)state;
    assert_int_equal(announce_told(w.room), 2);
    rig_presence(NOTICE_LEFT, 3, "eve");
    rig_delete(4, 1);
    rig_kick(5, "joe");
    assert_int_equal(announce_told(w.room), 5);
    rig_presence(NOTICE_LEFT, 7, "joe");
    rig_signal("joe");
    assert_int_equal(announce_told(w.room), 5);
    assert_int_equal(announce_rev(w.room), 7);
    rig_presence(NOTICE_LEFT, 8, "sue");
    assert_int_equal(announce_told(w.room), 5);
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 5, 9);
    assert_int_equal(announce_told(w.room), 9);
    rig_notice(RIG_EPOCH, NOTICE_JOINED, 11, 0, 0, "eve,joe",
               JOINED("eve") "\n" JOINED("joe"));
    assert_int_equal(announce_told(w.room), 11);
    rig_notice(RIG_EPOCH, NOTICE_JOINED, 14, 0, 0, "sue,tom",
               JOINED("sue") "\n" JOINED("tom"));
    assert_int_equal(announce_told(w.room), 11);
}

static void what_a_join_knew_is_not_told(void **state)
{
    (void)state;
    rig_presence(NOTICE_JOINED, 2, "eve");
    assert_given("");
    rig_presence(NOTICE_JOINED, 3, "eve");
    assert_given("joined eve");
}

/* The notice has the rev of the last one. */
static void each_of_several_users_has_a_rev_of_its_own(void **state)
{
    (void)state;
    w.bob->member.rev = 4;
    rig_notice(RIG_EPOCH, NOTICE_JOINED, 5, 0, 0, "eve,joe,sue",
               JOINED("eve") "\n" JOINED("joe") "\n" JOINED("sue"));
    rig_assert_given(w.ann, "joined eve, joined joe, joined sue");
    rig_assert_given(w.bob, "joined sue");
}

static void signals_have_no_rev_and_are_told_to_the_others(void **state)
{
    (void)state;
    rig_signal("bob");
    rig_assert_given(w.ann, "signal bob");
    rig_assert_given(w.bob, "");
    assert_int_equal(announce_rev(w.room), 2);
}

static void a_slow_member_is_told_all_the_same(void **state)
{
    (void)state;
    w.ann->is_slow = true;
    rig_messages(6, 6);
    assert_int_equal(w.ann->member.state, MEMBER_CATCHING_UP);
    rig_presence(NOTICE_JOINED, 3, "eve");
    rig_assert_given(w.ann, "joined eve");
}

static void a_malformed_notice_tells_nobody_anything(void **state)
{
    (void)state;
    rig_notice(RIG_EPOCH, NOTICE_JOINED, 3, 0, 0, "eve", "x");
    assert_given("");
    assert_int_equal(announce_rev(w.room), 2);
    assert_int_equal(rig_count(RIG_BACKFILL), 1);
}

/* ---- what is kept ---- */

static void a_member_is_told_after_its_ack_what_came_after_its_join(void **state)
{
    struct rig_client *eve = join_eve(4);

    (void)state;
    rig_presence(NOTICE_JOINED, 3, "joe"); /* before the join */
    rig_presence(NOTICE_JOINED, 4, "eve"); /* itself */
    rig_presence(NOTICE_JOINED, 5, "sue");
    rig_presence(NOTICE_LEFT, 6, "joe");
    rig_signal("ann");
    rig_assert_given(eve, "");
    rig_assert_given(w.ann, "joined joe, joined eve, joined sue, left joe");
    ack();
    rig_assert_given(eve, "ack 5, batch none, joined sue, left joe");
    assert_true(list_is_empty(&w.room->announce.announcements));
    assert_int_equal(w.room->announce.announcements_count, 0);
}

static void what_comes_before_the_answer_of_the_join_is_kept(void **state)
{
    struct rig_client *eve = rig_client("eve");

    (void)state;
    rig_join(eve);
    rig_presence(NOTICE_JOINED, 3, "eve");
    rig_presence(NOTICE_LEFT, 4, "bob");
    rig_joined(RIG_EPOCH, 5, 3);
    ack();
    rig_assert_given(eve, "ack 5, batch none, left bob");
}

static void a_member_that_joined_again_is_told_nothing_twice(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_rejoin(w.ann);
    rig_joined(RIG_EPOCH, 5, 3);
    rig_presence(NOTICE_LEFT, 4, "joe"); /* kept for eve */
    rig_assert_given(w.ann, "left joe");
    ack();
    rig_assert_given(eve, "ack 5, batch none, left joe");
    ack();
    rig_assert_given(w.ann, "ack 5, batch none");
}

/* The room's new life began with a join whose answer overtakes the notices of the last one. */
static void what_was_heard_of_another_life_is_told_to_nobody(void **state)
{
    struct rig_client *eve = rig_client("eve");

    (void)state;
    rig_close_room(3);
    rig_closed(true);
    rig_join(eve);
    rig_subscribed();
    rig_registered(true);
    rig_presence(NOTICE_LEFT, 7, "joe");
    rig_kick(8, "eve");
    assert_int_equal(the_room()->announce.announcements_count, 2);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    assert_int_equal(the_room()->announce.announcements_count, 0);
    assert_int_equal(announce_rev(the_room()), 1);
}

static void nothing_is_kept_where_all_have_their_ack(void **state)
{
    (void)state;
    rig_presence(NOTICE_JOINED, 3, "eve");
    assert_true(list_is_empty(&w.room->announce.announcements));
}

static void nothing_is_kept_for_a_member_that_went(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_presence(NOTICE_LEFT, 4, "joe");
    assert_int_equal(w.room->announce.announcements_count, 1);
    rig_leave(eve, LEAVE_ASKED);
    assert_int_equal(w.room->announce.announcements_count, 0);
}

static void nothing_is_kept_for_a_join_that_failed(void **state)
{
    (void)state;
    rig_join(rig_client("eve"));
    rig_presence(NOTICE_LEFT, 4, "joe");
    assert_int_equal(w.room->announce.announcements_count, 1);
    rig_refused(PROTO_BANNED);
    assert_int_equal(w.room->announce.announcements_count, 0);
}

static void what_is_kept_waits_for_the_last_ack(void **state)
{
    struct rig_client *eve = join_eve(3), *joe = rig_client("joe");

    (void)state;
    rig_presence(NOTICE_LEFT, 5, "sue");
    rig_join(joe);
    rig_joined(RIG_EPOCH, 5, 4);
    ack();
    rig_assert_given(eve, "ack 5, batch none, left sue");
    ack();
    rig_assert_given(joe, "ack 5, batch none, left sue");
    assert_int_equal(w.room->announce.announcements_count, 0);
}

/* Of a thousand that wait, the oldest one about who came or went gives way. */
static void too_much_is_not_kept_but_every_kick_is(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_kick(4, "joe");
    for (unsigned i = 0; i < 1001; i++)
        rig_presence(NOTICE_JOINED, 5 + i, i < 2 ? "early" : "late");
    assert_int_equal(w.room->announce.announcements_count, 1000);
    assert_int_equal(rig.metrics.presence_dropped_total, 2);
    ack();
    assert_memory_equal(eve->given.data, "ack 5, batch none, left joe, joined late, ",
                        42);
}

/* ---- a kick ---- */

static void a_kicked_user_is_told_and_put_out(void **state)
{
    const struct room_user *user;

    (void)state;
    rig_kick(3, "ann");
    rig_assert_given(w.ann, "kicked");
    rig_assert_given(w.bob, "left ann");
    assert_true(w.ann->is_removed);
    assert_null(w.ann->member.room);
    assert_false(w.bob->is_removed);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    user = map_find(&w.room->users, "ann", 3);
    assert_int_equal(user->reason, LEAVE_KICKED);
}

static void every_connection_of_a_kicked_user_is_put_out(void **state)
{
    struct rig_client *other = rig_client("ann");

    (void)state;
    rig_join(other);
    rig_joined(RIG_EPOCH, 5, 2);
    ack();
    rig_kick(3, "ann");
    rig_assert_given(other, "ack 5, batch none, kicked");
    assert_true(other->is_removed);
    assert_true(w.ann->is_removed);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
}

static void a_kick_from_before_the_join_is_not_for_it(void **state)
{
    (void)state;
    rig_kick(2, "ann");
    assert_given("");
    assert_false(w.ann->is_removed);
}

static void a_member_without_ack_is_put_out_after_it(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_kick(4, "eve");
    rig_presence(NOTICE_JOINED, 5, "joe");
    rig_assert_given(eve, "");
    assert_false(eve->is_removed);
    ack();
    rig_assert_given(eve, "ack 5, batch none, kicked"); /* and no more */
    assert_true(eve->is_removed);
    assert_null(eve->member.room);
    assert_int_equal(the_room()->announce.announcements_count, 0);
}

static void who_came_back_after_a_kick_stays(void **state)
{
    struct rig_client *eve = rig_client("eve");

    (void)state;
    rig_join(eve);
    rig_kick(3, "eve");
    rig_joined(RIG_EPOCH, 5, 4);
    ack();
    rig_assert_given(eve, "ack 5, batch none");
    assert_false(eve->is_removed);
}

/* Redis counts the user by the second connection's join, and must be told that it went. */
static void a_kick_of_who_joined_again_since_is_counted(void **state)
{
    struct rig_client *other = rig_client("ann");
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_join(other);
    rig_joined(RIG_EPOCH, 5, 4); /* after the kick, which is heard later */
    rig_leave(other, LEAVE_ASKED);
    rig_kick(3, "ann");
    rig_assert_given(w.ann, "kicked");
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
}

static void
a_kick_of_who_is_joining_again_is_counted_if_the_join_came_later(void **state)
{
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_rejoin(w.ann);
    rig_kick(3, "ann");
    assert_int_equal(rig_count(RIG_LEAVE), 0); /* waits for the join */
    rig_joined(RIG_EPOCH, 5, 4);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
    user = w.bob->member.user;
    rig_rejoin(w.bob);
    rig_kick(6, "bob");
    rig_joined(RIG_EPOCH, 5, 5);
    assert_int_equal(rig_count(RIG_LEAVE), 2);
    assert_int_equal(user->reason, LEAVE_KICKED);
}

static void a_kick_of_who_joined_the_next_life_is_counted(void **state)
{
    struct rig_client *other = rig_client("ann");
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_join(other);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    rig_leave(other, LEAVE_ASKED);
    rig_kick(3, "ann");
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
}

static void a_kick_is_counted_where_it_is_not_known_who_is_in(void **state)
{
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_rejoin(w.ann);
    rig_refused(PROTO_UNAVAILABLE); /* perhaps after the kick */
    rig_kick(3, "ann");
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
    user = w.bob->member.user;
    rooms_set_up(&rig.rooms, false);
    rooms_set_up(&rig.rooms, true);
    rig_registered(true); /* the sync may put bob back */
    rig_kick(4, "bob");
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
}

static void a_kick_of_the_life_before_is_none_of_the_next(void **state)
{
    struct rig_client *other = rig_client("ann");
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_join(other);
    rig_leave(other, LEAVE_ASKED);
    rig_kick(9, "ann");
    rig_close_room(10);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
}

static void a_kick_from_before_a_reset_is_none_after_it(void **state)
{
    struct rig_client *other = rig_client("ann");
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_join(other);
    rig_leave(other, LEAVE_ASKED);
    rig_kick(9, "ann");
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 0, 1);
    rig_joined(RIG_OTHER_EPOCH, 0, 2);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
}

static void a_kick_that_a_sync_found_is_older_than_a_join_after_it(void **state)
{
    struct rig_client *other = rig_client("ann");
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_join(other);
    rig_leave(other, LEAVE_ASKED);
    announce_kick(w.room, (struct json_text){"ann", 3}, (struct json_text){"", 0},
                  rig.now_ms);
    assert_true(w.ann->is_removed);
    rig_joined(RIG_EPOCH, 5, 9);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_int_equal(user->reason, LEAVE_KICKED_BEFORE);
}

static void a_kick_ends_the_grace(void **state)
{
    (void)state;
    rig_leave(w.ann, LEAVE_SOCKET_CLOSED);
    rig_kick(2, "ann"); /* from before its join */
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    rig_kick(3, "ann");
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    rig_assert_given(w.bob, "left ann");
}

static void a_kick_that_a_sync_found_tells_only_the_kicked(void **state)
{
    (void)state;
    announce_kick(w.room, (struct json_text){"ann", 3}, (struct json_text){"spam", 4},
                  rig.now_ms);
    rig_assert_given(w.ann, "kicked");
    rig_assert_given(w.bob, "");
    assert_true(w.ann->is_removed);
    assert_int_equal(announce_rev(w.room), 2);
}

/* ---- a closing ---- */

static void a_closing_puts_all_out(void **state)
{
    (void)state;
    room_ref(w.room);
    rig_close_room(3);
    assert_given("closed");
    assert_true(w.ann->is_removed);
    assert_true(w.bob->is_removed);
    assert_int_equal(rig_count(RIG_LEAVE), 0); /* Redis has none of them */
    assert_int_equal(w.room->users.count, 0);
    assert_false(room_log_is_known(&w.room->log));
    room_unref(w.room);
    rig_closed(true);
    assert_null(the_room());
}

/* Redis has gone back, and nobody has found it out yet. */
static void a_closing_with_a_lower_rev_puts_all_out(void **state)
{
    (void)state;
    room_ref(w.room);
    rig_close_room(1);
    assert_given("closed");
    assert_true(w.ann->is_removed);
    assert_true(w.bob->is_removed);
    room_unref(w.room);
}

static void a_closing_frees_those_in_grace(void **state)
{
    (void)state;
    rig_leave(w.ann, LEAVE_SOCKET_CLOSED);
    rig_close_room(3);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    assert_true(list_is_empty(&rig.rooms.grace));
}

static void a_join_that_was_under_way_joins_the_next_room(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_close_room(4);
    assert_false(eve->is_removed);
    assert_int_equal(rig_count(RIG_JOIN), 1);
    rig_read(rig_history(5, 1, 1, 5)); /* from before */
    rig_assert_given(eve, "");
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    assert_int_equal(eve->member.state, MEMBER_FIRST_BATCH);
    assert_string_equal(room_log_epoch(&w.room->log), RIG_OTHER_EPOCH);
}

/* Redis counts the user in the next room, and must be told that it went. */
static void who_joined_the_next_room_leaves_it(void **state)
{
    struct rig_client *other = rig_client("ann");
    const struct room_user *user = w.ann->member.user;

    (void)state;
    rig_join(other);
    rig_leave(other, LEAVE_ASKED);
    rig_close_room(3);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    assert_int_equal(rig_count(RIG_LEAVE), 1);
    assert_true(leave_reason_is_counted(user->reason));
}

static void a_closing_that_a_sync_found_puts_all_out(void **state)
{
    (void)state;
    room_ref(w.room);
    announce_closing(w.room, (struct json_text){"over", 4}, rig.now_ms);
    assert_given("closed");
    assert_true(w.ann->is_removed);
    assert_false(room_log_is_known(&w.room->log));
    room_unref(w.room);
}

static void what_was_kept_of_a_closed_room_is_forgotten(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_presence(NOTICE_LEFT, 4, "joe");
    rig_close_room(5);
    assert_int_equal(w.room->announce.announcements_count, 0);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    assert_int_equal(eve->member.rev, 1);
}

/* ---- a reset, a deletion ---- */

static void a_reset_forgets_what_was_kept(void **state)
{
    struct rig_client *eve = join_eve(3);

    (void)state;
    rig_presence(NOTICE_LEFT, 4, "joe");
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 0, 1);
    assert_int_equal(w.room->announce.announcements_count, 0);
    assert_int_equal(announce_rev(w.room), 1);
    assert_given("left joe, reset 0");
    assert_int_equal(eve->member.rev, 1);
}

/* The ring may have given the message as it was to a member whose join was later. */
static void a_deletion_is_told_to_all_whatever_their_join_knew(void **state)
{
    struct rig_client *eve = join_eve(4);

    (void)state;
    w.bob->member.rev = 3;
    rig_delete(3, 4);
    assert_given("deleted 4");
    rig_read(rig_history(5, 1, 1, 5)); /* perhaps from before */
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(eve, "ack 5, batch 1-5, deleted 4");
}

static void a_deletion_that_a_sync_found_is_told_to_all_with_ack(void **state)
{
    const char *event = q("{'type':'message_deleted','room':'r','seq':4}");
    struct rig_client *eve = join_eve(3);

    (void)state;
    announce_changed(w.room, 4, (struct json_text){event, strlen(event)});
    assert_given("deleted 4");
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(eve, ""); /* that read may be from before it */
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(eve, "ack 5, batch 1-5");
}

/* ---- any order ---- */

static void each_is_told_once_what_came_after_its_join_in_any_order(void **state)
{
    static const struct world_shape shape = {.messages = 10,
                                             .deletions = 20,
                                             .reads = 40,
                                             .joins = 60,
                                             .far = 60,
                                             .kicks = 15,
                                             .closings = 4,
                                             .outages = 2,
                                             .losses = 1,
                                             .refusals = 5};

    (void)state;
    world_run(&shape, 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_others_are_told_who_comes_and_goes),
        TEST(the_rev_never_goes_back),
        TEST(what_was_missed_is_known_though_a_later_change_was_heard),
        TEST(what_a_join_knew_is_not_told),
        TEST(each_of_several_users_has_a_rev_of_its_own),
        TEST(signals_have_no_rev_and_are_told_to_the_others),
        TEST(a_slow_member_is_told_all_the_same),
        TEST(a_malformed_notice_tells_nobody_anything),
        TEST(a_member_is_told_after_its_ack_what_came_after_its_join),
        TEST(what_comes_before_the_answer_of_the_join_is_kept),
        TEST(a_member_that_joined_again_is_told_nothing_twice),
        TEST(what_was_heard_of_another_life_is_told_to_nobody),
        TEST(nothing_is_kept_where_all_have_their_ack),
        TEST(nothing_is_kept_for_a_member_that_went),
        TEST(nothing_is_kept_for_a_join_that_failed),
        TEST(what_is_kept_waits_for_the_last_ack),
        TEST(too_much_is_not_kept_but_every_kick_is),
        TEST(a_kicked_user_is_told_and_put_out),
        TEST(every_connection_of_a_kicked_user_is_put_out),
        TEST(a_kick_from_before_the_join_is_not_for_it),
        TEST(a_member_without_ack_is_put_out_after_it),
        TEST(who_came_back_after_a_kick_stays),
        TEST(a_kick_of_who_joined_again_since_is_counted),
        TEST(a_kick_of_who_is_joining_again_is_counted_if_the_join_came_later),
        TEST(a_kick_of_who_joined_the_next_life_is_counted),
        TEST(a_kick_is_counted_where_it_is_not_known_who_is_in),
        TEST(a_kick_of_the_life_before_is_none_of_the_next),
        TEST(a_kick_from_before_a_reset_is_none_after_it),
        TEST(a_kick_that_a_sync_found_is_older_than_a_join_after_it),
        TEST(a_kick_ends_the_grace),
        TEST(a_kick_that_a_sync_found_tells_only_the_kicked),
        TEST(a_closing_puts_all_out),
        TEST(a_closing_with_a_lower_rev_puts_all_out),
        TEST(a_closing_frees_those_in_grace),
        TEST(a_join_that_was_under_way_joins_the_next_room),
        TEST(who_joined_the_next_room_leaves_it),
        TEST(a_closing_that_a_sync_found_puts_all_out),
        TEST(what_was_kept_of_a_closed_room_is_forgotten),
        TEST(a_reset_forgets_what_was_kept),
        TEST(a_deletion_is_told_to_all_whatever_their_join_knew),
        TEST(a_deletion_that_a_sync_found_is_told_to_all_with_ack),
        cmocka_unit_test(each_is_told_once_what_came_after_its_join_in_any_order),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
