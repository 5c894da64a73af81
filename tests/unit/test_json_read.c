/* test_json_read.c - members by their names, however these are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/json_read.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void scan(const char *json, struct json_members *members)
{
    *members = (struct json_members){0};
    assert_int_equal(json_scan(json, strlen(json), members), 0);
}

static void a_member_is_found_by_its_name(void **state)
{
    static const struct {
        const char *json, *value; /* of "exp" */
    } cases[] = {
        {"{\"exp\":1}", "1"},
        {"{\"iat\":1,\"exp\":2,\"expo\":3,\"ex\":4}", "2"},
        {"{\"\\u0065xp\":1}", "1"},
        {"{\"\\u0065x\":1,\"e\\\\xp\":2,\"exp\\/\":3}", ""},
        {"{\"\":1,\"\\\"exp\":2,\"EXP\":3}", ""},
        {"{}", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_members members;
        struct json_text value;

        print_message("  %s\n", cases[i].json);
        scan(cases[i].json, &members);
        value = json_read_find(&members, "exp");
        assert_int_equal(value.len, strlen(cases[i].value));
        assert_memory_equal(value.base, cases[i].value, value.len);
        json_members_deinit(&members);
    }
}

static void a_name_that_is_there_twice_is_seen(void **state)
{
    static const struct {
        const char *json;
        bool is;
    } cases[] = {
        {"{}", false},
        {"{\"a\":1}", false},
        {"{\"a\":1,\"b\":1,\"ab\":1,\"\":1}", false},
        {"{\"a\":1,\"b\":1,\"a\":1}", true},
        {"{\"\":1,\"\":1}", true},
        {"{\"a\":1,\"\\u0061\":1}", true},
        {"{\"a\\/b\":1,\"a/b\":1}", true},
        {"{\"a\":1,\"A\":1,\"\\u0062\":1}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_members members;

        print_message("  %s\n", cases[i].json);
        scan(cases[i].json, &members);
        assert_int_equal(json_read_has_twice(&members), cases[i].is);
        json_members_deinit(&members);
    }
}

/* `count` names n0, n1 …; the last one is `last`. */
static bool has_twice(unsigned count, const char *last)
{
    struct strbuf json = {NULL, 0, 0};
    struct json_members members;
    bool is;

    for (unsigned i = 0; i + 1 < count; i++)
        strbuf_add_format(&json, "%c\"n%u\":0", i == 0 ? '{' : ',', i);
    strbuf_add_format(&json, ",\"%s\":0}", last);
    scan(json.data, &members);
    is = json_read_has_twice(&members);
    json_members_deinit(&members);
    strbuf_deinit(&json);
    return is;
}

static void it_is_seen_among_any_number_of_names(void **state)
{
    (void)state;
    for (unsigned count = 2; count < 40; count++) {
        assert_true(has_twice(count, "n0"));
        assert_true(has_twice(count, "\\u006e0"));
        assert_false(has_twice(count, "n"));
        assert_false(has_twice(count, "\\u006e"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_found_by_its_name),
        cmocka_unit_test(a_name_that_is_there_twice_is_seen),
        cmocka_unit_test(it_is_seen_among_any_number_of_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
