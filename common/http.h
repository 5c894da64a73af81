/* http.h - h2o on a libuv loop: listen, a table of routes, replies. HTTP/1.1 only; the only
 * module that includes h2o.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <uv.h>

#include "common/strbuf.h"

struct http_server;

struct http_reply {
    int status;
    const char *type; /* Content-Type; a literal */
    struct strbuf body;
};

/* An exact path, for GET and HEAD. `get` fills the reply (200 and text/plain unless set). */
struct http_route {
    const char *path;
    void (*get)(void *owner, struct http_reply *reply);
};

/* Serves `routes` (borrowed, ended by a NULL path) on the bound socket `fd` (taken). Other
 * paths get 404, other methods 405 with Allow. 0 or a libuv code. */
int http_open(struct http_server **out, uv_loop_t *loop, int fd,
              const struct http_route *routes, void *owner)
    __attribute__((warn_unused_result));

/* Stops listening, ends what is open and frees itself; the loop must go on for a second
 * or so, and ends by itself then. */
void http_close(struct http_server *server);

/* Binds a TCP socket on `host`:`port` (names are resolved, blocking: for start-up). With
 * `shared`, SO_REUSEPORT, so that several sockets of this process share the port. The
 * descriptor, or a libuv code. */
int http_bind(const char *host, const char *port, int shared)
    __attribute__((warn_unused_result));

#endif
