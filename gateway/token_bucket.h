/* token_bucket.h - a token bucket, pure: time is passed in. */
#ifndef GATEWAY_TOKEN_BUCKET_H
#define GATEWAY_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* A bucket of `burst` tokens that fills with `per_sec` tokens a second. `per_sec` 0: no limit;
 * `burst` 0: as many as in a second. */
struct token_bucket_rate {
    uint32_t per_sec, burst;
};

/* Zeroed is a full bucket that was never used. A connection has four: without padding. */
struct token_bucket {
    uint64_t missing; /* thousandths of a token */
    uint32_t at_ms;
} __attribute__((packed, aligned(4)));

/* Takes a token. 0: taken; else the ms until there is one. */
uint32_t token_bucket_take(struct token_bucket *bucket,
                           const struct token_bucket_rate *rate, uint32_t now_ms);

/* Takes `tokens` in any case: the bucket may owe some afterwards. */
void token_bucket_spend(struct token_bucket *bucket,
                        const struct token_bucket_rate *rate, uint32_t tokens,
                        uint32_t now_ms);

/* The ms until the bucket holds `tokens`; with 0, until it owes none. */
uint32_t token_bucket_wait_ms(struct token_bucket *bucket,
                              const struct token_bucket_rate *rate, uint32_t tokens,
                              uint32_t now_ms);

bool token_bucket_is_half_full(struct token_bucket *bucket,
                               const struct token_bucket_rate *rate, uint32_t now_ms);

#endif
