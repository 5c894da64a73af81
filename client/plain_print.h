/* plain_print.h - events as lines for people: time, room, who, what. Pure.
 *
 *     14:03:07 [lobby] <ann> hello
 *     14:03:09 [lobby] * bob has come (2 here)
 */
#ifndef CLIENT_PLAIN_PRINT_H
#define CLIENT_PLAIN_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/strbuf.h"

/* Adds the line of one event, with its end; nothing for events that are not told. Nothing in
 * it can be taken for a control character or the start of another line. `now_ms` (since
 * 1970) stands for events that have no time of their own. */
void plain_print_event(struct strbuf *out, struct json_members *members,
                       struct json_text event, uint64_t now_ms);

/* Adds the event as it came, on one line. */
void plain_print_json(struct strbuf *out, struct json_text event);

#endif
