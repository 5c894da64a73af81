/* room_nodes.h - the nodes of a room that lua/kick.lua and lua/close.lua are given as KEYS.
 *
 * Which nodes have members in a room stands in the room (rc:{ROOM}:nodes), and a script may only
 * touch the keys that it is given. So the first call is given none, and answers `again` with the
 * names of those that it needs; the next one has them, unless more have come meanwhile.
 */
#ifndef ADMIN_ROOM_NODES_H
#define ADMIN_ROOM_NODES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"
#include "common/metrics.h"
#include "common/redis_link.h"

struct room_nodes {
    char **names; /* owned; NULL where room_nodes_take has taken it */
    size_t count;
    unsigned rounds;
};

/* Adds the nodes of an answer `again`. False: it is another answer, it names none, or there was one
 * too often. */
bool room_nodes_add(struct room_nodes *nodes, struct metrics *metrics,
                    const redisReply *reply);

/* Adds each one's on:NODE to a command. */
void room_nodes_add_keys(const struct room_nodes *nodes, struct redis_command *cmd,
                         struct json_text room);

/* Takes those out whose numbers, from 1 on, stand in the answer from element `from` on; freed by
 * the caller, with the strings. */
char **room_nodes_take(struct room_nodes *nodes, const redisReply *reply, size_t from,
                       size_t *count);

void room_nodes_deinit(struct room_nodes *nodes);

#endif
