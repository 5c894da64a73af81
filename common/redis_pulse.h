/* redis_pulse.h - whether a connection to Redis still lives, by what comes in. Time is passed in.
 *
 * Bytes alone prove little: what comes may all be swallowed by a reply that never ends. A large one
 * on a slow link, though, must not be cut while it comes, or it would come in vain again and
 * again. So a few bytes do not count, and many do for a bounded time.
 */
#ifndef COMMON_REDIS_PULSE_H
#define COMMON_REDIS_PULSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_pulse {
    uint64_t replied_at;    /* a whole reply, or the connection, came */
    uint64_t heard_at;      /* that, or many bytes of one */
    uint32_t unheard_bytes; /* since heard_at */
};

void redis_pulse_on_bytes(struct redis_pulse *pulse, size_t count, uint64_t now);
void redis_pulse_on_reply(struct redis_pulse *pulse, uint64_t now);

/* `asked_at`: when the command was sent whose reply is next. */
bool redis_pulse_is_silent(const struct redis_pulse *pulse, uint64_t asked_at,
                           uint64_t silence_ms, uint64_t now);

#endif
