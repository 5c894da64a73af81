/* test_pool.c - blocks that come again, and what is held of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "common/metrics.h"
#include "gateway/pool.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { LARGEST_CLASS = 64 * 1024, BLOCKS = 500, STEPS = 100000 };

static struct metrics metrics;

static int begin(void **state)
{
    (void)state;
    memset(&metrics, 0, sizeof(metrics));
    pool_init(&metrics);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_deinit();
    assert_int_equal(metric_read(&metrics.pool_bytes), 0);
    assert_int_equal(metric_read(&metrics.pool_alloc_total),
                     metric_read(&metrics.pool_recycle_total));
    return 0;
}

static uint64_t held_bytes(void)
{
    return metric_read(&metrics.pool_bytes);
}

/* What is said of blocks that are kept does not hold in a build without the pool. */
static void need_kept_blocks(void)
{
    if (!pool_keeps_blocks())
        skip();
}

static const struct {
    size_t size, class_bytes;
} sizes[] = {
    {0, 32},        {1, 32},        {31, 32},       {32, 32},       {33, 64},
    {64, 64},       {65, 128},      {1000, 1024},   {1024, 1024},   {1025, 2048},
    {32768, 32768}, {32769, 65536}, {65536, 65536}, {65537, 65537}, {1000000, 1000000},
};

static void blocks_are_as_large_as_their_class(void **state)
{
    (void)state;
    need_kept_blocks();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *block;

        print_message("  %zu bytes\n", sizes[i].size);
        pool_deinit();
        begin(NULL);
        block = pool_alloc(sizes[i].size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        assert_int_equal(held_bytes(), sizes[i].class_bytes);
        memset(block, 0xff, sizes[i].size);
        pool_recycle(block, sizes[i].size);
        /* What malloc gave for a large one, it has again. */
        assert_int_equal(held_bytes(), sizes[i].class_bytes > LARGEST_CLASS
                                           ? 0
                                           : sizes[i].class_bytes);
    }
}

static void the_block_given_back_last_comes_first(void **state)
{
    void *a, *b;

    (void)state;
    need_kept_blocks();
    a = pool_alloc(100);
    b = pool_alloc(128);
    pool_recycle(a, 100);
    pool_recycle(b, 128);
    assert_ptr_equal(pool_alloc(65), b);
    assert_ptr_equal(pool_alloc(128), a);
    assert_int_equal(held_bytes(), 256);
    pool_recycle(a, 128);
    pool_recycle(b, 65);
    assert_int_equal(metric_read(&metrics.pool_alloc_total), 4);
    assert_int_equal(metric_read(&metrics.pool_recycle_total), 4);
}

static void classes_do_not_mix(void **state)
{
    void *small, *larger;

    (void)state;
    need_kept_blocks();
    small = pool_alloc(32);
    pool_recycle(small, 32);
    larger = pool_alloc(33);
    assert_ptr_not_equal(larger, small);
    pool_recycle(larger, 33);
}

static void nothing_is_recycled_from_null(void **state)
{
    (void)state;
    pool_recycle(NULL, 100);
    assert_int_equal(metric_read(&metrics.pool_recycle_total), 0);
}

static void most_of_a_burst_is_given_back(void **state)
{
    enum { COUNT_OF = 1000, SIZE = 16 * 1024 };
    static void *blocks[COUNT_OF];

    (void)state;
    for (int i = 0; i < COUNT_OF; i++)
        blocks[i] = pool_alloc(SIZE);
    assert_int_equal(held_bytes(), COUNT_OF * SIZE);
    for (int i = 0; i < COUNT_OF; i++)
        pool_recycle(blocks[i], SIZE);
    assert_true(held_bytes() <= 1024 * 1024);
    assert_true(held_bytes() >= (pool_keeps_blocks() ? 512 * 1024 : 0));
}

static void without_the_pool_only_what_is_in_use_is_held(void **state)
{
    void *block;

    (void)state;
    if (pool_keeps_blocks())
        skip();
    block = pool_alloc(100);
    assert_int_equal(held_bytes(), 100);
    pool_recycle(block, 100);
    assert_int_equal(held_bytes(), 0);
    assert_int_equal(metric_read(&metrics.pool_alloc_total), 1);
    assert_int_equal(metric_read(&metrics.pool_recycle_total), 1);
}

static void in_steady_state_nothing_is_added(void **state)
{
    uint64_t held;
    void *blocks[8];

    (void)state;
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < COUNT(blocks); i++)
            blocks[i] = pool_alloc(50 * (i + 1));
        for (size_t i = 0; i < COUNT(blocks); i++)
            pool_recycle(blocks[i], 50 * (i + 1));
        if (round == 0)
            held = held_bytes();
        assert_int_equal(held_bytes(), held);
    }
}

struct kept {
    unsigned char *block;
    size_t size;
    unsigned char mark;
};

/* Numbers that look random and are the same in every run. */
static uint32_t next_number(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void expect_marked(const struct kept *kept)
{
    for (size_t i = 0; i < kept->size; i += 61)
        assert_int_equal(kept->block[i], kept->mark);
    if (kept->size > 0)
        assert_int_equal(kept->block[kept->size - 1], kept->mark);
}

static void blocks_in_use_never_overlap(void **state)
{
    static struct kept blocks[BLOCKS];
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        struct kept *kept = &blocks[next_number(&seed) % BLOCKS];

        if (kept->block) {
            expect_marked(kept);
            pool_recycle(kept->block, kept->size);
            kept->block = NULL;
        } else {
            kept->size = next_number(&seed) % (1u << next_number(&seed) % 17);
            kept->mark = (unsigned char)i;
            kept->block = pool_alloc(kept->size);
            memset(kept->block, kept->mark, kept->size);
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].block) {
            expect_marked(&blocks[i]);
            pool_recycle(blocks[i].block, blocks[i].size);
        }
}

/* Of ASan, where it is. */
int __asan_address_is_poisoned(const volatile void *address) __attribute__((weak));

static void asan_sees_the_end_of_a_block_and_its_recycling(void **state)
{
    char *block;

    (void)state;
    need_kept_blocks();
    if (!__asan_address_is_poisoned)
        skip();
    for (int i = 0; i < 2; i++) { /* a new block, and one that comes again */
        block = pool_alloc(100);
        assert_false(__asan_address_is_poisoned(block));
        assert_false(__asan_address_is_poisoned(block + 99));
        assert_true(__asan_address_is_poisoned(block + 100));
        assert_true(__asan_address_is_poisoned(block + 127));
        pool_recycle(block, 100);
        assert_true(__asan_address_is_poisoned(block));
        assert_true(__asan_address_is_poisoned(block + 99));
    }
}

static void use_other_thread(void *arg)
{
    void *block;

    pool_init(arg);
    block = pool_alloc(100);
    pool_recycle(block, 100);
    pool_deinit();
}

static void each_thread_has_its_own(void **state)
{
    static struct metrics other;
    void *mine;
    uv_thread_t thread;

    (void)state;
    need_kept_blocks();
    mine = pool_alloc(100);
    pool_recycle(mine, 100);
    assert_int_equal(uv_thread_create(&thread, use_other_thread, &other), 0);
    uv_thread_join(&thread);
    assert_int_equal(metric_read(&other.pool_alloc_total), 1);
    assert_int_equal(metric_read(&other.pool_bytes), 0);
    assert_int_equal(metric_read(&metrics.pool_alloc_total), 1);
    assert_ptr_equal(pool_alloc(100), mine);
    pool_recycle(mine, 100);
}

static void a_thread_without_metrics_may_use_it(void **state)
{
    void *block;

    (void)state;
    pool_init(NULL);
    block = pool_alloc(10);
    pool_recycle(block, 10);
    pool_deinit();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_as_large_as_their_class),
        TEST(the_block_given_back_last_comes_first),
        TEST(classes_do_not_mix),
        TEST(nothing_is_recycled_from_null),
        TEST(most_of_a_burst_is_given_back),
        TEST(without_the_pool_only_what_is_in_use_is_held),
        TEST(in_steady_state_nothing_is_added),
        TEST(blocks_in_use_never_overlap),
        TEST(asan_sees_the_end_of_a_block_and_its_recycling),
        TEST(each_thread_has_its_own),
        TEST(a_thread_without_metrics_may_use_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
