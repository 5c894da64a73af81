/* history_read.h - reading a piece of a room's history from Redis (lua/history.lua).
 *
 * What is given is as new as this worker knows the history to be: an answer from before a deletion or
 * an edit that was heard of meanwhile is not used, Redis is asked again (SPEC section 3, changed).
 */
#ifndef GATEWAY_HISTORY_READ_H
#define GATEWAY_HISTORY_READ_H

#include "gateway/store.h"

/* What is read: messages after `after`, or, if it is UINT64_MAX, the last ones before `before`. */
struct history_range {
    uint64_t after, before;
    unsigned limit;
};

/* `history` is NULL if it failed or there is no such room. The room has a ref meanwhile. Never from
 * inside the call. */
typedef void (*history_read_fn)(void *data, const struct history *history);
void history_read(struct store *store, struct room *room,
                  const struct history_range *range, history_read_fn on_done,
                  void *data);

/* For room_hooks; ends in deliver_backfill. */
void history_read_backfill(struct store *store, struct room *room, uint64_t after);

#endif
