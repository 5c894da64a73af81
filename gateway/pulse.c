/* pulse.c - see pulse.h. */
#include "gateway/pulse.h"

void pulse_start(struct pulse *pulse, uint32_t now_s, uint32_t interval_s)
{
    pulse->ping_at_s = now_s + interval_s;
}

bool pulse_is_due(struct pulse *pulse, uint32_t now_s, uint32_t interval_s)
{
    if (now_s < pulse->ping_at_s)
        return false;
    pulse->ping_at_s += interval_s;
    return true;
}

enum pulse_verdict pulse_check(struct pulse *pulse, const struct pulse_signs *signs)
{
    if (signs->was_heard)
        pulse->missed = 0;
    if (signs->is_choked)
        return ++pulse->missed > PULSE_MISSED_MAX ? PULSE_NEVER_READS : PULSE_WAIT;
    if (signs->is_read) {
        if (pulse->missed >= PULSE_MISSED_MAX)
            return PULSE_NO_PONG;
        pulse->missed++;
    }
    return PULSE_PING;
}
