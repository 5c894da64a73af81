/* shard_of.c - see shard_of.h. */
#include "common/shard_of.h"

#include <assert.h>
#include <stdint.h>

#include "common/fnv.h"

static const unsigned short tags[SHARD_OF_MAX] = {
    10, 18,  113, 342, 29,  21, 3, 122, 69,  61, 72, 162, 50, 58,  153, 43,
    11, 19,  112, 343, 28,  20, 2, 123, 68,  60, 73, 163, 51, 59,  152, 42,
    12, 102, 111, 119, 133, 23, 1, 9,   173, 63, 70, 78,  52, 142, 49,  41,
    13, 103, 110, 118, 132, 22, 0, 8,   172, 62, 71, 79,  53, 143, 48,  40,
};

/* The jump consistent hash as in the paper: the key is the state of a generator of random
 * numbers, and each of them tells to which number of buckets the key stays where it is. */
static unsigned jump(uint64_t key, unsigned buckets)
{
    int64_t at = 0, next = 0;

    while (next < buckets) {
        at = next;
        key = key * 2862933555777941757u + 1;
        next = (int64_t)((double)(at + 1) *
                         ((double)(1ll << 31) / (double)((key >> 33) + 1)));
    }
    return (unsigned)at;
}

unsigned shard_of(const char *room, size_t len, unsigned shards)
{
    if (shards == SHARD_OF_CLUSTER)
        return cluster_slot_of_room(room, len) / SHARD_OF_SLOTS;
    assert(shards <= SHARD_OF_MAX);
    return jump(fnv64_add(FNV64_START, room, len), shards);
}

unsigned shard_of_tag(unsigned shard)
{
    assert(shard < SHARD_OF_MAX);
    return tags[shard];
}
