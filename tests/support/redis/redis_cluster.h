/* redis_cluster.h - a Redis Cluster of a test's own: redis-servers on free ports of 127.0.0.1.
 *
 *     static struct redis_cluster cluster;
 *
 *     redis_cluster_open(&cluster, &(struct redis_cluster_opts){.masters = 3, .replicas = 1});
 *     redis_cluster_move(&cluster, 866, 1, 2);
 *
 * A node is known by its index. The masters come first, and the slots are spread evenly over
 * them; replica r of master m is masters + m * replicas + r. After a failover an index may be of
 * a replica that became a master: redis_cluster_owner tells. Slots are moved as redis-cli does it,
 * step by step, so that a test can stop half-way.
 */
#ifndef TESTS_SUPPORT_REDIS_REDIS_CLUSTER_H
#define TESTS_SUPPORT_REDIS_REDIS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "tests/support/redis/redis_server.h"

enum {
    REDIS_CLUSTER_SLOTS = 16384,
    REDIS_CLUSTER_NODES_MAX = 16,
    REDIS_CLUSTER_ID_LEN = 40,
    REDIS_CLUSTER_ARGS_MAX = 32,
    REDIS_CLUSTER_NONE = -1
};

struct redis_cluster_opts {
    unsigned masters, replicas; /* replicas of each master */
    unsigned node_timeout_ms;   /* 0: 2000 */
    const char *const
        *args; /* of each redis-server, ends with NULL; borrowed; NULL: none */
};

struct redis_cluster_node {
    struct redis_server server;
    char id[REDIS_CLUSTER_ID_LEN + 1];
    char timeout[16], bus_port[16];
    const char *args[REDIS_CLUSTER_ARGS_MAX];
    bool is_stopped;
    int64_t may_be_elected_ms; /* again, of wait_now_ms */
};

struct redis_cluster {
    struct redis_cluster_opts opts;
    struct redis_cluster_node nodes[REDIS_CLUSTER_NODES_MAX];
    unsigned count;
};

/* Starts it, and waits until all of it is well. */
void redis_cluster_open(struct redis_cluster *cluster,
                        const struct redis_cluster_opts *opts);
void redis_cluster_close(struct redis_cluster *cluster);

int redis_cluster_port(const struct redis_cluster *cluster, unsigned node);

/* Waits until each node that runs is well, and all of them agree about who owns what. After a
 * kill or a stop that is so once a replica took over. */
void redis_cluster_wait_well(struct redis_cluster *cluster);

/* ---- slots ---- */

/* The master that says itself that the slot is its own; of two the one with the later epoch;
 * REDIS_CLUSTER_NONE if there is none. Nodes that are stopped or down are not asked. */
int redis_cluster_owner(struct redis_cluster *cluster, unsigned slot);

/* Moves slots, with their keys, to the master `to`; those that are there already stay. Waits until
 * all agree. */
void redis_cluster_move(struct redis_cluster *cluster, unsigned first_slot,
                        unsigned slots, unsigned to);

/* The steps of it, for one slot: it is open, MIGRATING at its owner and IMPORTING at `to`; one of
 * its keys goes; all that are left go; it is owned by `to`. */
void redis_cluster_open_slot(struct redis_cluster *cluster, unsigned slot, unsigned to);
void redis_cluster_migrate_key(struct redis_cluster *cluster, unsigned slot,
                               const char *key, unsigned to);
void redis_cluster_migrate_keys(struct redis_cluster *cluster, unsigned slot,
                                unsigned to);
void redis_cluster_end_slot(struct redis_cluster *cluster, unsigned slot, unsigned to);

/* Reverses the opening: what has gone comes back to the owner. */
void redis_cluster_reverse_slot(struct redis_cluster *cluster, unsigned slot,
                                unsigned to);

/* ---- nodes ----
 *
 * A replica that won an election may be elected again after four node-timeouts, not before: Redis 7.0
 * takes the former votes for new ones, and it is a master that nobody believes. What may lead to an
 * election waits for that.
 */

/* A replica of `node`, as that one knows it; fails if it has none. */
unsigned redis_cluster_replica(struct redis_cluster *cluster, unsigned node);

/* Makes a replica the master, and waits until it says so. `how`: "", "FORCE" or "TAKEOVER". */
void redis_cluster_fail_over(struct redis_cluster *cluster, unsigned replica,
                             const char *how);

void redis_cluster_kill(struct redis_cluster *cluster, unsigned node);
void redis_cluster_start(struct redis_cluster *cluster, unsigned node);

/* SIGSTOP and SIGCONT. */
void redis_cluster_stop(struct redis_cluster *cluster, unsigned node);
void redis_cluster_go_on(struct redis_cluster *cluster, unsigned node);

/* ---- commands ---- */

/* The port of the master that has the key. */
int redis_cluster_port_of_key(struct redis_cluster *cluster, const char *key);

/* A connection that follows no redirection, with patience; for redisFree. */
redisContext *redis_cluster_connect(struct redis_cluster *cluster, unsigned node);

#endif
