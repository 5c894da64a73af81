/* linger.h - ends TCP connections whose clients may still be sending, so that they can read the
 * answer: a socket that is closed with unread bytes is reset, and the answer with it
 * (RFC 9112, section 9.6).
 */
#ifndef COMMON_LINGER_H
#define COMMON_LINGER_H

#include <uv.h>

#include "common/list.h"

/* Those of one server, `max` at most: for one more the oldest is closed. */
struct lingerers {
    uv_loop_t *loop;
    struct list all; /* the oldest first */
    unsigned max;
    unsigned count; /* that linger or have a place; against max */
    unsigned open;  /* not closed yet, those that have lost their place too */
    void (*on_closed)(void *data); /* after each */
    void *data;
};

void linger_init(struct lingerers *lingerers, uv_loop_t *loop, unsigned max,
                 void (*on_closed)(void *data), void *data);

/* A second descriptor of the connected socket `fd`, which has a place from now on, and is to be
 * given to linger_start. -1: all places are kept for such, or there is no descriptor. */
int linger_reserve(struct lingerers *lingerers, int fd)
    __attribute__((warn_unused_result));

/* Takes the descriptor: nothing is sent any more, and what comes is read and dropped until the
 * client closes, at most two seconds. */
void linger_start(struct lingerers *lingerers, int fd);

#endif
