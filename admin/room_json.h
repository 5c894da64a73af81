/* room_json.h - what the answer of lua/room.lua says about a room, as the API's object. */
#ifndef ADMIN_ROOM_JSON_H
#define ADMIN_ROOM_JSON_H

#include <stdbool.h>

#include "common/reply.h"
#include "common/strbuf.h"

/* `whole`: with all that is known of it. `shards`: for shard_of. False: there is no such room, and nothing is added. */
bool room_json_add(struct strbuf *out, const redisReply *reply, bool whole,
                   unsigned shards);

#endif
