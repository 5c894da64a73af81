/* arrival.h - where a connection comes from, and whether its address may have one more (SPEC-PUBLIC P4).
 *
 * Whose connection it is, is known when it is accepted; or, behind a balancer, once it has said so, by
 * the header of the PROXY protocol or by X-Forwarded-For. It is counted from then on.
 */
#ifndef GATEWAY_ARRIVAL_H
#define GATEWAY_ARRIVAL_H

#include <stdbool.h>

#include <uv.h>

#include "common/metrics.h"
#include "gateway/address_limits.h"
#include "gateway/handshake.h"

/* Of all connections of a worker; borrowed. */
struct arrival_env {
    const struct config *config;
    struct metrics *metrics;
    struct address_limits *limits; /* of the process; NULL: none */
};

/* What has to be read before it is known whose connection it is. */
enum arrival_stage { ARRIVAL_KNOWN, ARRIVAL_AWAITS_PROXY, ARRIVAL_AWAITS_REQUEST };

/* Zeroed at first. */
struct arrival {
    struct address_entry *entry; /* where it is counted; NULL: nowhere */
    unsigned char stage, place;  /* enum address_place */
};

/* It was accepted. False: it is dropped without a word. */
bool arrival_begin(struct arrival *arrival, const struct arrival_env *env,
                   const uv_tcp_t *socket);

/* More of its handshake has come. The status of `verdict`, or another one: 429, HANDSHAKE_DROPPED. */
int arrival_check(struct arrival *arrival, const struct arrival_env *env,
                  const uv_tcp_t *socket, const struct handshake_verdict *verdict);

/* No more of its handshake comes, or its time is over. Whether it has to be answered. */
bool arrival_give_up(const struct arrival *arrival, const struct arrival_env *env);

/* It has proven who it is. Idempotent. */
void arrival_settle(struct arrival *arrival, const struct arrival_env *env);

/* It is gone. Idempotent. */
void arrival_end(struct arrival *arrival, const struct arrival_env *env);

#endif
