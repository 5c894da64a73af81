/* drain.h - leaving a worker's clients in peace: each is told when to come back, and sent
 * away at that time, spread evenly.
 */
#ifndef GATEWAY_DRAIN_H
#define GATEWAY_DRAIN_H

#include "gateway/session.h"

struct drain {
    struct session_env *env;
    uint64_t started_ms, spread_ms;
    unsigned total, sent_away;
};

/* Tells every client `reconnect` with its own after_ms. */
void drain_start(struct drain *drain, struct session_env *env, uint64_t now_ms);

/* Closes those whose time has come, with 4000; call often. */
void drain_step(struct drain *drain, uint64_t now_ms);

/* How long returns are spread: the drain time less the grace, or all of it where that
 * leaves less than half. */
uint64_t drain_spread_ms(uint64_t drain_ms, uint64_t grace_ms);

#endif
