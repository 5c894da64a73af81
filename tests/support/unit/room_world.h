/* room_world.h - a room with a few clients in any order of what can happen, against plain models: of
 * Redis (plain_redis.h), and of what each client must be given. Calls are taken and answered
 * late, notices of messages are lost, doubled or late, clients are slow, Redis goes away, closes
 * the room, loses it or goes back.
 *
 * Of each client it is required:
 *     its messages come in the order of their numbers, with no hole that is not named, and
 *     none is named that Redis still has;
 *     a message comes not as it was once its deletion was told;
 *     who came and went is told once, in order, from its join on;
 *     it is put out only by a kick or a closing after its join, and told why;
 * and, once nothing is under way: it has all that Redis has, and Redis has those users that are in.
 */
#ifndef TESTS_SUPPORT_UNIT_ROOM_WORLD_H
#define TESTS_SUPPORT_UNIT_ROOM_WORLD_H

#include <stdbool.h>

/* How often what happens, beside the rest. */
struct world_shape {
    bool has_cache; /* reads of the history go through history_cache.c */
    unsigned messages, deletions, reads, slow;
    unsigned joins, far, kicks, closings;
    unsigned outages, losses, refusals;
};

/* Runs so many seeds, or as many as ROOMCAST_ROUNDS says, or the one that ROOMCAST_SEED names, of
 * which it prints each step. What fails names its seed. */
void world_run(const struct world_shape *shape, unsigned rounds);

#endif
