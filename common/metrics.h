/* metrics.h - counters, gauges and histograms in Prometheus' text format.
 *
 * Each worker writes a struct metrics of its own and nobody else does; the ops thread
 * adds them up. The admin service is one such worker. So a metric is a relaxed atomic that is never
 * incremented with a locked instruction: one writer needs none.
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/metric_labels.h"
#include "common/strbuf.h"

typedef _Atomic uint64_t metric;

/* Whose metric it is; each program prints its own. */
enum metrics_program { METRICS_GATEWAY = 1, METRICS_ADMIN = 2, METRICS_BOTH = 3 };

/* X(program, kind, name, help): without a label */
#define METRICS_PLAIN(X)                                                               \
    X(GATEWAY, gauge, connections, "WebSocket connections that are open")              \
    X(GATEWAY, gauge, rooms, "Rooms with members on this gateway")                     \
    X(GATEWAY, gauge, members, "Users in rooms, as far as they came in here")          \
    X(GATEWAY, gauge_min, revoked_entries,                                             \
      "Users and tokens of rc:revoked that a worker has a copy of, the fewest")        \
    X(GATEWAY, counter, connects_total, "WebSocket handshakes completed")              \
    X(GATEWAY, counter, messages_published_total,                                      \
      "Messages stored in Redis and acked")                                            \
    X(GATEWAY, counter, edits_total, "Messages edited or deleted by clients")          \
    X(GATEWAY, counter, auth_refreshes_total,                                          \
      "Tokens that took the place of another one")                                     \
    X(GATEWAY, counter, auth_expired_total,                                            \
      "Connections closed because their token had expired")                            \
    X(GATEWAY, counter, forwarded_ignored_total,                                       \
      "Handshakes whose X-Forwarded-For was not looked at, because it came from "      \
      "nobody who is trusted")                                                         \
    X(GATEWAY, counter, user_connections_closed_total,                                 \
      "Connections closed because a newer one of their user took their place")         \
    X(GATEWAY, counter, deliveries_total, "Messages handed to a member's connection")  \
    X(GATEWAY, counter, sent_bytes_total, "Bytes written to clients")                  \
    X(GATEWAY, counter, writes_total, "Writes to clients' sockets")                    \
    X(GATEWAY, counter, received_bytes_total, "Bytes read from clients")               \
    X(GATEWAY, counter, slow_consumers_total, "Connections that fell behind")          \
    X(GATEWAY, counter, signals_dropped_total,                                         \
      "Signals not sent to clients that fell behind")                                  \
    X(GATEWAY, counter, presence_dropped_total,                                        \
      "Presence events not sent to clients that fell behind")                          \
    X(GATEWAY, counter, gaps_total, "Gaps told to members")                            \
    X(GATEWAY, counter, resets_total, "Rooms recreated because Redis lost them")       \
    X(GATEWAY, counter, backfilled_messages_total,                                     \
      "Messages read from the history because their notice did not come")              \
    X(GATEWAY, counter, history_reads_total,                                           \
      "History reads sent to Redis for clients")                                       \
    X(GATEWAY, counter, history_shared_total,                                          \
      "History reads for clients that needed no call to Redis")                        \
    X(GATEWAY, counter, rooms_expired_total, "Empty rooms whose time was over")        \
    X(GATEWAY, counter, members_expired_total,                                         \
      "Members of dead nodes that were reaped")                                        \
    X(GATEWAY, counter, nodes_reaped_total, "Dead nodes whose members were reaped")    \
    X(GATEWAY, counter, nodes_renamed_total,                                           \
      "Times this gateway took another name in Redis")                                 \
    X(GATEWAY, counter, syncs_total, "Rooms compared with Redis after an outage")      \
    X(GATEWAY, counter, handover_dropped_total,                                        \
      "Notices not handed over to a worker because too many waited for it")            \
    X(GATEWAY, counter, pool_alloc_total, "Blocks taken from the pool")                \
    X(GATEWAY, counter, pool_recycle_total, "Blocks given back to the pool")           \
    X(BOTH, gauge, redis_links, "Connections to the masters of a Redis Cluster")       \
    X(GATEWAY, gauge, redis_rooms_waiting,                                             \
      "Rooms with a call that waits for their slot of a Redis Cluster")                \
    X(GATEWAY, gauge, redis_registries_waiting,                                        \
      "Registries of shards of a Redis Cluster that wait for their slot, once a "      \
      "worker")                                                                        \
    X(BOTH, gauge, redis_slots_unserved,                                               \
      "Slots of a Redis Cluster that no master has, or one that does not answer")      \
    X(BOTH, counter, redis_map_reads_total,                                            \
      "Times the map of a Redis Cluster was read")                                     \
    X(GATEWAY, counter, redis_foreign_notices_total,                                   \
      "Notices under another token than the room's")                                   \
    X(GATEWAY, counter, redis_terms_total,                                             \
      "Times a room's log was found with another server")                              \
    X(GATEWAY, gauge, pool_bytes, "Memory held by the pool, in use or free")           \
    X(GATEWAY, gauge, send_queue_bytes, "Bytes waiting for clients that do not read")  \
    X(BOTH, counter, config_errors_total,                                              \
      "Files that were changed and are no good, so the old ones stay")                 \
    X(BOTH, counter, http_refused_total,                                               \
      "Connections to the admin or ops port refused because there were too many")      \
    X(BOTH, counter, http_slow_total,                                                  \
      "Connections to the admin or ops port cut because an answer was not taken")      \
    X(BOTH, counter, log_dropped_total,                                                \
      "Log lines dropped because nobody read stderr fast enough")                      \
    X(ADMIN, gauge, admin_listeners, "Clients that follow the events")                 \
    X(ADMIN, counter, admin_samples_total, "Points added to the online series")

/* X(program, kind, name, label, help, values): one label, its values the words of that list in
 * metric_labels.h. gauge_min: of all workers the smallest counts; gauge_max_ms: the largest, kept
 * in milliseconds. */
#define METRICS_LABELLED(X)                                                            \
    X(GATEWAY, counter, disconnects_total, reason, "Connections ended, by reason",     \
      CONN_ENDS)                                                                       \
    X(GATEWAY, counter, requests_total, type, "Requests, by type", METRIC_REQUESTS)    \
    X(GATEWAY, counter, errors_total, code, "Error replies, by code", PROTO_ERRORS)    \
    X(GATEWAY, counter, auth_total, result, "Tokens and guests, by what came of them", \
      METRIC_AUTH_RESULTS)                                                             \
    X(GATEWAY, gauge_min, policy_rev, kind,                                            \
      "Number of the copy that a worker has of what the fleet has decided, the "       \
      "oldest",                                                                        \
      METRIC_POLICIES)                                                                 \
    X(GATEWAY, counter, refused_connects_total, reason,                                \
      "Connections refused for where they come from or how they begin, by why",        \
      METRIC_REFUSED_CONNECTS)                                                         \
    X(GATEWAY, counter, paced_total, why,                                              \
      "Times a connection was not read because it had sent too much, by what it sent", \
      PACE_REASONS)                                                                    \
    X(GATEWAY, counter, refused_upgrades_total, status,                                \
      "HTTP requests refused, by status", UPGRADE_REFUSALS)                            \
    X(BOTH, gauge_min, redis_up, shard,                                                \
      "1 while Redis takes reads, writes and notices", METRIC_SHARDS)                  \
    X(BOTH, counter, redis_reconnects_total, shard, "Redis connections made again",    \
      METRIC_SHARDS)                                                                   \
    X(BOTH, counter, redis_errors_total, kind,                                         \
      "Refusals and failures of Redis, by kind", REDIS_ERRORS)                         \
    X(BOTH, counter, redis_redirects_total, kind,                                      \
      "Calls that a master of a Redis Cluster did not do, by why", METRIC_REDIRECTS)   \
    X(GATEWAY, counter, redis_homes_lost_total, why,                                   \
      "Rooms that had to find their master again, by why", METRIC_HOMES_LOST)          \
    X(BOTH, counter, malformed_total, from,                                            \
      "Things from Redis that were not used because they are not what they should "    \
      "be",                                                                            \
      INTAKE_KINDS)                                                                    \
    X(GATEWAY, gauge_max_ms, canary_age_seconds, shard,                                \
      "Seconds since a notice to itself came back, the worst of the workers",          \
      METRIC_SHARDS)                                                                   \
    X(ADMIN, counter, admin_requests_total, status,                                    \
      "HTTP answers, by class of status", HTTP_CLASSES)                                \
    X(ADMIN, counter, oidc_logins_total, result,                                       \
      "Logins at the provider, by what came of them", METRIC_LOGINS)                   \
    X(ADMIN, counter, admin_actions_total, action, "What operators did", AUDIT_ACTIONS)

/* X(program, name, help) */
#define METRICS_HISTOGRAMS(X)                                                          \
    X(GATEWAY, publish_seconds, "From a message request to its ack")                   \
    X(GATEWAY, fanout_seconds, "From reading a notice to the last write of it")        \
    X(ADMIN, admin_request_seconds, "From an HTTP request to its answer")

enum { METRIC_BUCKETS = 14, METRIC_LABELS_MAX = 64 };

struct metric_histogram {
    metric buckets[METRIC_BUCKETS + 1]; /* each its own part; the last is +Inf */
    metric sum_ns;
};

struct metrics {
#define X(program, kind, name, ...) metric name;
    METRICS_PLAIN(X)
#undef X
#define X(program, kind, name, ...) metric name[METRIC_LABELS_MAX];
    METRICS_LABELLED(X)
#undef X
#define X(program, name, help) struct metric_histogram name;
    METRICS_HISTOGRAMS(X)
#undef X
};

/* For the one writer. */
static inline void metric_add(metric *m, uint64_t n)
{
    atomic_store_explicit(m, atomic_load_explicit(m, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void metric_sub(metric *m, uint64_t n)
{
    metric_add(m, (uint64_t)0 - n);
}

static inline void metric_set(metric *m, uint64_t value)
{
    atomic_store_explicit(m, value, memory_order_relaxed);
}

/* For any reader. */
static inline uint64_t metric_read(const metric *m)
{
    return atomic_load_explicit((metric *)m, memory_order_relaxed);
}

/* For the one writer: one observation of `ns` nanoseconds. */
void metric_observe_ns(struct metric_histogram *h, uint64_t ns);

/* How many shards there are, 1 to 64; at first 1. Of a metric by shard so many values are printed.
 * Before any thread starts. */
void metrics_set_shards(unsigned count);

/* Adds the text of all metrics of `program` to `out`, prefix roomcast_, over `count` workers:
 * counters, gauges and histograms summed, but for the kinds that say otherwise. */
void metrics_print(struct strbuf *out, enum metrics_program program,
                   struct metrics *const *workers, unsigned count);

#endif
