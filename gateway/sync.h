/* sync.h - making what Redis has of this node in a room what is really connected here.
 *
 * After an outage, an unknown outcome, or another name: pages of users are put back
 * (lua/sync.lua), then extra users are removed.
 */
#ifndef GATEWAY_SYNC_H
#define GATEWAY_SYNC_H

#include "gateway/store.h"

/* For room_hooks. Ends in room_on_synced; before that, kicks and closings that were not heard
 * are delivered. */
void sync_start(struct store *store, struct room *room);

#endif
