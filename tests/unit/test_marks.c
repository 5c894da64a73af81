/* test_marks.c - whether each Redis of a list is the shard that it should be, and what is held back until
 * that is known. The test is Redis.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/marks.h"

#define OURS "00000000000000aa"
#define THEIRS "00000000000000bb"

enum { SHARDS = 3 };

static struct {
    struct marks marks;
    uint64_t now_ms;
    char marked[SHARDS][SHARD_MARK_TEXT_MAX]; /* what Redis holds */
    bool is_asked[SHARDS], makes[SHARDS];
    char made[SHARDS][SHARD_MARK_TEXT_MAX];
    unsigned asks, goes, stops;
} w;

static void ask(struct marks *marks, unsigned shard, const char *text)
{
    assert_ptr_equal(marks, &w.marks);
    assert_false(w.is_asked[shard]);
    w.is_asked[shard] = true;
    w.makes[shard] = text != NULL;
    snprintf(w.made[shard], sizeof(w.made[shard]), "%s", text ? text : "");
    w.asks++;
}

static void on_go(struct marks *marks)
{
    assert_true(marks->may_write);
    w.goes++;
}

static void on_stop(struct marks *marks)
{
    assert_false(marks->may_write);
    w.stops++;
}

static int set_up(void **state)
{
    static const struct marks_hooks hooks = {ask, on_go, on_stop};

    (void)state;
    log_max = LOG_SILENT;
    memset(&w, 0, sizeof(w));
    w.now_ms = 1000;
    marks_init(&w.marks, SHARDS, OURS, &hooks);
    return 0;
}

static void mark(unsigned shard, const char *text)
{
    snprintf(w.marked[shard], sizeof(w.marked[shard]), "%s", text);
}

/* As SET NX GET and GET do. */
static void answer(unsigned shard)
{
    char found[SHARD_MARK_TEXT_MAX];

    assert_true(w.is_asked[shard]);
    w.is_asked[shard] = false;
    strcpy(found, w.marked[shard]);
    if (!found[0] && w.makes[shard])
        strcpy(w.marked[shard], w.made[shard]);
    marks_on_reply(&w.marks, shard, 0, (struct json_text){found, strlen(found)},
                   w.now_ms);
}

static void connect_all(void)
{
    for (unsigned i = 0; i < SHARDS; i++)
        marks_on_link(&w.marks, i, w.now_ms);
}

/* New ones: each is looked at, then shard 0 is marked, then the others. */
static void answer_new(void)
{
    answer(0), answer(1), answer(2);
    answer(0);
    answer(1), answer(2);
}

static const char *wrong(unsigned shard)
{
    static struct strbuf text;

    text.len = 0;
    strbuf_add_text(&text, "");
    return marks_print_wrong(&w.marks, shard, &text) ? text.data : "";
}

/* ---- the tests ---- */

static void new_redis_are_marked_shard_0_first(void **state)
{
    (void)state;
    connect_all();
    answer(0);
    answer(2);
    assert_false(w.is_asked[0]); /* 1 was not looked at */
    answer(1);
    assert_string_equal(w.marked[0], "");
    assert_int_equal(w.goes, 0);
    answer(0);
    assert_string_equal(w.marked[0], OURS " 0 3");
    assert_string_equal(w.marked[1], "");
    answer(1);
    answer(2);
    assert_string_equal(w.marked[1], OURS " 1 3");
    assert_string_equal(w.marked[2], OURS " 2 3");
    for (unsigned i = 0; i < SHARDS; i++)
        assert_true(marks_may_write(&w.marks, i));
}

static void those_with_marks_are_written_to_when_all_were_looked_at(void **state)
{
    (void)state;
    mark(0, THEIRS " 0 3"), mark(1, THEIRS " 1 3"), mark(2, THEIRS " 2 3");
    connect_all();
    answer(1), answer(0);
    assert_int_equal(w.goes, 0);
    answer(2);
    assert_true(marks_may_write(&w.marks, 0));
    assert_true(marks_may_write(&w.marks, 1));
    assert_true(marks_may_write(&w.marks, 2));
    assert_string_equal(w.marked[0], THEIRS " 0 3");
}

static void one_that_is_away_does_not_hold_back_the_others(void **state)
{
    (void)state;
    mark(1, THEIRS " 1 3");
    marks_on_link(&w.marks, 1, w.now_ms);
    marks_on_link(&w.marks, 2, w.now_ms);
    answer(1), answer(2);
    assert_int_equal(w.goes, 0);
    marks_on_lost(&w.marks, 0, w.now_ms);
    assert_true(marks_may_write(&w.marks, 1));
    assert_false(marks_may_write(&w.marks, 2)); /* not marked before shard 0 answers */
    marks_on_link(&w.marks, 0, w.now_ms);
    answer(0);
    answer(0);
    assert_string_equal(w.marked[0], THEIRS " 0 3"); /* the id that shard 1 has */
    answer(2);
    assert_string_equal(w.marked[2], THEIRS " 2 3");
    assert_true(marks_may_write(&w.marks, 2));
}

static void another_order_is_refused_for_all(void **state)
{
    (void)state;
    mark(0, THEIRS " 1 3"), mark(1, THEIRS " 0 3"), mark(2, THEIRS " 2 3");
    connect_all();
    answer(0), answer(1), answer(2);
    assert_int_equal(w.goes, 0);
    assert_string_equal(wrong(0), "shard 0 of 3 is marked 1 of 3");
    assert_string_equal(wrong(1), "shard 1 of 3 is marked 0 of 3");
    assert_string_equal(wrong(2), "");
    for (unsigned i = 0; i < SHARDS; i++)
        assert_false(marks_may_write(&w.marks, i));
}

static void a_longer_list_is_refused(void **state)
{
    (void)state;
    mark(0, THEIRS " 0 2"), mark(1, THEIRS " 1 2");
    connect_all();
    answer(0), answer(1), answer(2);
    assert_int_equal(w.goes, 0);
    assert_string_equal(w.marked[2], "");
}

/* Of three that were in use another way, or with a new one first. */
static void a_wrong_list_is_not_marked_anywhere(void **state)
{
    static const unsigned orders[][SHARDS] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        set_up(state);
        mark(1, THEIRS " 0 2"), mark(2, THEIRS " 1 2");
        connect_all();
        for (unsigned k = 0; k < SHARDS; k++)
            answer(orders[i][k]);
        for (unsigned k = 0; k < SHARDS; k++)
            assert_false(w.is_asked[k]);
        assert_string_equal(w.marked[0], "");
        assert_int_equal(w.goes, 0);
        assert_string_equal(wrong(1), "shard 1 of 3 is marked 0 of 2");
    }
}

/* One that is away may be another fleet's. */
static void a_new_fleet_waits_until_each_was_looked_at(void **state)
{
    (void)state;
    marks_on_link(&w.marks, 0, w.now_ms);
    marks_on_link(&w.marks, 1, w.now_ms);
    answer(0), answer(1);
    marks_on_lost(&w.marks, 2, w.now_ms);
    assert_false(w.is_asked[0]);
    assert_int_equal(w.goes, 0);
    marks_on_link(&w.marks, 2, w.now_ms);
    answer(2);
    answer(0);
    assert_string_equal(w.marked[0], OURS " 0 3");
    answer(1), answer(2);
    assert_true(marks_may_write(&w.marks, 2));
}

static void a_redis_that_is_there_twice_is_refused(void **state)
{
    (void)state;
    connect_all();
    answer(0), answer(1), answer(2);
    answer(0);
    answer(1);
    mark(2, w.marked[1]);
    answer(2);
    assert_int_equal(w.goes, 0);
    assert_string_equal(wrong(2), "shard 2 of 3 is marked 1 of 3");
}

static void what_is_found_wrong_later_stops_all_and_right_again_all_go_on(void **state)
{
    (void)state;
    connect_all();
    answer_new();
    assert_int_equal(w.stops, 0);
    marks_on_lost(&w.marks, 2, w.now_ms);
    assert_true(marks_may_write(&w.marks, 0));
    mark(2, OURS " 2 4");
    marks_on_link(&w.marks, 2, w.now_ms);
    answer(2);
    assert_int_equal(w.stops, 1);
    assert_false(marks_may_write(&w.marks, 0));
    w.asks = 0;
    marks_tick(&w.marks, w.now_ms + 500);
    assert_int_equal(w.asks, 0);
    mark(2, "");
    marks_tick(&w.marks, w.now_ms + 1000);
    answer(2);
    answer(2);
    assert_string_equal(w.marked[2], OURS " 2 3");
    assert_string_equal(wrong(2), "");
    assert_true(marks_may_write(&w.marks, 0));
    assert_true(marks_may_write(&w.marks, 2));
}

static void a_mark_that_is_gone_is_put_back(void **state)
{
    (void)state;
    connect_all();
    answer_new();
    mark(0, "");
    marks_on_lost(&w.marks, 0, w.now_ms);
    marks_on_link(&w.marks, 0, w.now_ms);
    answer(0);
    answer(0);
    assert_string_equal(w.marked[0], OURS " 0 3");
}

static void what_is_no_mark_is_refused(void **state)
{
    static const char *const texts[] = {
        "x",
        THEIRS,
        THEIRS " 0",
        THEIRS " 0 3 ",
        THEIRS " 0 3x",
        "00bb 0 3",
        THEIRS " 0 300",
        THEIRS " -0 3",
        THEIRS " 4294967296 3",
        THEIRS "000000000000000000000000000000000000000000000000000000000 0 3"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        set_up(state);
        mark(0, texts[i]);
        connect_all();
        answer(0);
        assert_false(marks_may_write(&w.marks, 0));
        assert_string_not_equal(wrong(0), "");
    }
}

static void one_that_refuses_to_be_marked_is_asked_again(void **state)
{
    (void)state;
    connect_all();
    answer(0), answer(1), answer(2);
    assert_true(w.makes[0]);
    w.is_asked[0] = false;
    marks_on_reply(&w.marks, 0, -1, (struct json_text){"", 0}, w.now_ms);
    assert_false(marks_may_write(&w.marks, 0));
    marks_tick(&w.marks, w.now_ms + 1000);
    answer(0), answer(0);
    answer(1), answer(2);
    assert_true(marks_may_write(&w.marks, 0));
    assert_true(marks_may_write(&w.marks, 2));
}

static void one_redis_is_looked_at_and_not_marked(void **state)
{
    (void)state;
    w.marks.count = 1;
    marks_on_link(&w.marks, 0, w.now_ms);
    assert_false(w.makes[0]);
    answer(0);
    assert_true(marks_may_write(&w.marks, 0));
    assert_string_equal(w.marked[0], "");
    mark(0, THEIRS " 0 3");
    marks_on_link(&w.marks, 0, w.now_ms);
    answer(0);
    assert_false(marks_may_write(&w.marks, 0));
    assert_string_equal(wrong(0), "shard 0 of 1 is marked 0 of 3");
}

static void while_rooms_are_moved_nothing_is_written(void **state)
{
    (void)state;
    mark(0, OURS " 0 3"), mark(1, "moving " OURS " 1/3 0/2"), mark(2, "moved " OURS);
    connect_all();
    answer(0), answer(1), answer(2);
    assert_int_equal(w.goes, 0);
    assert_string_equal(wrong(1), "shard 1 of 3 has rooms on the move: roomcast-admin "
                                  "--move-rooms has to come to its end");
    assert_string_equal(wrong(2), "shard 2 of 3 has lost its rooms to another list, by "
                                  "roomcast-admin --move-rooms");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(new_redis_are_marked_shard_0_first),
        TEST(those_with_marks_are_written_to_when_all_were_looked_at),
        TEST(one_that_is_away_does_not_hold_back_the_others),
        TEST(another_order_is_refused_for_all),
        TEST(a_longer_list_is_refused),
        TEST(a_wrong_list_is_not_marked_anywhere),
        TEST(a_new_fleet_waits_until_each_was_looked_at),
        TEST(a_redis_that_is_there_twice_is_refused),
        TEST(what_is_found_wrong_later_stops_all_and_right_again_all_go_on),
        TEST(a_mark_that_is_gone_is_put_back),
        TEST(what_is_no_mark_is_refused),
        TEST(one_that_refuses_to_be_marked_is_asked_again),
        TEST(one_redis_is_looked_at_and_not_marked),
        TEST(while_rooms_are_moved_nothing_is_written),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
