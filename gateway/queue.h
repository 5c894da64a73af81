/* queue.h - the frames that wait for one client, in order, by reference.
 *
 * A queue of two frames needs no memory of its own, a longer one borrows it from the pool
 * and gives it back when it is empty: an idle connection costs nothing here.
 */
#ifndef GATEWAY_QUEUE_H
#define GATEWAY_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/frame.h"

enum { QUEUE_FRAME_BYTES = 48 }; /* counted for each frame beside its own bytes */

struct queue {
    struct frame **items;      /* a ring */
    struct frame *first[2];    /* the ring while it is small */
    uint32_t head, count, cap; /* cap is a power of two */
    uint32_t head_sent;        /* bytes of the first frame that are gone */
    size_t bytes;              /* that all frames cost, the first one whole */
};

/* The struct must not move afterwards. */
void queue_init(struct queue *queue);

/* Takes a reference. */
void queue_push(struct queue *queue, struct frame *frame);

/* Puts what is to be sent next, at most `max` frames, into `bufs` (borrowed). Returns how
 * many frames; *total is their bytes. */
unsigned queue_gather(const struct queue *queue, uv_buf_t *bufs, unsigned max,
                      size_t *total);

/* `sent` bytes are gone: gives back the frames that are gone as a whole. */
void queue_consume(struct queue *queue, size_t sent);

/* Drops all but the first `keep` frames. */
void queue_cut(struct queue *queue, uint32_t keep);

#endif
