/* test_digits.c - hex and decimal digits, and nothing that only looks like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/digits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void hex_digits_have_a_value_and_nothing_else_does(void **state)
{
    static const struct {
        const char *text;
        int value;
    } cases[] = {{"0", 0},        {"f", 15},        {"F", 15},  {"09", 9},
                 {"a0", 0xa0},    {"aF", 0xaf},     {"00", 0},  {"ff", 255},
                 {"FFFF", 65535}, {"12ab", 0x12ab}, {"g", -1},  {"0g", -1},
                 {"G0", -1},      {"@", -1},        {"`", -1},  {"/", -1},
                 {":", -1},       {"-1", -1},       {" 1", -1}, {"0x", -1},
                 {"\x10", -1},    {"\xc1", -1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("  %s\n", cases[i].text);
        assert_int_equal(digits_parse_hex(cases[i].text, strlen(cases[i].text)),
                         cases[i].value);
    }
    assert_int_equal(digits_parse_hex("12zz", 2), 0x12);
}

static void bytes_are_printed_as_two_hex_digits_each(void **state)
{
    static const unsigned char bytes[] = {0x00, 0x0f, 0x10, 0x9a, 0xff};
    char out[2 * sizeof(bytes) + 1];

    (void)state;
    digits_print_hex(out, bytes, sizeof(bytes));
    assert_string_equal(out, "000f109aff");
    digits_print_hex(out, bytes, 0);
    assert_string_equal(out, "");
}

static void decimal_digits_up_to_the_most_are_a_number(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"0", 0, true, 0},
        {"007", 7, true, 7},
        {"8", 7, false, 0},
        {"9007199254740992", (uint64_t)1 << 53, true, (uint64_t)1 << 53},
        {"9007199254740993", (uint64_t)1 << 53, false, 0},
        {"9999999999999999999", UINT64_MAX, true, 9999999999999999999u},
        {"10000000000000000000", UINT64_MAX, false, 0},
        {"00000000000000000001", UINT64_MAX, false, 0},
        {"", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1e1", 99, false, 0},
        {"/", 99, false, 0},
        {":", 99, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value;

        print_message("  %s\n", cases[i].text);
        assert_int_equal(
            digits_parse(cases[i].text, strlen(cases[i].text), cases[i].max, &value),
            cases[i].ok);
        if (cases[i].ok)
            assert_true(value == cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_digits_have_a_value_and_nothing_else_does),
        cmocka_unit_test(bytes_are_printed_as_two_hex_digits_each),
        cmocka_unit_test(decimal_digits_up_to_the_most_are_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
