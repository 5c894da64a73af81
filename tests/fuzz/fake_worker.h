/* fake_worker.h - what the targets about a gateway's worker begin and end with: a loop, and a shard
 * whose links are those of fake_link.h.
 */
#ifndef TESTS_FUZZ_FAKE_WORKER_H
#define TESTS_FUZZ_FAKE_WORKER_H

#include "gateway/policy.h"
#include "gateway/shard.h"

struct fake_worker {
    uv_loop_t loop;
    struct metrics metrics;
    struct shard shard;
    struct access access; /* tokens are asked for; no key is known at first */
    struct policy policy;
};

/* Once a process: no log, the usual keys. */
void fake_worker_set_up(void);

/* `worker` is zeroed. The links are not ready yet (fake_link_connect). */
void fake_worker_open(struct fake_worker *worker, const struct config *config);

/* Nobody may be in a room any more, and the rest of what has handles is closed. The loop must
 * end. */
void fake_worker_close(struct fake_worker *worker);

#endif
