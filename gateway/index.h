/* index.h - writing the fleet's indexes of rooms in Redis (rc:rooms, rc:rooms:members).
 *
 * A room is written after its scripts ran, the first time at once, then at most once in
 * 5 s; always once more after the last change, so that the index is right in the end. Its members
 * are counted when it is written, so a late write is never a stale one.
 */
#ifndef GATEWAY_INDEX_H
#define GATEWAY_INDEX_H

#include "common/map.h"
#include "gateway/store.h"

struct index {
    struct store *store;
    struct map entries;
    struct list due;   /* to write now */
    struct list rests; /* written; soonest first */
};

void index_init(struct index *index, struct store *store);
void index_deinit(struct index *index);

/* Something changed in the room. `is_new`: it was created, and is written at once, also if
 * a room of this name was written a moment ago. */
void index_touch(struct index *index, const char *room, size_t len, bool is_new);

/* Writes what is due; once a turn of the loop. */
void index_flush(struct index *index, uint64_t now_ms);

/* Writes whatever has changed, due or not: the last chance. */
void index_flush_all(struct index *index, uint64_t now_ms);

#endif
