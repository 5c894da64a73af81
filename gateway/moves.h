/* moves.h - joins and leaves on their way to Redis: those of one room and one turn of the
 * loop go out as one call each, and reach the members as one notice.
 */
#ifndef GATEWAY_MOVES_H
#define GATEWAY_MOVES_H

#include "gateway/store.h"

/* One a worker. */
struct moves {
    struct store *store;
    struct list dirty; /* rooms */
};

void moves_init(struct moves *moves, struct store *store);

/* room_hooks; they end in room_on_joined and room_on_left. */
void moves_join(struct moves *moves, struct room *room, struct join *join);
void moves_leave(struct moves *moves, struct room *room, struct room_user *user);

/* Sends what came together; last in a turn, because what runs before it adds to it. */
void moves_flush(struct moves *moves);

/* leave.lua for somebody who is not here; for sync.h. */
void moves_send_ghost(struct store *store, const struct room *room,
                      const struct room_user *ghost);

#endif
