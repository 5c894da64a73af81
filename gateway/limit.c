/* limit.c - see limit.h. What is kept is how far the bucket is from full, so that a
 * zeroed one is full. */
#include "gateway/limit.h"

uint32_t limit_take(struct limit *limit, uint32_t per_sec, uint32_t burst,
                    uint32_t now_ms)
{
    uint64_t filled = (uint64_t)(now_ms - limit->at_ms) * per_sec;
    uint64_t full = (uint64_t)(burst ? burst : per_sec) * 1000;

    if (per_sec == 0)
        return 0;
    limit->missing = filled >= limit->missing ? 0 : limit->missing - filled;
    limit->at_ms = now_ms;
    if (limit->missing + 1000 > full)
        return (uint32_t)((limit->missing + 1000 - full + per_sec - 1) / per_sec);
    limit->missing += 1000;
    return 0;
}
