/* test_operators.c - the file of ROOMCAST_ADMIN_TOKENS_FILE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/operators.h"
#include "common/strbuf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEX_62 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEE"
#define A HEX_62 "0a"
#define B HEX_62 "0b"
#define C HEX_62 "0c"
#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"

static struct operators operators;

static const struct operator_entry *find(unsigned char last)
{
    unsigned char digest[OPERATORS_DIGEST];

    for (size_t i = 0; i < OPERATORS_DIGEST; i++)
        digest[i] = (unsigned char)(0x11 * (i % 16));
    digest[OPERATORS_DIGEST - 1] = last;
    return operators_find(&operators, digest);
}

static unsigned parse(const char *text)
{
    const char *why;
    unsigned line = operators_parse(&operators, text, &why);

    assert_true((line == 0) == (why == NULL));
    return line;
}

static void a_line_is_a_token(void **state)
{
    (void)state;
    assert_int_equal(parse("# who may\n\n"
                           "ann viewer " A "\n"
                           "  \t# and\r\n"
                           "\tj\u00f6rg\t moderator  " B "  2027-01-31T18:00:00Z\t\r\n"
                           "ann admin " C),
                     0);
    assert_int_equal(operators.count, 3);
    assert_string_equal(find(0x0a)->name, "ann");
    assert_int_equal(find(0x0a)->role, ROLE_VIEWER);
    assert_int_equal(find(0x0a)->until_ms, 0);
    assert_string_equal(find(0x0b)->name, "j\u00f6rg");
    assert_int_equal(find(0x0b)->role, ROLE_MODERATOR);
    assert_int_equal(find(0x0b)->until_ms, 1801418400000);
    assert_string_equal(find(0x0c)->name, "ann");
    assert_int_equal(find(0x0c)->role, ROLE_ADMIN);
    assert_null(find(0x0d));
}

static void nobody_is_in_an_empty_file(void **state)
{
    (void)state;
    assert_int_equal(parse("# nobody\n"), 0);
    assert_int_equal(operators.count, 0);
    assert_null(find(0x0a));
    assert_int_equal(parse(""), 0);
}

static const struct {
    const char *text;
    unsigned line;
} bad[] = {
    {"ann\n", 1},
    {"ann viewer\n", 1},
    {"ann viewer " HEX_62 "\n", 1},
    {"ann viewer " HEX_62 "0\n", 1},
    {"ann viewer " A "0\n", 1},
    {"ann viewer " HEX_62 "0g\n", 1},
    {"ann Viewer " A "\n", 1},
    {"ann none " A "\n", 1},
    {"ann root " A "\n", 1},
    {"viewer " A "\n", 1},
    {"ann viewer " A " tomorrow\n", 1},
    {"ann viewer " A " 2027-02-30T00:00:00Z\n", 1},
    {"ann viewer " A " 2027-01-31T18:00:00Z # c\n", 1},
    {"ann viewer " A " # c\n", 1},
    {"oidc:ann viewer " A "\n", 1},
    {"user:ann viewer " A "\n", 1},
    {"a{b viewer " A "\n", 1},
    {"a\x7f viewer " A "\n", 1},
    {"\xff viewer " A "\n", 1},
    {NAME_64 "5 viewer " A "\n", 1},
    {"# one\nann viewer " A "\nben viewer " A "\n", 3},
    {"ann viewer " A "\n\n#\nben\n", 4},
    {"ann viewer " A "\r ben viewer " B "\n", 1},
};

static void the_first_bad_line_is_named_and_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(parse("ann moderator " C "\n"), 0);
    for (size_t i = 0; i < COUNT(bad); i++) {
        print_message("  %s", bad[i].text);
        assert_int_equal(parse(bad[i].text), bad[i].line);
        assert_int_equal(operators.count, 1);
        assert_string_equal(find(0x0c)->name, "ann");
    }
}

static void a_name_has_64_bytes_at_most(void **state)
{
    (void)state;
    assert_int_equal(parse(NAME_64 " viewer " A), 0);
    assert_string_equal(find(0x0a)->name, NAME_64);
}

static void there_are_a_thousand_tokens_at_most(void **state)
{
    struct strbuf text = {NULL, 0, 0};

    (void)state;
    for (int i = 0; i <= OPERATORS_MAX; i++) {
        if (i == OPERATORS_MAX)
            assert_int_equal(parse(text.data), 0);
        strbuf_add_format(&text, "u%d viewer %060d%04x\n", i, 0, (unsigned)i);
    }
    assert_int_equal(parse(text.data), OPERATORS_MAX + 1);
    assert_int_equal(operators.count, OPERATORS_MAX);
    strbuf_deinit(&text);
}

static int end(void **state)
{
    (void)state;
    operators_deinit(&operators);
    return 0;
}

#define TEST(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_a_token),
        TEST(nobody_is_in_an_empty_file),
        TEST(the_first_bad_line_is_named_and_changes_nothing),
        TEST(a_name_has_64_bytes_at_most),
        TEST(there_are_a_thousand_tokens_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
