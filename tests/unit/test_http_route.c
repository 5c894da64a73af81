/* test_http_route.c - paths against patterns, segment by segment, before anything is
 * decoded; and what stands in a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/http_route.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *pattern, *path, *params; /* joined by spaces; NULL: it does not fit */
} paths[] = {
    {"/", "/", ""},
    {"/api/rooms", "/api/rooms", ""},
    {"/api/rooms", "/api/rooms/", NULL},
    {"/api/rooms", "/api/roomsx", NULL},
    {"/api/rooms", "/api//rooms", NULL},
    {"/api/rooms/{room}", "/api/rooms/lobby", "lobby"},
    {"/api/rooms/{room}", "/api/rooms/", NULL},
    {"/api/rooms/{room}", "/api/rooms/a%2Fb", "a%2Fb"},
    {"/api/rooms/{room}", "/api/rooms/..", ".."},
    {"/api/rooms/{room}", "/api/rooms/a/b", NULL},
    {"/api/rooms/{room}/kick/{user}", "/api/rooms/r/kick/u", "r u"},
    {"/api/rooms/{room}/kick/{user}", "/api/rooms/r/ban/u", NULL},
    {"/api/rooms/{room}/kick/{user}", "/api/rooms/r/kick/", NULL},
    {"/api/rooms/{room}/kick/{user}", "/api/rooms/r/k%69ck/u", NULL},
    {"/api/rooms", "", NULL},
    {"/api/rooms", "*", NULL},
};

static void a_path_fits_segment_by_segment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct json_text params[HTTP_PARAMS_MAX] = {{NULL, 0}};
        struct json_text path = {paths[i].path, strlen(paths[i].path)};
        char joined[64] = "";

        print_message("  %s %s\n", paths[i].pattern, paths[i].path);
        assert_int_equal(http_route_fits(paths[i].pattern, path, params),
                         paths[i].params != NULL);
        for (int k = 0; paths[i].params && k < HTTP_PARAMS_MAX && params[k].base; k++)
            snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%.*s",
                     k > 0 ? " " : "", (int)params[k].len, params[k].base);
        if (paths[i].params)
            assert_string_equal(joined, paths[i].params);
    }
}

static const struct {
    const char *query, *name, *value; /* NULL: not there */
} queries[] = {
    {"", "a", NULL},
    {"a=1", "a", "1"},
    {"b=1&a=2", "a", "2"},
    {"a=1&a=2", "a", "1"},
    {"a", "a", ""},
    {"a=", "a", ""},
    {"a=b=c", "a", "b=c"},
    {"aa=1", "a", NULL},
    {"&&a=1", "a", "1"},
    {"A=1", "a", NULL},
    {"a=%26&b=1", "a", "%26"},
    {"=1", "a", NULL},
};

static void a_query_gives_the_first_of_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct json_text query = {queries[i].query, strlen(queries[i].query)};
        struct json_text value = http_route_query(query, queries[i].name);

        print_message("  %s\n", queries[i].query);
        if (!queries[i].value) {
            assert_null(value.base);
            continue;
        }
        assert_int_equal(value.len, strlen(queries[i].value));
        assert_memory_equal(value.base, queries[i].value, value.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_fits_segment_by_segment),
        cmocka_unit_test(a_query_gives_the_first_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
