/* http.h - h2o on a libuv loop: listen, a table of routes, answers now or later, and
 * answers without an end (server-sent events). HTTP/1.1 only; behind it http_server.c,
 * http_request.c and http_stream.c.
 *
 * Whatever goes wrong before a handler is reached is answered with an error object,
 * {"error":{"code","message"}}.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/config.h"
#include "common/http_route.h"
#include "common/json.h"
#include "common/metrics.h"

struct http_server;
struct http_request;
struct http_stream;

enum { HTTP_PEER_MAX = 64 };

struct http_route {
    const char *method; /* a GET also serves HEAD */
    const char *path;   /* a segment `{…}` takes any one, as a parameter */
    /* Answers `req` exactly once, in the call or later: by http_reply, http_reply_error or
     * http_stream_open, which end it. */
    void (*handle)(void *owner, struct http_request *req);
    int need; /* what it takes to be let in; the owner's, for `admit` */
};

struct http_opts {
    const struct http_route *routes; /* borrowed, ended by a NULL path */
    void *owner;
    const struct config *config; /* of connections and their time; borrowed */
    struct metrics *metrics;     /* http_…; borrowed, and this server's to write */
    size_t max_body_bytes;       /* more is answered 413 */
    /* Before a route is followed; `route` NULL: none fits the path and the method. False: it has answered,
     * or will, or will call http_go_on. NULL: all may. */
    bool (*admit)(void *owner, struct http_request *req,
                  const struct http_route *route);
    /* A path that fits no route; NULL: 404. */
    void (*otherwise)(void *owner, struct http_request *req);
    /* After each answer, for metrics; may be NULL. */
    void (*on_answered)(void *owner, int status, uint64_t ns);
};

/* How many descriptors a server with so many connections may need: some are refused, and go on
 * being read for a while. */
unsigned http_descriptors(unsigned connections);

/* Serves on the bound socket `fd` (taken). A path that fits a route but not its method gets
 * 405 with Allow. 0 or a libuv code. */
int http_open(struct http_server **out, uv_loop_t *loop, int fd,
              const struct http_opts *opts) __attribute__((warn_unused_result));

/* Stops listening, ends what is open and frees itself; the loop must go on for a second
 * or so, and ends by itself then. Requests that were not answered yet must still be. */
void http_close(struct http_server *server);

/* Goes on with a request that `admit` has kept waiting: its route is followed, or it is answered where there is
 * none. */
void http_go_on(struct http_request *req);

/* ---- what was asked; all borrowed, and but for parameters only until the handler
 * returns: the client may go ---- */

struct json_text http_method(const struct http_request *req);
struct json_text http_path(const struct http_request *req); /* as sent, no query */
struct json_text http_host(const struct http_request *req); /* of Host, with its port */
struct json_text http_body(const struct http_request *req);

/* http_opts.owner; always. */
void *http_owner(const struct http_request *req);

/* The value of a header, its name in lower case; base NULL if there is none. */
struct json_text http_header(const struct http_request *req, const char *name);

/* Parameter `i` of the path, decoded; it may hold any byte. Until the answer. */
struct json_text http_param(const struct http_request *req, unsigned i);

/* Puts a copy of `value` in the place of parameter `i`. */
void http_set_param(struct http_request *req, unsigned i, struct json_text value);

/* `name` of the query, decoded (`+` is a space); base NULL if there is none. 0, or
 * UV_EINVAL if it is encoded wrongly. */
int http_query(struct http_request *req, const char *name, struct json_text *out)
    __attribute__((warn_unused_result));

/* Keeps `data` with the request, in the place of what was kept before; freed with it. */
void http_keep(struct http_request *req, void *data);

/* What is kept; NULL: nothing. Until the answer. */
void *http_kept(const struct http_request *req);

/* The client's address, without its port: HTTP_PEER_MAX bytes with the NUL. */
void http_peer(const struct http_request *req, char *out);

/* ---- answers: each ends the request; where the client has gone, nothing is sent ---- */

/* Copied; before the answer. */
void http_add_header(struct http_request *req, const char *name, const char *value);

/* `type`: Content-Type, a literal. The body is copied. */
void http_reply(struct http_request *req, int status, const char *type,
                const char *body, size_t len);

/* The same for a body that is not copied: it outlives the server. */
void http_reply_shared(struct http_request *req, int status, const char *type,
                       const char *body, size_t len);

/* An error object; `code` and `message` are literals of plain ASCII. */
void http_reply_error(struct http_request *req, int status, const char *code,
                      const char *message);

/* Begins an answer that goes on, status 200. `on_gone` is called once, when it has ended
 * by whatever cause; the stream is freed then. NULL if the client has gone: then on_gone is
 * not called. */
struct http_stream *http_stream_open(struct http_request *req, const char *type,
                                     void (*on_gone)(void *data), void *data);

/* Sends as fast as the client reads. A client for which over a megabyte waits is
 * disconnected: on_gone follows. */
void http_stream_send(struct http_stream *stream, const char *bytes, size_t len);

/* Ends it, once what was sent has been read. */
void http_stream_close(struct http_stream *stream);

#endif
