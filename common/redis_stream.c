/* redis_stream.c - see redis_stream.h.
 *
 *     redis_stream_open -> on_connected -> (TLS: take_cipher until the handshake is done) -> on_open
 *     on_read -> (TLS: take_cipher) -> on_bytes
 *     redis_stream_write -> (TLS: redis_tls_write) -> start_write -> on_written
 *
 * With TLS, more than what was asked for is written: the handshake, and answers to the server. It
 * waits in the TLS's `out` while another write is under way.
 *
 * Closing: redis_stream_close marks it, and each step looks at the mark first. The memory goes when
 * libuv has let the socket go.
 */
#include "common/redis_stream.h"

#include <stdlib.h>

#include "common/xalloc.h"

enum {
    READ_BYTES = 64 * 1024,
    KEEP_BYTES = 256 * 1024, /* of memory for what is written */
};

struct redis_stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_connect_t connect;
    uv_write_t write;
    struct redis_tls *tls; /* NULL: plain */
    const struct redis_stream_hooks *hooks;
    void *owner;
    struct strbuf writing; /* what libuv is writing */
    bool is_writing, is_connected, is_open, is_closing;
};

static void fail(struct redis_stream *s, struct redis_loss loss)
{
    if (!s->is_closing)
        s->hooks->on_failed(s->owner, loss);
}

static void fail_uv(struct redis_stream *s, int status)
{
    fail(s, redis_loss_as(uv_strerror(status)));
}

/* ---- out ---- */

static void start_write(struct redis_stream *s, struct strbuf *bytes);

static void flush_tls(struct redis_stream *s)
{
    struct strbuf *out = s->tls ? redis_tls_out(s->tls) : NULL;

    if (out && out->len > 0 && !s->is_writing)
        start_write(s, out);
}

static void on_written(uv_write_t *req, int status)
{
    struct redis_stream *s = req->data;

    s->is_writing = false;
    if (s->is_closing)
        return;
    if (status < 0)
        fail_uv(s, status);
    else
        flush_tls(s);
}

static void start_write(struct redis_stream *s, struct strbuf *bytes)
{
    struct strbuf full = *bytes;
    uv_buf_t buf;
    int rc;

    *bytes = s->writing;
    strbuf_reset(bytes, KEEP_BYTES);
    s->writing = full;
    buf = uv_buf_init(full.data, (unsigned)full.len);
    s->is_writing = true;
    rc = uv_write(&s->write, &s->uv.stream, &buf, 1, on_written);
    if (rc == 0)
        return;
    s->is_writing = false;
    fail_uv(s, rc);
}

void redis_stream_write(struct redis_stream *s, struct strbuf *bytes)
{
    if (!s->tls) {
        start_write(s, bytes);
    } else if (redis_tls_write(s->tls, bytes->data, bytes->len)) {
        strbuf_reset(bytes, KEEP_BYTES);
        flush_tls(s);
    } else {
        fail(s, redis_tls_loss(s->tls));
    }
}

bool redis_stream_is_writing(const struct redis_stream *s)
{
    return s->is_writing;
}

/* ---- in ---- */

/* Used up before the next read. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static _Thread_local char scratch[READ_BYTES];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(scratch, sizeof(scratch));
}

static void open_if_done(struct redis_stream *s)
{
    if (s->is_open || (s->tls && !redis_tls_is_open(s->tls)))
        return;
    s->is_open = true;
    s->hooks->on_open(s->owner, s);
}

/* What came, as plain bytes; at first there is nothing, and the handshake begins. */
static void take_cipher(struct redis_stream *s, const char *bytes, size_t len)
{
    static _Thread_local char plain[READ_BYTES];
    ssize_t n;

    redis_tls_feed(s->tls, bytes, len);
    do {
        n = redis_tls_read(s->tls, plain, sizeof(plain));
        if (n >= 0)
            open_if_done(s);
        if (n > 0 && !s->is_closing)
            s->hooks->on_bytes(s->owner, plain, (size_t)n);
    } while (n > 0 && !s->is_closing);
    if (s->is_closing)
        return;
    flush_tls(s); /* also the alert that tells why it ends */
    if (n < 0)
        fail(s, redis_tls_loss(s->tls));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct redis_stream *s = stream->data;

    if (n < 0)
        fail_uv(s, (int)n);
    else if (s->tls)
        take_cipher(s, buf->base, (size_t)n);
    else
        s->hooks->on_bytes(s->owner, buf->base, (size_t)n);
}

bool redis_stream_is_shaking_hands(const struct redis_stream *s)
{
    return s->is_connected && !s->is_open;
}

/* ---- beginning and end ---- */

static void on_connected(uv_connect_t *req, int status)
{
    struct redis_stream *s = req->data;

    if (s->is_closing)
        return;
    if (status < 0) {
        fail_uv(s, status);
        return;
    }
    s->is_connected = true;
    if (s->uv.handle.type == UV_TCP)
        uv_tcp_nodelay(&s->uv.tcp, 1);
    uv_read_start(&s->uv.stream, on_alloc, on_read);
    if (s->tls)
        take_cipher(s, NULL, 0);
    else
        open_if_done(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_stream *s = handle->data;

    redis_tls_free(s->tls);
    strbuf_deinit(&s->writing);
    free(s);
}

struct redis_stream *redis_stream_open(uv_loop_t *loop, const struct sockaddr *address,
                                       const char *path, struct redis_tls *tls,
                                       const struct redis_stream_hooks *hooks,
                                       void *owner, struct redis_loss *loss)
{
    struct redis_stream *s = xcalloc(1, sizeof(*s));
    int rc = 0;

    s->tls = tls;
    s->hooks = hooks;
    s->owner = owner;
    s->connect.data = s->write.data = s;
    if (address)
        uv_tcp_init(loop, &s->uv.tcp);
    else
        uv_pipe_init(loop, &s->uv.pipe, 0);
    s->uv.handle.data = s;
    if (address)
        rc = uv_tcp_connect(&s->connect, &s->uv.tcp, address, on_connected);
    else
        uv_pipe_connect(&s->connect, &s->uv.pipe, path, on_connected);
    if (rc == 0)
        return s;
    *loss = redis_loss_as(uv_strerror(rc));
    redis_stream_close(s);
    return NULL;
}

void redis_stream_hand_over(struct redis_stream *s,
                            const struct redis_stream_hooks *hooks, void *owner)
{
    s->hooks = hooks;
    s->owner = owner;
}

void redis_stream_close(struct redis_stream *s)
{
    if (!s || s->is_closing)
        return;
    s->is_closing = true;
    uv_close(&s->uv.handle, on_closed);
}
