/* test_proxy_header.c - headers of the PROXY protocol, right and wrong, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xcb\x00\x71\x09\x0a\x00\x00\x01\x9c\x40\x23\x29"
#define V6                                                                             \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x9c\x40\x23\x29"
#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t len;
    enum proxy_result expected;
    const char *source; /* NULL: the socket's own */
} cases[] = {
    /* version 1 */
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000 9001\r\n"), PROXY_WHOLE,
     "203.0.113.9"},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 0 65535\r\n"), PROXY_WHOLE, "203.0.113.9"},
    {BYTES("PROXY TCP6 2001:db8::9 2001:db8::1 40000 9001\r\n"), PROXY_WHOLE,
     "2001:db8::9"},
    {BYTES("PROXY TCP6 ::ffff:203.0.113.9 ::1 1 1\r\n"), PROXY_WHOLE, "203.0.113.9"},
    {BYTES("PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0009 ::1 1 1\r\n"),
     PROXY_WHOLE, "2001:db8::9"},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 05 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000 0443\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 00 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 65536 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1  9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.09 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 0203.0.113.9 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 010.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.256 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP6 ::ffff:203.0.113.09 ::1 1 1\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP6 2001:00db8::9 ::1 1 1\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY UNKNOWN\r\n"), PROXY_WHOLE, NULL},
    {BYTES("PROXY UNKNOWN ffff:f...f:ffff what ever 65535\r\n"), PROXY_WHOLE, NULL},
    {BYTES("PROXY UNKNOWNS\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 2001:db8::9 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP6 203.0.113.9 2001:db8::1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 2001:db8::1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000 65536\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 -1 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000 9001 \r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4  203.0.113.9 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP5 203.0.113.9 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY UDP4 203.0.113.9 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY \r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY\r\n"), PROXY_WRONG, NULL},
    {BYTES("proxy TCP4 203.0.113.9 10.0.0.1 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000 9001\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000 9001\r\r\n"), PROXY_WRONG, NULL},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1\0 40000 9001\r\n"), PROXY_WRONG, NULL},
    {BYTES("GET /ws HTTP/1.1\r\n"), PROXY_WRONG, NULL},
    {BYTES("\x16\x03\x01"), PROXY_WRONG, NULL},
    /* version 2 */
    {BYTES(SIGNATURE "\x21\x11\0\x0c" V4), PROXY_WHOLE, "203.0.113.9"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" V6), PROXY_WHOLE, "2001:db8::9"},
    {BYTES(SIGNATURE "\x21\x11\0\x10" V4 "\x04\0\x01\0"), PROXY_WHOLE, "203.0.113.9"},
    {BYTES(SIGNATURE "\x20\0\0\0"), PROXY_WHOLE, NULL},
    {BYTES(SIGNATURE "\x20\x11\0\x0c" V4), PROXY_WHOLE, NULL},
    {BYTES(SIGNATURE "\x20\xff\0\x02??"), PROXY_WHOLE, NULL},
    {BYTES(SIGNATURE "\x21\0\0\0"), PROXY_WHOLE, NULL},
    {BYTES(SIGNATURE "\x21\0\0\x04what"), PROXY_WHOLE, NULL},
    {BYTES(SIGNATURE "\x21\x11\0\x0b" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x21\x21\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x21\x31\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x21\x12\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x21\x41\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x21\x01\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x22\x11\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x11\x11\0\x0c" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x21\x11\x02\x09" V4), PROXY_WRONG, NULL},
    {BYTES(SIGNATURE "\x20\x11\xff\xff"), PROXY_WRONG, NULL},
    {BYTES("\r\n\r\n\0\r\nQUIT "), PROXY_WRONG, NULL},
    {BYTES("\r\n\r\nGET /ws HTTP/1.1\r\n"), PROXY_WRONG, NULL},
};

/* In memory that ends with the bytes. */
static enum proxy_result parse(const char *bytes, size_t len, struct proxy_header *out)
{
    char *copy = malloc(len + (len == 0));
    enum proxy_result result;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    result = proxy_header_parse(copy, len, out);
    free(copy);
    return result;
}

static void expect(const char *bytes, size_t len, enum proxy_result expected,
                   const char *source)
{
    struct proxy_header header;
    char text[ADDRESS_TEXT_MAX];

    if (parse(bytes, len, &header) != expected)
        fail_msg("%.*s", (int)len, bytes);
    assert_int_equal(header.len, expected == PROXY_WHOLE ? len : 0);
    assert_int_equal(header.has_source, expected == PROXY_WHOLE && source);
    if (!header.has_source)
        return;
    address_print(text, &header.source);
    assert_string_equal(text, source);
}

static void each_header_is_what_the_protocol_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(cases[i].bytes, cases[i].len, cases[i].expected, cases[i].source);
}

static void a_piece_of_a_right_header_needs_more(void **state)
{
    struct proxy_header header;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t len = 0; len < cases[i].len; len++)
            if (cases[i].expected == PROXY_WHOLE &&
                parse(cases[i].bytes, len, &header) != PROXY_MORE)
                fail_msg("%zu of %s", len, cases[i].bytes);
}

static void what_comes_behind_it_is_not_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_header header;
        char bytes[256];

        memcpy(bytes, cases[i].bytes, cases[i].len);
        memcpy(bytes + cases[i].len, "GET /ws", 7);
        assert_int_equal(parse(bytes, cases[i].len + 7, &header), cases[i].expected);
        if (cases[i].expected == PROXY_WHOLE)
            assert_int_equal(header.len, cases[i].len);
    }
}

static void the_longest_of_version_1_is_right_and_a_longer_one_wrong(void **state)
{
    static const char start[] = "PROXY UNKNOWN ";
    char bytes[PROXY_V1_BYTES_MAX + 1];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, start, sizeof(start) - 1);
    memcpy(bytes + PROXY_V1_BYTES_MAX - 2, "\r\n", 2);
    expect(bytes, PROXY_V1_BYTES_MAX, PROXY_WHOLE, NULL);
    expect(bytes, PROXY_V1_BYTES_MAX - 1, PROXY_MORE, NULL);
    memset(bytes + PROXY_V1_BYTES_MAX - 2, 'x', 2);
    expect(bytes, PROXY_V1_BYTES_MAX - 2, PROXY_MORE, NULL);
    expect(bytes, PROXY_V1_BYTES_MAX - 1, PROXY_WRONG, NULL);
    memcpy(bytes + PROXY_V1_BYTES_MAX - 1, "\r\n", 2);
    expect(bytes, PROXY_V1_BYTES_MAX + 1, PROXY_WRONG, NULL);
}

static void the_longest_of_version_2_is_right_and_a_longer_one_wrong(void **state)
{
    char bytes[PROXY_V2_BYTES_MAX] = SIGNATURE "\x21\x11\x02\x08" V4;

    (void)state;
    expect(bytes, sizeof(bytes), PROXY_WHOLE, "203.0.113.9");
    expect(bytes, sizeof(bytes) - 1, PROXY_MORE, NULL);
    bytes[15]++;
    expect(bytes, 16, PROXY_WRONG, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_is_what_the_protocol_says),
        cmocka_unit_test(a_piece_of_a_right_header_needs_more),
        cmocka_unit_test(what_comes_behind_it_is_not_its_own),
        cmocka_unit_test(the_longest_of_version_1_is_right_and_a_longer_one_wrong),
        cmocka_unit_test(the_longest_of_version_2_is_right_and_a_longer_one_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
