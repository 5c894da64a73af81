/* worker.h - one thread: its loop, its listener, its connections to Redis and all that it
 * owns. Workers share the settings, read-only, counters that each writes itself, and the table of
 * addresses (address_limits.h); what one hands over to another goes by that one's inbox (inbox.h).
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/cluster_maps.h"
#include "common/config.h"
#include "common/metrics.h"
#include "gateway/address_limits.h"

struct worker;

/* What the workers of a process have in common; borrowed by each. */
struct worker_shared {
    const struct config *config;
    const char *address;      /* as the gateway is named in Redis */
    struct metrics **metrics; /* of all workers, as the inboxes */
    struct inbox **inboxes;
    unsigned count;
    unsigned shards;
    struct cluster_maps maps; /* of a cluster */
    struct address_limits addresses;
    unsigned max_connections;
    _Atomic unsigned open_count; /* sockets of the process */
};

/* Creates worker `index` for the bound socket `fd` (taken). All are created before the first is
 * started, because they read each other's metrics and hand notices over. */
struct worker *worker_new(struct worker_shared *shared, unsigned index, int fd);

/* Starts its thread. */
void worker_start(struct worker *worker);

/* From any thread: sends the clients away, then ends. */
void worker_drain(struct worker *worker);

/* From any thread: one log line a room, and the totals. */
void worker_dump(struct worker *worker);

/* Waits for the thread's end and frees the worker. */
void worker_join(struct worker *worker);

bool worker_has_ended(const struct worker *worker);

/* See shards_why_not_ready. */
bool worker_why_not_ready(const struct worker *worker, unsigned shard,
                          struct strbuf *out);

/* Whether tokens can be verified, where they are asked for. */
bool worker_has_keys(const struct worker *worker);

/* Whether its loop has turned within the last 5 s; `now_ns` from uv_hrtime. */
bool worker_is_alive(const struct worker *worker, uint64_t now_ns);

#endif
