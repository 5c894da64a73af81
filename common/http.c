/* http.c - see http.h.
 *
 *     on_connection -> http_socket -> h2o -> on_request -> admit -> the route's handle
 *                                                                      | now or later
 *                                http_reply, http_stream_open
 *
 * A request is ours until it is answered, the h2o_req_t is h2o's: it goes when the client
 * does. A shared block in its memory pool, the tie, tells us (on_req_gone, on_stream_gone),
 * so an answer that comes later finds nobody and is dropped.
 *
 * h2o gets whole requests only (http_socket.h). What it answers by itself all the same passes
 * on_setup_answer, which puts an error object in the place of h2o's text.
 *
 * h2o cannot be disposed of while a connection lives, nor within a second of the request
 * to shut down. So http_close ends all connections, waits, and then takes h2o apart.
 *
 * Over 400 lines because all that touches h2o is to be in one file, but for what reads its
 * sockets.
 */
#include "common/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <h2o.h>

#include "common/http_socket.h"
#include "common/list.h"
#include "common/percent.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    BACKLOG = 128,
    REQUEST_TIMEOUT_MS = 10000,
    SHUTDOWN_MS = 1200,
    STREAM_MAX_BYTES = 1024 * 1024,
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t shutdown;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    struct http_opts opts;
    struct http_sockets sockets;
    struct list streams;
    int handles;
    bool is_answering; /* what is being sent is ours, not h2o's own */
    bool is_closing;
};

struct handler {
    h2o_handler_t h2o; /* first */
    struct http_server *server;
};

struct filter {
    h2o_filter_t h2o; /* first */
    struct http_server *server;
};

/* In h2o's memory, for as long as the request lives there. */
struct tie {
    struct http_request *req; /* NULL: answered */
    struct http_socket *socket;
};

struct http_request {
    struct http_server *server;
    h2o_req_t *h2o;  /* NULL: the client has gone */
    struct tie *tie; /* while h2o is not NULL */
    uint64_t started_ns;
    struct json_text params[HTTP_PARAMS_MAX]; /* into `path`, or `given` */
    char *path;                   /* a copy, its parameters decoded in place */
    char *given[HTTP_PARAMS_MAX]; /* by http_set_param; owned */
};

struct http_stream {
    h2o_generator_t h2o; /* first */
    struct list link;
    h2o_req_t *req;
    struct strbuf sending, waiting;
    bool is_sending, is_closing;
    void (*on_gone)(void *data);
    void *data;
};

static void free_if_done(struct http_server *server)
{
    if (--server->handles == 0)
        free(server);
}

/* ---- what was asked ---- */

static struct json_text text_of(h2o_iovec_t v)
{
    return (struct json_text){v.base, v.len};
}

static struct json_text path_of(const h2o_req_t *req)
{
    size_t len = req->query_at == SIZE_MAX ? req->path.len : req->query_at;

    return (struct json_text){req->path.base, len};
}

void *http_owner(const struct http_request *req)
{
    return req->server->opts.owner;
}

struct json_text http_method(const struct http_request *req)
{
    return text_of(req->h2o->method);
}

struct json_text http_path(const struct http_request *req)
{
    return path_of(req->h2o);
}

/* h2o takes the header out of the list. */
struct json_text http_host(const struct http_request *req)
{
    return text_of(req->h2o->authority);
}

struct json_text http_body(const struct http_request *req)
{
    const h2o_iovec_t *entity = &req->h2o->entity;

    return (struct json_text){entity->base ? entity->base : "",
                              entity->base ? entity->len : 0};
}

struct json_text http_header(const struct http_request *req, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&req->h2o->headers, name, strlen(name), -1);

    if (at < 0)
        return (struct json_text){NULL, 0};
    return text_of(req->h2o->headers.entries[at].value);
}

struct json_text http_param(const struct http_request *req, unsigned i)
{
    assert(i < HTTP_PARAMS_MAX && req->params[i].base);
    return req->params[i];
}

void http_set_param(struct http_request *req, unsigned i, struct json_text value)
{
    assert(i < HTTP_PARAMS_MAX && req->params[i].base);
    free(req->given[i]);
    req->given[i] = xmemdup(value.base, value.len);
    req->params[i] = (struct json_text){req->given[i], value.len};
}

int http_query(struct http_request *req, const char *name, struct json_text *out)
{
    struct json_text path = path_of(req->h2o);
    struct json_text query = {path.base + path.len, req->h2o->path.len - path.len};
    struct json_text value;
    char *copy;

    *out = (struct json_text){NULL, 0};
    if (query.len == 0)
        return 0;
    value = http_route_query((struct json_text){query.base + 1, query.len - 1}, name);
    if (!value.base)
        return 0;
    copy = h2o_mem_alloc_pool(&req->h2o->pool, value.len + 1);
    memcpy(copy, value.base, value.len);
    for (size_t i = 0; i < value.len; i++)
        if (copy[i] == '+')
            copy[i] = ' ';
    out->base = copy;
    return percent_decode(copy, value.len, &out->len);
}

void http_peer(const struct http_request *req, char *out)
{
    struct sockaddr_storage peer = {0};
    h2o_conn_t *conn = req->h2o->conn;

    strcpy(out, "unknown");
    if (conn->callbacks->get_peername(conn, (struct sockaddr *)&peer) == 0)
        return;
    if (peer.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&peer, out, HTTP_PEER_MAX);
    else if (peer.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&peer, out, HTTP_PEER_MAX);
}

/* ---- answers ---- */

static const struct {
    int status;
    const char *reason, *code;
} statuses[] = {
    {200, "OK", ""},
    {201, "Created", ""},
    {202, "Accepted", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "bad_request"},
    {401, "Unauthorized", "unauthorized"},
    {403, "Forbidden", "forbidden"},
    {404, "Not Found", "not_found"},
    {405, "Method Not Allowed", "method_not_allowed"},
    {409, "Conflict", "conflict"},
    {413, "Content Too Large", "too_large"},
    {417, "Expectation Failed", "bad_request"},
    {429, "Too Many Requests", "rate_limited"},
    {431, "Request Header Fields Too Large", "too_large"},
    {503, "Service Unavailable", "unavailable"},
    {505, "HTTP Version Not Supported", "bad_request"},
    {500, "Internal Server Error", "internal"}, /* the last: of all others */
};

static size_t index_of(int status)
{
    size_t count = sizeof(statuses) / sizeof(statuses[0]);

    for (size_t i = 0; i < count; i++)
        if (statuses[i].status == status)
            return i;
    return count - 1;
}

void http_add_header(struct http_request *req, const char *name, const char *value)
{
    h2o_mem_pool_t *pool;

    if (!req->h2o)
        return;
    pool = &req->h2o->pool;
    h2o_add_header_by_str(pool, &req->h2o->res.headers,
                          h2o_strdup(pool, name, SIZE_MAX).base, strlen(name), 1, NULL,
                          h2o_strdup(pool, value, SIZE_MAX).base, strlen(value));
}

/* Takes the request from its h2o_req_t, and frees it. */
static h2o_req_t *end_request(struct http_request *req, int status)
{
    struct http_server *server = req->server;
    h2o_req_t *h2o = req->h2o;

    if (server->opts.on_answered)
        server->opts.on_answered(server->opts.owner, status,
                                 uv_hrtime() - req->started_ns);
    if (h2o)
        req->tie->req = NULL;
    for (unsigned i = 0; i < HTTP_PARAMS_MAX; i++)
        free(req->given[i]);
    free(req->path);
    free(req);
    return h2o;
}

/* The head of an answer of `len` bytes; NULL: nobody is there to get it. */
static h2o_req_t *begin_reply(struct http_request *req, int status, const char *type,
                              size_t len)
{
    h2o_req_t *h2o;

    http_add_header(req, "content-type", type);
    http_add_header(req, "x-content-type-options", "nosniff");
    h2o = end_request(req, status);
    if (!h2o)
        return NULL;
    h2o->res.status = status;
    h2o->res.reason = statuses[index_of(status)].reason;
    h2o->res.content_length = len;
    return h2o;
}

void http_reply(struct http_request *req, int status, const char *type,
                const char *body, size_t len)
{
    struct http_server *server = req->server;
    h2o_req_t *h2o = begin_reply(req, status, type, len);

    if (!h2o)
        return;
    server->is_answering = true;
    h2o_send_inline(h2o, len ? body : "", len);
    server->is_answering = false;
}

static void print_error(struct strbuf *out, const char *code, const char *message)
{
    strbuf_add_format(out, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n", code,
                      message);
}

void http_reply_shared(struct http_request *req, int status, const char *type,
                       const char *body, size_t len)
{
    static h2o_generator_t none = {NULL, NULL};
    struct http_server *server = req->server;
    h2o_iovec_t buf = h2o_iovec_init(body, len);
    h2o_req_t *h2o = begin_reply(req, status, type, len);

    if (!h2o)
        return;
    server->is_answering = true;
    h2o_start_response(h2o, &none);
    h2o_send(h2o, &buf, 1, H2O_SEND_STATE_FINAL);
    server->is_answering = false;
}

void http_reply_error(struct http_request *req, int status, const char *code,
                      const char *message)
{
    struct strbuf body = {NULL, 0, 0};

    print_error(&body, code, message);
    http_add_header(req, "cache-control", "no-store");
    http_reply(req, status, "application/json", body.data, body.len);
    strbuf_deinit(&body);
}

/* ---- answers without an end ---- */

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
    h2o = end_request(req, 200);
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

/* ---- requests ---- */

static bool is_method(const h2o_req_t *req, const char *method)
{
    bool is_head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));

    if (is_head && strcmp(method, "GET") == 0)
        return true;
    return h2o_memis(req->method.base, req->method.len, method, strlen(method));
}

/* Decodes the parameters in a copy of the path. False: one is encoded wrongly. */
static bool take_params(struct http_request *req, const char *pattern)
{
    struct json_text path = path_of(req->h2o);

    req->path = xmemdup(path.base, path.len);
    http_route_fits(pattern, (struct json_text){req->path, path.len}, req->params);
    for (unsigned i = 0; i < HTTP_PARAMS_MAX && req->params[i].base; i++) {
        struct json_text *param = &req->params[i];

        if (percent_decode((char *)param->base, param->len, &param->len) < 0)
            return false;
    }
    return true;
}

static void refuse_method(struct http_request *req, const char *allowed)
{
    http_add_header(req, "allow", allowed);
    http_reply_error(req, 405, "method_not_allowed", "this path has other methods");
}

/* The route, or what to say where there is none. */
static void route(struct http_request *req)
{
    const struct http_opts *opts = &req->server->opts;
    struct json_text path = path_of(req->h2o), params[HTTP_PARAMS_MAX];
    char allowed[64] = "";

    for (const struct http_route *r = opts->routes; r->path; r++) {
        if (!http_route_fits(r->path, path, params))
            continue;
        if (!is_method(req->h2o, r->method)) {
            snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed),
                     "%s%s%s", allowed[0] ? ", " : "", r->method,
                     strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
            continue;
        }
        if (take_params(req, r->path))
            r->handle(opts->owner, req);
        else
            http_reply_error(req, 400, "bad_request",
                             "the path is not percent-encoded as it should be");
        return;
    }
    if (allowed[0])
        refuse_method(req, allowed);
    else if (opts->otherwise)
        opts->otherwise(opts->owner, req);
    else
        http_reply_error(req, 404, "not_found", "there is nothing here");
}

static void on_req_gone(void *memory)
{
    struct tie *tie = memory;

    if (tie->req)
        tie->req->h2o = NULL;
    http_socket_go_on(tie->socket);
}

/* What is no request is answered in the place of the one that stands in for it. */
static bool refuse(struct http_request *req)
{
    struct http_socket *socket = req->tie->socket;
    const char *why;
    int status = http_socket_refusal(socket, &why);

    if (status == 0)
        return false;
    http_socket_linger(socket);
    http_reply_error(req, status, statuses[index_of(status)].code, why);
    return true;
}

static int on_request(h2o_handler_t *h2o_handler, h2o_req_t *h2o)
{
    struct http_server *server = ((struct handler *)(void *)h2o_handler)->server;
    struct http_request *req = xcalloc(1, sizeof(*req));

    req->server = server;
    req->h2o = h2o;
    req->started_ns = uv_hrtime();
    req->tie = h2o_mem_alloc_shared(&h2o->pool, sizeof(struct tie), on_req_gone);
    *req->tie = (struct tie){req, server->sockets.handing};
    if (refuse(req))
        return 0;
    if (!server->opts.admit || server->opts.admit(server->opts.owner, req))
        route(req);
    return 0;
}

/* ---- what h2o answers by itself ---- */

struct own_error {
    h2o_ostream_t h2o; /* first */
    h2o_iovec_t body;
};

static void on_send_error(h2o_ostream_t *stream, h2o_req_t *req, h2o_iovec_t *bufs,
                          size_t count, h2o_send_state_t state)
{
    struct own_error *own = (struct own_error *)(void *)stream;

    (void)bufs;
    (void)count;
    h2o_ostream_send_next(stream, req, &own->body, own->body.len > 0, state);
    own->body.len = 0;
}

static void on_setup_answer(h2o_filter_t *h2o_filter, h2o_req_t *req,
                            h2o_ostream_t **slot)
{
    struct http_server *server = ((struct filter *)(void *)h2o_filter)->server;
    struct strbuf body = {NULL, 0, 0};
    struct own_error *own;
    size_t i = index_of(req->res.status);

    if (!server->is_answering) {
        own = (struct own_error *)(void *)h2o_add_ostream(req, sizeof(*own), slot);
        own->h2o.do_send = on_send_error;
        print_error(&body, statuses[i].code, statuses[i].reason);
        own->body = h2o_strdup(&req->pool, body.data, body.len);
        strbuf_deinit(&body);
        req->res.content_length = own->body.len;
        h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE,
                       H2O_STRLIT("application/json"), 1);
        slot = &own->h2o.next;
        req->http1_is_persistent = 0;
    }
    h2o_setup_next_ostream(req, slot);
}

/* ---- beginning and end ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;

    if (status == 0)
        http_sockets_accept(&server->sockets, listener);
}

static void add_filter(struct http_server *server, h2o_pathconf_t *path)
{
    struct filter *filter =
        (struct filter *)(void *)h2o_create_filter(path, sizeof(*filter));

    filter->h2o.on_setup_ostream = on_setup_answer;
    filter->server = server;
}

static void configure(struct http_server *server)
{
    h2o_hostconf_t *host;
    h2o_pathconf_t *path;
    struct handler *handler;

    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(H2O_STRLIT("roomcast"));
    server->config.http1.upgrade_to_http2 = 0;
    server->config.http1.req_timeout = REQUEST_TIMEOUT_MS;
    server->config.max_request_entity_size = server->opts.max_body_bytes;
    host = h2o_config_register_host(&server->config,
                                    h2o_iovec_init(H2O_STRLIT("default")), 65535);
    path = h2o_config_register_path(host, "/", 0);
    add_filter(server, path);
    add_filter(server, &host->fallback_path);
    handler = (struct handler *)(void *)h2o_create_handler(path, sizeof(*handler));
    handler->h2o.on_req = on_request;
    handler->server = server;
    h2o_context_init(&server->context, server->loop, &server->config);
    server->accept.ctx = &server->context;
    server->accept.hosts = server->config.hosts;
}

unsigned http_descriptors(unsigned connections)
{
    return connections + http_sockets_lingering(connections);
}

int http_open(struct http_server **out, uv_loop_t *loop, int fd,
              const struct http_opts *opts)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    struct http_sockets_opts sockets = {
        .max_body_bytes = opts->max_body_bytes,
        .max_connections = (unsigned)opts->config->http_connections,
        .send_secs = (unsigned)opts->config->http_send_secs,
        .metrics = opts->metrics,
        .accept = &server->accept,
    };
    int rc;

    server->loop = loop;
    server->opts = *opts;
    server->handles = 3;
    list_init(&server->streams);
    configure(server);
    http_sockets_open(&server->sockets, loop, &sockets);
    uv_timer_init(loop, &server->shutdown);
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server->shutdown.data = server;
    rc = uv_tcp_open(&server->listener, fd);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    *out = server;
    return rc;
}

static void on_handle_closed(uv_handle_t *handle)
{
    free_if_done(handle->data);
}

static void on_sockets_closed(void *owner)
{
    free_if_done(owner);
}

static void on_shut_down(uv_timer_t *timer)
{
    struct http_server *server = timer->data;

    if (!list_is_empty(&server->sockets.all)) {
        uv_timer_start(timer, on_shut_down, 50, 0);
        return;
    }
    h2o_context_dispose(&server->context);
    h2o_config_dispose(&server->config);
    http_sockets_close(&server->sockets, on_sockets_closed, server);
    uv_close((uv_handle_t *)timer, on_handle_closed);
}

void http_close(struct http_server *server)
{
    if (!server || server->is_closing)
        return;
    server->is_closing = true;
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    if (list_is_empty(&server->sockets.all)) {
        uv_timer_start(&server->shutdown, on_shut_down, 0, 0);
        return;
    }
    h2o_context_request_shutdown(&server->context);
    list_each(link, &server->streams) {
        http_stream_close(list_entry(link, struct http_stream, link));
    }
    http_sockets_end(&server->sockets);
    uv_timer_start(&server->shutdown, on_shut_down, SHUTDOWN_MS, 0);
}
