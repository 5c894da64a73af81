/* test_fold.c - letters in one case, in any script; all else as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/fold.h"
#include "common/xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* From a copy of just these bytes, so that ASan sees who reads beyond them. */
static char *fold(locale_t locale, const char *text)
{
    struct strbuf out = {NULL, 0, 0};
    char *copy = xmemdup(text, strlen(text)), *folded;

    fold_add(&out, locale, copy, strlen(text));
    folded = xmemdup(out.len > 0 ? out.data : "", out.len);
    strbuf_deinit(&out);
    free(copy);
    return folded;
}

static void expect_folded(locale_t locale, const char *text, const char *wanted)
{
    char *folded = fold(locale, text);

    assert_string_equal(folded, wanted);
    free(folded);
}

static const char *const same[][2] = {
    {"LOBBY 1", "lobby 1"},
    {"\u00c4rger", "\u00e4RGER"},
    {"\u0416\u0443\u043a", "\u0436\u0423\u041a"}, /* Cyrillic */
    {"\u03a3", "\u03c2"},                         /* sigma, also at the end of a word */
    {"\u03a3", "\u03c3"},
    {"\u1e9e", "\u00df"},
    {"\U00010400", "\U00010428"}, /* Deseret, four bytes */
    {"\u212a", "k"},              /* Kelvin: three bytes become one */
};

static void a_letter_is_the_same_in_either_case(void **state)
{
    locale_t locale = fold_open_locale();

    (void)state;
    assert_true(locale != (locale_t)0);
    for (size_t i = 0; i < COUNT(same); i++) {
        char *other = fold(locale, same[i][1]);

        expect_folded(locale, same[i][0], other);
        free(other);
    }
    freelocale(locale);
}

static void all_else_stays_as_it_is(void **state)
{
    static const char *const kept[] = {
        "",     "a-z_0 9[]{}@`", "\u00e4\u4e2d\U0001f600", "\u00d7", "a\xff",
        "\xc3", "\xe4\xb8"};
    locale_t locale = fold_open_locale();

    (void)state;
    for (size_t i = 0; i < COUNT(kept); i++)
        expect_folded(locale, kept[i], kept[i]);
    expect_folded(locale, "A\xffZ", "a\xffz");
    expect_folded((locale_t)0, "A\u00c4", "a\u00c4");
    freelocale(locale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_is_the_same_in_either_case),
        cmocka_unit_test(all_else_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
