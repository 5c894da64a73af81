/* server_check.h - what a Redis should be, told in the log by a gateway that connects to one that is
 * not: a Redis that evicts keys would take members and history away one by one, a user without
 * a right fails some requests only, and a cluster whose failovers take longer than a lease loses nodes
 * with each of them.
 */
#ifndef GATEWAY_SERVER_CHECK_H
#define GATEWAY_SERVER_CHECK_H

#include "common/cluster_master.h"
#include "gateway/store.h"

/* One Redis, or one of a list. */
void server_check_start(struct store *store, int db);

/* A cluster: what its masters agree on; and each of them, for settings and users are each one's own. */
void server_check_start_cluster(struct store *store);
void server_check_start_master(struct cluster_master *master);

#endif
