/* test_grants.c - which pattern of a token counts for a room, and that equal sets are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/grants.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static struct grants *get(struct grants_table *table, const char *rooms)
{
    return grants_get(table, text_of(q(rooms)));
}

#define MANY                                                                           \
    "{'lobby':'rw','lobby*':'r','team/*':'rw','team/"                                  \
    "a*':'','*':'r','a*b':'m','x*':'w'}"

static const struct {
    const char *room;
    int rights;
} choices[] = {
    {"lobby", RIGHT_READ | RIGHT_WRITE}, /* the name itself */
    {"lobby 2", RIGHT_READ},
    {"lobb", RIGHT_READ}, /* the beginning of all */
    {"team/", RIGHT_READ | RIGHT_WRITE},
    {"team/b", RIGHT_READ | RIGHT_WRITE},
    {"team/ab", 0}, /* the longest beginning, also where it gives less */
    {"a*b", RIGHT_READ | RIGHT_WRITE | RIGHT_MODERATE},
    {"a*bc", RIGHT_READ},
    {"x1", RIGHT_WRITE},
};

static void the_name_counts_then_the_longest_beginning(void **state)
{
    struct grants_table table = {0};
    struct grants *grants = get(&table, MANY);

    (void)state;
    assert_non_null(grants);
    for (size_t i = 0; i < COUNT(choices); i++) {
        print_message("  %s\n", choices[i].room);
        assert_int_equal(grants_find(grants, text_of(choices[i].room)),
                         choices[i].rights);
    }
    grants_unref(grants);
    grants_table_deinit(&table);
}

static void without_a_pattern_that_fits_there_is_nothing(void **state)
{
    struct grants_table table = {0};
    struct grants *some = get(&table, "{'a':'r'}"), *none = get(&table, "{}");

    (void)state;
    assert_int_equal(grants_find(some, text_of("b")), GRANTS_NONE);
    assert_int_equal(grants_find(none, text_of("a")), GRANTS_NONE);
    assert_int_equal(grants_find(NULL, text_of("a")), GRANTS_NONE);
    grants_unref(some);
    grants_unref(none);
    grants_unref(NULL);
    grants_table_deinit(&table);
}

static void equal_sets_are_kept_once(void **state)
{
    struct grants_table table = {0};
    struct grants *one = get(&table, "{'a':'rw','b*':'r'}");
    struct grants *same = get(&table, "{ 'b*' : 'rr', '\\u0061' : 'wr' }");
    struct grants *other = get(&table, "{'a':'rw','b':'r'}");

    (void)state;
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    assert_int_equal(table.sets.count, 2);
    grants_unref(one);
    assert_int_equal(grants_find(same, text_of("a")), RIGHT_READ | RIGHT_WRITE);
    grants_unref(same);
    grants_unref(other);
    assert_int_equal(table.sets.count, 0);
    grants_table_deinit(&table);
}

static char *print_many(unsigned count)
{
    struct strbuf out = {NULL, 0, 0};

    strbuf_add_char(&out, '{');
    for (unsigned i = 0; i < count; i++)
        strbuf_add_format(&out, "%s\"room %u\":\"r\"", i > 0 ? "," : "", i);
    strbuf_add_char(&out, '}');
    return out.data;
}

static void a_set_has_at_most_256_patterns(void **state)
{
    struct grants_table table = {0};
    char *most = print_many(GRANTS_MAX), *more = print_many(GRANTS_MAX + 1);
    struct grants *grants = grants_get(&table, text_of(most));

    (void)state;
    assert_non_null(grants);
    assert_int_equal(grants_find(grants, text_of("room 255")), RIGHT_READ);
    assert_null(grants_get(&table, text_of(more)));
    grants_unref(grants);
    grants_table_deinit(&table);
    free(most);
    free(more);
}

static const struct {
    const char *letters, *printed; /* NULL: none */
} rights[] = {
    {"", ""},     {"r", "r"},    {"rw", "rw"}, {"wr", "rw"}, {"w", ""},
    {"m", "rwm"}, {"rm", "rwm"}, {"x", NULL},  {"R", NULL},  {"r w", NULL},
};

static void rights_are_three_letters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rights); i++) {
        unsigned bits;

        print_message("  '%s'\n", rights[i].letters);
        if (grants_parse_rights(text_of(rights[i].letters), &bits))
            assert_string_equal(grants_print_rights(bits), rights[i].printed);
        else
            assert_null(rights[i].printed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_counts_then_the_longest_beginning),
        cmocka_unit_test(without_a_pattern_that_fits_there_is_nothing),
        cmocka_unit_test(equal_sets_are_kept_once),
        cmocka_unit_test(a_set_has_at_most_256_patterns),
        cmocka_unit_test(rights_are_three_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
