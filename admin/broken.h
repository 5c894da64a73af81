/* broken.h - a room that cannot be read, because a key of it is of a wrong type or its numbers
 * are none: which one it is, for the answer. */
#ifndef ADMIN_BROKEN_H
#define ADMIN_BROKEN_H

#include "admin/api.h"

/* Whether that is what a call came to: a key was of the wrong type. */
bool broken_is_cause(int status, const redisReply *reply);

/* Sends lua/room.lua about the room, with the keys of the nodes that have members in it. */
void broken_look(struct api *api, struct json_text room, redis_reply_fn on_reply,
                 void *data);

/* Looks at the room of the path (parameter 0): 503, with its name and key, if it is broken;
 * else `otherwise` answers. */
void broken_or(struct http_request *req, void (*otherwise)(struct http_request *req));

/* Answers a request about the room of the path whose call failed: the same if the key was the
 * cause, else api_unavailable. */
void broken_failed(struct http_request *req, int status, const redisReply *reply);

/* Why it is broken, of room.lua's reply; an empty text if it is not. Borrowed. */
struct json_text broken_why(const redisReply *reply);

#endif
