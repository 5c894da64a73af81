/* test_rfc3339.c - moments as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/rfc3339.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static const struct {
    const char *text;
    uint64_t ms;
} moments[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01t00:00:00z", 0},
    {"2027-01-31T18:00:00Z", 1801418400000},
    {"2027-01-31T19:00:00+01:00", 1801418400000},
    {"2027-01-31T12:30:00-05:30", 1801418400000},
    {"2027-01-31T18:00:00.5Z", 1801418400500},
    {"2027-01-31T18:00:00.123456789Z", 1801418400123},
    {"1990-12-31T23:59:60Z", 662688000000}, /* a leap second */
    {"2000-02-29T00:00:00Z", 951782400000},
    {"9999-12-31T23:59:59Z", 253402300799000},
};

static void a_moment_is_read(void **state)
{
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < COUNT(moments); i++) {
        print_message("  %s\n", moments[i].text);
        assert_true(rfc3339_parse(text_of(moments[i].text), &ms));
        assert_int_equal(ms, moments[i].ms);
    }
}

static const char *const none[] = {
    "",
    "2027",
    "2027-01-31",
    "2027-01-31T18:00:00",
    "2027-01-31 18:00:00Z",
    "2027-01-31T18:00Z",
    "2027-00-31T18:00:00Z",
    "2027-13-31T18:00:00Z",
    "2027-02-29T18:00:00Z",
    "2100-02-29T18:00:00Z",
    "2027-04-31T18:00:00Z",
    "2027-01-00T18:00:00Z",
    "2027-01-31T24:00:00Z",
    "2027-01-31T18:60:00Z",
    "2027-01-31T18:00:61Z",
    "2027-01-31T18:00:00.Z",
    "2027-01-31T18:00:00,5Z",
    "2027-01-31T18:00:00+0100",
    "2027-01-31T18:00:00+01",
    "2027-01-31T18:00:00+24:00",
    "2027-01-31T18:00:00ZZ",
    "2027-01-31T18:00:00Z ",
    " 2027-01-31T18:00:00Z",
    "+027-01-31T18:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:59:59+01:00",
};

static void what_is_no_moment_is_refused(void **state)
{
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++) {
        print_message("  %s\n", none[i]);
        assert_false(rfc3339_parse(text_of(none[i]), &ms));
    }
}

/* As the C library counts them. */
static void each_day_of_four_hundred_years_is_where_it_belongs(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 146097; day++) {
        time_t at = (time_t)(day * 86400 + 86399);
        struct tm tm;
        char text[32];
        uint64_t ms;

        gmtime_r(&at, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_true(rfc3339_parse(text_of(text), &ms));
        assert_int_equal(ms, 1000 * (uint64_t)at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(each_day_of_four_hundred_years_is_where_it_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
