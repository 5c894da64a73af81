/* redis_sentinel.h - asks the Sentinels where the master is: one of them, the next one where it
 * fails, each second again.
 *
 *     redis_sentinel_open -> redis_sentinel_ask -> on_master, or on_failed when all have failed
 *                                                  each second again
 *
 * A Sentinel fails that cannot be reached, does not answer in time, refuses, or does not know the
 * master. The connection to one that answers is kept.
 */
#ifndef COMMON_REDIS_SENTINEL_H
#define COMMON_REDIS_SENTINEL_H

#include <stdint.h>

#include <uv.h>

#include "common/config.h"
#include "common/redis_loss.h"
#include "common/redis_url.h"

struct redis_sentinel;

/* All borrowed, for life. */
struct redis_sentinel_opts {
    uv_loop_t *loop;
    const struct config *config;
    const struct redis_url *url; /* of the form SENTINEL */
    uint64_t deadline_ms;        /* of a connection, and of an answer */
    void *owner;
    /* Only after the first ask. `master` is borrowed for the call. */
    void (*on_master)(void *owner, const struct redis_host *master);
    void (*on_failed)(void *owner, struct redis_loss loss);
};

struct redis_sentinel *redis_sentinel_open(const struct redis_sentinel_opts *opts);

/* Asks at once; if it is asking already, that answer counts. */
void redis_sentinel_ask(struct redis_sentinel *sentinel);

/* What it told was no good: the next one is to be asked. */
void redis_sentinel_distrust(struct redis_sentinel *sentinel);

/* Ends at once; nothing is called any more. NULL is allowed. */
void redis_sentinel_close(struct redis_sentinel *sentinel);

#endif
