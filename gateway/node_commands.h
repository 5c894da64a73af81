/* node_commands.h - what this node alone is told, on its own channel (the one of its canary): by the
 * admin service, and by other nodes. */
#ifndef GATEWAY_NODE_COMMANDS_H
#define GATEWAY_NODE_COMMANDS_H

#include "gateway/session.h"

/* What came by `shard`. `command`: `disconnect <user>` closes with 4503 every connection that is in a room as this
 * user; `sync <room>` compares the room with Redis, which knows of members here that do not say so
 * any more (SPEC-SCALE S3). `keys <number>`: the keys of issuers have changed;
 * `keys <number> <issuer>`: those of this one were read, and are in what has that number.
 * `classes <number>`: room classes have changed.
 * `replaced <serial> <user>` closes with 4502 the connection with this serial (user_limit.h), in whose place is another one of
 * its user. Names are percent-encoded. Anything else is logged and dropped. */
void node_commands_run(struct session_env *env, struct shard *shard,
                       struct json_text command);

#endif
