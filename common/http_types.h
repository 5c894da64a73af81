/* http_types.h - what the files behind http.h share: a server, a request, and the tie between a
 * request of ours and h2o's. Others hold them and pass them on.
 *
 *     http_server.c    listens; from h2o's request to the route's handler; the end
 *     http_request.c   what was asked, and answers
 *     http_stream.c    answers without an end
 */
#ifndef COMMON_HTTP_TYPES_H
#define COMMON_HTTP_TYPES_H

#include <h2o.h>

#include "common/http.h"
#include "common/http_socket_types.h"

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t shutdown;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    struct http_opts opts;
    struct http_sockets sockets;
    struct list streams; /* http_stream.c's */
    int handles;
    bool is_answering; /* what is being sent is ours, not h2o's own */
    bool is_closing;
};

/* In h2o's memory, for as long as the request lives there. */
struct http_tie {
    struct http_request *req; /* NULL: answered */
    struct http_socket *socket;
};

struct http_request {
    struct http_server *server;
    h2o_req_t *h2o;       /* NULL: the client has gone */
    struct http_tie *tie; /* while h2o is not NULL */
    uint64_t started_ns;
    struct json_text params[HTTP_PARAMS_MAX]; /* into `path`, or `given` */
    char *path;                   /* a copy, its parameters decoded in place */
    char *given[HTTP_PARAMS_MAX]; /* by http_set_param; owned */
    void *kept;                   /* by http_keep; owned */
};

/* Takes the request from its h2o_req_t, and frees it. NULL: the client has gone. */
h2o_req_t *http_request_end(struct http_request *req, int status);

/* Ends all streams of a server. */
void http_stream_close_all(struct http_server *server);

#endif
