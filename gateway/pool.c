/* pool.c - see pool.h.
 *
 * Classes are 32, 64, 128, … 64 KiB; a larger block is malloc's. A class keeps at most
 * FREE_MAX_BYTES of free blocks, so that a burst does not stay forever.
 *
 * Under ASan a free block is poisoned, so that a use after recycling is found, and of one
 * in use what its class has more than was asked for.
 */
#include "gateway/pool.h"

#include <stdlib.h>

#include "common/xalloc.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, size) ((void)(block), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(block, size) ((void)(block), (void)(size))
#endif

enum {
    SMALLEST_SHIFT = 5,
    CLASSES = 12,
    FREE_MAX_BYTES = 1024 * 1024, /* a class */
};

struct block {
    struct block *next;
};

static _Thread_local struct {
    struct block *free[CLASSES];
    size_t free_bytes[CLASSES];
    struct metrics *metrics;
} pool;

void pool_init(struct metrics *metrics)
{
    pool.metrics = metrics;
}

static unsigned class_of(size_t size)
{
    if (size <= (size_t)1 << SMALLEST_SHIFT)
        return 0;
    return 64 - (unsigned)__builtin_clzll(size - 1) - SMALLEST_SHIFT;
}

static size_t class_bytes(unsigned class)
{
    return (size_t)1 << (class + SMALLEST_SHIFT);
}

bool pool_keeps_blocks(void)
{
    return ROOMCAST_POOL;
}

static bool is_from_malloc(unsigned class)
{
    return !ROOMCAST_POOL || class >= CLASSES;
}

static void count(size_t taken, size_t given_back)
{
    if (pool.metrics)
        metric_add(&pool.metrics->pool_bytes, taken - given_back);
}

void *pool_alloc(size_t size)
{
    unsigned class = class_of(size);
    struct block *block;

    if (pool.metrics)
        metric_add(&pool.metrics->pool_alloc_total, 1);
    if (is_from_malloc(class)) {
        count(size, 0);
        return xmalloc(size);
    }
    block = pool.free[class];
    if (!block) {
        count(class_bytes(class), 0);
        block = xmalloc(class_bytes(class));
    } else {
        ASAN_UNPOISON_MEMORY_REGION(block, class_bytes(class));
        pool.free[class] = block->next;
        pool.free_bytes[class] -= class_bytes(class);
    }
    ASAN_POISON_MEMORY_REGION((char *)block + size, class_bytes(class) - size);
    return block;
}

void pool_recycle(void *memory, size_t size)
{
    unsigned class = class_of(size);
    struct block *block = memory;

    if (!block)
        return;
    if (pool.metrics)
        metric_add(&pool.metrics->pool_recycle_total, 1);
    if (is_from_malloc(class)) {
        count(0, size);
        free(block);
        return;
    }
    ASAN_UNPOISON_MEMORY_REGION(block, class_bytes(class));
    if (pool.free_bytes[class] >= FREE_MAX_BYTES) {
        count(0, class_bytes(class));
        free(block);
        return;
    }
    block->next = pool.free[class];
    pool.free[class] = block;
    pool.free_bytes[class] += class_bytes(class);
    ASAN_POISON_MEMORY_REGION(block, class_bytes(class));
}

void pool_deinit(void)
{
    for (unsigned i = 0; i < CLASSES; i++)
        while (pool.free[i]) {
            struct block *block = pool.free[i];

            ASAN_UNPOISON_MEMORY_REGION(block, class_bytes(i));
            pool.free[i] = block->next;
            count(0, class_bytes(i));
            free(block);
        }
    for (unsigned i = 0; i < CLASSES; i++)
        pool.free_bytes[i] = 0;
    pool.metrics = NULL;
}
