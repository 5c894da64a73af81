/* joins_leaves.h - joins and leaves on their way to Redis: those of one room and one turn of the
 * loop go out as one call each, and reach the members as one notice.
 */
#ifndef GATEWAY_JOINS_LEAVES_H
#define GATEWAY_JOINS_LEAVES_H

#include "gateway/store.h"

/* One a worker. */
struct joins_leaves {
    struct store *store;
    struct list dirty; /* rooms */
};

void joins_leaves_init(struct joins_leaves *jl, struct store *store);

/* room_hooks; they end in room_on_joined, and in room_on_left or room_on_leave_unanswered. */
void joins_leaves_join(struct joins_leaves *jl, struct room *room, struct join *join);
void joins_leaves_leave(struct joins_leaves *jl, struct room *room,
                        struct room_user *user);

/* Sends what came together; last in a turn, because what runs before it adds to it. */
void joins_leaves_flush(struct joins_leaves *jl);

/* leave.lua for a user that is not here; for sync.h. */
void joins_leaves_send_ghost(struct store *store, const struct room *room,
                             const struct room_user *ghost);

#endif
