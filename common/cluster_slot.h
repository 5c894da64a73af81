/* cluster_slot.h - which slot of a Redis Cluster a key is in, as the Redis Cluster specification
 * says: CRC16 (XMODEM) of what stands between the first { and the next }, if that is anything,
 * else of the whole key.
 */
#ifndef COMMON_CLUSTER_SLOT_H
#define COMMON_CLUSTER_SLOT_H

#include <stddef.h>

enum { CLUSTER_SLOTS = 16384 };

unsigned cluster_slot_of_key(const char *key, size_t len);

/* Of all keys and channels of a room: its name is their tag, and holds neither { nor }. */
unsigned cluster_slot_of_room(const char *room, size_t len);

#endif
