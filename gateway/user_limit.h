/* user_limit.h - how many connections one user may have in the fleet (ROOMCAST_USER_CONNECTIONS_MAX,
 * SPEC-PUBLIC P4): a new one closes the oldest.
 *
 * Each is in rc:user:{USER}:conns under the node that has it and a serial number of the worker's. A node that
 * puts in one too many removes those whose nodes are gone, and orders the oldest of the others closed. A
 * connection that comes while Redis is away is not counted; one that goes meanwhile is removed later.
 */
#ifndef GATEWAY_USER_LIMIT_H
#define GATEWAY_USER_LIMIT_H

#include "common/json.h"
#include "common/list.h"
#include "gateway/store.h"

struct user_limit {
    uint32_t most; /* 0: no limit, and nothing is asked of Redis */
    /* The store of the shard that a user is in; NULL: its Redis cannot be asked. */
    struct store *(*find_store)(void *owner, struct json_text user);
    void *owner;
    uint64_t serial;  /* of the latest connection */
    struct list left; /* connections that are still to be removed */
    unsigned left_count;
};

/* `limit` has its hook and the hook's owner. */
void user_limit_init(struct user_limit *limit, const struct config *config);
void user_limit_deinit(struct user_limit *limit);

/* A connection of `user` has come; its serial, or 0: it is not counted. */
uint64_t user_limit_enter(struct user_limit *limit, struct json_text user);

/* It has gone. */
void user_limit_leave(struct user_limit *limit, struct json_text user, uint64_t serial);

/* Some Redis can be asked again. */
void user_limit_go_on(struct user_limit *limit);

/* Takes apart what a node is ordered when it has the oldest: `<serial> <user>` (node_commands.h). False:
 * it is none. `user` points into `order`. */
bool user_limit_parse_order(struct json_text order, uint64_t *serial,
                            struct json_text *user);

#endif
