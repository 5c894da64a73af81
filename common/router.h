/* router.h - which Redis a room lives on.
 *
 * The one place that decides it, so that another router can be put in. The number is
 * kept in the room's meta hash as `shard_id`.
 */
#ifndef COMMON_ROUTER_H
#define COMMON_ROUTER_H

#include <stddef.h>

/* The shard of `room`, 0 to shards - 1; 0 with one Redis. */
unsigned shard_of(const char *room, size_t len, unsigned shards);

#endif
