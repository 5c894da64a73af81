/* line_in.c - see line_in.h.
 *
 *     on_readable, on_turn -> read_some -> give_lines -> on_line ... on_end
 *
 * After line_in_resume the lines at hand are given from the loop, by on_turn.
 */
#include "client/line_in.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/fd_poll.h"

enum { READ_BYTES = 64 * 1024 };

static void start(struct line_in *in);

static void give(struct line_in *in, char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    in->is_giving = true;
    in->on_line(in->owner, line, len);
    in->is_giving = false;
}

/* Gives whole lines until paused; what is left stays. */
static void give_lines(struct line_in *in)
{
    size_t from = 0;

    while (!in->is_paused && !in->is_closed && from < in->bytes.len) {
        char *line = in->bytes.data + from;
        char *end = memchr(line, '\n', in->bytes.len - from);
        size_t len = end ? (size_t)(end - line) : in->bytes.len - from;

        if (!end && !in->has_ended)
            break;
        if (in->is_too_long)
            in->is_too_long = false; /* it was told */
        else
            give(in, line, len);
        from += len + (end != NULL);
    }
    if (in->is_closed) {
        strbuf_deinit(&in->bytes);
        return;
    }
    if (from > 0)
        strbuf_drop_front(&in->bytes, from);
    if (in->bytes.len > LINE_IN_MAX_BYTES &&
        !memchr(in->bytes.data, '\n', in->bytes.len)) {
        strbuf_reset(&in->bytes, 0);
        if (!in->is_too_long)
            in->on_line(in->owner, NULL, 0);
        in->is_too_long = true;
    }
}

static void stop(struct line_in *in)
{
    if (in->is_polled)
        uv_poll_stop(&in->poll);
    uv_idle_stop(&in->turn);
}

static void give_all(struct line_in *in)
{
    give_lines(in);
    if (in->is_closed || in->is_paused || !in->has_ended || in->bytes.len > 0)
        return;
    stop(in);
    in->on_end(in->owner);
}

static void read_some(struct line_in *in)
{
    char *to = strbuf_reserve(&in->bytes, READ_BYTES);
    ssize_t n = read(in->fd, to, READ_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        in->bytes.len += (size_t)n;
    else
        in->has_ended = true; /* what cannot be read is at its end */
    in->bytes.data[in->bytes.len] = '\0';
    give_all(in);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct line_in *in = poll->data;

    (void)status;
    (void)events;
    read_some(in);
}

static void on_turn(uv_idle_t *turn)
{
    struct line_in *in = turn->data;

    if (in->is_polled)
        uv_idle_stop(turn); /* it is only to give what is at hand */
    if (in->is_polled || in->has_ended)
        give_all(in);
    else
        read_some(in);
}

static void start(struct line_in *in)
{
    if (in->is_polled && !in->has_ended)
        uv_poll_start(&in->poll, UV_READABLE | UV_DISCONNECT, on_readable);
    if (!in->is_polled || in->bytes.len > 0 || in->has_ended)
        uv_idle_start(&in->turn, on_turn);
}

void line_in_init(struct line_in *in, uv_loop_t *loop, int fd)
{
    in->fd = fd;
    in->is_polled = fd_poll_init(loop, &in->poll, fd) == 0;
    uv_idle_init(loop, &in->turn);
    in->poll.data = in->turn.data = in;
    start(in);
}

void line_in_pause(struct line_in *in)
{
    in->is_paused = true;
    stop(in);
}

void line_in_resume(struct line_in *in)
{
    if (!in->is_paused || in->is_closed)
        return;
    in->is_paused = false;
    start(in);
}

void line_in_close(struct line_in *in)
{
    if (in->is_closed)
        return;
    in->is_closed = true;
    if (in->is_polled)
        uv_close((uv_handle_t *)&in->poll, NULL);
    uv_close((uv_handle_t *)&in->turn, NULL);
    if (!in->is_giving)
        strbuf_deinit(&in->bytes);
}
