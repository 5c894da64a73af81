/* room_json.h - what the answer of lua/room.lua says about a room, as the API's object. */
#ifndef ADMIN_ROOM_JSON_H
#define ADMIN_ROOM_JSON_H

#include <stdbool.h>

#include "common/classes.h"
#include "common/reply.h"
#include "common/strbuf.h"

/* `classes`: with all that is known of it; NULL: as in a listing. `shards`: for shard_of. False: there is no such room,
 * and nothing is added. */
bool room_json_add(struct strbuf *out, const redisReply *reply,
                   const struct classes *classes, unsigned shards);

#endif
