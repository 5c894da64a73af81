/* linger.c - see linger.h.
 *
 *     linger_start -> on_bytes, again and again -> end -> on_handle_closed (both) -> freed
 *                  -> on_too_long --------------^
 */
#include "common/linger.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xalloc.h"

enum { PATIENCE_MS = 2000 };

struct lingering {
    uv_tcp_t tcp;
    uv_timer_t timer;
    int handles;
    void (*on_closed)(void *data);
    void *data;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct lingering *linger = handle->data;

    if (--linger->handles > 0)
        return;
    linger->on_closed(linger->data);
    free(linger);
}

static void end(struct lingering *linger)
{
    if (uv_is_closing((uv_handle_t *)&linger->tcp))
        return;
    uv_close((uv_handle_t *)&linger->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&linger->timer, on_handle_closed);
}

static void on_too_long(uv_timer_t *timer)
{
    end(timer->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static _Thread_local char dropped[64 * 1024];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(dropped, sizeof(dropped));
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        end(stream->data);
}

void linger_start(uv_loop_t *loop, int fd, void (*on_closed)(void *data), void *data)
{
    struct lingering *linger = xcalloc(1, sizeof(*linger));

    linger->handles = 2;
    linger->on_closed = on_closed;
    linger->data = data;
    shutdown(fd, SHUT_WR);
    uv_tcp_init(loop, &linger->tcp);
    uv_timer_init(loop, &linger->timer);
    linger->tcp.data = linger->timer.data = linger;
    if (uv_tcp_open(&linger->tcp, fd) < 0) {
        close(fd);
        end(linger);
        return;
    }
    uv_timer_start(&linger->timer, on_too_long, PATIENCE_MS, 0);
    if (uv_read_start((uv_stream_t *)&linger->tcp, on_alloc, on_bytes) < 0)
        end(linger);
}
