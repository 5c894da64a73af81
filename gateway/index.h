/* index.h - the fleet's indexes of rooms in Redis (rc:rooms, rc:rooms:members), and taking
 * expired rooms off them.
 *
 * A room is written after its scripts ran, the first time at once, then at most once in
 * 5 s; always once more after the last change, so that the index is right in the end. The
 * script reads the count itself, so a late write is never a stale one.
 */
#ifndef GATEWAY_INDEX_H
#define GATEWAY_INDEX_H

#include "common/map.h"
#include "gateway/store.h"

struct index {
    struct store *store;
    struct metrics *metrics;
    struct map entries;
    struct list due;   /* to write now */
    struct list rests; /* written; soonest first */
    uint64_t walk_at_ms;
    bool is_walking, walks_all; /* all rooms in turn, or those that count as empty */
    unsigned walk_offsets[2];
};

void index_init(struct index *index, struct store *store, struct metrics *metrics);
void index_deinit(struct index *index);

/* Something changed in the room. */
void index_touch(struct index *index, const char *room, size_t len);

/* Writes what is due; once a turn of the loop. */
void index_flush(struct index *index, uint64_t now_ms);

/* Writes whatever has changed, due or not: the last chance. */
void index_flush_all(struct index *index, uint64_t now_ms);

/* Redis says that the room expired: the node that takes it off the index logs and counts it. */
void index_on_expired(struct index *index, const char *room, size_t len);

/* Looks at some rooms, for a Redis that announces nothing; call now and then. */
void index_walk(struct index *index, uint64_t now_ms);

#endif
