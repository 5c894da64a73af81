/* test_origin.c - which pages may connect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/origin.h"

static void origins_are_compared_with_the_list(void **state)
{
    static const struct {
        const char *origin, *allowed;
        bool expected;
    } cases[] = {
        {NULL, "https://a.example", true},
        {NULL, "", true},
        {"https://a.example", "*", true},
        {"null", "*", true},
        {"", "*", true},
        {"https://a.example", "https://a.example", true},
        {"https://A.Example", "https://a.eXample", true},
        {"https://b.example", "https://a.example, https://b.example", true},
        {"https://b.example", "https://a.example,https://b.example ,", true},
        {"https://b.example", "https://a.example,*", true},
        {"https://c.example", "https://a.example, https://b.example", false},
        {"http://a.example", "https://a.example", false},
        {"https://a.example:8443", "https://a.example", false},
        {"https://a.example.evil.example", "https://a.example", false},
        {"https://a.exampl", "https://a.example", false},
        {"https://a.example, https://b.example", "https://a.example", false},
        {"null", "https://a.example", false},
        {"", "https://a.example,", false},
        {"https://a.example", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *origin = cases[i].origin;
        struct http_text from = {origin, origin ? strlen(origin) : 0};
        struct http_text host = {"a.example", 9};

        if (origin_is_allowed(from, host, cases[i].allowed) != cases[i].expected)
            fail_msg("%s in %s", origin, cases[i].allowed);
    }
}

static void a_page_of_the_same_host_may_connect(void **state)
{
    static const struct {
        const char *origin, *host;
        bool expected;
    } cases[] = {
        {NULL, "a.example", true},
        {"https://a.example", "a.example", true},
        {"http://a.example:8080", "a.example:9001", true},
        {"https://A.Example", "a.EXAMPLE:1", true},
        {"http://[2001:db8::1]:8080", "[2001:db8::1]:9001", true},
        {"http://[2001:db8::1]", "[2001:db8::2]", false},
        {"http://localhost:8080", "127.0.0.1:9001", true},
        {"http://127.0.0.1:8080", "localhost:9001", true},
        {"http://[::1]:8080", "127.9.9.9", true},
        {"http://console.localhost", "[::1]:9001", true},
        {"http://127.evil.example", "localhost", false},
        {"http://127.0.0.1.evil.example", "localhost", false},
        {"http://localhost.evil.example", "localhost", false},
        {"http://notlocalhost", "localhost", false},
        {"http://localhost", "a.example", false},
        {"http://10.0.0.1", "10.0.0.2", false},
        {"https://evil.example", "a.example", false},
        {"https://a.example.evil.example", "a.example", false},
        {"https://evil.example/a.example", "a.example", false},
        {"https://sub.a.example", "a.example", false},
        {"null", "null", false},
        {"", "a.example", false},
        {"file://", "a.example", false},
        {"ftp://a.example", "a.example", false},
        {"chrome-extension://a.example", "a.example", false},
        {"a.example", "a.example", false},
        {"https://", "", false},
        {"https://:8080", ":8080", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *origin = cases[i].origin;
        struct http_text from = {origin, origin ? strlen(origin) : 0};
        struct http_text host = {cases[i].host, strlen(cases[i].host)};

        if (origin_is_allowed(from, host, "same-host") != cases[i].expected)
            fail_msg("%s at %s", origin, cases[i].host);
        assert_true(origin_is_allowed(from, host, "*"));
    }
}

static void other_origins_are_listed_beside_the_same_host(void **state)
{
    static const char list[] = "same-host, https://b.example, null";
    struct http_text host = {"a.example", 9}, from;

    (void)state;
    from = (struct http_text){"https://b.example", 17};
    assert_true(origin_is_allowed(from, host, list));
    from = (struct http_text){"https://a.example", 17};
    assert_true(origin_is_allowed(from, host, list));
    from = (struct http_text){"null", 4};
    assert_true(origin_is_allowed(from, host, list));
    from = (struct http_text){"https://c.example", 17};
    assert_false(origin_is_allowed(from, host, list));
    from = (struct http_text){"same-host", 9};
    assert_false(origin_is_allowed(from, host, "same-host"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_compared_with_the_list),
        cmocka_unit_test(a_page_of_the_same_host_may_connect),
        cmocka_unit_test(other_origins_are_listed_beside_the_same_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
