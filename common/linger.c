/* linger.c - see linger.h.
 *
 *     linger_start -> on_bytes, again and again -> end -> on_handle_closed (both) -> freed
 *                  -> on_too_long, or it lost its place --^
 */
#include "common/linger.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xalloc.h"

enum { PATIENCE_MS = 2000 };

struct lingering {
    uv_tcp_t tcp;
    uv_timer_t timer;
    struct list link;
    struct lingerers *lingerers;
    int handles;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct lingering *linger = handle->data;
    struct lingerers *lingerers = linger->lingerers;

    if (--linger->handles > 0)
        return;
    free(linger);
    lingerers->open--;
    lingerers->on_closed(lingerers->data);
}

/* The descriptor is free at once. */
static void end(struct lingering *linger)
{
    if (uv_is_closing((uv_handle_t *)&linger->tcp))
        return;
    list_remove(&linger->link);
    linger->lingerers->count--;
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

void linger_init(struct lingerers *lingerers, uv_loop_t *loop, unsigned max,
                 void (*on_closed)(void *data), void *data)
{
    *lingerers = (struct lingerers){
        .loop = loop, .max = max, .on_closed = on_closed, .data = data};
    list_init(&lingerers->all);
}

int linger_reserve(struct lingerers *lingerers, int fd)
{
    struct list *oldest = list_first(&lingerers->all);

    if (lingerers->count >= lingerers->max) {
        if (!oldest)
            return -1;
        end(list_entry(oldest, struct lingering, link));
    }
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        lingerers->count++;
    return fd;
}

void linger_start(struct lingerers *lingerers, int fd)
{
    struct lingering *linger = xcalloc(1, sizeof(*linger));

    lingerers->open++;
    list_add(&lingerers->all, &linger->link);
    linger->lingerers = lingerers;
    linger->handles = 2;
    shutdown(fd, SHUT_WR);
    uv_tcp_init(lingerers->loop, &linger->tcp);
    uv_timer_init(lingerers->loop, &linger->timer);
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
