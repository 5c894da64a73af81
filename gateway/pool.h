/* pool.h - memory for what comes and goes with every message: frames, queues, requests.
 *
 * Size classes with free lists, one pool a thread, no locks: what a worker takes it
 * gives back itself. In steady state nothing reaches malloc.
 *
 * A build with ROOMCAST_POOL=OFF has every block from malloc and counts the same: to
 * measure what the pool brings, and so that ASan sees where each block really ends.
 */
#ifndef GATEWAY_POOL_H
#define GATEWAY_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/metrics.h"

/* Where this thread counts (pool_alloc_total, pool_recycle_total, pool_bytes); before
 * the first allocation. */
void pool_init(struct metrics *metrics);

/* Gives all free blocks of this thread back to malloc. */
void pool_deinit(void);

/* Whether this build keeps what is given back. */
bool pool_keeps_blocks(void);

/* At least `size` bytes, not zeroed, never NULL; owned by the caller. */
void *pool_alloc(size_t size);

/* Takes back what pool_alloc(size) gave, with the same size; NULL is allowed. */
void pool_recycle(void *block, size_t size);

#endif
