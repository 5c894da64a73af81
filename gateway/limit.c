/* limit.c - see limit.h. What is kept is how far the bucket is from full, so that a
 * zeroed one is full. */
#include "gateway/limit.h"

static uint64_t full(const struct limit_rate *rate)
{
    return (uint64_t)(rate->burst ? rate->burst : rate->per_sec) * 1000;
}

static void fill(struct limit *limit, const struct limit_rate *rate, uint32_t now_ms)
{
    uint64_t filled = (uint64_t)(now_ms - limit->at_ms) * rate->per_sec;

    limit->missing = filled >= limit->missing ? 0 : limit->missing - filled;
    limit->at_ms = now_ms;
}

uint32_t limit_wait_ms(struct limit *limit, const struct limit_rate *rate,
                       uint32_t tokens, uint32_t now_ms)
{
    uint64_t needed;

    if (rate->per_sec == 0)
        return 0;
    fill(limit, rate, now_ms);
    needed = limit->missing + (uint64_t)tokens * 1000;
    if (needed <= full(rate))
        return 0;
    return (uint32_t)((needed - full(rate) + rate->per_sec - 1) / rate->per_sec);
}

uint32_t limit_take(struct limit *limit, const struct limit_rate *rate, uint32_t now_ms)
{
    uint32_t wait_ms = limit_wait_ms(limit, rate, 1, now_ms);

    if (wait_ms == 0 && rate->per_sec > 0)
        limit->missing += 1000;
    return wait_ms;
}

void limit_spend(struct limit *limit, const struct limit_rate *rate, uint32_t tokens,
                 uint32_t now_ms)
{
    if (rate->per_sec == 0)
        return;
    fill(limit, rate, now_ms);
    limit->missing += (uint64_t)tokens * 1000;
}

bool limit_is_half_full(struct limit *limit, const struct limit_rate *rate,
                        uint32_t now_ms)
{
    if (rate->per_sec == 0)
        return true;
    fill(limit, rate, now_ms);
    return limit->missing * 2 <= full(rate);
}
