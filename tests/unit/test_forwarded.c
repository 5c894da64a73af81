/* test_forwarded.c - whom X-Forwarded-For is believed to name, also over several lines of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/forwarded.h"
#include "gateway/upgrade.h"

#define XFF "X-Forwarded-For: "

static const char trusted[] = "10.0.0.0/8,::1,2001:db8::/32";

static const struct {
    const char *lines;
    const char *found; /* NULL: the peer's own counts */
} cases[] = {
    {XFF "203.0.113.9\r\n", "203.0.113.9"},
    {XFF "198.51.100.1, 203.0.113.9\r\n", "203.0.113.9"},
    {XFF "198.51.100.1,203.0.113.9,10.0.0.1\r\n", "203.0.113.9"},
    {XFF "203.0.113.9, 10.0.0.1, 2001:db8::1, ::1\r\n", "203.0.113.9"},
    {XFF "10.0.0.1, 203.0.113.9\r\n", "203.0.113.9"},
    {XFF "2001:db9::1\r\n", "2001:db9::1"},
    {XFF "::ffff:203.0.113.9, ::ffff:10.0.0.1\r\n", "203.0.113.9"},
    {"x-forwarded-FOR:203.0.113.9\r\n", "203.0.113.9"},
    {XFF "\t 203.0.113.9 \t\r\n", "203.0.113.9"},
    /* several lines are one list */
    {XFF "198.51.100.1\r\n" XFF "203.0.113.9\r\n", "203.0.113.9"},
    {XFF "203.0.113.9\r\n" XFF "10.0.0.1\r\n", "203.0.113.9"},
    {XFF "203.0.113.9\r\nX-Other: 192.0.2.1\r\n" XFF "10.0.0.1\r\n", "203.0.113.9"},
    {XFF "203.0.113.9\r\nX-Forwarded-For-Not: 192.0.2.1\r\n" XFF "10.0.0.1\r\n",
     "203.0.113.9"},
    {XFF "junk\r\nX-A: b\r\n" XFF "203.0.113.9\r\nX-C: d\r\n" XFF "10.0.0.1\r\n",
     "203.0.113.9"},
    {XFF "203.0.113.9\r\n" XFF "\r\n", "203.0.113.9"},
    {XFF "203.0.113.9\r\n" XFF "junk\r\n", NULL},
    /* what is no address ends the search */
    {XFF "198.51.100.1, 203.0.113.9, junk\r\n", NULL},
    {XFF "203.0.113.9, junk, 10.0.0.1\r\n", NULL},
    {XFF "junk, 203.0.113.9\r\n", "203.0.113.9"},
    {XFF "203.0.113.9:4711\r\n", NULL},
    {XFF "[2001:db9::1]\r\n", NULL},
    {XFF "203.0.113.9, unknown\r\n", NULL},
    {XFF "203.0.113.9 198.51.100.1\r\n", NULL},
    {XFF "\"203.0.113.9\"\r\n", NULL},
    /* nobody is named */
    {XFF "\r\n", NULL},
    {XFF ",, ,\r\n", NULL},
    {XFF "10.0.0.1, 10.0.0.2\r\n", NULL},
    {XFF "203.0.113.9,,\r\n", "203.0.113.9"},
    {"X-Other: 203.0.113.9\r\n", NULL},
};

static struct http_text lines_of(const char *lines)
{
    static char request[1024];
    struct upgrade_request req;
    size_t used;

    snprintf(request, sizeof(request),
             "GET /ws HTTP/1.1\r\nHost: a.example\r\nX-First: 192.0.2.1\r\n%s"
             "Connection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Last: 192.0.2.1\r\n\r\n",
             lines);
    assert_int_equal(upgrade_parse(request, strlen(request), &req, &used), 101);
    return req.forwarded;
}

static void the_last_address_that_is_not_trusted_counts(void **state)
{
    struct networks networks = {NULL, 0};

    (void)state;
    assert_null(networks_parse(&networks, trusted));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_text lines = lines_of(cases[i].lines);
        struct address found;
        char text[ADDRESS_TEXT_MAX];
        bool has = lines.base && forwarded_find(lines, &networks, &found);

        if (has != (cases[i].found != NULL))
            fail_msg("%s", cases[i].lines);
        if (!has)
            continue;
        address_print(text, &found);
        if (strcmp(text, cases[i].found) != 0)
            fail_msg("%s: %s", cases[i].lines, text);
    }
    networks_deinit(&networks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_address_that_is_not_trusted_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
