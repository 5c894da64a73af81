/* answer.h - what one client is answered, as JSON through its socket. */
#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H

#include "common/proto.h"
#include "gateway/conn.h"

void answer_send(struct conn *conn, const struct strbuf *json);

/* Counts the error and sends it; `out` is scratch. What is `unavailable` without a time may be
 * tried again after the usual one. */
void answer_send_error(struct conn *conn, struct strbuf *out, struct json_text id,
                       const struct proto_refusal *refusal);

#endif
