/* test_log.c - one event is one line, whatever is in it. Reads stderr from a pipe. */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

static int saved_stderr, pipe_ends[2];
static char text[8192];

static int open_pipe(void **state)
{
    (void)state;
    log_max = LOG_INFO;
    if (pipe(pipe_ends) < 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    return dup2(pipe_ends[1], STDERR_FILENO) < 0;
}

static int close_pipe(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_ends[0]);
    return close(pipe_ends[1]);
}

/* What one read gets: with one write a line, exactly what one call wrote. */
static const char *read_line(void)
{
    ssize_t n = read(pipe_ends[0], text, sizeof(text) - 1);

    assert_true(n > 0);
    text[n] = '\0';
    return text;
}

static void a_line_has_time_level_event_and_pairs(void **state)
{
    regex_t shape;

    (void)state;
    assert_int_equal(
        regcomp(&shape,
                "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                "WARN redis_lost shard=3 why=gone\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    log_warn("redis_lost", "shard=%d why=%s", 3, "gone");
    assert_int_equal(regexec(&shape, read_line(), 0, NULL, 0), 0);
    regfree(&shape);
}

static void what_is_less_important_is_silent_and_not_evaluated(void **state)
{
    int calls = 0;

    (void)state;
    log_debug("silent", "calls=%d", ++calls);
    log_error("loud", "calls=%d", calls);

    assert_non_null(strstr(read_line(), "ERROR loud calls=0\n"));
}

static void control_characters_do_not_make_lines(void **state)
{
    (void)state;
    log_info("odd", "why=%s", "a\r\nb\x1b[1m\x7f");

    assert_non_null(strstr(read_line(), "INFO odd why=a  b [1m \n"));
}

static void a_long_line_is_cut_and_still_a_line(void **state)
{
    char long_text[8000];

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    log_info("long", "text=%s", long_text);

    assert_int_equal(strlen(read_line()), 4096);
    assert_int_equal(text[4095], '\n');
    assert_null(memchr(text, '\n', 4095));
}

static void errno_survives_a_line(void **state)
{
    (void)state;
    errno = EPIPE;
    log_info("some", "a=%d", 1);

    assert_int_equal(errno, EPIPE);
}

static const struct {
    const char *name, *printed;
} names[] = {
    {"lobby", "lobby"},
    {"", ""},
    {"a b", "a%20b"},
    {"x=1 \"y\" 5%", "x%3D1%20%22y%22%205%25"},
    {"\xc3\xa9\n", "%C3%A9%0A"},
};

static void names_are_made_fit_for_a_pair(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_string_equal(log_name(names[i].name, strlen(names[i].name)),
                            names[i].printed);
}

static void four_names_fit_one_line_and_long_ones_are_cut(void **state)
{
    char long_name[300];
    const char *a = log_name("a", 1), *b = log_name("b", 1), *c = log_name("c", 1),
               *cut;

    (void)state;
    memset(long_name, '\xff', sizeof(long_name));
    cut = log_name(long_name, sizeof(long_name));

    assert_string_equal(a, "a");
    assert_string_equal(b, "b");
    assert_string_equal(c, "c");
    assert_in_range(strlen(cut), 190, 203);
    assert_string_equal(cut + strlen(cut) - 6, "%FF...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_event_and_pairs,
                                        open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(
            what_is_less_important_is_silent_and_not_evaluated, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(control_characters_do_not_make_lines, open_pipe,
                                        close_pipe),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_still_a_line, open_pipe,
                                        close_pipe),
        cmocka_unit_test_setup_teardown(errno_survives_a_line, open_pipe, close_pipe),
        cmocka_unit_test(names_are_made_fit_for_a_pair),
        cmocka_unit_test(four_names_fit_one_line_and_long_ones_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
