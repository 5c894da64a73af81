/* test_history_read.c - reading the history from Redis: what is believed of an answer, and that no
 * answer is given that is older than a deletion which is known here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/history_read.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { SEQ = 5 };

static struct {
    struct rig_client *ann;
    struct room *room;
    char given[512]; /* of the last answer: first number, count, lines */
    unsigned answers;
} w;

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    log_max = LOG_SILENT;
    store_rig_open(&rig.config, &rig.metrics);
    w.ann = rig_client("ann");
    rig_live(SEQ, 7, w.ann, NULL);
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

static void on_done(void *data, const struct history *history)
{
    assert_ptr_equal(data, &w);
    w.answers++;
    if (!history)
        strcpy(w.given, "failed");
    else
        snprintf(w.given, sizeof(w.given), "%llu+%zu%s",
                 (unsigned long long)history->first, history->count,
                 history->is_cut ? " cut" : "");
}

static void read_after(uint64_t after)
{
    const struct history_range range = {.after = after, .limit = 10};

    history_read(&store_rig.store, w.room, &range, on_done, &w);
}

#define LINE(n)                                                                        \
    " {\"type\":\"message\",\"room\":\"r\",\"seq\":" #n                                \
    ",\"user\":\"u\",\"text\":\"t\",\"ts\":1}"

/* Epoch, seq, oldest, first, token, changed, and the messages. */
#define UNCHANGED RIG_EPOCH " 5 1 4 - 0" LINE(4) LINE(5)

static void a_piece_is_given_as_it_stands(void **state)
{
    (void)state;
    read_after(3);
    store_rig_assert_call(SCRIPT_HISTORY, 2, "3  10 260096");
    store_rig_answer(UNCHANGED);
    assert_string_equal(w.given, "4+2");
    assert_int_equal(w.room->refs, 0);
}

static void what_is_no_answer_fails(void **state)
{
    static const char *const answers[] = {
        NULL,
        "nil",
        RIG_EPOCH " 5 1 4 -",
        RIG_EPOCH " 5 1 3 - 0" LINE(3), /* not behind 3 */
        RIG_EPOCH " 5 1 4 - 0" LINE(4) LINE(5) LINE(6),
        "x 5 1 4 - 0" LINE(4),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        read_after(3);
        store_rig_answer(answers[i]);
        assert_string_equal(w.given, "failed");
    }
}

static void what_is_no_message_is_cut_out(void **state)
{
    (void)state;
    read_after(3);
    store_rig_answer(RIG_EPOCH " 5 1 4 - 0 {}" LINE(5));
    assert_string_equal(w.given, "5+1 cut");
    read_after(3);
    store_rig_answer(RIG_EPOCH " 5 1 4 - 0 {} x"); /* none at all: beyond them */
    store_rig_assert_call(SCRIPT_HISTORY, 2, "5  10 260096");
    store_rig_answer(RIG_EPOCH " 5 1 6 - 0");
    assert_string_equal(w.given, "6+0 cut");
}

/* ---- changes ---- */

static void an_answer_from_before_a_known_deletion_is_asked_for_again(void **state)
{
    (void)state;
    read_after(3);
    room_log_note_change(&w.room->log, 8, 8); /* the notice overtakes the answer */
    store_rig_answer(UNCHANGED);
    assert_int_equal(w.answers, 0);
    store_rig_assert_call(SCRIPT_HISTORY, 2, "3  10 260096");
    store_rig_answer(RIG_EPOCH " 5 1 4 - 8" LINE(4) LINE(5));
    assert_string_equal(w.given, "4+2");
}

static void an_answer_tells_of_a_deletion_that_was_not_heard_of(void **state)
{
    uint32_t drops = room_log_drops(&w.room->log);

    (void)state;
    read_after(3);
    store_rig_answer(RIG_EPOCH " 5 1 4 - 8" LINE(4) LINE(5));
    assert_string_equal(w.given, "4+2");
    assert_int_equal(room_log_changed(&w.room->log), 8);
    assert_true(room_log_drops(&w.room->log) != drops); /* the ring may be older */
}

/* As of a Redis that went back, or of a notice that somebody else has made up. */
static void a_deletion_that_redis_knows_nothing_of_is_not_believed_twice(void **state)
{
    (void)state;
    room_log_note_change(&w.room->log, 1000, 1000);
    read_after(3);
    store_rig_answer(UNCHANGED);
    assert_int_equal(w.answers, 0);
    store_rig_answer(UNCHANGED);
    assert_string_equal(w.given, "4+2");
    assert_int_equal(room_log_changed(&w.room->log), 0);
    read_after(3);
    store_rig_answer(UNCHANGED);
    assert_int_equal(w.answers, 2);
}

static void changes_of_another_life_are_not_compared(void **state)
{
    (void)state;
    terms_start(&w.room->terms, (struct token){1, 0xa1}, SEQ, 7);
    room_log_note_change(&w.room->log, 8, 8);
    read_after(3);
    store_rig_answer(RIG_OTHER_EPOCH " 5 1 4 - 0" LINE(4) LINE(5));
    assert_string_equal(w.given, "4+2");
    read_after(3);
    store_rig_answer(RIG_EPOCH " 5 1 4 2.00000000000000b2 9" LINE(4) LINE(5));
    assert_string_equal(w.given, "4+2");
    assert_int_equal(room_log_changed(&w.room->log), 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_piece_is_given_as_it_stands),
        TEST(what_is_no_answer_fails),
        TEST(what_is_no_message_is_cut_out),
        TEST(an_answer_from_before_a_known_deletion_is_asked_for_again),
        TEST(an_answer_tells_of_a_deletion_that_was_not_heard_of),
        TEST(a_deletion_that_redis_knows_nothing_of_is_not_believed_twice),
        TEST(changes_of_another_life_are_not_compared),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
