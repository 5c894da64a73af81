/* stream.c - see stream.h.
 *
 * The socket is watched edge-triggered for both directions from the start, so the set
 * need never be changed: reading goes on until the socket is empty, and what waits for
 * writing goes out with the next edge.
 */
#include "bench/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int stream_open(struct stream *st, int epoll, const struct sockaddr_in *address,
                const char *path, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                .data.ptr = owner};
    struct strbuf out = {0};
    int on = 1;

    *st = (struct stream){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    /* On loopback connect does not wait, unless the listener's queue is full. */
    if (st->fd < 0 ||
        connect(st->fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        fcntl(st->fd, F_SETFL, O_NONBLOCK) < 0 ||
        setsockopt(st->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, st->fd, &event) < 0)
        return -errno;
    wire_add_upgrade(&out, path);
    stream_send(st, &out);
    strbuf_deinit(&out);
    return 0;
}

void stream_close(struct stream *st)
{
    if (st->fd >= 0)
        close(st->fd);
    st->fd = -1;
    strbuf_deinit(&st->in);
    strbuf_deinit(&st->out);
}

void stream_send(struct stream *st, struct strbuf *out)
{
    ssize_t n = st->out.len ? 0 : write(st->fd, out->data, out->len);

    n = n < 0 ? 0 : n;
    if ((size_t)n < out->len)
        strbuf_add(&st->out, out->data + n, out->len - (size_t)n);
    strbuf_reset(out, 1024 * 1024);
}

void stream_on_writable(struct stream *st)
{
    ssize_t n = st->out.len ? write(st->fd, st->out.data, st->out.len) : 0;

    if (n > 0)
        strbuf_drop_front(&st->out, (size_t)n);
    if (st->out.len == 0)
        strbuf_reset(&st->out, 0);
}

/* Takes what is complete; how many bytes that is, or -1. */
static ssize_t take_bytes(struct stream *st, const char *bytes, size_t len,
                          stream_frame_fn on_frame, void *owner)
{
    size_t done = 0;
    ssize_t n;

    if (!st->is_upgraded) {
        n = wire_take_upgrade(bytes, len);
        if (n <= 0)
            return n;
        done = (size_t)n;
        st->is_upgraded = true;
        on_frame(owner, NULL);
    }
    for (;;) {
        struct wire_frame frame;

        n = wire_take(bytes + done, len - done, &frame);
        if (n <= 0)
            return n < 0 ? n : (ssize_t)done;
        on_frame(owner, &frame);
        done += (size_t)n;
    }
}

/* One read; as stream_on_readable. */
static ssize_t read_once(struct stream *st, char *scratch, stream_frame_fn on_frame,
                         void *owner)
{
    size_t held = st->in.len;
    char *to = held ? strbuf_reserve(&st->in, STREAM_READ_BYTES) : scratch;
    ssize_t taken, n = recv(st->fd, to, STREAM_READ_BYTES, 0);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return n < 0 ? -errno : -EPIPE;
    taken = take_bytes(st, to - held, held + (size_t)n, on_frame, owner);
    if (taken < 0)
        return -EPROTO;
    if (held) {
        st->in.len += (size_t)n;
        strbuf_drop_front(&st->in, (size_t)taken);
    } else if (taken < n) {
        strbuf_add(&st->in, to + taken, (size_t)(n - taken));
    }
    if (st->in.len == 0)
        strbuf_reset(&st->in, 0);
    return n;
}

ssize_t stream_on_readable(struct stream *st, char *scratch, stream_frame_fn on_frame,
                           void *owner)
{
    ssize_t n, all = 0;

    do {
        n = read_once(st, scratch, on_frame, owner);
        all = n < 0 ? n : all + n;
    } while (n == STREAM_READ_BYTES);
    return all;
}
