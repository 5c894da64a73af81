/* feed_rooms.h - the rooms that workers of this process want notices of, and which workers want each.
 * Pure: knows neither a link nor whom it is told.
 *
 * As small as can be: with names of sixteen bytes and sixteen workers 32 bytes a room, beside its slot
 * in the map.
 */
#ifndef GATEWAY_FEED_ROOMS_H
#define GATEWAY_FEED_ROOMS_H

#include <stdbool.h>

#include "common/cluster_subs.h"
#include "common/json.h"
#include "common/map.h"

/* A room that somebody wants, or that Redis has still to confirm. */
struct feed_room {
    unsigned pending; /* so many subscriptions that were sent and are not confirmed */
    struct cluster_sub sub;
    unsigned char name_len;
    unsigned char bytes[]; /* the workers that want it, a bit each; the name */
};

struct feed_rooms {
    struct map map;
    unsigned workers;
    size_t mask_bytes; /* for a bit a worker */
};

void feed_rooms_init(struct feed_rooms *rooms, unsigned workers);

/* Frees all rooms. */
void feed_rooms_clear(struct feed_rooms *rooms);

/* NULL: there is none. */
struct feed_room *feed_rooms_find(const struct feed_rooms *rooms,
                                  struct json_text name);

/* A new one is wanted by nobody: somebody must want it, or feed_rooms_free_if_done. */
struct feed_room *feed_rooms_get(struct feed_rooms *rooms, struct json_text name);

/* Frees the room if nobody wants it and nothing is pending. */
void feed_rooms_free_if_done(struct feed_rooms *rooms, struct feed_room *room);

/* Borrowed from the room. */
struct json_text feed_rooms_name(const struct feed_rooms *rooms,
                                 const struct feed_room *room);

void feed_rooms_want(struct feed_room *room, unsigned worker, bool wants);
bool feed_rooms_is_wanted_by(const struct feed_room *room, unsigned worker);
bool feed_rooms_is_wanted(const struct feed_rooms *rooms, const struct feed_room *room);

/* The next worker, from `from` on, that wants the room; rooms->workers: none is left. */
unsigned feed_rooms_next(const struct feed_rooms *rooms, const struct feed_room *room,
                         unsigned from);

/* All rooms that the worker wants; *count of them. The caller frees the array. */
struct feed_room **feed_rooms_wanted_by(const struct feed_rooms *rooms, unsigned worker,
                                        unsigned *count);

#endif
