/* http_room.h - which connection gets in when an HTTP server has all that it may have.
 *
 * For a new one the oldest that is idle makes room, else the oldest whose request is not whole
 * yet; where all are being answered, the new one is refused. That is decided when those that
 * came before it have been read.
 */
#ifndef COMMON_HTTP_ROOM_H
#define COMMON_HTTP_ROOM_H

#include "common/http_socket_types.h"

/* A connection waits at `listener`, which stays until the sockets are closed. */
void http_room_accept(struct http_sockets *sockets, uv_stream_t *listener);

#endif
