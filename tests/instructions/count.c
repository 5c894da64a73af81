/* count.c - see count.h. The program's own malloc goes before that of the C library, for
 * all libraries; it does the same and counts.
 */
#include "tests/instructions/count.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

enum { CHAINS_MAX = 64, CHAIN_DEPTH = 16 };

static bool is_counting;
static uint64_t allocations;

static struct {
    void *frames[CHAIN_DEPTH];
    int depth;
    uint64_t count;
} chains[CHAINS_MAX];

void count_begin(void)
{
    is_counting = true;
    CALLGRIND_TOGGLE_COLLECT;
}

void count_end(void)
{
    CALLGRIND_TOGGLE_COLLECT;
    is_counting = false;
}

bool count_pause(void)
{
    bool was_counting = is_counting;

    if (was_counting)
        count_end();
    return was_counting;
}

void count_go_on(bool was_counting)
{
    if (was_counting)
        count_begin();
}

static void note_chain(void)
{
    void *frames[CHAIN_DEPTH];
    int depth = backtrace(frames, CHAIN_DEPTH);
    size_t bytes = (size_t)depth * sizeof(frames[0]);
    unsigned i = 0;

    while (i + 1 < CHAINS_MAX && chains[i].count > 0 &&
           (chains[i].depth != depth || memcmp(chains[i].frames, frames, bytes) != 0))
        i++;
    memcpy(chains[i].frames, frames, bytes);
    chains[i].depth = depth;
    chains[i].count++;
}

static void note_allocation(void)
{
    if (!is_counting)
        return;
    count_end();
    allocations++;
    note_chain();
    count_begin();
}

uint64_t count_allocations(void)
{
    return allocations;
}

void count_print_allocations(void)
{
    for (unsigned i = 0; i < CHAINS_MAX && chains[i].count > 0; i++) {
        printf("\n%llu times\n", (unsigned long long)chains[i].count);
        for (int k = 0; k < chains[i].depth; k++) {
            Dl_info info;

            if (dladdr(chains[i].frames[k], &info))
                printf("%s %#zx\n", info.dli_fname,
                       (size_t)((char *)chains[i].frames[k] - (char *)info.dli_fbase));
        }
    }
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

void *malloc(size_t size)
{
    note_allocation();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note_allocation();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    note_allocation();
    return __libc_realloc(old, size);
}

void free(void *old)
{
    if (old)
        note_allocation();
    __libc_free(old);
}
