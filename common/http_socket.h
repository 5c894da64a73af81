/* http_socket.h - the connections of an HTTP server, between libuv and h2o.
 *
 * h2o reads what it is given too kindly, and a client may send as many requests and take as
 * little of the answers as it likes. So the bytes are read here: each request is checked
 * (http_message.h) and handed to h2o whole, and the next one of a connection is not read
 * before the answer to the last one is written. A connection whose client takes nothing of
 * an answer for `send_secs` is cut, and there are at most `max_connections` (http_room.h).
 *
 * A client that is refused may still be sending, and goes on being read for a while, so that
 * no reset destroys the answer (linger.h). These do not count against max_connections; there are
 * at most http_sockets_lingering of them, and for one more the oldest is closed.
 */
#ifndef COMMON_HTTP_SOCKET_H
#define COMMON_HTTP_SOCKET_H

#include <uv.h>

#include "common/http_socket_types.h"

void http_sockets_open(struct http_sockets *sockets, uv_loop_t *loop,
                       const struct http_sockets_opts *opts);

/* How many may linger beside so many connections: each has a descriptor. */
unsigned http_sockets_lingering(unsigned max_connections);

/* Takes the connection that waits at `listener`, to serve it or to refuse it. */
void http_sockets_take(struct http_sockets *sockets, uv_stream_t *listener,
                       bool is_refused);

/* Ends all connections. They are gone when `all` is empty; h2o needs its time for that. */
void http_sockets_end(struct http_sockets *sockets);

/* When `all` is empty: closes what is left, then calls `on_closed`. */
void http_sockets_close(struct http_sockets *sockets, void (*on_closed)(void *owner),
                        void *owner);

/* Why the request that h2o is handling is refused: its status and a text; 0: it is not. */
int http_socket_refusal(const struct http_socket *socket, const char **why);

/* The client may be in the middle of its request: when h2o has closed, it lingers. */
void http_socket_linger(struct http_socket *socket);

/* It does not count against max_connections any more. Idempotent. */
void http_socket_leave(struct http_socket *socket);

/* Closes one that is being read, to make room. */
void http_socket_drop(struct http_socket *socket);

/* h2o is done with the request, and may want the next one. */
void http_socket_go_on(struct http_socket *socket);

#endif
