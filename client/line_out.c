/* line_out.c - see line_out.h.
 *
 *     line_out_add -> start -> on_writable -> write_some -> (all is written: stop)
 *
 * A pipe that polls as writable takes WRITE_BYTES without blocking (PIPE_BUF), so the
 * descriptor, which others may share, need not be made non-blocking.
 */
#include "client/line_out.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/fd_poll.h"

enum { WRITE_BYTES = 4096, KEEP_BYTES = 64 * 1024, WRITES_AT_ONCE = 64 };

static void on_writable(uv_poll_t *poll, int status, int events);

/* Nothing waits. A pipe is still watched, to learn that its reader has gone. */
static void rest(struct line_out *out)
{
    if (out->is_pipe)
        uv_poll_start(&out->poll, UV_DISCONNECT, on_writable);
    else
        uv_poll_stop(&out->poll);
}

void line_out_init(struct line_out *out, uv_loop_t *loop, int fd)
{
    struct stat about;

    out->fd = fd;
    out->is_polled = fd_poll_init(loop, &out->poll, fd) == 0;
    out->poll.data = out;
    out->is_pipe = out->is_polled && fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
    if (out->is_pipe)
        rest(out);
}

static void tell(struct line_out *out)
{
    bool is_full = out->waiting.len - out->done > LINE_OUT_MAX_BYTES;

    if (is_full == out->is_full)
        return;
    out->is_full = is_full;
    out->on_full(out->owner, is_full);
}

static void give_up(struct line_out *out)
{
    if (out->is_broken)
        return;
    out->is_broken = true;
    strbuf_reset(&out->waiting, 0);
    out->done = 0;
    if (out->is_polled)
        uv_poll_stop(&out->poll);
    out->on_broken(out->owner);
}

/* False: not now, or never again. */
static bool write_some(struct line_out *out)
{
    size_t left = out->waiting.len - out->done;
    ssize_t n = write(out->fd, out->waiting.data + out->done,
                      left < WRITE_BYTES ? left : WRITE_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0) {
        give_up(out);
        return false;
    }
    out->done += (size_t)n;
    if (out->done == out->waiting.len) {
        strbuf_reset(&out->waiting, KEEP_BYTES);
        out->done = 0;
    }
    return true;
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct line_out *out = poll->data;

    if (status < 0 || (events & UV_DISCONNECT)) {
        give_up(out);
        return;
    }
    if (!line_out_is_done(out) && !write_some(out) && out->is_broken)
        return;
    if (line_out_is_done(out))
        rest(out);
    tell(out);
}

void line_out_add(struct line_out *out, const char *bytes, size_t len)
{
    if (out->is_broken || len == 0)
        return;
    if (out->done > LINE_OUT_MAX_BYTES) {
        strbuf_drop_front(&out->waiting, out->done);
        out->done = 0;
    }
    strbuf_add(&out->waiting, bytes, len);
    if (out->is_polled) {
        uv_poll_start(&out->poll, UV_WRITABLE, on_writable);
        tell(out);
        return;
    }
    while (!line_out_is_done(out) && write_some(out))
        ;
}

bool line_out_is_done(const struct line_out *out)
{
    return out->is_broken || out->done == out->waiting.len;
}

void line_out_close(struct line_out *out)
{
    if (out->is_polled)
        uv_close((uv_handle_t *)&out->poll, NULL);
    out->is_polled = false;
    out->is_broken = true;
    strbuf_deinit(&out->waiting);
    out->done = 0;
}
