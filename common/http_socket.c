/* http_socket.c - see http_socket.h.
 *
 *     accept -> start_reading -> on_bytes -> take -> hand_over -> h2o: request, answer
 *                     ^                                              |
 *                     +-- on_prepare <-- http_socket_go_on <---------+
 *
 * h2o starts to read the socket by itself when an answer is written. That is reversed in a
 * prepare handle, before the loop waits, so that no byte reaches h2o but by hand_over. There
 * are fewer connections than events that libuv takes at once (1024), so it does not wait
 * again in between.
 *
 * Whether there is room for a new connection is http_room.h's.
 *
 * The memory goes when h2o has closed the socket.
 */
#include "common/http_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/xalloc.h"

enum {
    READ_BYTES = 16 * 1024,
    SEND_MIN_BYTES = 4096, /* what a client has to take in send_secs */
    LINGERING_MAX = 32,
};

#define REFUSAL_BODY                                                                   \
    "{\"error\":{\"code\":\"unavailable\",\"message\":\"no more connections now\"}}\n"

static const char refusal[] =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    "Content-Type: application/json\r\nContent-Length: 69\r\n\r\n" REFUSAL_BODY;

_Static_assert(sizeof(REFUSAL_BODY) - 1 == 69, "as long as the refusal says");

static struct http_socket *socket_of(uv_handle_t *handle)
{
    return (struct http_socket *)(void *)handle;
}

/* ---- the end ---- */

void http_socket_leave(struct http_socket *s)
{
    if (!s->has_left)
        s->sockets->count--;
    s->has_left = true;
}

static void free_if_done(struct http_sockets *sockets)
{
    if (sockets->handles == 0 && sockets->lingerers.open == 0 && sockets->is_closing)
        sockets->on_closed(sockets->owner);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_sockets *sockets = handle->data;

    sockets->handles--;
    free_if_done(sockets);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct http_socket *s = socket_of(handle);
    struct http_sockets *sockets = s->sockets;

    list_remove(&s->link);
    list_remove(&s->again);
    http_socket_leave(s);
    if (s->linger_fd >= 0)
        linger_start(&sockets->lingerers, s->linger_fd);
    http_message_deinit(&s->message);
    strbuf_deinit(&s->unread);
    free(s);
    sockets->handles--;
    free_if_done(sockets);
}

/* What is being written or read fails then, and h2o closes. */
static void end(struct http_socket *s)
{
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
        shutdown(fd, SHUT_RDWR);
}

unsigned http_sockets_lingering(unsigned max_connections)
{
    return max_connections / 2 < LINGERING_MAX ? max_connections / 2 : LINGERING_MAX;
}

void http_socket_linger(struct http_socket *s)
{
    uv_os_fd_t fd;

    if (s->linger_fd < 0 && uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
        s->linger_fd = linger_reserve(&s->sockets->lingerers, fd);
}

/* ---- requests ---- */

int http_socket_refusal(const struct http_socket *s, const char **why)
{
    *why = s->message.why;
    return s->message.state == HTTP_MESSAGE_REFUSED ? s->message.status : 0;
}

static void stop_reading(struct http_socket *s)
{
    s->is_reading = false;
    uv_read_stop((uv_stream_t *)&s->tcp);
}

/* h2o sees one whole request, and answers it in the call or later. One that is refused is
 * answered in its place (http_socket_refusal). */
static void hand_over(struct http_socket *s)
{
    static const char stand_in[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    bool is_refused = s->message.state == HTTP_MESSAGE_REFUSED;
    const char *bytes = is_refused ? stand_in : s->message.out.data;
    size_t len = is_refused ? sizeof(stand_in) - 1 : s->message.out.len;
    h2o_iovec_t to;

    stop_reading(s);
    if (s->h2o->input->size > 0) { /* bytes that were not checked: never */
        end(s);
        return;
    }
    to = h2o_buffer_reserve(&s->h2o->input, len);
    memcpy(to.base, bytes, len);
    s->h2o->input->size += len;
    s->h2o->bytes_read = len;
    s->sockets->handing = s;
    s->h2o->_cb.read(s->h2o, NULL);
    s->sockets->handing = NULL;
}

/* The client waits for this before it sends the body. Where the socket does not take it, or
 * only a part, there is no answer under way that could be mixed up with it: it ends. */
static void send_continue(struct http_socket *s)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t buf = uv_buf_init((char *)text, sizeof(text) - 1);

    s->message.wants_continue = false;
    if (uv_try_write((uv_stream_t *)&s->tcp, &buf, 1) != (int)buf.len)
        end(s);
}

static bool is_waiting_for_body(const struct http_message *m)
{
    return (m->state == HTTP_MESSAGE_BODY || m->state == HTTP_MESSAGE_SIZE) &&
           m->body.len == 0;
}

/* Takes the bytes of one request; what is behind it waits. */
static void take(struct http_socket *s, const char *bytes, size_t len)
{
    size_t taken = http_message_feed(&s->message, bytes, len);

    strbuf_add(&s->unread, bytes + taken, len - taken);
    if (s->message.state >= HTTP_MESSAGE_WHOLE)
        hand_over(s);
    else if (s->message.wants_continue && is_waiting_for_body(&s->message))
        send_continue(s);
}

static void take_unread(struct http_socket *s)
{
    struct strbuf unread = s->unread;

    s->unread = (struct strbuf){NULL, 0, 0};
    take(s, unread.data, unread.len);
    strbuf_deinit(&unread);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static _Thread_local char bytes[READ_BYTES]; /* used up before the next read */

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_socket *s = socket_of((uv_handle_t *)stream);

    if (n > 0)
        take(s, buf->base, (size_t)n);
    else if (n < 0) {
        stop_reading(s);
        s->h2o->_cb.read(s->h2o, h2o_socket_error_closed); /* it closes */
    }
}

static void start_reading(struct http_socket *s)
{
    uv_read_stop((uv_stream_t *)&s->tcp); /* h2o's own way */
    s->is_reading = true;
    if (uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_bytes) < 0)
        end(s);
}

void http_socket_go_on(struct http_socket *s)
{
    if (list_is_empty(&s->again))
        list_add(&s->sockets->again, &s->again);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct http_sockets *sockets = prepare->data;
    struct list *link;

    while ((link = list_first(&sockets->again))) {
        struct http_socket *s = list_entry(link, struct http_socket, again);

        list_remove(link);
        if (uv_is_closing((uv_handle_t *)&s->tcp) || !s->h2o->_cb.read)
            continue;
        http_message_next(&s->message);
        start_reading(s);
        if (s->unread.len > 0)
            take_unread(s);
    }
}

/* ---- how long an answer may take ---- */

static void check_sending(struct http_socket *s, uint64_t now_ms)
{
    struct http_sockets *sockets = s->sockets;
    size_t waiting = uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp);
    size_t sent;

    if (!s->h2o || uv_is_closing((uv_handle_t *)&s->tcp) || waiting == 0) {
        s->sending_ms = 0;
        return;
    }
    sent = s->h2o->bytes_written - waiting;
    if (s->sending_ms && now_ms - s->sending_ms < 1000u * sockets->opts.send_secs)
        return;
    if (s->sending_ms && sent - s->sent_bytes < SEND_MIN_BYTES) {
        metric_add(&sockets->opts.metrics->http_slow_total, 1);
        end(s);
    }
    s->sending_ms = now_ms;
    s->sent_bytes = sent;
}

static void on_second(uv_timer_t *timer)
{
    struct http_sockets *sockets = timer->data;

    list_each(link, &sockets->all) {
        check_sending(list_entry(link, struct http_socket, link),
                      uv_now(sockets->loop));
    }
}

/* ---- beginning and end ---- */

void http_socket_drop(struct http_socket *s)
{
    http_socket_leave(s);
    stop_reading(s);
    s->h2o->_cb.read(s->h2o, h2o_socket_error_closed);
}

static void refuse(struct http_socket *s)
{
    uv_buf_t buf = uv_buf_init((char *)refusal, sizeof(refusal) - 1);

    http_socket_leave(s);
    metric_add(&s->sockets->opts.metrics->http_refused_total, 1);
    uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
    http_socket_linger(s);
    uv_close((uv_handle_t *)&s->tcp, on_socket_closed);
}

void http_sockets_take(struct http_sockets *sockets, uv_stream_t *listener,
                       bool is_refused)
{
    struct http_socket *s = xcalloc(1, sizeof(*s));

    s->sockets = sockets;
    s->linger_fd = -1;
    s->message.max_body_bytes = sockets->opts.max_body_bytes;
    list_init(&s->again);
    list_add(&sockets->all, &s->link);
    sockets->count++;
    sockets->handles++;
    uv_tcp_init(sockets->loop, &s->tcp);
    if (uv_accept(listener, (uv_stream_t *)&s->tcp) != 0) {
        uv_close((uv_handle_t *)&s->tcp, on_socket_closed);
        return;
    }
    if (is_refused) {
        refuse(s);
        return;
    }
    s->h2o = h2o_uv_socket_create((uv_stream_t *)&s->tcp, on_socket_closed);
    h2o_accept(sockets->opts.accept, s->h2o);
    http_socket_go_on(s);
}

static void on_lingered(void *data)
{
    free_if_done(data);
}

void http_sockets_open(struct http_sockets *sockets, uv_loop_t *loop,
                       const struct http_sockets_opts *opts)
{
    *sockets = (struct http_sockets){.loop = loop, .opts = *opts, .handles = 4};
    list_init(&sockets->all);
    list_init(&sockets->again);
    linger_init(&sockets->lingerers, loop,
                http_sockets_lingering(opts->max_connections), on_lingered, sockets);
    uv_prepare_init(loop, &sockets->prepare);
    uv_check_init(loop, &sockets->check);
    uv_idle_init(loop, &sockets->idle);
    uv_timer_init(loop, &sockets->second);
    sockets->prepare.data = sockets->check.data = sockets;
    sockets->idle.data = sockets->second.data = sockets;
    uv_prepare_start(&sockets->prepare, on_prepare);
    uv_timer_start(&sockets->second, on_second, 1000, 1000);
}

void http_sockets_end(struct http_sockets *sockets)
{
    list_each(link, &sockets->all) {
        end(list_entry(link, struct http_socket, link));
    }
}

void http_sockets_close(struct http_sockets *sockets, void (*on_closed)(void *owner),
                        void *owner)
{
    sockets->is_closing = true;
    sockets->on_closed = on_closed;
    sockets->owner = owner;
    uv_close((uv_handle_t *)&sockets->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&sockets->check, on_handle_closed);
    uv_close((uv_handle_t *)&sockets->idle, on_handle_closed);
    uv_close((uv_handle_t *)&sockets->second, on_handle_closed);
}
