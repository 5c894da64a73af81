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
    {"nuser:a name with {braces}", true},
    {"na\n", false},
    {"n", false},
    {"s0", true},
    {"s123", true},
    {"s", false},
    {"s1x", false},
    {"s-1", false},
    {"", false},
    {"xann", false},
    {"s123456789012345678901", false},
    {"s1.0123456789abcdef ann", true},
    {"s1.0123456789abcdef ", false},
    {"s1.0123456789abcdef", false},
    {"s1.0123456789abcde ann", false},
    {"s1.0123456789abcdeg ann", false},
    {"s1.0123456789abcdef0 ann", false},
    {"s1.0123456789ABCDEF ann", false},
    {"s1.", false},
    {"s.0123456789abcdef ann", false},
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
    scan = page_scan_of(text("s42.0123456789abcdef ann"));
    assert_string_equal(scan, "42");
    free(scan);
    assert_null(page_scan_of(text("nann")));
    assert_null(page_scan_of(text(NULL)));
}

static const struct {
    const char *cursor;
    size_t limit;
    const char *page; /* names with their values, joined */
    const char *next;
} pages[] = {
    {NULL, 10, "B1 a2 aa3 b4", NULL},
    {NULL, 4, "B1 a2 aa3 b4", NULL},
    {NULL, 2, "B1 a2", "na"},
    {"na", 10, "aa3 b4", NULL},
    {"na", 1, "aa3", "naa"},
    {"nab", 10, "b4", NULL},
    {"nb", 10, "", NULL},
    {"n!", 1, "B1", "nB"},
};

static void names_come_in_the_order_of_their_bytes_behind_the_cursor(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pages); i++) {
        struct json_text names[] = {text("b"),  text("4"), text("a"), text("2"),
                                    text("aa"), text("3"), text("B"), text("1")};
        const struct page page = {.names = names,
                                  .stride = 2,
                                  .total = 4,
                                  .cursor = text(pages[i].cursor),
                                  .limit = pages[i].limit};
        struct strbuf next = {NULL, 0, 0};
        char joined[64] = "";
        size_t from, count = page_cut(&page, &from, &next);

        for (size_t k = from; k < from + count; k++)
            snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined),
                     "%s%.*s%.*s", k > from ? " " : "", (int)names[2 * k].len,
                     names[2 * k].base, (int)names[2 * k + 1].len,
                     names[2 * k + 1].base);
        assert_string_equal(joined, pages[i].page);
        if (pages[i].next)
            assert_string_equal(next.data, pages[i].next);
        else
            assert_int_equal(next.len, 0);
        strbuf_deinit(&next);
    }
}

/* ---- steps of a scan ---- */

/* A page of this step, its names joined; the cursor, which may be NULL, becomes the next one. */
static const char *cut_step(const char *names, char **cursor, const char *scan,
                            size_t limit)
{
    static char joined[256];
    struct json_text all[64];
    struct page page = {.names = all,
                        .stride = 1,
                        .cursor = text(*cursor),
                        .next = scan,
                        .limit = limit};
    struct strbuf next = {NULL, 0, 0};
    size_t from, count;

    for (const char *at = names; *at; at += all[page.total++].len, at += *at == ' ')
        all[page.total] = (struct json_text){at, strcspn(at, " ")};
    count = page_cut(&page, &from, &next);
    assert_true(count <= limit);
    joined[0] = '\0';
    for (size_t i = from; i < from + count; i++)
        snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%.*s",
                 i > from ? " " : "", (int)all[i].len, all[i].base);
    free(*cursor);
    *cursor = next.data;
    assert_true(!*cursor || page_is_cursor(text(*cursor)));
    return joined;
}

static void a_step_that_is_longer_than_a_page_is_given_in_parts(void **state)
{
    char *cursor = NULL, *scan;

    (void)state;
    assert_string_equal(cut_step("e c a d b", &cursor, "7", 2), "a b");
    scan = page_scan_of(text(cursor));
    assert_string_equal(scan, "0");
    free(scan);
    assert_string_equal(cut_step("b a e d c", &cursor, "7", 2), "c d");
    assert_string_equal(cut_step("b a e d c", &cursor, "7", 2), "e");
    assert_string_equal(cursor, "s7");
    assert_string_equal(cut_step("g f h", &cursor, "3", 2), "f g");
    scan = page_scan_of(text(cursor));
    assert_string_equal(scan, "7");
    free(scan);
    assert_string_equal(cut_step("g f h", &cursor, "0", 2), "h");
    assert_null(cursor);
}

/* Where the hash has shrunk a step holds what others held; one that is gone may have been a sign of that. */
static void a_step_that_holds_others_is_given_again(void **state)
{
    char *cursor = NULL;

    (void)state;
    assert_string_equal(cut_step("a b c d", &cursor, "7", 2), "a b");
    assert_string_equal(cut_step("a aa b c d", &cursor, "7", 2), "a aa");
    assert_string_equal(cut_step("a aa c d", &cursor, "7", 2), "c d");
    assert_string_equal(cursor, "s7");
    assert_string_equal(cut_step("a b c", &cursor, "7", 2), "a b");
    assert_string_equal(cut_step("b c", &cursor, "7", 2), "b c");
    free(cursor);
}

/* A cursor of a whole hash, which has become too large for that. */
static void a_hash_that_has_grown_is_given_from_its_beginning(void **state)
{
    char *cursor = strdup("nb");

    (void)state;
    assert_string_equal(cut_step("a b c", &cursor, "7", 9), "a b c");
    assert_string_equal(cursor, "s7");
    free(cursor);
}

static void no_names_make_no_page(void **state)
{
    const struct page none = {.stride = 1, .limit = 10};
    struct strbuf next = {NULL, 0, 0};
    size_t from;

    (void)state;
    assert_int_equal(page_cut(&none, &from, &next), 0);
    assert_int_equal(from, 0);
    assert_int_equal(next.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_is_a_kind_and_what_goes_on_there),
        cmocka_unit_test(only_a_scan_has_a_place_to_scan_on),
        cmocka_unit_test(names_come_in_the_order_of_their_bytes_behind_the_cursor),
        cmocka_unit_test(a_step_that_is_longer_than_a_page_is_given_in_parts),
        cmocka_unit_test(a_step_that_holds_others_is_given_again),
        cmocka_unit_test(a_hash_that_has_grown_is_given_from_its_beginning),
        cmocka_unit_test(no_names_make_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
