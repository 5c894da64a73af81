/* test_watched_file.c - a file is read again when it changes, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/watched_file.h"

static char dir[] = "/tmp/roomcast-watched-XXXXXX";
static char path[64], other[64];
static struct watched_file file;
static struct strbuf text;

static int make_dir(void **state)
{
    (void)state;
    log_max = LOG_SILENT; /* what fails is meant to */
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/file", dir);
    snprintf(other, sizeof(other), "%s/other", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    strbuf_deinit(&text);
    return rmdir(dir);
}

static int begin(void **state)
{
    (void)state;
    watched_file_init(&file, "SETTING", path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    watched_file_deinit(&file);
    unlink(path);
    unlink(other);
    return 0;
}

static void write_to(const char *where, const char *bytes, size_t len)
{
    FILE *out = fopen(where, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    fclose(out);
}

static void expect_text(const char *expected)
{
    assert_true(watched_file_take(&file, &text));
    assert_string_equal(text.data, expected);
    assert_false(watched_file_take(&file, &text));
}

static void what_changes_is_read_again(void **state)
{
    (void)state;
    write_to(path, "one", 3);
    expect_text("one");
    write_to(path, "longer", 6);
    expect_text("longer");
    write_to(path, "", 0);
    expect_text("");
}

/* As editors do it, and Kubernetes by links. */
static void a_file_in_its_place_is_another_one(void **state)
{
    (void)state;
    write_to(path, "one", 3);
    expect_text("one");
    write_to(other, "two", 3);
    assert_int_equal(rename(other, path), 0);
    expect_text("two");
    write_to(other, "six", 3);
    unlink(path);
    assert_int_equal(symlink(other, path), 0);
    expect_text("six");
}

static void what_was_read_at_the_start_is_not_new(void **state)
{
    (void)state;
    write_to(path, "one", 3);
    watched_file_skip(&file);
    assert_false(watched_file_take(&file, &text));
    write_to(path, "another", 7);
    expect_text("another");
}

static void a_file_that_cannot_be_read_is_as_it_was(void **state)
{
    static char large[WATCHED_FILE_BYTES_MAX + 1];

    (void)state;
    assert_false(watched_file_take(&file, &text)); /* there is none */
    write_to(path, "one", 3);
    expect_text("one");
    unlink(path);
    assert_false(watched_file_take(&file, &text));
    write_to(path, "a\0b", 3);
    assert_false(watched_file_take(&file, &text));
    memset(large, 'x', sizeof(large));
    write_to(path, large, sizeof(large));
    assert_false(watched_file_take(&file, &text));
    write_to(path, large, sizeof(large) - 1);
    assert_true(watched_file_take(&file, &text));
    assert_int_equal(text.len, WATCHED_FILE_BYTES_MAX);
}

static void without_a_path_there_is_none(void **state)
{
    struct watched_file none = {0}, empty;

    (void)state;
    watched_file_init(&empty, "SETTING", "");
    watched_file_skip(&empty);
    assert_false(watched_file_take(&none, &text));
    assert_false(watched_file_take(&empty, &text));
    watched_file_deinit(&empty);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_changes_is_read_again),
        TEST(a_file_in_its_place_is_another_one),
        TEST(what_was_read_at_the_start_is_not_new),
        TEST(a_file_that_cannot_be_read_is_as_it_was),
        TEST(without_a_path_there_is_none),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
