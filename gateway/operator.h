/* operator.h - what an operator asks of this node alone, sent by the admin service on the
 * node's own channel (the one of its canary). */
#ifndef GATEWAY_OPERATOR_H
#define GATEWAY_OPERATOR_H

#include "gateway/session.h"

/* `order`: `disconnect <user, percent-encoded>` closes with 4503 every connection that is in
 * a room as this user. Anything else is logged and dropped. */
void operator_on_order(struct session_env *env, struct json_text order);

#endif
