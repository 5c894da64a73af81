/* chat_request.h - what a client asks of a gateway (docs/protocol.md), written as JSON.
 *
 *     chat_request_begin(&out, "get_history", 'h', 7, "lobby");
 *     chat_request_add_number(&out, "before", 100);
 *     chat_request_end(&out);
 */
#ifndef CLIENT_CHAT_REQUEST_H
#define CLIENT_CHAT_REQUEST_H

#include <stdint.h>

#include "common/json.h"
#include "common/strbuf.h"

/* Ids are numbers for chat_room, which has `kind` 0, and strings that begin with their kind
 * for others: so no answer is taken for that of another request. */
void chat_request_begin(struct strbuf *out, const char *type, char kind, uint64_t id,
                        const char *room);

void chat_request_add_text(struct strbuf *out, const char *name, const char *text);
void chat_request_add_number(struct strbuf *out, const char *name, uint64_t number);
void chat_request_add_json(struct strbuf *out, const char *name, struct json_text json);

void chat_request_end(struct strbuf *out);

#endif
