/* expiry.h - taking rooms that have expired off the fleet's indexes.
 *
 * Redis announces a room's expiry to every process. The three whose names rank first for this room
 * look at it, one after the other within two seconds, and the first one takes it off; a slow walk
 * finds what they miss (SPEC-SCALE S3). One a process, in its first worker.
 */
#ifndef GATEWAY_EXPIRY_H
#define GATEWAY_EXPIRY_H

#include "gateway/store.h"

enum { EXPIRY_RANKS = 3 };

struct expiry {
    struct store *store;
    struct metrics *metrics;
    struct list announced;         /* not ranked yet */
    struct list due[EXPIRY_RANKS]; /* by rank of this process, soonest first */
    struct list done;              /* looked at, or left to others; not long ago */
    struct map known;              /* all of these by name */
    unsigned count;                /* of those that wait */
    char **processes;              /* names of the first workers, without our own */
    unsigned processes_count;
    uint64_t processes_at_ms; /* when they were read; 0: not yet */
    uint64_t now_ms;          /* of the last tick */
    uint64_t walk_at_ms;
    bool is_reading, is_walking;
    bool walks_all; /* all rooms in turn, or those that count as empty */
    unsigned walk_offsets[2];
};

void expiry_init(struct expiry *expiry, struct store *store, struct metrics *metrics);
void expiry_deinit(struct expiry *expiry);

/* Redis says that the room expired. */
void expiry_add(struct expiry *expiry, const char *room, size_t len);

/* Looks at the rooms that are due, and walks on; each 100 ms, while Redis can be asked. */
void expiry_tick(struct expiry *expiry, uint64_t now_ms);

#endif
