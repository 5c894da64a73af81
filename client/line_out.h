/* line_out.h - lines to a file descriptor that may be slow, without blocking the loop: what it
 * does not take at once waits, and the owner is told when too much does. A descriptor that
 * cannot be polled, such as a file, is written at once.
 */
#ifndef CLIENT_LINE_OUT_H
#define CLIENT_LINE_OUT_H

#include <stdbool.h>
#include <uv.h>

#include "common/strbuf.h"

enum { LINE_OUT_MAX_BYTES = 1024 * 1024 /* waiting, before the owner should pause */ };

struct line_out {
    int fd;
    bool is_polled, is_pipe, is_broken;
    bool is_full; /* the owner has been told, and not yet that it is over */
    uv_poll_t poll;
    struct strbuf waiting;
    size_t done; /* bytes of `waiting` that are written */
    void *owner; /* borrowed */
    void (*on_full)(void *owner, bool is_full);
    void (*on_broken)(void *owner); /* nobody reads any more */
};

/* `owner` and the callbacks are set by the caller. SIGPIPE must be ignored. */
void line_out_init(struct line_out *out, uv_loop_t *loop, int fd);

/* Adds bytes, and sets about writing them. */
void line_out_add(struct line_out *out, const char *bytes, size_t len);

bool line_out_is_done(const struct line_out *out);

/* Closes its handle, not the descriptor; what waits is given up. */
void line_out_close(struct line_out *out);

#endif
