/* http_server.c - see http.h.
 *
 *     on_connection -> http_socket -> h2o -> on_request -> route -> admit -> the route's handle
 *                                                                               | now or later
 *                                         http_reply, http_stream_open
 *
 * A shared block in the memory pool of h2o's request, the tie, tells us when the client goes
 * (on_req_gone).
 *
 * h2o gets whole requests only (http_socket.h). What it answers by itself all the same passes
 * on_setup_answer, which puts an error object in the place of h2o's text.
 *
 * h2o cannot be disposed of while a connection lives, nor within a second of the request
 * to shut down. So http_close ends all connections, waits, and then takes h2o apart.
 */
#include "common/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http_room.h"
#include "common/http_socket.h"
#include "common/http_status.h"
#include "common/http_types.h"
#include "common/percent.h"
#include "common/xalloc.h"

enum {
    BACKLOG = 128,
    REQUEST_TIMEOUT_MS = 10000,
    SHUTDOWN_MS = 1200,
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

static void free_if_done(struct http_server *server)
{
    if (--server->handles == 0)
        free(server);
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
    struct json_text path = http_path(req);

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

/* The methods of one path. */
struct allowed {
    char text[64];
};

static void add_allowed(struct allowed *allowed, const char *method)
{
    size_t len = strlen(allowed->text);

    snprintf(allowed->text + len, sizeof(allowed->text) - len, "%s%s%s",
             len > 0 ? ", " : "", method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

/* NULL: none fits; `allowed` has the methods of the path then. */
static const struct http_route *find_route(const struct http_request *req,
                                           struct allowed *allowed)
{
    struct json_text path = http_path(req), params[HTTP_PARAMS_MAX];

    allowed->text[0] = '\0';
    for (const struct http_route *r = req->server->opts.routes; r->path; r++) {
        if (!http_route_fits(r->path, path, params))
            continue;
        if (is_method(req->h2o, r->method))
            return r;
        add_allowed(allowed, r->method);
    }
    return NULL;
}

static void follow(struct http_request *req, const struct http_route *route)
{
    if (take_params(req, route->path))
        route->handle(req->server->opts.owner, req);
    else
        http_reply_error(req, 400, "bad_request",
                         "the path is not percent-encoded as it should be");
}

static void refuse_path(struct http_request *req, const struct allowed *allowed)
{
    const struct http_opts *opts = &req->server->opts;

    if (allowed->text[0])
        refuse_method(req, allowed->text);
    else if (opts->otherwise)
        opts->otherwise(opts->owner, req);
    else
        http_reply_error(req, 404, "not_found", "there is nothing here");
}

static void route(struct http_request *req)
{
    const struct http_opts *opts = &req->server->opts;
    struct allowed allowed;
    const struct http_route *found = find_route(req, &allowed);

    if (opts->admit && !opts->admit(opts->owner, req, found))
        return;
    if (found)
        follow(req, found);
    else
        refuse_path(req, &allowed);
}

/* The client may have gone meanwhile: then nothing is done for it. */
void http_go_on(struct http_request *req)
{
    struct allowed allowed;
    const struct http_route *found;

    if (!req->h2o) {
        http_reply_error(req, 503, "unavailable", "the client has gone");
        return;
    }
    found = find_route(req, &allowed);
    if (found)
        follow(req, found);
    else
        refuse_path(req, &allowed);
}

static void on_req_gone(void *memory)
{
    struct http_tie *tie = memory;

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
    http_reply_error(req, status, http_status_code(status), why);
    return true;
}

static int on_request(h2o_handler_t *h2o_handler, h2o_req_t *h2o)
{
    struct http_server *server = ((struct handler *)(void *)h2o_handler)->server;
    struct http_request *req = xcalloc(1, sizeof(*req));

    req->server = server;
    req->h2o = h2o;
    req->started_ns = uv_hrtime();
    req->tie = h2o_mem_alloc_shared(&h2o->pool, sizeof(struct http_tie), on_req_gone);
    *req->tie = (struct http_tie){req, server->sockets.handing};
    if (!refuse(req))
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
    int status = req->res.status;

    if (!server->is_answering) {
        own = (struct own_error *)(void *)h2o_add_ostream(req, sizeof(*own), slot);
        own->h2o.do_send = on_send_error;
        http_status_print(&body, http_status_code(status), http_status_reason(status));
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
        http_room_accept(&server->sockets, listener);
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
    http_stream_close_all(server);
    http_sockets_end(&server->sockets);
    uv_timer_start(&server->shutdown, on_shut_down, SHUTDOWN_MS, 0);
}
