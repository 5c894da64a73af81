/* lines.h - whether a line from Redis, of a notice or of the history, may be passed on to
 * clients: one JSON object in UTF-8 without control characters, about its room, with its
 * number, and with each field that clients know once and of its kind. Asked once a worker, not
 * once a member.
 */
#ifndef COMMON_LINES_H
#define COMMON_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"

/* Message `seq` of a room. `head` is what each message of the room begins with, up to its number:
 * {"type":"message","room":"R","seq":  */
bool lines_is_message(struct json_text head, uint64_t seq, struct json_text line);

/* An event of this type of the room whose messages begin with `head`. */
bool lines_is_event(struct json_text head, const char *type, struct json_text line);

#endif
