/* shard_of.h - which shard a room is of (SPEC-SCALE S2). The number is kept in the room's meta
 * hash as `shard_id`, and all programs must agree about it for as long as the rooms live.
 *
 *     one Redis        shard 0
 *     a list of n      jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory,
 *                      Consistent Hash Algorithm", 2014) of FNV-1a 64 of the name
 *     a cluster        64 shards of 256 slots each
 */
#ifndef COMMON_SHARD_OF_H
#define COMMON_SHARD_OF_H

#include <stddef.h>

#include "common/cluster_slot.h"

enum {
    SHARD_OF_MAX = 64,    /* Redis in a list; shards of a cluster */
    SHARD_OF_CLUSTER = 0, /* in place of the number of shards */
    SHARD_OF_SLOTS = CLUSTER_SLOTS / SHARD_OF_MAX, /* of a cluster, in each shard */
};

/* The shard of `room`. `shards`: how many Redis there are, 1 to SHARD_OF_MAX, or
 * SHARD_OF_CLUSTER. */
unsigned shard_of(const char *room, size_t len, unsigned shards);

/* In a cluster: the tag of the keys of the shard's registry, the smallest number whose slot is in
 * the shard. */
unsigned shard_of_tag(unsigned shard);

#endif
