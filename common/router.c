/* router.c - see router.h. */
#include "common/router.h"

#include <assert.h>

unsigned shard_of(const char *room, size_t len, unsigned shards)
{
    (void)room;
    (void)len;
    assert(shards == 1); /* config refuses a list of several */
    return 0;
}
