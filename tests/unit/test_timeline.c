/* test_timeline.c - the conversation of a room: order, gaps, resets, limits;
 * and the view of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/text.h"
#include "client/timeline.h"
#include "client/view.h"

static bool take(struct timeline *t, uint64_t seq, const char *user, const char *text)
{
    return timeline_take(
        t, &(struct timeline_message){
               .epoch = "e", .user = user, .text = text, .seq = seq, .ts_ms = 1});
}

static void each_message_stands_once(void **state)
{
    struct timeline t;

    (void)state;
    timeline_init(&t);
    assert_true(take(&t, 5, "ann", "five"));
    assert_true(take(&t, 6, "ann", "six"));
    assert_false(take(&t, 6, "ann", "six"));
    assert_int_equal(t.count, 2); /* nor is there a gap before the first */
    timeline_deinit(&t);
}

static void what_is_missing_is_said_once(void **state)
{
    struct timeline t;

    (void)state;
    timeline_init(&t);
    take(&t, 1, "ann", "one");
    take(&t, 4, "ann", "four");
    assert_int_equal(t.count, 3);
    assert_string_equal(t.lines[1]->text, "gap: messages 2 to 3 did not come");
    timeline_gap(&t, 3, 6, 0);
    assert_string_equal(t.lines[3]->text, "gap: messages 5 to 6 did not come");
    timeline_gap(&t, 5, 6, 0);
    timeline_finish(&t, 7, 0);
    assert_string_equal(t.lines[4]->text, "gap: message 7 did not come");
    assert_int_equal(t.count, 5);
    timeline_deinit(&t);
}

static void a_new_epoch_starts_the_timeline_again(void **state)
{
    struct timeline t;

    (void)state;
    timeline_init(&t);
    take(&t, 9, "ann", "nine");
    timeline_reset(&t, "f", 0, 0);
    assert_int_equal(timeline_oldest(&t), 0);
    assert_true(
        timeline_take(&t, &(struct timeline_message){
                              .epoch = "f", .user = "ann", .text = "one", .seq = 1}));
    assert_int_equal(t.count, 3);
    timeline_deinit(&t);
}

/* The rows of a view of the timeline and of what is not acked (NULL: nothing). */
static size_t see(const struct view *view, const struct timeline *t,
                  const struct outgoing *outgoing, int columns, size_t height,
                  struct view_row *rows)
{
    struct outgoing none;
    struct view_source source = {t, outgoing ? outgoing : &none, "me"};

    outgoing_init(&none);
    return view_rows(view, &source, columns, height, rows);
}

static void a_message_is_awaited_until_it_came(void **state)
{
    struct timeline t;

    (void)state;
    timeline_init(&t);
    take(&t, 4, "ann", "four");
    assert_false(timeline_awaits(&t, "e", 4));
    assert_true(timeline_awaits(&t, "e", 5));
    assert_false(timeline_awaits(&t, "f", 5)); /* before the reset is told */
    timeline_deinit(&t);
}

static void what_is_seen_before_its_ack_is_not_shown_twice(void **state)
{
    struct view_row rows[8];
    struct view view = {0, 0};
    struct timeline t;
    struct outgoing o;

    (void)state;
    timeline_init(&t);
    outgoing_init(&o);
    outgoing_say(&o, 1, "a", 1);
    assert_int_equal(see(&view, &t, &o, 80, 8, rows), 1);
    assert_string_equal(rows[0].unsent->text, "a");
    take(&t, 1, "me", "a");
    outgoing_on_message(&o, "a", 1);
    assert_int_equal(see(&view, &t, &o, 80, 8, rows), 1);
    assert_null(rows[0].unsent);
    timeline_deinit(&t);
    outgoing_deinit(&o);
}

static void of_much_that_waits_the_number_is_told(void **state)
{
    struct view_row rows[16];
    struct view view = {0, 0};
    struct timeline t;
    struct outgoing o;

    (void)state;
    timeline_init(&t);
    outgoing_init(&o);
    for (uint64_t id = 1; id <= VIEW_UNSENT_MAX + 3; id++)
        outgoing_say(&o, id, "x", 1);
    assert_int_equal(see(&view, &t, &o, 80, 16, rows), VIEW_UNSENT_MAX + 1);
    assert_int_equal(rows[VIEW_UNSENT_MAX].more, 3);
    timeline_deinit(&t);
    outgoing_deinit(&o);
}

static void a_deleted_message_has_no_text(void **state)
{
    struct timeline t;

    (void)state;
    timeline_init(&t);
    take(&t, 1, "ann", "rude");
    timeline_delete(&t, 1);
    timeline_delete(&t, 7);
    assert_true(t.lines[0]->is_deleted);
    assert_string_equal(t.lines[0]->text, "");
    timeline_deinit(&t);
}

static void an_edited_message_has_its_new_text_unless_it_is_deleted(void **state)
{
    struct timeline t;

    (void)state;
    timeline_init(&t);
    take(&t, 1, "ann", "rude");
    take(&t, 2, "bob", "well");
    timeline_edit(&t, 1, "as polite as can be");
    timeline_edit(&t, 7, "not there");
    assert_string_equal(t.lines[0]->text, "as polite as can be");
    assert_int_equal(t.lines[0]->text_len, 19);
    assert_string_equal(t.lines[1]->text, "well");
    timeline_delete(&t, 2);
    timeline_edit(&t, 2, "again");
    assert_string_equal(t.lines[1]->text, "");
    timeline_deinit(&t);
}

static void a_long_conversation_is_cut_unless_it_is_read(void **state)
{
    struct timeline t;
    uint64_t seq = 0;

    (void)state;
    timeline_init(&t);
    while (seq < 3 * TIMELINE_MAX)
        take(&t, ++seq, "ann", "x");
    assert_in_range(t.count, TIMELINE_KEEP, TIMELINE_KEEP + 500);
    t.is_read = true;
    for (uint64_t old = timeline_oldest(&t) - 1; t.count < TIMELINE_MAX; old--)
        assert_true(timeline_take_older(
            &t, &(struct timeline_message){
                    .epoch = "e", .user = "ann", .text = "x", .seq = old}));
    assert_false(timeline_take_older(
        &t, &(struct timeline_message){.epoch = "e", .user = "ann", .text = "x"}));
    for (size_t i = 1; i < t.count; i++)
        assert_int_equal(t.lines[i]->seq, t.lines[i - 1]->seq + 1);
    t.is_read = false;
    take(&t, ++seq, "ann", "x");
    assert_int_equal(t.count, TIMELINE_KEEP + 1);
    timeline_deinit(&t);
}

static void a_view_follows_the_end_or_stays(void **state)
{
    struct view_row rows[4];
    struct view view = {0, 0};
    struct timeline t;

    (void)state;
    timeline_init(&t);
    for (uint64_t seq = 1; seq <= 10; seq++)
        take(&t, seq, "ann", "text");
    assert_int_equal(see(&view, &t, NULL, 80, 4, rows), 4);
    assert_int_equal(rows[3].line->seq, 10);
    assert_true(view_scroll(&view, &t, 80, 4, 3));
    see(&view, &t, NULL, 80, 4, rows);
    assert_int_equal(rows[3].line->seq, 7);
    take(&t, 11, "ann", "text");
    see(&view, &t, NULL, 80, 4, rows);
    assert_int_equal(rows[3].line->seq, 7);
    assert_true(view_scroll(&view, &t, 80, 4, 100));
    assert_false(view_scroll(&view, &t, 80, 4, 1));
    assert_int_equal(see(&view, &t, NULL, 80, 4, rows), 4);
    assert_int_equal(rows[0].line->seq, 1);
    assert_true(view_scroll(&view, &t, 80, 4, -100));
    assert_int_equal(view.bottom, 0);
    assert_false(view_scroll(&view, &t, 80, 4, -1));
    timeline_deinit(&t);
}

static void every_row_of_a_long_message_can_be_reached(void **state)
{
    struct view_row rows[5];
    struct view view = {0, 0};
    struct timeline t;
    int steps = 0;

    (void)state;
    timeline_init(&t);
    take(&t, 1, "ann", "0");
    take(&t, 2, "ann", "1 2 3 4 5 6 7 8 9 a b c d e f g h i j k");
    for (int columns = 1; columns < 60; columns++) {
        view = (struct view){0, 0};
        for (steps = 0; view_scroll(&view, &t, columns, 5, 1); steps++)
            assert_true(see(&view, &t, NULL, columns, 5, rows) == 5);
        for (; view_scroll(&view, &t, columns, 5, -1); steps--)
            ;
        assert_int_equal(steps, 0);
    }
    timeline_deinit(&t);
}

static void a_message_without_end_is_cut(void **state)
{
    static struct view_row rows[VIEW_ROWS_MAX];
    struct view view = {0, 0};
    struct timeline t;
    char *lines = calloc(1, 65537);

    (void)state;
    memset(lines, '\n', 65536);
    timeline_init(&t);
    take(&t, 1, "ann", lines);
    assert_int_equal(see(&view, &t, NULL, 80, VIEW_ROWS_MAX, rows), VIEW_LINE_ROWS_MAX);
    assert_true(rows[VIEW_LINE_ROWS_MAX - 1].is_cut);
    timeline_deinit(&t);
    free(lines);
}

static void lines_that_go_take_the_view_along(void **state)
{
    struct view view = {0, 0};
    struct timeline t;
    uint64_t seq = 0;

    (void)state;
    timeline_init(&t);
    while (seq < TIMELINE_KEEP)
        take(&t, ++seq, "ann", "x");
    view_scroll(&view, &t, 80, 10, 1000000);
    while (seq < 3 * TIMELINE_KEEP)
        take(&t, ++seq, "ann", "x");
    view_check(&view, &t);
    assert_int_equal(view.bottom, t.lines[0]->id);
    timeline_deinit(&t);
}

static int set_locale(void **state)
{
    (void)state;
    return text_use_locale() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_stands_once),
        cmocka_unit_test(what_is_missing_is_said_once),
        cmocka_unit_test(a_new_epoch_starts_the_timeline_again),
        cmocka_unit_test(a_message_is_awaited_until_it_came),
        cmocka_unit_test(what_is_seen_before_its_ack_is_not_shown_twice),
        cmocka_unit_test(of_much_that_waits_the_number_is_told),
        cmocka_unit_test(a_deleted_message_has_no_text),
        cmocka_unit_test(an_edited_message_has_its_new_text_unless_it_is_deleted),
        cmocka_unit_test(a_long_conversation_is_cut_unless_it_is_read),
        cmocka_unit_test(a_view_follows_the_end_or_stays),
        cmocka_unit_test(every_row_of_a_long_message_can_be_reached),
        cmocka_unit_test(a_message_without_end_is_cut),
        cmocka_unit_test(lines_that_go_take_the_view_along),
    };
    return cmocka_run_group_tests(tests, set_locale, NULL);
}
