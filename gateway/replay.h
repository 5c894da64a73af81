/* replay.h - history reads for clients that come in, shared: when ten thousand come back at
 * once to a room that is in use, Redis is asked for its history once or twice, not ten
 * thousand times.
 *
 * The first read in a while goes to Redis as it is asked for. If another one follows within
 * KEEP_MS, the whole of the room's recent history is read into the room's ring (room_log.h),
 * which is kept up to date from then on and answers, until nobody has asked for KEEP_MS. What
 * is older than the ring holds is read from Redis, once for all who ask while it is read.
 */
#ifndef GATEWAY_REPLAY_H
#define GATEWAY_REPLAY_H

#include "gateway/store.h"

/* One a worker. */
struct replays {
    struct store *store;
    struct rooms *rooms;
    uv_loop_t *loop;
    struct list kept;  /* rooms' replays, the one that is unused longest first */
    struct list ready; /* reads that the ring answers */
};

/* After deliver_init. */
void replay_init(struct replays *replays, struct store *store, struct rooms *rooms,
                 uv_loop_t *loop);

/* A batch of the history behind `after`. on_done comes later in any case. */
void replay_read(struct replays *replays, struct room *room, uint64_t after,
                 store_history_fn on_done, void *data);

/* Gives the answers that are ready, and forgets what nobody asked for; once a turn. */
void replay_run(struct replays *replays);

/* Once the loop has ended: whoever still waits gets NULL. */
void replay_deinit(struct replays *replays);

#endif
