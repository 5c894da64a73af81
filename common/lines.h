/* lines.h - whether a line from Redis, of a notice or of the history, may be passed on to
 * clients: one JSON object in UTF-8 without control characters, about its room, with its
 * number, with each field that clients know at most once and of its kind, and with all that its
 * type must have (docs/protocol.md). Asked once a worker, not once a member.
 */
#ifndef COMMON_LINES_H
#define COMMON_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/strbuf.h"

/* Adds what each message of the room begins with, up to its number. */
void lines_add_head(struct strbuf *out, struct json_text room);

/* Message `seq` of a room. `head` is what each message of the room begins with, up to its number:
 * {"type":"message","room":"R","seq":  */
bool lines_is_message(struct json_text head, uint64_t seq, struct json_text line);

/* What an event says. */
struct lines_event {
    const char *type;
    uint64_t seq;          /* of the message that it is about; 0: any */
    struct json_text user; /* whom it is about; base NULL: anybody */
};

/* Such an event of the room whose messages begin with `head`. */
bool lines_is_event(struct json_text head, const struct lines_event *event,
                    struct json_text line);

/* An event of this type about any room. */
bool lines_is_room_event(const char *type, struct json_text line);

#endif
