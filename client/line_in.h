/* line_in.h - lines from a file descriptor: a pipe, a terminal or a file. The owner can pause it,
 * so that a long input is not held in memory.
 */
#ifndef CLIENT_LINE_IN_H
#define CLIENT_LINE_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "common/strbuf.h"

enum { LINE_IN_MAX_BYTES = 1024 * 1024 /* of a line; more is dropped, and told */ };

struct line_in {
    int fd;
    bool is_polled; /* a file is not: it is read as the loop turns */
    bool is_paused, has_ended, is_closed;
    bool is_giving;   /* the lines at hand must stay until on_line returns */
    bool is_too_long; /* the rest of a line that was told is dropped */
    uv_poll_t poll;
    uv_idle_t turn;
    struct strbuf bytes;
    void *owner; /* borrowed */
    /* One line without its end, or what stands behind the last one; ended by NUL, but `len`
     * counts. NULL: it was too long. The owner may pause from inside. */
    void (*on_line)(void *owner, const char *line, size_t len);
    void (*on_end)(void *owner); /* once */
};

/* `owner` and the callbacks are set by the caller. */
void line_in_init(struct line_in *in, uv_loop_t *loop, int fd);
void line_in_pause(struct line_in *in);
void line_in_resume(struct line_in *in);
void line_in_close(struct line_in *in);

#endif
