/* test_percent.c - decoding percent-encoding: exactly two hex digits, any byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "common/percent.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *text, *decoded; /* NULL: refused */
    size_t len;
} cases[] = {
    {"", "", 0},         {"plain", "plain", 5},     {"a%20b", "a b", 3},
    {"%2F%2f", "//", 2}, {"%C3%A4", "\xc3\xa4", 2}, {"%00", "\0", 1},
    {"%25", "%", 1},     {"%2541", "%41", 3},       {"+", "+", 1},
    {"%", NULL, 0},      {"%4", NULL, 0},           {"a%4", NULL, 0},
    {"%4g", NULL, 0},    {"%g4", NULL, 0},          {"%%41", NULL, 0},
    {"%-1", NULL, 0},    {"% 41", NULL, 0},
};

static void two_hex_digits_make_a_byte_and_nothing_else_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[32];
        size_t len = 0;
        int rc;

        print_message("  %s\n", cases[i].text);
        strcpy(text, cases[i].text);
        rc = percent_decode(text, strlen(text), &len);
        assert_int_equal(rc, cases[i].decoded ? 0 : UV_EINVAL);
        if (!cases[i].decoded)
            continue;
        assert_int_equal(len, cases[i].len);
        assert_memory_equal(text, cases[i].decoded, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hex_digits_make_a_byte_and_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
