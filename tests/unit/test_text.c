/* test_text.c - what a terminal gets of the text of others: cells, graphemes, widths, signs,
 * wrapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/text.h"
#include "tests/support/unit/quotes.h"

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

/* Characters that terminals and programs are known to take differently. */
static const struct {
    const char *name;
    uint32_t chars[12]; /* up to 0 */
    int graphemes, cells, width;
} hard[] = {
    {"a family", {0x1f468, 0x200d, 0x1f469, 0x200d, 0x1f467}, 1, 3, 6},
    {"a heart on fire", {0x2764, 0xfe0f, 0x200d, 0x1f525}, 1, 2, 3},
    {"a joiner between letters", {'a', 0x200d, 'b'}, 2, 2, 2},
    {"a joiner before an emoji", {'a', 0x200d, 0x1f525}, 2, 2, 3},
    {"a thumb with a skin tone", {0x1f44d, 0x1f3fd, 'x'}, 2, 2, 3},
    {"a skin tone alone", {0x1f3fd}, 1, 1, 0},
    {"a flag", {0x1f1e9, 0x1f1ea}, 1, 2, 2},
    {"two flags", {0x1f1e9, 0x1f1ea, 0x1f1eb, 0x1f1f7}, 2, 4, 4},
    {"a flag and a half", {0x1f1e9, 0x1f1ea, 0x1f1eb}, 2, 3, 3},
    {"a flag of tags: they are signs", {0x1f3f4, 0xe0067, 0xe007f}, 3, 3, 4},
    {"a keycap", {'1', 0xfe0f, 0x20e3}, 1, 1, 1},
    {"text and emoji of one character", {0x2603, 0xfe0e, 0x2603, 0xfe0f}, 2, 2, 2},
    {"marks above and below", {'z', 0x0310, 0x0323, 'z'}, 2, 2, 2},
    {"a mark after a space", {' ', 0x0301}, 1, 1, 1},
    {"a mark after a line break", {'\n', 0x0301}, 1, 1, 1},
    {"a syllable of Devanagari", {0x0915, 0x094d, 0x0937, 0x093f}, 2, 3, 3},
    {"Thai with a vowel above", {0x0e01, 0x0e34}, 1, 1, 1},
    {"a syllable of Hangul", {0xac00}, 1, 1, 2},
    {"the same in parts", {0x1112, 0x1161, 0x11ab}, 1, 1, 2},
    {"a filler of Hangul", {0x3164}, 1, 1, 0},
    {"wide and narrow", {0x65e5, 'a', 0xff21, 0xff71}, 4, 4, 6},
    {"a rare ideograph", {0x2070e}, 1, 1, 2},
    {"a zero width space", {'a', 0x200b, 'b'}, 2, 2, 2},
    {"zero width characters alone", {0x200b, 0x200c, 0x2060, 0xfeff}, 1, 1, 0},
    {"operators that cannot be seen", {'f', 0x2061, 'x'}, 2, 2, 2},
    {"a soft hyphen", {'a', 0xad, 'b'}, 2, 2, 2},
    {"controls", {0x1b, '[', 'm', 0x9b, 0x7f}, 5, 5, 5},
    {"the end of a line of DOS", {'\r', '\n'}, 2, 2, 2},
    {"overrides and isolates", {0x202e, 'a', 0x202c, 0x2066, 0x2069}, 5, 5, 5},
    {"direction marks", {0x200e, 0x200f, 0x061c}, 3, 3, 3},
    {"Hebrew with a point", {0x05e9, 0x05c1, 0x05d1}, 2, 2, 2},
    {"separators", {0x2028, 0x2029}, 2, 2, 2},
    {"a character of no standard", {0x0378, 0xe000}, 2, 2, 2},
    {"private, beyond the first plane", {0xf0000}, 1, 1, 1},
};

static void hard_cases_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
        struct strbuf text = {NULL, 0, 0};
        int graphemes = 0, cells = 0, width = 0, one;
        struct text_cell cell;
        const char *end;

        print_message("  %s\n", hard[i].name);
        for (const uint32_t *c = hard[i].chars; *c; c++)
            utf8_add(&text, *c);
        end = text.data + text.len;
        for (const char *at = text.data; at < end; graphemes++) {
            at = text_grapheme(at, end, &one);
            width += one;
        }
        for (const char *at = text.data; at < end; cells++)
            at = text_cell(at, end, &cell);
        assert_int_equal(graphemes, hard[i].graphemes);
        assert_int_equal(cells, hard[i].cells);
        assert_int_equal(width, hard[i].width);
        assert_int_equal(text_width(text.data, text.len), width);
        strbuf_deinit(&text);
    }
}

/* Any mixture of them, cut anywhere: forth and back there are the same graphemes, and no row is
 * wider than it may be. */
static void mixtures_of_hard_cases_keep_the_rules(void **state)
{
    enum { ROUNDS = 3000, PIECES = 12 };

    (void)state;
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        struct strbuf text = {NULL, 0, 0};
        const char *starts[PIECES * 12], *at, *end;
        int columns = 1 + rand() % 8, width;
        size_t count = 0, len;

        for (int i = 0; i < PIECES; i++) {
            const uint32_t *chars =
                hard[(size_t)rand() % (sizeof(hard) / sizeof(hard[0]))].chars;

            utf8_add(&text, chars[0]);
            if (chars[1] && rand() % 2)
                utf8_add(&text, chars[1]);
        }
        strbuf_add_text(&text, rand() % 2 ? "\xf0\x9f" : "");
        end = text.data + text.len;
        for (at = text.data; at < end; at = text_grapheme(at, end, &width))
            starts[count++] = at;
        while (count > 0) {
            at = text_before(text.data, at);
            assert_ptr_equal(at, starts[--count]);
        }
        while (at < end) {
            struct text_cell cell;
            const char *row = at;

            at = text_wrap(row, end, columns, &len);
            assert_true(at > row);
            assert_true(text_width(row, len) <= columns || len == 0 ||
                        text_cell(row, row + len, &cell) == row + len);
            len = text_fit(row, (size_t)(end - row), columns);
            assert_true(text_width(row, len) <= columns);
        }
        strbuf_deinit(&text);
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
    assert_string_equal(out.data, q("{'a':'\\u202e x \\udb40\\udc41 \xc3\xa4'}"));
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
    {"a\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", 2, /* no half of a flag */
     "a|\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa"},
    {"\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", 1, /* unless it is wider than a row */
     "\xf0\x9f\x87\xa9|\xf0\x9f\x87\xaa"},
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
        cmocka_unit_test(hard_cases_are_known),
        cmocka_unit_test(mixtures_of_hard_cases_keep_the_rules),
        cmocka_unit_test(no_cell_has_a_character_that_is_unsafe),
        cmocka_unit_test(a_line_is_one_line_without_controls),
        cmocka_unit_test(json_stays_json),
        cmocka_unit_test(going_back_ends_where_cells_begin),
        cmocka_unit_test(a_part_fits_the_columns),
        cmocka_unit_test(text_is_wrapped_between_words),
    };
    return cmocka_run_group_tests(tests, set_locale, NULL);
}
