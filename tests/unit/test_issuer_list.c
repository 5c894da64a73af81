/* test_issuer_list.c - who may issue tokens, of a text; which URLs may be asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/https_url.h"
#include "common/issuer_list.h"
#include "common/strbuf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *url;
    bool is_right;
} urls[] = {
    {"https://id.example", true},
    {"https://id.example/", true},
    {"HTTPS://id.example:8443/a?b=c#d", true},
    {"https://[2001:db8::1]:1/", true},
    {"https://", false},
    {"https:///path", false},
    {"https://:443/", false},
    {"https://id.example:/", false},
    {"https://id.example:44x/", false},
    {"https://user@id.example/", false},
    {"https://id.example/a b", false},
    {"https://id.example\\@evil.example", false},
    {"https://id.\xc3\xa4.example/", false},
    {"http://id.example/", false},
    {"http://localhost/", true},
    {"http://LOCALHOST:8080", true},
    {"http://localhost.evil.example/", false},
    {"http://127.0.0.1", true},
    {"http://127.9.9.9:1/x", true},
    {"http://127.0.0.1.evil.example/", false},
    {"http://128.0.0.1/", false},
    {"http://127.1/", false},
    {"http://[::1]:8080/x", true},
    {"http://[::1/", false},
    {"http://[::2]/", false},
    {"http://127.0.0.1@evil.example/", false},
    {"http://evil.example/?127.0.0.1", false},
    {"http://evil.example?@127.0.0.1/", false},
    {"ftp://id.example/", false},
    {"file:///etc/passwd", false},
    {"", false},
};

static void a_url_is_of_https_or_of_loopback(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        print_message("  %s\n", urls[i].url);
        assert_int_equal(
            https_url_is((struct json_text){urls[i].url, strlen(urls[i].url)}),
            urls[i].is_right);
    }
}

static void an_issuer_is_a_url_or_names_where_its_keys_are(void **state)
{
    struct issuer_list list = {NULL, 0};

    (void)state;
    assert_null(issuer_list_parse(
        &list, "https://a.example, https://b.example/x/ ,c=https://c.example/k=1,"
               "https://d.example=/etc/d.json,http://127.0.0.1:8080"));
    assert_int_equal(list.count, 5);
    assert_string_equal(list.all[0].name, "https://a.example");
    assert_string_equal(list.all[0].from,
                        "https://a.example/.well-known/openid-configuration");
    assert_int_equal(list.all[0].kind, ISSUER_DISCOVERED);
    assert_string_equal(list.all[1].name, "https://b.example/x/");
    assert_string_equal(list.all[1].from,
                        "https://b.example/x/.well-known/openid-configuration");
    assert_string_equal(list.all[2].name, "c");
    assert_string_equal(list.all[2].from, "https://c.example/k=1");
    assert_int_equal(list.all[2].kind, ISSUER_URL);
    assert_string_equal(list.all[3].name, "https://d.example");
    assert_string_equal(list.all[3].from, "/etc/d.json");
    assert_int_equal(list.all[3].kind, ISSUER_FILE);
    assert_int_equal(list.all[4].kind, ISSUER_DISCOVERED);
    issuer_list_deinit(&list);
    issuer_list_deinit(&list);
}

static const char *const refused[] = {
    "a",
    "http://a.example",
    "a=http://a.example/jwks",
    "a=",
    "=/etc/a.json",
    "a=/x,,b=/y",
    "a=/x,",
    "a=/x,a=/y",
    "a=ftp://a.example/",
    "https://user:password@a.example",
};

static void what_is_no_list_is_refused(void **state)
{
    struct issuer_list list = {NULL, 0};
    struct strbuf many = {NULL, 0, 0};

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        print_message("  %s\n", refused[i]);
        assert_non_null(issuer_list_parse(&list, refused[i]));
        assert_int_equal(list.count, 0);
    }
    for (int i = 0; i < ISSUER_LIST_MAX; i++)
        strbuf_add_format(&many, "%sa%d=/x", i > 0 ? "," : "", i);
    assert_null(issuer_list_parse(&list, many.data));
    strbuf_add_text(&many, ",more=/x");
    assert_non_null(issuer_list_parse(&list, many.data));
    strbuf_deinit(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_of_https_or_of_loopback),
        cmocka_unit_test(an_issuer_is_a_url_or_names_where_its_keys_are),
        cmocka_unit_test(what_is_no_list_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
