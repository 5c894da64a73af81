/* pulse.h - whether a client is still there: when it is pinged, and what it means that nothing comes.
 * Pure.
 */
#ifndef GATEWAY_PULSE_H
#define GATEWAY_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum { PULSE_MISSED_MAX = 2 };

/* Of one client. */
struct pulse {
    uint32_t ping_at_s;
    unsigned char missed; /* pings since the client was heard */
};

/* What is known of the client at a ping. */
struct pulse_signs {
    bool was_heard; /* since the last one */
    bool is_choked; /* it does not read, so it is not read either */
    bool is_read;   /* else no pong can be heard */
};

enum pulse_verdict {
    PULSE_PING,
    PULSE_WAIT,
    PULSE_NEVER_READS,
    PULSE_NO_PONG,
};

/* The first ping is an interval away. */
void pulse_start(struct pulse *pulse, uint32_t now_s, uint32_t interval_s);

/* Whether it is time for a ping; then for the next one an interval later. */
bool pulse_is_due(struct pulse *pulse, uint32_t now_s, uint32_t interval_s);

/* What is to be done now that it is. */
enum pulse_verdict pulse_check(struct pulse *pulse, const struct pulse_signs *signs);

#endif
