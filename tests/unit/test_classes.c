/* test_classes.c - which class counts for a room, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/classes.h"
#include "common/grants.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct class_rules fallback = {
    .users = RIGHT_READ, .create = RIGHT_READ, .ttl_ms = 300000, .history = 100};

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static bool parse(struct classes *classes, const char *json, struct strbuf *why)
{
    classes_init(classes, &fallback);
    strbuf_reset(why, 0);
    return classes_parse(classes, text_of(json), why);
}

#define MANY                                                                           \
    "{'team/':{'users':'rw'},'team/a':{'users':''},'team/ab/':{'guests':'rw'},"        \
    "'lobby':{'guests':'r'},'z':{}}"

static const struct {
    const char *room, *prefix; /* NULL: none */
} choices[] = {
    {"team/", "team/"},
    {"team/b", "team/"},
    {"team", NULL},
    {"team/a", "team/a"},
    {"team/abc", "team/a"}, /* behind team/ab/ in the order, and not of it */
    {"team/ab/", "team/ab/"},
    {"team/ab/c", "team/ab/"},
    {"team/b/z", "team/"},
    {"lobby", "lobby"},
    {"lobby 2", "lobby"},
    {"lobb", NULL},
    {"a", NULL},
    {"zz", "z"},
    {"\xf0\x9f\x8e\x89", NULL},
};

static void the_longest_prefix_counts(void **state)
{
    struct strbuf why = {NULL, 0, 0};
    struct classes classes;

    (void)state;
    assert_true(parse(&classes, q(MANY), &why));
    for (size_t i = 0; i < COUNT(choices); i++) {
        const struct class_entry *class =
            classes_find(&classes, text_of(choices[i].room));

        print_message("  %s\n", choices[i].room);
        if (!choices[i].prefix)
            assert_null(class);
        else
            assert_true(json_text_is(class_prefix(class), choices[i].prefix));
    }
    classes_deinit(&classes);
    strbuf_deinit(&why);
}

static unsigned users_of(const struct classes *classes, const char *room)
{
    return classes_rules(classes, text_of(room))->users;
}

static void what_a_class_leaves_out_comes_from_the_settings(void **state)
{
    struct strbuf why = {NULL, 0, 0};
    struct classes classes;

    (void)state;
    assert_true(parse(&classes, q(MANY), &why));
    assert_int_equal(users_of(&classes, "team/b"), RIGHT_READ | RIGHT_WRITE);
    assert_int_equal(users_of(&classes, "team/a"), 0);
    assert_int_equal(users_of(&classes, "team/ab/"), RIGHT_READ); /* not of team/ */
    assert_int_equal(users_of(&classes, "nowhere"), RIGHT_READ);
    classes_deinit(&classes);
    assert_int_equal(users_of(&classes, "team/b"), RIGHT_READ);
    strbuf_deinit(&why);
}

static void the_empty_prefix_is_that_of_all_rooms(void **state)
{
    struct strbuf why = {NULL, 0, 0};
    struct classes classes;

    (void)state;
    assert_true(parse(&classes, q("{'':{'users':'rw'},'b':{'users':''}}"), &why));
    assert_int_equal(users_of(&classes, "a"), RIGHT_READ | RIGHT_WRITE);
    assert_int_equal(users_of(&classes, "b"), 0);
    assert_int_equal(users_of(&classes, "c"), RIGHT_READ | RIGHT_WRITE);
    assert_non_null(classes_get(&classes, text_of("")));
    assert_null(classes_get(&classes, text_of("a")));
    assert_null(classes_get(&classes, text_of("bb")));
    classes_deinit(&classes);
    strbuf_deinit(&why);
}

/* Any set of prefixes of two letters, each room of up to four, beside the plain way to look. */
static void any_choice_is_that_of_a_plain_search(void **state)
{
    struct strbuf why = {NULL, 0, 0};
    char rooms[31][5];
    size_t count = 0;

    (void)state;
    for (size_t len = 0; len <= 4; len++)
        for (unsigned bits = 0; bits < 1u << len; bits++, count++) {
            memset(rooms[count], 0, 5);
            for (size_t i = 0; i < len; i++)
                rooms[count][i] = bits >> i & 1 ? 'b' : 'a';
        }
    for (uint32_t round = 1; round <= 2000; round++) {
        uint32_t random = round * 2654435761u;
        struct classes classes;

        classes_init(&classes, &fallback);
        for (size_t i = 0; i < 31; i++)
            if (random >> i & 1)
                assert_true(
                    classes_add(&classes, text_of(rooms[i]), text_of("{}"), &why));
        assert_true(classes_end(&classes, &why));
        for (size_t r = 1; r < 31; r++) {
            const struct class_entry *found = classes_find(&classes, text_of(rooms[r]));
            const char *best = NULL;

            for (size_t i = 0; i < 31; i++)
                if (random >> i & 1 &&
                    strncmp(rooms[r], rooms[i], strlen(rooms[i])) == 0 &&
                    (!best || strlen(rooms[i]) > strlen(best)))
                    best = rooms[i];
            assert_true(best ? found && json_text_is(class_prefix(found), best)
                             : !found);
        }
        classes_deinit(&classes);
    }
    strbuf_deinit(&why);
}

static const struct {
    const char *json, *named;
} bad[] = {
    {"[]", "one JSON object"},
    {"", "one JSON object"},
    {"{'a':1}", "class \"a\": a class is one JSON object"},
    {"{'a':[]}", "class \"a\": a class is one JSON object"},
    {"{'a':{'users':'r','users':'r'}}", "each field of it once"},
    {"{'a':{'user':'r'}}", "class \"a\": \"user\" is no field"},
    {"{'a':{'':1}}", "class \"a\": \"\" is no field"},
    {"{'a':{'users':'w'}}", "class \"a\": users must be"},
    {"{'a':{'users':'rwm'}}", "users must be"},
    {"{'a':{'users':{}}}", "users must be"},
    {"{'a':{'users':null}}", "users must be"},
    {"{'a':{'users':12}}", "users must be"},
    {"{'b':{},'a':{'guests':true}}", "class \"a\": guests must be"},
    {"{'a':{'create':'w'}}", "create must be"},
    {"{'a':{'create':''}}", "create must be"},
    {"{'a':{'create':109}}", "create must be"},
    {"{'a':{'history':-1}}", "history must be a whole number from 0 to 10000"},
    {"{'a':{'history':10001}}", "history must be"},
    {"{'a':{'history':1.0}}", "history must be"},
    {"{'a':{'history':'1'}}", "history must be"},
    {"{'a':{'history':1e2}}", "history must be"},
    {"{'a':{'ttl_secs':0}}", "ttl_secs must be a whole number from 1 to 2592000"},
    {"{'a':{'ttl_secs':2592001}}", "ttl_secs must be"},
    {"{'a':{'members_max':1000001}}", "members_max must be"},
    {"{'a':{'members_max':true}}", "members_max must be"},
    {"{'a':{'slow_secs':3601}}", "slow_secs must be a whole number from 0 to 3600"},
    {"{'a':{'presence':1}}", "presence must be true or false"},
    {"{'a':{'presence':'true'}}", "presence must be"},
    {"{'a{':{}}", "class \"a{\": a prefix"},
    {"{'a\\u0000':{}}", "one JSON object"},
    {"{'a\\n':{}}", "a prefix"},
    {"{'a':{},'\\u0061':{}}", "class \"a\": it is there twice"},
};

static void what_is_no_class_is_refused_and_the_field_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct strbuf why = {NULL, 0, 0};
        struct classes classes;

        print_message("  %s\n", bad[i].json);
        assert_false(parse(&classes, q(bad[i].json), &why));
        if (!strstr(why.data, q(bad[i].named)) && !strstr(why.data, bad[i].named))
            fail_msg("%s", why.data);
        classes_deinit(&classes);
        strbuf_deinit(&why);
    }
}

static bool parse_so_many(unsigned count, size_t len, struct strbuf *why)
{
    struct strbuf json = {NULL, 0, 0};
    struct classes classes;
    bool is_good;

    strbuf_add_char(&json, '{');
    for (unsigned i = 0; i < count; i++)
        strbuf_add_format(&json, "%s\"%0*u\":{}", i > 0 ? "," : "", (int)len, i);
    strbuf_add_char(&json, '}');
    is_good = parse(&classes, json.data, why);
    classes_deinit(&classes);
    strbuf_deinit(&json);
    return is_good;
}

static void there_are_limits(void **state)
{
    struct strbuf why = {NULL, 0, 0};

    (void)state;
    assert_true(parse_so_many(1000, 128, &why));
    assert_false(parse_so_many(1001, 4, &why));
    assert_non_null(strstr(why.data, "1000"));
    assert_false(parse_so_many(1, 129, &why));
    assert_non_null(strstr(why.data, "at most 128 bytes"));
    strbuf_deinit(&why);
}

static void a_long_name_is_not_shown_whole(void **state)
{
    struct strbuf why = {NULL, 0, 0}, json = {NULL, 0, 0};
    struct classes classes;

    (void)state;
    strbuf_add_text(&json, "{\"a\":{\"x");
    for (int i = 0; i < 1000; i++)
        strbuf_add_text(&json, "\xc3\xa4");
    strbuf_add_text(&json, "\":1}}");
    assert_false(parse(&classes, json.data, &why));
    assert_true(why.len < 200);
    assert_true(json_is_utf8(why.data, why.len));
    classes_deinit(&classes);
    strbuf_deinit(&why);
    strbuf_deinit(&json);
}

static void they_are_printed_as_they_were_given(void **state)
{
    struct strbuf why = {NULL, 0, 0}, out = {NULL, 0, 0};
    struct classes classes;

    (void)state;
    assert_true(parse(&classes, q("{ 'b' : { 'users' : 'rw' }, '' : {} }"), &why));
    classes_print(&out, &classes);
    assert_string_equal(out.data, q("{'':{},'b':{'users':'rw'}}"));
    classes_deinit(&classes);
    strbuf_deinit(&why);
    strbuf_deinit(&out);
}

static void what_holds_is_printed_as_a_class(void **state)
{
    struct strbuf why = {NULL, 0, 0}, out = {NULL, 0, 0};
    struct classes classes;

    (void)state;
    classes_init(&classes, &fallback);
    class_rules_print(&out, &fallback);
    assert_string_equal(out.data,
                        q("{'users':'r','guests':'','create':'r','history':100,"
                          "'ttl_secs':300,'members_max':0,'presence':false,'slow_secs':"
                          "0,'edit_secs':0}"));
    assert_true(classes_add(&classes, text_of("a"),
                            (struct json_text){out.data, out.len}, &why));
    assert_memory_equal(&classes.all[0]->rules, &fallback, sizeof(fallback));
    classes_deinit(&classes);
    strbuf_deinit(&why);
    strbuf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_counts),
        cmocka_unit_test(what_a_class_leaves_out_comes_from_the_settings),
        cmocka_unit_test(the_empty_prefix_is_that_of_all_rooms),
        cmocka_unit_test(any_choice_is_that_of_a_plain_search),
        cmocka_unit_test(what_is_no_class_is_refused_and_the_field_named),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(a_long_name_is_not_shown_whole),
        cmocka_unit_test(they_are_printed_as_they_were_given),
        cmocka_unit_test(what_holds_is_printed_as_a_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
