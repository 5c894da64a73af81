/* http_room.h - which connection of an HTTP server makes room for a new one. */
#ifndef COMMON_HTTP_ROOM_H
#define COMMON_HTTP_ROOM_H

#include <stdbool.h>

#include "common/http_socket_types.h"

/* The one that has been there for longest of those that can go: no answer of it is under way,
 * and if it `rests`, nor has a request begun, read or not. NULL: none can. */
struct http_socket *http_room_find(const struct http_sockets *sockets, bool rests);

/* Nothing is known to come in the next turn of the loop that could make room. */
bool http_room_is_settled(const struct http_sockets *sockets);

#endif
