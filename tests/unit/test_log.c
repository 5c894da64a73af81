/* test_log.c - one event is one line, whatever is in it. Reads stderr from a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

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

static void of_many_lines_from_one_place_some_are_left_out_and_counted(void **state)
{
    struct log_limit limit = {.per_sec = 2};
    unsigned said = 0, left_out = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        if (log_may(&limit, "room expired after TTL"))
            said++;
        else
            left_out++;
    assert_in_range(said, 2, 4); /* a second may begin on the way */
    assert_int_equal(said + left_out, 10);

    limit.second--; /* the next second */
    assert_true(log_may(&limit, "room expired after TTL"));
    assert_non_null(strstr(
        read_line(), q("WARN log_limited event='room expired after TTL' lines=")));
}

/* A pipe that takes nothing more, as of a collector that hangs. */
static void fill_pipe(void)
{
    char junk[4096];

    memset(junk, '\n', sizeof(junk));
    fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_ends[1], junk, sizeof(junk)) > 0)
        ;
    fcntl(pipe_ends[1], F_SETFL, 0);
}

static char seen[4 * LOG_RING_BYTES];
static size_t seen_len;

/* Reads what is in the pipe, and does not wait for more. */
static void drain_pipe(void)
{
    ssize_t n;

    while ((n = read(pipe_ends[0], seen + seen_len, sizeof(seen) - seen_len)) > 0)
        seen_len += (size_t)n;
}

static unsigned count_seen(const char *wanted)
{
    const char *at = seen, *end = seen + seen_len;
    unsigned count = 0;

    while ((at = memmem(at, (size_t)(end - at), wanted, strlen(wanted)))) {
        at += strlen(wanted);
        count++;
    }
    return count;
}

static bool is_loss_seen(void *data)
{
    unsigned *logged = data;

    drain_pipe();
    log_info("flood", "text=after");
    ++*logged;
    return count_seen(" WARN log_dropped lines=") > 0;
}

static bool is_all_seen(void *data)
{
    drain_pipe();
    return count_seen(" INFO flood text=") + log_dropped() == *(unsigned *)data;
}

/* The last test: what it starts ends with it. */
static void nobody_waits_for_a_reader_and_lost_lines_are_counted(void **state)
{
    char body[1000];
    unsigned logged = 0;

    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    log_start();
    fill_pipe();
    for (; logged < 2 * LOG_RING_BYTES / 1000; logged++)
        log_info("flood", "text=%s", body);
    assert_true(log_dropped() > 0);

    assert_true(wait_until(is_loss_seen, &logged, 20000));
    assert_true(wait_until(is_all_seen, &logged, 20000));

    fill_pipe();
    log_info("flood", "text=last");
    log_stop(); /* comes back though nobody reads */
    logged++;
    assert_true(wait_until(is_all_seen, &logged, 20000));
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
        cmocka_unit_test_setup_teardown(
            of_many_lines_from_one_place_some_are_left_out_and_counted, open_pipe,
            close_pipe),
        cmocka_unit_test_setup_teardown(
            nobody_waits_for_a_reader_and_lost_lines_are_counted, open_pipe,
            close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
