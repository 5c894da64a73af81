/* test_renewal.c - when a room is renewed, what Redis's answer leads to, and what becomes of nodes
 * that are silent in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/renewal.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { TICK_MS = 100, ROUND_MS = 540000, SEQ = 5, REV = 7 };

static struct {
    struct renewals renewals;
    struct reaper reaper;
    struct rig_client *ann, *bob;
    struct room *room;
    char reaped[STORE_NODE_MAX];
    uint64_t silent_ms;
} w;

/* ---- in place of the clock and the reaper ---- */

uint64_t clock_ms(void)
{
    return rig.now_ms;
}

void reaper_start(struct reaper *reaper, struct json_text node, uint64_t silent_ms)
{
    assert_ptr_equal(reaper, &w.reaper);
    assert_string_equal(w.reaped, "");
    memcpy(w.reaped, node.base, node.len);
    w.silent_ms = silent_ms;
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    log_max = (enum log_level) - 1;
    rig.now_ms = 10 * ROUND_MS;
    store_rig_open(&rig.config, &rig.metrics);
    renewals_init(&w.renewals, &store_rig.store, &w.reaper);
    w.ann = rig_client("ann");
    w.bob = rig_client("bob");
    rig_live(SEQ, REV, w.ann, w.bob, NULL);
    w.room = w.ann->member.room;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (store_rig.calls_count > 0)
        store_rig_answer(NULL);
    rig_close();
    store_rig_close();
    return 0;
}

static void tick(uint64_t ms)
{
    for (uint64_t end = rig.now_ms + ms; rig.now_ms < end;) {
        rig.now_ms += TICK_MS;
        renewals_run(&w.renewals, rig.now_ms);
    }
}

/* Epoch, seq, rev, users here, members, wrong, token, changed, and who is silent. */
static void renew(const char *answer)
{
    renewals_renew(&w.renewals, w.room);
    assert_int_equal(store_rig.calls[store_rig.calls_count - 1].script, SCRIPT_RENEW);
    store_rig_answer(answer);
}

#define WELL RIG_EPOCH " 5 7 2 2 0 - 0"

/* ---- when ---- */

static void each_room_is_renewed_once_a_round(void **state)
{
    unsigned renewed = 0;

    (void)state;
    renewals_keep(&w.renewals, w.room);
    renewals_keep(&w.renewals, w.room);
    for (int i = 0; i < 10; i++) {
        tick(ROUND_MS);
        assert_int_equal(store_rig.calls_count, 1);
        renewed++;
        store_rig_answer(WELL);
    }
    assert_int_equal(renewed, 10);
}

static void a_round_takes_ten_minutes_at_most(void **state)
{
    const struct store_rig_call *call = &store_rig.calls[0];

    (void)state;
    rig.config.room_ttl_ms = 86400000;
    renewals_renew(&w.renewals, w.room);
    assert_string_equal(call->argv[7], "259200000"); /* keep_ms */
    assert_string_equal(call->argv[9], "600000");
    assert_string_equal(call->argv[10], "259200000"); /* more than 4 T and two leases */
    store_rig_answer(WELL);
    assert_int_equal(args_renew_ms(&rig.config), 600000);
}

static void a_renewal_stamps_the_node_and_names_some_users(void **state)
{
    (void)state;
    rig.config.lease_ms = 10000;
    renewals_renew(&w.renewals, w.room);
    assert_int_equal(store_rig.calls[0].keys, 7);
    assert_string_equal(store_rig.calls[0].argv[4], "rc:{r}:nodes");
    store_rig.calls[0].argc -= 2; /* the two users, in any order */
    store_rig_assert_call(SCRIPT_RENEW, 7, "900000 n1 540000 2180000 20000");
    store_rig_answer(WELL);
    assert_int_equal(rig_count(RIG_SYNC), 0);
}

/* ---- what Redis has ---- */

static void what_is_not_as_believed_is_synced(void **state)
{
    static const char *const answers[] = {
        RIG_EPOCH " 5 7 1 2 0 - 0", /* one of ours is missing */
        RIG_EPOCH " 5 7 3 3 0 - 0", /* one is too many */
        RIG_EPOCH " 5 7 2 1 0 - 0", /* the members count less than we have */
        RIG_EPOCH " 5 7 2 2 1 - 0", /* somebody stands in another's place */
        RIG_EPOCH " 4 7 2 2 0 - 0", /* the numbers went back */
        RIG_EPOCH " 5 6 2 2 0 - 0",
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (i > 0) {
            tear_down(state);
            set_up(state);
        }
        renew(answers[i]);
        rig_registered(true);
        assert_int_equal(rig_count(RIG_SYNC), 1);
    }
}

static void what_was_not_answered_changes_nothing(void **state)
{
    (void)state;
    renew(NULL);
    renew("5");
    renewals_renew(&w.renewals, w.room);
    store_rig_answer_error("WRONGTYPE");
    assert_int_equal(rig_count(RIG_REGISTER), 0);
    assert_int_equal(w.room->refs, 0);
}

/* ---- silent nodes ---- */

/* Answered renewals for a whole round. */
static void be_heard(void)
{
    tick(TICK_MS);
    renew(WELL);
    tick(ROUND_MS);
}

static void a_silent_node_is_reported_and_reaped_if_it_is_dead(void **state)
{
    (void)state;
    be_heard();
    renew(WELL " node-2");
    assert_int_equal(store_rig.calls_count, 1);
    assert_string_equal(store_rig.calls[0].argv[1], "rc:node:node-2:rooms");
    store_rig_assert_call(SCRIPT_REPORT, 3, "node-2 r 10000");
    store_rig_answer_number(0);
    assert_string_equal(w.reaped, "node-2");
    assert_int_equal(w.silent_ms, 10000);
}

static void a_silent_node_that_lives_is_told_to_look(void **state)
{
    (void)state;
    be_heard();
    renew(WELL " node-2");
    store_rig_answer_number(1);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "PUBLISH rc:canary:node-2 sync r");
    store_rig_answer_number(1);
    assert_string_equal(w.reaped, "");
}

static void a_report_that_failed_leads_to_nothing(void **state)
{
    (void)state;
    be_heard();
    renew(WELL " node-2");
    store_rig_answer(NULL);
    assert_int_equal(store_rig.calls_count, 0);
    assert_string_equal(w.reaped, "");
}

static void only_who_was_answered_for_a_whole_round_reports(void **state)
{
    (void)state;
    renew(WELL " node-2"); /* the first one */
    assert_int_equal(store_rig.calls_count, 0);
    tick(TICK_MS);
    renew(WELL);
    tick(ROUND_MS - TICK_MS);
    renew(WELL " node-2");
    assert_int_equal(store_rig.calls_count, 0);
    tick(TICK_MS);
    renew(WELL " node-2");
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer_number(0);
}

static void a_break_begins_the_round_again(void **state)
{
    (void)state;
    be_heard();
    renew(NULL);
    renew(WELL " node-2");
    assert_int_equal(store_rig.calls_count, 0);
    be_heard();
    renewals_break(&w.renewals);
    renew(WELL " node-2");
    assert_int_equal(store_rig.calls_count, 0);
    be_heard();
    renewals_renew(&w.renewals, w.room);
    store_rig_answer_error("WRONGTYPE"); /* this room is broken, but Redis answers */
    renew(WELL " node-2");
    assert_int_equal(store_rig.calls_count, 1);
    store_rig_answer_number(0);
}

static void what_is_no_node_is_refused(void **state)
{
    (void)state;
    be_heard();
    renew(WELL " no{de nil");
    assert_int_equal(store_rig.calls_count, 0);
    assert_int_equal(rig.metrics.malformed_total[2], 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_room_is_renewed_once_a_round),
        TEST(a_round_takes_ten_minutes_at_most),
        TEST(a_renewal_stamps_the_node_and_names_some_users),
        TEST(what_is_not_as_believed_is_synced),
        TEST(what_was_not_answered_changes_nothing),
        TEST(a_silent_node_is_reported_and_reaped_if_it_is_dead),
        TEST(a_silent_node_that_lives_is_told_to_look),
        TEST(a_report_that_failed_leads_to_nothing),
        TEST(only_who_was_answered_for_a_whole_round_reports),
        TEST(a_break_begins_the_round_again),
        TEST(what_is_no_node_is_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
