/* node_commands.h - what an operator asks of this node alone, sent by the admin service on the
 * node's own channel (the one of its canary). */
#ifndef GATEWAY_NODE_COMMANDS_H
#define GATEWAY_NODE_COMMANDS_H

#include "gateway/session.h"

/* `command`: `disconnect <user, percent-encoded>` closes with 4503 every connection that is in
 * a room as this user. Anything else is logged and dropped. */
void node_commands_run(struct session_env *env, struct json_text command);

#endif
