/* limit.h - a token bucket, pure: time is passed in. */
#ifndef GATEWAY_LIMIT_H
#define GATEWAY_LIMIT_H

#include <stdint.h>

/* Zeroed is a full bucket that was never used. */
struct limit {
    uint64_t missing; /* thousandths of a token */
    uint32_t at_ms;
};

/* Takes a token from a bucket of `burst` that fills with `per_sec` tokens a second. 0: taken;
 * else the ms until there is one. `per_sec` 0: no limit. */
uint32_t limit_take(struct limit *limit, uint32_t per_sec, uint32_t burst,
                    uint32_t now_ms);

#endif
