/* test_deliver.c - notices of messages to the members of a room: by their numbers in order, what is
 * missing from the history, what is not there any more by its name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/intake.h"
#include "common/log.h"
#include "gateway/deliver.h"
#include "tests/support/unit/room_rig.h"

/* A room at message 5 with two live members. */
static struct {
    struct rig_client *ann, *bob;
    struct room *room;
} w;

static int set_up(void **state)
{
    (void)state;
    log_max = LOG_ERROR;
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

/* Both were given this. */
static void assert_given(const char *wanted)
{
    rig_assert_given(w.ann, wanted);
    rig_assert_given(w.bob, wanted);
}

static void assert_at(uint64_t seq)
{
    assert_int_equal(room_log_seq(&w.room->log), seq);
}

/* A backfill after this message is under way, and no other. */
static void assert_backfills_after(uint64_t after)
{
    assert_int_equal(rig_count(RIG_BACKFILL), 1);
    for (unsigned i = 0; i < rig.calls_count; i++)
        if (rig.calls[i].kind == RIG_BACKFILL)
            assert_int_equal(rig.calls[i].after, after);
}

/* ---- in order ---- */

static void the_next_messages_are_given_to_all(void **state)
{
    (void)state;
    rig_messages(6, 6);
    assert_given("6");
    rig_messages(7, 9);
    assert_given("7, 8, 9");
    assert_at(9);
    assert_int_equal(rig.metrics.deliveries_total, 8);
    assert_int_equal(rig.calls_count, 0);
}

static void what_is_here_already_is_dropped(void **state)
{
    (void)state;
    rig_messages(5, 5);
    rig_messages(3, 4);
    assert_given("");
    rig_messages(6, 7);
    rig_messages(6, 7);
    assert_given("6, 7");
    rig_messages(6, 8); /* the last is new */
    assert_given("8");
    assert_at(8);
    assert_int_equal(rig.calls_count, 0);
}

/* ---- what is missing ---- */

static void what_is_missing_is_read_from_the_history(void **state)
{
    (void)state;
    rig_messages(8, 8);
    assert_given("");
    assert_backfills_after(5);
    rig_backfilled(rig_history(8, 1, 6, 8));
    assert_given("6, 7, 8");
    assert_at(8);
    assert_int_equal(rig.calls_count, 0);
    assert_int_equal(rig.metrics.backfilled_messages_total, 3);
}

static void one_missing_message_is_missing_and_not_malformed(void **state)
{
    (void)state;
    rig_messages(7, 7);
    assert_backfills_after(5);
    assert_int_equal(rig.metrics.malformed_total[INTAKE_NOTICE], 0);
}

static void a_reset_starts_the_grace_again(void **state)
{
    (void)state;
    rig_leave(w.ann, LEAVE_SOCKET_CLOSED);
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 1, 3);
    assert_int_equal(rooms_end_grace(&rig.rooms, rig.now_ms + 5000, false), 2000);
    assert_int_equal(rig_count(RIG_LEAVE), 0);
}

static void while_it_is_read_nothing_overtakes(void **state)
{
    (void)state;
    rig_messages(8, 8);
    rig_messages(6, 6); /* the next one, but not by this way */
    rig_messages(9, 9);
    assert_given("");
    assert_backfills_after(5);
    rig_backfilled(rig_history(8, 1, 6, 8)); /* from before message 9 */
    assert_given("6, 7, 8");
    assert_backfills_after(8);
    rig_backfilled(rig_history(9, 1, 9, 9));
    assert_given("9");
    assert_int_equal(rig.calls_count, 0);
}

static void a_read_that_brings_nothing_is_not_repeated_by_itself(void **state)
{
    (void)state;
    rig_messages(8, 8);
    rig_backfilled(rig_history(5, 1, 6, 5));
    assert_given("");
    assert_int_equal(rig_count(RIG_BACKFILL), 0);
    rig_messages(9, 9);
    rig_messages(10, 10); /* while it is read */
    rig_backfilled(rig_history(5, 1, 6, 5));
    assert_backfills_after(5);
    rig_backfilled(rig_history(5, 1, 6, 5));
    assert_int_equal(rig_count(RIG_BACKFILL), 0);
}

static void a_read_that_was_cut_goes_on_after_it(void **state)
{
    struct history history = *rig_history(6, 1, 6, 6);

    (void)state;
    deliver_malformed(w.room, "test");
    assert_backfills_after(5);
    history.is_cut = true;
    rig_backfilled(&history);
    assert_given("6");
    assert_backfills_after(6);
}

static void a_read_that_was_not_cut_ends_there(void **state)
{
    (void)state;
    deliver_malformed(w.room, "test");
    rig_backfilled(rig_history(6, 1, 6, 6));
    assert_given("6");
    assert_int_equal(rig_count(RIG_BACKFILL), 0);
}

static void what_is_no_more_in_the_history_is_a_gap(void **state)
{
    (void)state;
    rig_messages(9, 9);
    rig_backfilled(rig_history(9, 8, 8, 9));
    assert_given("gap 6-7, 8, 9");
    assert_at(9);
    rig_messages(12, 12);
    rig_backfilled(rig_history(12, 13, 13, 12)); /* it holds nothing */
    assert_given("gap 10-12");
    assert_at(12);
    rig_messages(13, 13);
    assert_given("13");
}

static void what_came_twice_is_taken_once(void **state)
{
    (void)state;
    rig_messages(7, 7);
    rig_backfilled(rig_history(7, 1, 4, 7)); /* more than was asked for */
    assert_given("6, 7");
    assert_at(7);
}

static void a_read_that_failed_makes_the_room_compare(void **state)
{
    (void)state;
    rig_messages(8, 8);
    rig_backfilled(NULL);
    assert_given("");
    rig_registered(true);
    assert_int_equal(rig_count(RIG_SYNC), 1);
    rig_synced(RIG_EPOCH, 8, 2);
    assert_backfills_after(5);
}

static void a_read_of_another_epoch_makes_the_room_compare(void **state)
{
    struct history history = *rig_history(8, 1, 6, 8);

    (void)state;
    rig_messages(8, 8);
    history.epoch = RIG_OTHER_EPOCH;
    rig_backfilled(&history);
    assert_given("");
    rig_registered(true);
    assert_int_equal(rig_count(RIG_SYNC), 1);
}

static void a_message_deleted_while_it_is_read_is_given_as_a_tombstone(void **state)
{
    (void)state;
    rig_messages(8, 8);
    rig_delete(3, 7);
    assert_given("deleted 7");
    rig_backfilled(rig_history(8, 1, 6, 8)); /* perhaps from before */
    assert_given("");
    assert_backfills_after(5);
    rig_backfilled(rig_history(8, 1, 6, 8));
    assert_given("6, 7, 8");
}

static void a_deletion_of_what_is_here_keeps_the_read(void **state)
{
    (void)state;
    rig_messages(8, 8);
    rig_delete(3, 5);
    rig_backfilled(rig_history(8, 1, 6, 8));
    assert_given("deleted 5, 6, 7, 8");
}

/* It was begun after message 5, and the new life has not as many. */
static void a_read_of_the_life_before_makes_no_gap(void **state)
{
    struct rig_client *eve = rig_client("eve");
    struct history history;

    (void)state;
    rig_messages(8, 8);
    rig_join(eve);
    rig_close_room(3);
    rig_joined(RIG_OTHER_EPOCH, 0, 1);
    history = *rig_history(0, 1, 1, 0);
    history.epoch = RIG_OTHER_EPOCH;
    rig_read(&history);
    rig_assert_given(eve, "ack 0, batch none");
    history = *rig_history(3, 1, 6, 5);
    history.epoch = RIG_OTHER_EPOCH;
    rig_backfilled(&history);
    rig_assert_given(eve, "");
    assert_backfills_after(0);
}

static void a_read_from_before_a_reset_makes_no_gap(void **state)
{
    struct history history;

    (void)state;
    rig_messages(8, 8);
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 1, 3);
    history = *rig_history(3, 1, 6, 5);
    history.epoch = RIG_OTHER_EPOCH;
    rig_backfilled(&history);
    assert_given("reset 1");
    assert_backfills_after(1);
}

/* ---- what is no message ---- */

static void assert_malformed(uint64_t first, uint64_t last, const char *lines)
{
    uint64_t refused = rig.metrics.malformed_total[INTAKE_NOTICE];

    rig_notice(RIG_EPOCH, NOTICE_MESSAGE, 0, first, last, "-", lines);
    assert_given("");
    assert_at(5);
    assert_int_equal(rig.metrics.malformed_total[INTAKE_NOTICE], refused + 1);
    assert_backfills_after(5);
    rig_backfilled(rig_history(5, 1, 6, 5));
    assert_int_equal(rig.calls_count, 0);
}

#define LINE(seq)                                                                      \
    "{\"type\":\"message\",\"room\":\"r\",\"seq\":" #seq                               \
    ",\"user\":\"u\",\"text\":\"t\",\"ts\":1}"

static void lines_that_are_not_the_messages_they_should_be_are_not_given(void **state)
{
    (void)state;
    assert_malformed(6, 6, "x");
    assert_malformed(6, 6, LINE(7));
    assert_malformed(6, 6, LINE(6) "\n");
    assert_malformed(6, 6, LINE(6) "\n" LINE(7));
    assert_malformed(6, 7, LINE(6));
    assert_malformed(6, 7, LINE(6) "\n" LINE(8));
    assert_malformed(6, 7, LINE(6) "\nx");
    assert_malformed(5, 6, LINE(6));
    assert_malformed(6, 6, "");
    rig_notice(RIG_EPOCH, NOTICE_MESSAGE, 0, 5, 6, "-", LINE(5) "\n" LINE(6));
    assert_given("6");
}

/* ---- the epoch ---- */

static void a_notice_of_another_epoch_makes_the_room_compare(void **state)
{
    (void)state;
    rig_notice(RIG_OTHER_EPOCH, NOTICE_MESSAGE, 0, 6, 6, "-", LINE(6));
    assert_given("");
    rig_registered(true);
    rig_synced(RIG_OTHER_EPOCH, 1, 3);
    assert_given("reset 1");
    assert_at(1);
    assert_int_equal(w.ann->member.rev, 3);
    assert_int_equal(w.ann->member.user->rev, 3);
    assert_int_equal(announce_rev(w.room), 3);
    assert_int_equal(rig.metrics.resets_total, 1);
}

static void what_was_heard_before_the_join_was_answered_is_read(void **state)
{
    struct rig_client *eve = rig_client("eve");

    (void)state;
    rig_leave(w.ann, LEAVE_ASKED);
    rig_leave(w.bob, LEAVE_ASKED);
    rig_left(true);
    rig_left(true);
    rig_closed(true);
    rig_join(eve);
    rig_subscribed();
    rig_messages(7, 7); /* overtakes the answer */
    rig_registered(true);
    rig_joined(RIG_EPOCH, 6, 3);
    assert_backfills_after(6);
    rig_backfilled(rig_history(7, 1, 7, 7));
    rig_read(rig_history(6, 1, 1, 6));
    rig_assert_given(eve, "ack 6, batch 1-6, 7");
}

static void what_was_heard_of_another_epoch_is_no_reason_to_read(void **state)
{
    struct rig_client *eve = rig_client("eve");

    (void)state;
    rig_leave(w.ann, LEAVE_ASKED);
    rig_leave(w.bob, LEAVE_ASKED);
    rig_left(true);
    rig_left(true);
    rig_closed(true);
    rig_join(eve);
    rig_subscribed();
    rig_notice(RIG_OTHER_EPOCH, NOTICE_MESSAGE, 0, 9, 9, "-", LINE(9));
    rig_registered(true);
    rig_joined(RIG_EPOCH, 6, 3);
    assert_int_equal(rig_count(RIG_BACKFILL), 0);
}

/* ---- where Redis says that it is ---- */

static void a_position_ahead_is_read_up_to(void **state)
{
    (void)state;
    deliver_position(w.room, RIG_EPOCH, (struct token){0, 0}, 5);
    assert_int_equal(rig.calls_count, 0);
    deliver_position(w.room, RIG_EPOCH, (struct token){0, 0}, 4); /* of a moment ago */
    assert_int_equal(rig.calls_count, 0);
    deliver_position(w.room, RIG_EPOCH, (struct token){0, 0}, 6);
    assert_backfills_after(5);
    rig_backfilled(rig_history(6, 1, 6, 6));
    assert_given("6");
    deliver_position(w.room, RIG_OTHER_EPOCH, (struct token){0, 0}, 6);
    assert_int_equal(rig_count(RIG_REGISTER), 1);
}

/* Another node remade the room after message 2, and two more were said under the new epoch. */
static void after_a_reset_what_was_said_under_the_new_epoch_is_given(void **state)
{
    struct room_joined joined = {
        .epoch = RIG_OTHER_EPOCH, .seq = 4, .rev = 3, .members = 2, .epoch_seq = 2};
    struct history history;

    (void)state;
    room_needs_sync(w.room);
    rig_registered(true);
    room_on_synced(rig_take(RIG_SYNC).room, true, &joined);
    assert_given("reset 2");
    assert_backfills_after(2);
    history = *rig_history(4, 1, 3, 4);
    history.epoch = RIG_OTHER_EPOCH;
    rig_backfilled(&history);
    assert_given("3, 4");
}

/* A notice of message `seq` under the room's token. */
static void hear(uint64_t seq)
{
    struct strbuf line = {NULL, 0, 0};
    struct notice notice = {
        .epoch = {RIG_EPOCH, PROTO_EPOCH_LEN},
        .rev = 1,
        .first = seq,
        .last = seq,
        .kind = NOTICE_MESSAGE,
        .token = {1, 0xa1},
    };

    rig_add_line(&line, seq);
    notice.lines = (struct json_text){line.data, line.len};
    deliver_notice(w.room, &notice, rig.now_ms);
    strbuf_deinit(&line);
}

/* What was told before the answer of the join may come after it, until a canary has come that was
 * sent after the answer. A number that comes later than that comes again. */
static void after_a_canary_a_number_below_the_joins_own_is_of_another_log(void **state)
{
    (void)state;
    assert_int_equal(room_log_seq(&w.room->log), 5); /* of the join */
    rig.rooms.canary_sent = 1;
    hear(4);
    assert_int_equal(rig_count(RIG_REGISTER), 0);
    rig.rooms.canary_heard = 1;
    hear(5);
    assert_int_equal(rig_count(RIG_REGISTER), 1); /* before a sync */
    rig_registered(true);
    rig_synced(RIG_EPOCH, 5, 1);
    rig.rooms.canary_heard = rig.rooms.canary_sent = 2;
    hear(6);
    assert_given("6");
    assert_int_equal(rig_count(RIG_REGISTER), 0);
}

/* In a cluster it is the one of the link to the room's master. */
static void so_it_is_after_one_of_the_link_to_its_master(void **state)
{
    static int home;
    uint64_t proven_ns = 0;
    struct room_cluster *at = &w.room->cluster;

    (void)state;
    at->home = at->synced = (struct cluster_master *)(void *)&home;
    at->proven_ns = &proven_ns;
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 5, 1);
    rig.rooms.canary_heard = rig.rooms.canary_sent = 1; /* it tells of another master */
    proven_ns = w.room->deliver.answered_ns;            /* was sent before */
    hear(4);
    assert_int_equal(rig_count(RIG_REGISTER), 0);
    proven_ns++;
    hear(5);
    assert_int_equal(rig_count(RIG_REGISTER), 1);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 5, 1);
    at->home = at->synced = NULL;
    at->proven_ns = NULL;
}

/* Each subscription counts for itself: what came by the one before is known, and no more. */
static void a_number_may_come_again_by_another_subscription(void **state)
{
    (void)state;
    hear(6);
    assert_given("6");
    room_on_subscribed(w.room);
    hear(6);
    assert_given("");
    assert_int_equal(rig_count(RIG_REGISTER), 0);
    hear(6);
    assert_int_equal(rig_count(RIG_REGISTER), 1); /* before a sync */
    rig_registered(true);
    rig_synced(RIG_EPOCH, 6, 1);
}

/* The same, and the text that it was parsed from. */
static void hear_text(uint64_t seq)
{
    struct strbuf line = {NULL, 0, 0}, text = {NULL, 0, 0};
    struct notice notice = {
        .epoch = {RIG_EPOCH, PROTO_EPOCH_LEN},
        .rev = 1,
        .first = seq,
        .last = seq,
        .kind = NOTICE_MESSAGE,
        .token = {1, 0xa1},
    };

    rig_add_line(&line, seq);
    notice.lines = (struct json_text){line.data, line.len};
    notice_print(&text, &notice, NULL, 0);
    assert_true(notice_parse((struct json_text){text.data, text.len}, &notice));
    deliver_notice(w.room, &notice, rig.now_ms);
    strbuf_deinit(&line);
    strbuf_deinit(&text);
}

/* The room of a Redis Cluster is subscribed at another master, where a notice of the one before may come
 * that was replaced and does not know: what the sync finds decides. */
static void at_another_master_nothing_is_given_before_the_sync(void **state)
{
    struct cluster_master masters[2];
    struct room_joined joined = {
        .epoch = RIG_EPOCH, .token = {1, 0xa1}, .seq = 6, .rev = 1};

    (void)state;
    w.room->terms.token = joined.token;
    w.room->cluster.synced = &masters[0];
    w.room->cluster.home = &masters[1];
    hear_text(6);
    assert_given("");
    assert_int_equal(rig.metrics.redis_foreign_notices_total, 1);
    room_needs_sync(w.room);
    rig_registered(true);
    room_on_synced(rig_take(RIG_SYNC).room, true, &joined);
    assert_given("6"); /* it was of this log */
    assert_ptr_equal(w.room->cluster.synced, &masters[1]);
    hear_text(7);
    assert_given("7");
    w.room->cluster.home = w.room->cluster.synced = NULL;
}

static void a_sync_reads_what_was_missed(void **state)
{
    (void)state;
    room_needs_sync(w.room);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 7, 2);
    assert_backfills_after(5);
    rig_backfilled(rig_history(7, 1, 6, 7));
    assert_given("6, 7");
    assert_int_equal(rig.metrics.resets_total, 0);
}

/* ---- slow members ---- */

static void one_slow_member_keeps_the_ring_for_itself(void **state)
{
    (void)state;
    w.ann->is_slow = true;
    rig_messages(6, 7);
    rig_assert_given(w.bob, "6, 7");
    rig_assert_given(w.ann, "");
    assert_true(room_log_has(&w.room->log, 6));
    assert_int_equal(rig.metrics.deliveries_total, 2);
    w.ann->is_slow = false;
    catchup_go_on(&w.ann->member);
    rig_assert_given(w.ann, "6, 7");
    assert_false(room_log_has(&w.room->log, 7));
}

static void a_gap_of_the_room_is_one_of_its_slow_members(void **state)
{
    (void)state;
    w.ann->is_slow = true;
    rig_messages(6, 6);
    w.ann->is_slow = false;
    rig_messages(9, 9);
    rig_backfilled(rig_history(9, 9, 9, 9));
    rig_assert_given(w.bob, "6, gap 7-8, 9");
    assert_int_equal(rig_count(RIG_READ), 1);
    rig_read(rig_history(9, 9, 9, 9));
    rig_assert_given(w.ann, "gap 6-8, 9");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_next_messages_are_given_to_all),
        TEST(what_is_here_already_is_dropped),
        TEST(what_is_missing_is_read_from_the_history),
        TEST(one_missing_message_is_missing_and_not_malformed),
        TEST(a_reset_starts_the_grace_again),
        TEST(while_it_is_read_nothing_overtakes),
        TEST(a_read_that_brings_nothing_is_not_repeated_by_itself),
        TEST(a_read_that_was_cut_goes_on_after_it),
        TEST(a_read_that_was_not_cut_ends_there),
        TEST(what_is_no_more_in_the_history_is_a_gap),
        TEST(what_came_twice_is_taken_once),
        TEST(a_read_that_failed_makes_the_room_compare),
        TEST(a_read_of_another_epoch_makes_the_room_compare),
        TEST(a_message_deleted_while_it_is_read_is_given_as_a_tombstone),
        TEST(a_deletion_of_what_is_here_keeps_the_read),
        TEST(a_read_of_the_life_before_makes_no_gap),
        TEST(a_read_from_before_a_reset_makes_no_gap),
        TEST(lines_that_are_not_the_messages_they_should_be_are_not_given),
        TEST(a_notice_of_another_epoch_makes_the_room_compare),
        TEST(what_was_heard_before_the_join_was_answered_is_read),
        TEST(what_was_heard_of_another_epoch_is_no_reason_to_read),
        TEST(a_position_ahead_is_read_up_to),
        TEST(after_a_reset_what_was_said_under_the_new_epoch_is_given),
        TEST(after_a_canary_a_number_below_the_joins_own_is_of_another_log),
        TEST(so_it_is_after_one_of_the_link_to_its_master),
        TEST(a_number_may_come_again_by_another_subscription),
        TEST(at_another_master_nothing_is_given_before_the_sync),
        TEST(a_sync_reads_what_was_missed),
        TEST(one_slow_member_keeps_the_ring_for_itself),
        TEST(a_gap_of_the_room_is_one_of_its_slow_members),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
