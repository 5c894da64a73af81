/* http_stream.c - see http.h: answers without an end (server-sent events).
 *
 *     http_stream_open -> http_stream_send -> send_waiting -> on_proceed -> send_waiting ...
 *                         http_stream_close, or the client goes -> on_stream_gone
 */
#include "common/http.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/http_types.h"
#include "common/list.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum { STREAM_MAX_BYTES = 1024 * 1024 };

struct http_stream {
    h2o_generator_t h2o; /* first */
    struct list link;
    h2o_req_t *req;
    struct strbuf sending, waiting;
    bool is_sending, is_closing;
    void (*on_gone)(void *data);
    void *data;
};

static void send_waiting(struct http_stream *stream)
{
    struct strbuf sent = stream->sending;
    h2o_iovec_t buf;

    stream->sending = stream->waiting;
    stream->waiting = sent;
    stream->waiting.len = 0;
    stream->is_sending = true;
    buf = h2o_iovec_init(stream->sending.data, stream->sending.len);
    h2o_send(stream->req, &buf, buf.len > 0,
             stream->is_closing ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct http_stream *stream = (struct http_stream *)(void *)generator;

    (void)req;
    stream->is_sending = false;
    if (stream->waiting.len > 0 || stream->is_closing)
        send_waiting(stream);
}

static void on_stream_gone(void *memory)
{
    struct http_stream *stream = *(struct http_stream **)memory;

    list_remove(&stream->link);
    stream->on_gone(stream->data);
    strbuf_deinit(&stream->sending);
    strbuf_deinit(&stream->waiting);
    free(stream);
}

struct http_stream *http_stream_open(struct http_request *req, const char *type,
                                     void (*on_gone)(void *data), void *data)
{
    struct http_server *server = req->server;
    struct http_stream *stream, **tie;
    h2o_req_t *h2o;

    http_add_header(req, "content-type", type);
    h2o = http_request_end(req, 200);
    if (!h2o)
        return NULL;
    stream = xcalloc(1, sizeof(*stream));
    list_init(&stream->link);
    list_add(&server->streams, &stream->link);
    stream->h2o.proceed = on_proceed;
    stream->req = h2o;
    stream->on_gone = on_gone;
    stream->data = data;
    tie =
        h2o_mem_alloc_shared(&h2o->pool, sizeof(struct http_stream *), on_stream_gone);
    *tie = stream;
    h2o->res.status = 200;
    h2o->res.reason = "OK";
    server->is_answering = true;
    h2o_start_response(h2o, &stream->h2o);
    server->is_answering = false;
    return stream;
}

/* What is being written fails then, and h2o ends the request. */
static void cut(h2o_req_t *req)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);

    shutdown(h2o_socket_get_fd(socket), SHUT_RDWR);
}

void http_stream_send(struct http_stream *stream, const char *bytes, size_t len)
{
    if (stream->is_closing)
        return;
    strbuf_add(&stream->waiting, bytes, len);
    if (stream->waiting.len > STREAM_MAX_BYTES) {
        stream->is_closing = true;
        cut(stream->req);
    } else if (!stream->is_sending) {
        send_waiting(stream);
    }
}

void http_stream_close(struct http_stream *stream)
{
    if (stream->is_closing)
        return;
    stream->is_closing = true;
    if (!stream->is_sending)
        send_waiting(stream);
}

void http_stream_close_all(struct http_server *server)
{
    list_each(link, &server->streams) {
        http_stream_close(list_entry(link, struct http_stream, link));
    }
}
