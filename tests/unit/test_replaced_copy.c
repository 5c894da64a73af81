/* test_replaced_copy.c - when a copy of the policy is read, and when it is put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/replaced_copy.h"

static struct {
    struct replaced_copy copy;
    unsigned reads, restores;
} stage;

static void start_read(void *owner)
{
    (void)owner;
    stage.reads++;
}

static void start_restore(void *owner)
{
    (void)owner;
    stage.restores++;
}

static int begin(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.copy.start_read = start_read;
    stage.copy.start_restore = start_restore;
    return 0;
}

static void hear(uint64_t rev, unsigned reads, unsigned restores)
{
    replaced_copy_on_rev(&stage.copy, rev);
    assert_int_equal(stage.reads, reads);
    assert_int_equal(stage.restores, restores);
}

/* What was begun ends; the copy is of this number then. */
static void end(uint64_t rev)
{
    stage.copy.rev = rev;
    replaced_copy_end(&stage.copy);
}

static void a_higher_number_is_read(void **state)
{
    (void)state;
    hear(0, 0, 0);
    hear(5, 1, 0);
    end(5);
    hear(5, 1, 0);
    hear(6, 2, 0);
}

static void a_smaller_number_is_overwritten(void **state)
{
    (void)state;
    stage.copy.rev = 5;
    hear(4, 0, 1);
    end(5);
    hear(0, 0, 2);
}

static void what_is_heard_meanwhile_counts_after_that(void **state)
{
    (void)state;
    hear(5, 1, 0);
    hear(6, 1, 0);
    hear(7, 1, 0);
    end(5);
    assert_int_equal(stage.reads, 2);
    end(7);
    assert_int_equal(stage.reads, 2);
    hear(7, 2, 0);
}

static void a_read_that_failed_is_begun_by_the_next_number(void **state)
{
    (void)state;
    hear(5, 1, 0);
    end(0);
    hear(5, 2, 0);
}

static void a_number_that_nobody_has_written_is_none(void **state)
{
    (void)state;
    hear(REPLACED_REV_MAX + 1, 0, 0);
    stage.copy.rev = 5;
    hear(UINT64_MAX, 0, 1);
    assert_false(replaced_copy_wants(&stage.copy, UINT64_MAX));
    assert_false(replaced_copy_wants(&stage.copy, 5));
    assert_true(replaced_copy_wants(&stage.copy, REPLACED_REV_MAX));
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_higher_number_is_read),
        TEST(a_smaller_number_is_overwritten),
        TEST(what_is_heard_meanwhile_counts_after_that),
        TEST(a_read_that_failed_is_begun_by_the_next_number),
        TEST(a_number_that_nobody_has_written_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
