/* http_request.c - see http.h: what was asked, and answers that are whole.
 *
 * A request is ours until it is answered (http_request_end), the h2o_req_t is h2o's: it goes when
 * the client does, and an answer that comes later is dropped.
 */
#include "common/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/http_status.h"
#include "common/http_types.h"
#include "common/percent.h"
#include "common/xalloc.h"

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

void http_keep(struct http_request *req, void *data)
{
    free(req->kept);
    req->kept = data;
}

void *http_kept(const struct http_request *req)
{
    return req->kept;
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

h2o_req_t *http_request_end(struct http_request *req, int status)
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
    free(req->kept);
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
    h2o = http_request_end(req, status);
    if (!h2o)
        return NULL;
    h2o->res.status = status;
    h2o->res.reason = http_status_reason(status);
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

    http_status_print(&body, code, message);
    http_add_header(req, "cache-control", "no-store");
    http_reply(req, status, "application/json", body.data, body.len);
    strbuf_deinit(&body);
}
