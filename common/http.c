/* http.c - see http.h.
 *
 *     on_connection -> h2o -> on_request -> the route's get -> send_reply
 *
 * h2o cannot be disposed of while a connection lives, nor within a second of the request
 * to shut down. So accepted sockets stand in a list: http_close ends them, waits, and
 * then takes h2o apart.
 */
#include "common/http.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <h2o.h>

#include "common/list.h"
#include "common/xalloc.h"

enum {
    BACKLOG = 128,
    REQUEST_TIMEOUT_MS = 10000,
    IDLE_TIMEOUT_MS = 30000,
    SHUTDOWN_MS = 1200,
    MAX_BODY_BYTES = 64 * 1024,
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t shutdown;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    const struct http_route *routes;
    void *owner;
    struct list sockets;
    int handles;
    bool is_closing;
};

struct socket {
    uv_tcp_t tcp; /* first: h2o hands this pointer back */
    struct http_server *server;
    struct list link;
};

struct handler {
    h2o_handler_t h2o; /* first */
    struct http_server *server;
};

static void free_if_done(struct http_server *server)
{
    if (--server->handles == 0)
        free(server);
}

static void add_header(h2o_req_t *req, const h2o_token_t *token, const char *value)
{
    h2o_add_header(&req->pool, &req->res.headers, token, NULL, value, strlen(value));
}

static void send_reply(h2o_req_t *req, struct http_reply *reply)
{
    add_header(req, H2O_TOKEN_CONTENT_TYPE, reply->type);
    add_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    req->res.status = reply->status;
    req->res.reason = reply->status == 200 ? "OK" : "Error";
    req->res.content_length = reply->body.len;
    h2o_send_inline(req, reply->body.data ? reply->body.data : "", reply->body.len);
    strbuf_deinit(&reply->body);
}

static const struct http_route *find_route(const struct http_server *server,
                                           h2o_iovec_t path)
{
    for (const struct http_route *r = server->routes; r->path; r++)
        if (strlen(r->path) == path.len && memcmp(r->path, path.base, path.len) == 0)
            return r;
    return NULL;
}

static int on_request(h2o_handler_t *h2o_handler, h2o_req_t *req)
{
    struct http_server *server = ((struct handler *)(void *)h2o_handler)->server;
    struct http_reply reply = {200, "text/plain; charset=utf-8", {NULL, 0, 0}};
    const struct http_route *route = find_route(server, req->path_normalized);
    bool is_get = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) ||
                  h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));

    if (!route) {
        reply.status = 404;
        strbuf_add_text(&reply.body, "not found\n");
    } else if (!is_get) {
        reply.status = 405;
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("allow"), 0,
                              NULL, H2O_STRLIT("GET, HEAD"));
        strbuf_add_text(&reply.body, "method not allowed\n");
    } else {
        route->get(server->owner, &reply);
    }
    send_reply(req, &reply);
    return 0;
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct socket *s = (struct socket *)(void *)handle;

    list_remove(&s->link);
    free_if_done(s->server);
    free(s);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    struct socket *s;

    if (status < 0)
        return;
    s = xcalloc(1, sizeof(*s));
    s->server = server;
    list_add(&server->sockets, &s->link);
    server->handles++;
    uv_tcp_init(server->loop, &s->tcp);
    if (uv_accept(listener, (uv_stream_t *)&s->tcp) != 0) {
        uv_close((uv_handle_t *)&s->tcp, on_socket_closed);
        return;
    }
    h2o_accept(&server->accept,
               h2o_uv_socket_create((uv_stream_t *)&s->tcp, on_socket_closed));
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
    server->config.max_request_entity_size = MAX_BODY_BYTES;
    host = h2o_config_register_host(&server->config,
                                    h2o_iovec_init(H2O_STRLIT("default")), 65535);
    path = h2o_config_register_path(host, "/", 0);
    handler = (struct handler *)(void *)h2o_create_handler(path, sizeof(*handler));
    handler->h2o.on_req = on_request;
    handler->server = server;
    h2o_context_init(&server->context, server->loop, &server->config);
    server->accept.ctx = &server->context;
    server->accept.hosts = server->config.hosts;
}

int http_open(struct http_server **out, uv_loop_t *loop, int fd,
              const struct http_route *routes, void *owner)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    int rc;

    server->loop = loop;
    server->routes = routes;
    server->owner = owner;
    server->handles = 2;
    list_init(&server->sockets);
    configure(server);
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

static void on_shut_down(uv_timer_t *timer)
{
    struct http_server *server = timer->data;

    if (!list_is_empty(&server->sockets)) {
        uv_timer_start(timer, on_shut_down, 50, 0);
        return;
    }
    h2o_context_dispose(&server->context);
    h2o_config_dispose(&server->config);
    uv_close((uv_handle_t *)timer, on_handle_closed);
}

void http_close(struct http_server *server)
{
    if (!server || server->is_closing)
        return;
    server->is_closing = true;
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    if (list_is_empty(&server->sockets)) {
        uv_timer_start(&server->shutdown, on_shut_down, 0, 0);
        return;
    }
    h2o_context_request_shutdown(&server->context);
    list_each(link, &server->sockets) {
        uv_os_fd_t fd;

        if (uv_fileno((uv_handle_t *)&list_entry(link, struct socket, link)->tcp,
                      &fd) == 0)
            shutdown(fd, SHUT_RDWR);
    }
    uv_timer_start(&server->shutdown, on_shut_down, SHUTDOWN_MS, 0);
}

static int bind_to(const struct addrinfo *at, int shared)
{
    int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return uv_translate_sys_error(errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0) {
        int rc = uv_translate_sys_error(errno);

        close(fd);
        return rc;
    }
    return fd;
}

int http_bind(const char *host, const char *port, int shared)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    int rc;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return UV_EADDRNOTAVAIL;
    rc = bind_to(found, shared);
    freeaddrinfo(found);
    return rc;
}
