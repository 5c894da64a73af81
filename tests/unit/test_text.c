/* test_text.c - what a terminal gets of the text of others: cells, widths, signs, wrapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/text.h"

static const struct {
    const char *name, *text;
    int width;
} widths[] = {
    {"ASCII", "abc", 3},
    {"wide", "\xe6\x97\xa5\xe6\x9c\xac", 4},
    {"a mark on a letter", "e\xcc\x81", 1},
    {"a mark on nothing", "\xcc\x81", 1},
    {"more marks than are shown", "a\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85\xcc\x86",
     1},
    {"an emoji", "\xf0\x9f\x98\x80", 2},
    {"joined emoji are their parts", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 4},
    {"a selector adds nothing", "\xe2\x9d\xa4\xef\xb8\x8f", 1},
    {"nor does a skin tone", "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", 2},
    {"a joiner alone", "\xe2\x80\x8d", 0},
    {"a control character is a sign", "\x1b[m", 3},
    {"C1", "\xc2\x9b", 1},
    {"an override", "\xe2\x80\xae", 1},
    {"not UTF-8", "\xff\xc0\xaf", 3},
    {"a surrogate", "\xed\xa0\x80", 3},
    {"cut short", "\xe6\x97", 2},
};

static void each_text_has_its_width(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        print_message("  %s\n", widths[i].name);
        assert_int_equal(text_width(widths[i].text, strlen(widths[i].text)),
                         widths[i].width);
    }
}

static void no_cell_has_a_character_that_is_unsafe(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x110000; c++) {
        struct strbuf text = {NULL, 0, 0};
        struct text_cell cell;

        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        utf8_add(&text, c);
        assert_ptr_equal(text_cell(text.data, text.data + text.len, &cell),
                         text.data + text.len);
        assert_in_range(cell.width, 0, 2);
        for (size_t i = 0; cell.chars[i]; i++) {
            assert_false(text_is_unsafe((uint32_t)cell.chars[i]));
            assert_true(wcwidth(cell.chars[i]) >= 0);
        }
        strbuf_deinit(&text);
    }
}

static void a_line_is_one_line_without_controls(void **state)
{
    struct strbuf out = {NULL, 0, 0};
    static const char text[] =
        "a\tb\nc\r\x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xaf\xff";

    (void)state;
    text_add_line(&out, text, sizeof(text) - 1);
    assert_string_equal(out.data, "a b\xe2\x90\x8a"
                                  "c\xe2\x90\x8d\xe2\x90\x9b[2J\xe2\x90\xa1"
                                  "\xef\xbf\xbd\xef\xbf\xbd\xe2\x80\xaf\xef\xbf\xbd");
    strbuf_deinit(&out);
}

static void json_stays_json(void **state)
{
    struct strbuf out = {NULL, 0, 0};
    static const char json[] = "{\"a\":\"\xe2\x80\xae x \xf3\xa0\x81\x81 \xc3\xa4\"}";

    (void)state;
    text_add_json(&out, json, sizeof(json) - 1);
    assert_string_equal(out.data, "{\"a\":\"\\u202e x \\udb40\\udc41 \xc3\xa4\"}");
    strbuf_deinit(&out);
}

static void going_back_ends_where_cells_begin(void **state)
{
    static const char text[] = "ae\xcc\x81\xe6\x97\xa5\xf0\x9f\x91\xa9\xe2\x80\x8d\xff";
    const char *starts[16];
    const char *at = text, *end = text + sizeof(text) - 1;
    struct text_cell cell;
    size_t count = 0;

    (void)state;
    while (at < end) {
        starts[count++] = at;
        at = text_cell(at, end, &cell);
    }
    while (count > 0) {
        at = text_before(text, at);
        assert_ptr_equal(at, starts[--count]);
    }
}

static void a_part_fits_the_columns(void **state)
{
    (void)state;
    assert_int_equal(text_fit("abc", 3, 2), 2);
    assert_int_equal(text_fit("a\xe6\x97\xa5", 4, 2), 1); /* no half of a wide one */
    assert_int_equal(text_fit("e\xcc\x81x", 4, 1), 3);
}

static const struct {
    const char *text;
    int columns;
    const char *rows; /* with '|' between */
} wraps[] = {
    {"one two three", 7, "one two|three"},
    {"one two three", 8, "one two|three"},
    {"abcdefgh", 3, "abc|def|gh"},
    {"a abcdefgh", 4, "a|abcd|efgh"},
    {"one\ntwo", 10, "one|two"},
    {"one\n\ntwo", 10, "one||two"},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 3,
     "\xe6\x97\xa5|\xe6\x9c\xac|\xe8\xaa\x9e"},
    {"\xe6\x97\xa5", 1, "\xe6\x97\xa5"},
    {"x", 1, "x"},
};

static void text_is_wrapped_between_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
        const char *at = wraps[i].text, *end = at + strlen(at);
        struct strbuf rows = {NULL, 0, 0};

        while (at < end) {
            size_t len;
            const char *next = text_wrap(at, end, wraps[i].columns, &len);

            assert_true(next > at);
            strbuf_add_text(&rows, rows.len > 0 ? "|" : "");
            strbuf_add(&rows, at, len);
            at = next;
        }
        assert_string_equal(rows.data, wraps[i].rows);
        strbuf_deinit(&rows);
    }
}

static int set_locale(void **state)
{
    (void)state;
    return text_use_locale() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_has_its_width),
        cmocka_unit_test(no_cell_has_a_character_that_is_unsafe),
        cmocka_unit_test(a_line_is_one_line_without_controls),
        cmocka_unit_test(json_stays_json),
        cmocka_unit_test(going_back_ends_where_cells_begin),
        cmocka_unit_test(a_part_fits_the_columns),
        cmocka_unit_test(text_is_wrapped_between_words),
    };
    return cmocka_run_group_tests(tests, set_locale, NULL);
}
