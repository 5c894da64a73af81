/* redis_pulse.c - see redis_pulse.h. */
#include "common/redis_pulse.h"

enum {
    SIGN_BYTES = 16 * 1024, /* so many of one reply are a sign of life, */
    SIGNS_TIMES = 10,       /* for so many times silence_ms after a whole one */
};

void redis_pulse_on_bytes(struct redis_pulse *pulse, size_t count, uint64_t now)
{
    pulse->unheard_bytes += (uint32_t)count;
    if (pulse->unheard_bytes < SIGN_BYTES)
        return;
    pulse->unheard_bytes = 0;
    pulse->heard_at = now;
}

void redis_pulse_on_reply(struct redis_pulse *pulse, uint64_t now)
{
    pulse->unheard_bytes = 0;
    pulse->heard_at = pulse->replied_at = now;
}

bool redis_pulse_is_silent(const struct redis_pulse *pulse, uint64_t asked_at,
                           uint64_t silence_ms, uint64_t now)
{
    uint64_t asked_ms = now - asked_at;

    return (asked_ms >= silence_ms && now - pulse->heard_at >= silence_ms) ||
           (asked_ms >= SIGNS_TIMES * silence_ms &&
            now - pulse->replied_at >= SIGNS_TIMES * silence_ms);
}
