/* test_strbuf.c - growing, escaping, and the NUL behind it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"

static void what_is_added_is_followed_by_a_nul(void **state)
{
    struct strbuf b = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        strbuf_add_char(&b, (char)('a' + i % 26));
        assert_int_equal(b.len, i + 1);
        assert_int_equal(strlen(b.data), b.len);
    }
    strbuf_deinit(&b);
    strbuf_deinit(&b);
    assert_null(b.data);
}

static void all_ways_to_add_join_up(void **state)
{
    struct strbuf b = {0};

    (void)state;
    strbuf_add(&b, "", 0);
    strbuf_add(&b, "ab\0c", 2);
    strbuf_add_text(&b, "-");
    strbuf_add_u64(&b, 0);
    strbuf_add_char(&b, ' ');
    strbuf_add_u64(&b, UINT64_MAX);
    strbuf_add_format(&b, " %s=%05d", "n", 42);

    assert_string_equal(b.data, "ab-0 18446744073709551615 n=00042");
    strbuf_deinit(&b);
}

static void a_long_format_is_not_cut(void **state)
{
    struct strbuf b = {0};

    (void)state;
    strbuf_add_format(&b, "%*d", 100000, 7);

    assert_int_equal(b.len, 100000);
    assert_int_equal(b.data[99999], '7');
    strbuf_deinit(&b);
}

static void reset_keeps_memory_up_to_the_limit(void **state)
{
    struct strbuf b = {0};
    char *data;

    (void)state;
    strbuf_add_format(&b, "%*d", 1000, 7);
    data = b.data;
    strbuf_reset(&b, b.cap);
    assert_ptr_equal(b.data, data);
    assert_string_equal(b.data, "");
    strbuf_reset(&b, b.cap - 1);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
}

static void dropping_the_front_keeps_the_rest(void **state)
{
    struct strbuf b = {0};

    (void)state;
    strbuf_drop_front(&b, 0);
    strbuf_add_text(&b, "abcdef");
    strbuf_drop_front(&b, 2);
    assert_string_equal(b.data, "cdef");
    strbuf_drop_front(&b, 4);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
    strbuf_deinit(&b);
}

static const struct {
    const char *name, *text;
    size_t len;
    const char *json, *percent;
} texts[] = {
    {"nothing", "", 0, "\"\"", ""},
    {"plain", "Az09-._~", 8, "\"Az09-._~\"", "Az09-._~"},
    {"quote and backslash", "a\"b\\c", 5, "\"a\\\"b\\\\c\"", "a%22b%5Cc"},
    {"short escapes", "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"", "%08%0C%0A%0D%09"},
    {"other controls", "\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\"", "%00%1F%7F"},
    {"beyond ASCII", "\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"",
     "%C3%A9%F0%9F%98%80"},
    {"signs of a URL", "a/b?c&d e:f", 11, "\"a/b?c&d e:f\"", "a%2Fb%3Fc%26d%20e%3Af"},
};

static void texts_are_escaped_for_json_and_percent_encoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct strbuf json = {0}, percent = {0};

        print_message("  %s\n", texts[i].name);
        strbuf_add_json(&json, texts[i].text, texts[i].len);
        strbuf_add_percent(&percent, texts[i].text, texts[i].len);
        assert_string_equal(json.data, texts[i].json);
        assert_string_equal(percent.data ? percent.data : "", texts[i].percent);
        strbuf_deinit(&json);
        strbuf_deinit(&percent);
    }
}

/* Every byte in every place of texts up to a few words long, before bytes of all kinds. */
static void what_is_plain_ends_at_the_first_byte_that_is_not(void **state)
{
    static const char behind[] = {'a', '\0', '"', '\x7f', '\xff'};
    char text[24];

    (void)state;
    for (size_t len = 0; len <= sizeof(text); len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256 * (int)sizeof(behind); c++) {
                bool plain = c % 256 >= ' ' && c % 256 <= '~' && c % 256 != '"' &&
                             c % 256 != '\\';

                memset(text, 'x', at);
                memset(text + at, behind[c / 256], len - at);
                text[at] = (char)c;
                if (!plain)
                    assert_int_equal(strbuf_plain_len(text, len), at);
                else if (behind[c / 256] == 'a' || at + 1 == len)
                    assert_int_equal(strbuf_plain_len(text, len), len);
                else
                    assert_int_equal(strbuf_plain_len(text, len), at + 1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_followed_by_a_nul),
        cmocka_unit_test(all_ways_to_add_join_up),
        cmocka_unit_test(a_long_format_is_not_cut),
        cmocka_unit_test(reset_keeps_memory_up_to_the_limit),
        cmocka_unit_test(dropping_the_front_keeps_the_rest),
        cmocka_unit_test(texts_are_escaped_for_json_and_percent_encoded),
        cmocka_unit_test(what_is_plain_ends_at_the_first_byte_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
