/* test_line_edit.c - the line that is written: editing by cells, and what was written before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/line_edit.h"
#include "client/text.h"

static void typing_goes_in_at_the_cursor(void **state)
{
    struct line_edit edit = {.cursor = 0};

    (void)state;
    line_edit_set(&edit, "held");
    line_edit_left(&edit);
    line_edit_insert(&edit, "lo worl", 7);
    assert_string_equal(line_edit_text(&edit), "hello world");
    line_edit_home(&edit);
    line_edit_insert(&edit, "> ", 2);
    assert_string_equal(line_edit_text(&edit), "> hello world");
    line_edit_deinit(&edit);
}

static void the_cursor_moves_by_what_is_seen(void **state)
{
    struct line_edit edit = {.cursor = 0};

    (void)state;
    line_edit_set(&edit, "ae\xcc\x81\xe6\x97\xa5");
    line_edit_backspace(&edit);
    assert_string_equal(line_edit_text(&edit), "ae\xcc\x81");
    line_edit_backspace(&edit);
    assert_string_equal(line_edit_text(&edit), "a");
    line_edit_home(&edit);
    line_edit_delete(&edit);
    assert_string_equal(line_edit_text(&edit), "");
    line_edit_backspace(&edit);
    line_edit_delete(&edit);
    line_edit_right(&edit);
    assert_int_equal(edit.cursor, 0);
    line_edit_deinit(&edit);
}

static void a_family_and_a_flag_are_one_step_each(void **state)
{
    struct line_edit edit = {.cursor = 0};
    static const char family[] = "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9";
    static const char flag[] = "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa";
    int column;

    (void)state;
    line_edit_set(&edit, family);
    line_edit_insert(&edit, flag, sizeof(flag) - 1);
    line_edit_insert(&edit, flag, sizeof(flag) - 1);
    line_edit_view(&edit, 80, &column);
    assert_int_equal(column, 4 + 2 + 2);
    line_edit_left(&edit);
    assert_int_equal(edit.cursor, sizeof(family) + sizeof(flag) - 2);
    line_edit_backspace(&edit);
    line_edit_backspace(&edit);
    assert_string_equal(line_edit_text(&edit), flag);
    line_edit_right(&edit);
    assert_int_equal(edit.cursor, sizeof(flag) - 1);
    line_edit_deinit(&edit);
}

static void words_and_halves_are_removed(void **state)
{
    struct line_edit edit = {.cursor = 0};

    (void)state;
    line_edit_set(&edit, "one two  ");
    line_edit_kill_word(&edit);
    assert_string_equal(line_edit_text(&edit), "one ");
    line_edit_set(&edit, "abcd");
    line_edit_left(&edit);
    line_edit_left(&edit);
    line_edit_kill_end(&edit);
    assert_string_equal(line_edit_text(&edit), "ab");
    line_edit_left(&edit);
    line_edit_kill_start(&edit);
    assert_string_equal(line_edit_text(&edit), "b");
    line_edit_deinit(&edit);
}

static void a_line_has_an_end(void **state)
{
    struct line_edit edit = {.cursor = 0};
    char *much = calloc(1, LINE_EDIT_MAX_BYTES + 1);

    (void)state;
    memset(much, 'x', LINE_EDIT_MAX_BYTES);
    assert_true(line_edit_insert(&edit, much, LINE_EDIT_MAX_BYTES));
    assert_false(line_edit_insert(&edit, "y", 1));
    assert_int_equal(edit.text.len, LINE_EDIT_MAX_BYTES);
    line_edit_deinit(&edit);
    free(much);
}

static void the_past_keeps_what_was_being_written(void **state)
{
    struct line_edit edit = {.cursor = 0};
    struct line_past past = {.count = 0};

    (void)state;
    line_past_older(&past, &edit); /* there is none */
    line_past_add(&past, "first");
    line_past_add(&past, "second");
    line_past_add(&past, "second");
    line_edit_set(&edit, "draft");
    line_past_older(&past, &edit);
    assert_string_equal(line_edit_text(&edit), "second");
    line_past_older(&past, &edit);
    line_past_older(&past, &edit);
    assert_string_equal(line_edit_text(&edit), "first");
    line_past_newer(&past, &edit);
    line_past_newer(&past, &edit);
    line_past_newer(&past, &edit);
    assert_string_equal(line_edit_text(&edit), "draft");
    for (int i = 0; i < 2 * LINE_EDIT_PAST_MAX; i++) {
        char line[16];

        snprintf(line, sizeof(line), "%d", i);
        line_past_add(&past, line);
    }
    assert_int_equal(past.count, LINE_EDIT_PAST_MAX);
    line_edit_deinit(&edit);
    line_past_deinit(&past);
}

static void the_cursor_is_always_in_view(void **state)
{
    struct line_edit edit = {.cursor = 0};

    (void)state;
    line_edit_set(&edit, "ab\xe6\x97\xa5\xe6\x9c\xac cd");
    for (int columns = 1; columns < 12; columns++)
        for (line_edit_end(&edit);; line_edit_left(&edit)) {
            int column;
            size_t from = line_edit_view(&edit, columns, &column);

            assert_in_range(column, 0, columns - 1);
            assert_int_equal(
                text_width(line_edit_text(&edit) + from, edit.cursor - from), column);
            if (edit.cursor == 0)
                break;
        }
    line_edit_deinit(&edit);
}

static int set_locale(void **state)
{
    (void)state;
    return text_use_locale() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typing_goes_in_at_the_cursor),
        cmocka_unit_test(the_cursor_moves_by_what_is_seen),
        cmocka_unit_test(a_family_and_a_flag_are_one_step_each),
        cmocka_unit_test(words_and_halves_are_removed),
        cmocka_unit_test(a_line_has_an_end),
        cmocka_unit_test(the_past_keeps_what_was_being_written),
        cmocka_unit_test(the_cursor_is_always_in_view),
    };
    return cmocka_run_group_tests(tests, set_locale, NULL);
}
