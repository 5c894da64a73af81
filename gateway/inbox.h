/* inbox.h - what other threads have handed over to a worker, in order, until its loop takes it.
 *
 * Bounded: what is beyond 32 MiB and may be dropped is dropped, and the worker told of which shard.
 * What may not be is little: each worker asks once for each of its rooms. Nobody waits: the
 * lock is held while a pointer is added, or a list of them taken.
 */
#ifndef GATEWAY_INBOX_H
#define GATEWAY_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "gateway/handover.h"

enum { INBOX_MAX_BYTES = 32 * 1024 * 1024 };

struct inbox_hooks {
    void (*on_handover)(void *owner, const struct handover *what); /* borrowed */
    /* Something of this shard was dropped since it was last told. */
    void (*on_dropped)(void *owner, unsigned shard);
};

/* References to what was handed over. */
struct inbox_list {
    struct handover_copy **items;
    size_t count, cap;
};

struct inbox {
    uv_async_t wake;
    const struct inbox_hooks *hooks;
    void *owner;

    uv_mutex_t lock;      /* for the next four */
    struct inbox_list in; /* since the loop last took all */
    uint64_t dropped;     /* a bit a shard */
    bool is_awake;        /* the loop will look here without being woken */
    bool is_open;

    _Atomic size_t bytes; /* of all that is in it */

    struct inbox_list out; /* what the loop has taken, from `at` on */
    size_t at;
    uint64_t out_dropped;
};

/* Opens it in the worker's loop, before other threads know of it. `hooks` and `owner` are borrowed. */
void inbox_open(struct inbox *inbox, uv_loop_t *loop, const struct inbox_hooks *hooks,
                void *owner);

/* In the loop's thread: what is in it is dropped, and what still comes, too. */
void inbox_close(struct inbox *inbox);

/* Once no other thread posts any more. */
void inbox_deinit(struct inbox *inbox);

/* From any thread; takes a reference. False: it was dropped because the inbox is full. */
bool inbox_post(struct inbox *inbox, struct handover_copy *copy);

/* The same for one that is for nobody else. */
bool inbox_post_new(struct inbox *inbox, const struct handover *what);

#endif
