/* test_page.c - pages of names: order, cursors, values that move with their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/page.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json_text text(const char *s)
{
    return (struct json_text){s, s ? strlen(s) : 0};
}

static const struct {
    const char *cursor;
    bool ok;
} cursors[] = {
    {"nann", true},
    {"n{", false},
    {"n", false},
    {"s0", true},
    {"s123", true},
    {"s", false},
    {"s1x", false},
    {"s-1", false},
    {"", false},
    {"xann", false},
    {"s123456789012345678901", false},
};

static void a_cursor_is_a_kind_and_what_goes_on_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cursors); i++) {
        print_message("  %s\n", cursors[i].cursor);
        assert_int_equal(page_is_cursor(text(cursors[i].cursor)), cursors[i].ok);
    }
}

static void only_a_scan_has_a_place_to_scan_on(void **state)
{
    char *scan = page_scan_of(text("s42"));

    (void)state;
    assert_string_equal(scan, "42");
    free(scan);
    assert_null(page_scan_of(text("nann")));
    assert_null(page_scan_of(text(NULL)));
}

static const struct {
    const char *cursor;
    size_t limit;
    const char *page; /* names with their values, joined */
} pages[] = {
    {NULL, 10, "B1 a2 aa3 b4"},
    {NULL, 2, "B1 a2"},
    {"na", 10, "aa3 b4"},
    {"na", 1, "aa3"},
    {"nab", 10, "b4"},
    {"nb", 10, ""},
    {"n!", 1, "B1"},
};

static void names_come_in_the_order_of_their_bytes_behind_the_cursor(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pages); i++) {
        struct json_text names[] = {text("b"),  text("4"), text("a"), text("2"),
                                    text("aa"), text("3"), text("B"), text("1")};
        char joined[64] = "";
        size_t from,
            count = page_cut(names, 2, 4, text(pages[i].cursor), pages[i].limit, &from);

        for (size_t k = from; k < from + count; k++)
            snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined),
                     "%s%.*s%.*s", k > from ? " " : "", (int)names[2 * k].len,
                     names[2 * k].base, (int)names[2 * k + 1].len,
                     names[2 * k + 1].base);
        assert_string_equal(joined, pages[i].page);
    }
}

static void no_names_make_no_page(void **state)
{
    size_t from;

    (void)state;
    assert_int_equal(page_cut(NULL, 1, 0, text(NULL), 10, &from), 0);
    assert_int_equal(from, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_is_a_kind_and_what_goes_on_there),
        cmocka_unit_test(only_a_scan_has_a_place_to_scan_on),
        cmocka_unit_test(names_come_in_the_order_of_their_bytes_behind_the_cursor),
        cmocka_unit_test(no_names_make_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
