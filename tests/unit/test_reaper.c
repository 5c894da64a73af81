/* test_reaper.c - taking the members of a dead node out of their rooms: the claim, the pages of
 * rooms, and what happens to a job that fails or that nobody waits for any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/reaper.h"
#include "tests/support/unit/store_rig.h"

#define DEAD "gateway-1-0a.0"

static const struct config config = {.key_prefix = "rc",
                                     .lease_ms = 10000,
                                     .room_ttl_ms = 300000,
                                     .presence_events_max = 500};
static struct metrics metrics;
static struct index rooms_index;
static struct reaper reaper;

static int set_up(void **state)
{
    (void)state;
    log_max = LOG_ERROR;
    memset(&metrics, 0, sizeof(metrics));
    memset(&rooms_index, 0, sizeof(rooms_index));
    store_rig_open(&config, &metrics);
    index_init(&rooms_index, &store_rig.store);
    reaper_init(&reaper, &store_rig.store, &rooms_index, &metrics);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reaper_close(&reaper);
    while (store_rig.calls_count > 0)
        store_rig_answer(NULL);
    index_deinit(&rooms_index);
    store_rig_close();
    return 0;
}

static void start(const char *node, uint64_t silent_ms)
{
    reaper_start(&reaper, (struct json_text){node, strlen(node)}, silent_ms);
}

/* The dead node is claimed, and these rooms are its page. */
static void claim_page(const char *rooms)
{
    start(DEAD, 10000);
    store_rig_answer_number(1);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "SRANDMEMBER rc:node:" DEAD ":rooms 100");
    store_rig_answer(rooms);
}

static void a_node_without_rooms_is_forgotten(void **state)
{
    (void)state;
    start(DEAD, 10000);
    assert_true(reaper_is_busy(&reaper));
    store_rig_assert_call(SCRIPT_CLAIM, 3, DEAD " 10000 n1 10000");
    store_rig_answer_number(1);
    store_rig_answer("");
    store_rig_assert_call(SCRIPT_FORGET, 5, DEAD);
    store_rig_answer_number(1);
    assert_false(reaper_is_busy(&reaper));
    assert_int_equal(metrics.nodes_reaped_total, 1);
}

static void rooms_of_a_wrong_type_are_dropped(void **state)
{
    (void)state;
    start(DEAD, 10000);
    store_rig_answer_number(1);
    store_rig_answer_error("WRONGTYPE not a set");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "DEL rc:node:" DEAD ":rooms");
    store_rig_answer_number(1);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "SRANDMEMBER rc:node:" DEAD ":rooms 100");
    store_rig_answer("");
    store_rig_answer_number(1);
    assert_int_equal(metrics.nodes_reaped_total, 1);
    start(DEAD, 10000);
    store_rig_answer_number(1);
    store_rig_answer_error("WRONGTYPE not a set");
    store_rig_answer(NULL);
    assert_false(reaper_is_busy(&reaper));
}

static void a_claim_that_another_has_ends_the_job(void **state)
{
    (void)state;
    start(DEAD, 10000);
    store_rig_answer_number(0);
    assert_false(reaper_is_busy(&reaper));
    start(DEAD, 10000);
    store_rig_answer(NULL);
    assert_false(reaper_is_busy(&reaper));
    assert_int_equal(store_rig.calls_count, 0);
}

static void the_rooms_of_a_page_are_reaped_side_by_side(void **state)
{
    (void)state;
    claim_page("a b");
    assert_int_equal(store_rig.calls_count, 2);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_REAP);
    assert_int_equal(store_rig.calls[1].script, SCRIPT_REAP);
    store_rig_answer("2 0 0");
    assert_int_equal(metrics.members_expired_total, 2);
    assert_int_equal(rooms_index.entries.count, 1);
    store_rig_answer("1 5 3"); /* more than one call takes: again */
    store_rig_assert_call(SCRIPTS_COUNT, 0, "SREM rc:node:" DEAD ":rooms a");
    store_rig_answer_number(1);
    assert_int_equal(store_rig.calls_count, 1);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_REAP);
    store_rig_answer("3 2 0");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "SREM rc:node:" DEAD ":rooms b");
    store_rig_answer_number(1);
    assert_int_equal(metrics.members_expired_total, 6);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "SRANDMEMBER rc:node:" DEAD ":rooms 100");
    store_rig_answer("");
    store_rig_answer_number(0); /* somebody else has forgotten it */
    assert_int_equal(metrics.nodes_reaped_total, 0);
    assert_false(reaper_is_busy(&reaper));
}

static void a_room_that_fails_ends_the_job_after_its_page(void **state)
{
    (void)state;
    claim_page("a b");
    store_rig_answer_error("OOM");
    assert_true(reaper_is_busy(&reaper));
    store_rig_answer("1 0 0");
    store_rig_answer_number(1); /* SREM of b */
    assert_false(reaper_is_busy(&reaper));
    assert_int_equal(store_rig.calls_count, 0);
}

static void a_removal_that_fails_ends_the_job(void **state)
{
    (void)state;
    claim_page("a");
    store_rig_answer("1 0 0");
    store_rig_answer_error("OOM");
    assert_false(reaper_is_busy(&reaper));
    assert_int_equal(store_rig.calls_count, 0);
}

static void what_is_no_room_is_only_removed(void **state)
{
    (void)state;
    claim_page("\x01");
    assert_int_equal(metrics.malformed_total[2], 1);
    store_rig_assert_call(SCRIPTS_COUNT, 0, "SREM rc:node:" DEAD ":rooms \x01");
    store_rig_answer_number(1);
    assert_int_equal(rooms_index.entries.count, 0);
}

static void one_node_at_a_time_and_never_itself(void **state)
{
    (void)state;
    start("n1", 10000);
    assert_int_equal(store_rig.calls_count, 0);
    start(DEAD, 0);
    start("gateway-2-0a.0", 0);
    assert_int_equal(store_rig.calls_count, 1);
}

static void what_is_no_node_is_taken_off_the_list(void **state)
{
    (void)state;
    start("a\x01", 10000);
    assert_false(reaper_is_busy(&reaper));
    store_rig_assert_call(SCRIPTS_COUNT, 0, "ZREM rc:nodes a\x01");
    store_rig_answer_number(1);
}

static void a_closed_reaper_is_called_by_nobody(void **state)
{
    (void)state;
    claim_page("a b");
    store_rig_answer("1 0 0");
    reaper_close(&reaper);
    assert_false(reaper_is_busy(&reaper));
    store_rig_answer("1 0 0"); /* b: nothing more goes out for it */
    store_rig_answer_number(1);
    assert_int_equal(store_rig.calls_count, 0);
    assert_int_equal(metrics.members_expired_total, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_node_without_rooms_is_forgotten),
        TEST(rooms_of_a_wrong_type_are_dropped),
        TEST(a_claim_that_another_has_ends_the_job),
        TEST(the_rooms_of_a_page_are_reaped_side_by_side),
        TEST(a_room_that_fails_ends_the_job_after_its_page),
        TEST(a_removal_that_fails_ends_the_job),
        TEST(what_is_no_room_is_only_removed),
        TEST(one_node_at_a_time_and_never_itself),
        TEST(what_is_no_node_is_taken_off_the_list),
        TEST(a_closed_reaper_is_called_by_nobody),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
