/* history_cache.h - history reads for clients, shared: when ten thousand clients come back at
 * once to a room in use, Redis is asked for its history once or twice, not ten thousand times.
 *
 * The first read in a while goes to Redis as it is asked for. If another one comes within
 * KEEP_MS, the whole of the room's recent history is read into the log's ring (room_log.h).
 * The ring is kept up to date from then on and answers, until nobody has asked for KEEP_MS. What
 * is older than the ring holds is read from Redis, once for all who ask while it is read.
 */
#ifndef GATEWAY_HISTORY_CACHE_H
#define GATEWAY_HISTORY_CACHE_H

#include "gateway/history_read.h"
#include "gateway/store.h"

/* One a worker. */
struct history_cache {
    struct store *store;
    struct rooms *rooms;
    struct list entries; /* of rooms, the one that is unused longest first */
    struct list ready;   /* reads that the ring answers */
};

/* After deliver_init. The pointers are borrowed and outlive the cache. */
void history_cache_init(struct history_cache *cache, struct store *store,
                        struct rooms *rooms);

/* What is wanted: a batch of what comes after message `after`, from who knows the room up to message
 * `until` at least (0: anybody). */
struct history_wish {
    uint64_t after, until;
};

/* on_done comes later in any case; its history is borrowed, NULL if Redis could not be asked. */
void history_cache_read(struct history_cache *cache, struct room *room,
                        const struct history_wish *wish, uint64_t now_ms,
                        history_read_fn on_done, void *data);

/* Gives the answers that are ready, and drops the entries that nobody asked for; once a turn. */
void history_cache_run(struct history_cache *cache, uint64_t now_ms);

/* Once the loop has ended: reads that still wait get NULL. */
void history_cache_deinit(struct history_cache *cache);

#endif
