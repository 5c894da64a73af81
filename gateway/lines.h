/* lines.h - whether a line from Redis, of a notice or of the history, may be passed on to
 * clients: one JSON object in UTF-8 without control characters, about its room, with its
 * number, and with each field that clients know once and of its kind. Asked once a worker, not
 * once a member.
 */
#ifndef GATEWAY_LINES_H
#define GATEWAY_LINES_H

#include "gateway/room.h"

/* Message `seq` of the room. */
bool lines_is_message(const struct room *room, uint64_t seq, struct json_text line);

/* An event of the room of this type. */
bool lines_is_event(const struct room *room, const char *type, struct json_text line);

#endif
