/* token_bucket.c - see token_bucket.h. What is kept is how far the bucket is from full, so that a
 * zeroed one is full. */
#include "gateway/token_bucket.h"

static uint64_t full(const struct token_bucket_rate *rate)
{
    return (uint64_t)(rate->burst ? rate->burst : rate->per_sec) * 1000;
}

static void fill(struct token_bucket *bucket, const struct token_bucket_rate *rate,
                 uint32_t now_ms)
{
    uint64_t filled = (uint64_t)(now_ms - bucket->at_ms) * rate->per_sec;

    bucket->missing = filled >= bucket->missing ? 0 : bucket->missing - filled;
    bucket->at_ms = now_ms;
}

uint32_t token_bucket_wait_ms(struct token_bucket *bucket,
                              const struct token_bucket_rate *rate, uint32_t tokens,
                              uint32_t now_ms)
{
    uint64_t needed;

    if (rate->per_sec == 0)
        return 0;
    fill(bucket, rate, now_ms);
    needed = bucket->missing + (uint64_t)tokens * 1000;
    if (needed <= full(rate))
        return 0;
    return (uint32_t)((needed - full(rate) + rate->per_sec - 1) / rate->per_sec);
}

uint32_t token_bucket_take(struct token_bucket *bucket,
                           const struct token_bucket_rate *rate, uint32_t now_ms)
{
    uint32_t wait_ms = token_bucket_wait_ms(bucket, rate, 1, now_ms);

    if (wait_ms == 0 && rate->per_sec > 0)
        bucket->missing += 1000;
    return wait_ms;
}

void token_bucket_spend(struct token_bucket *bucket,
                        const struct token_bucket_rate *rate, uint32_t tokens,
                        uint32_t now_ms)
{
    if (rate->per_sec == 0)
        return;
    fill(bucket, rate, now_ms);
    bucket->missing += (uint64_t)tokens * 1000;
}

bool token_bucket_is_half_full(struct token_bucket *bucket,
                               const struct token_bucket_rate *rate, uint32_t now_ms)
{
    if (rate->per_sec == 0)
        return true;
    fill(bucket, rate, now_ms);
    return bucket->missing * 2 <= full(rate);
}
