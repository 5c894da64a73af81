/* test_base64url.c - base64url both ways (RFC 4648 sections 5 and 10), and in strict form only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64url.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool decodes(const char *text, size_t len)
{
    struct strbuf out = {NULL, 0, 0};
    bool is = base64url_decode(&out, (struct json_text){text, len});

    assert_int_equal(out.len, is ? len * 3 / 4 : 0);
    strbuf_deinit(&out);
    return is;
}

static void texts_of_the_rfc_are_encoded_and_decoded(void **state)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"", ""},
                 {"f", "Zg"},
                 {"fo", "Zm8"},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg"},
                 {"fooba", "Zm9vYmE"},
                 {"foobar", "Zm9vYmFy"},
                 {"\xfb\xff\xbf", "-_-_"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf text = {NULL, 0, 0}, bytes = {NULL, 0, 0};

        base64url_add(&text, cases[i].bytes, strlen(cases[i].bytes));
        assert_int_equal(text.len, strlen(cases[i].text));
        assert_memory_equal(text.len > 0 ? text.data : "", cases[i].text, text.len);
        strbuf_add(&bytes, "<", 1); /* what is there already stays */
        assert_true(base64url_decode(
            &bytes, (struct json_text){cases[i].text, strlen(cases[i].text)}));
        assert_int_equal(bytes.len, 1 + strlen(cases[i].bytes));
        assert_memory_equal(bytes.data + 1, cases[i].bytes, bytes.len - 1);
        strbuf_deinit(&text);
        strbuf_deinit(&bytes);
    }
}

/* Each byte at each place of texts of each length. */
static void nothing_but_a_digit_is_one(void **state)
{
    (void)state;
    for (size_t len = 2; len <= 11; len++)
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                char text[11];
                bool is_digit = byte != 0 && strchr(digits, byte);

                memset(text, 'A', sizeof(text));
                text[at] = (char)byte;
                if (!is_digit || len % 4 == 1)
                    assert_false(decodes(text, len));
                else if (at + 1 < len || len % 4 == 0)
                    assert_true(decodes(text, len));
            }
}

static void bits_to_spare_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        const char two[] = {'A', digits[i]}, three[] = {'A', 'A', digits[i]};

        assert_int_equal(decodes(two, 2), i % 16 == 0);
        assert_int_equal(decodes(three, 3), i % 4 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_the_rfc_are_encoded_and_decoded),
        cmocka_unit_test(nothing_but_a_digit_is_one),
        cmocka_unit_test(bits_to_spare_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
