/* policy.h - what the fleet has decided and each worker has a copy of (SPEC-PUBLIC P3, P14): so far the
 * keys of issuers.
 *
 *     heartbeat, order -> another number -> read -> the copy is replaced
 *                         a smaller one  -> put back
 *
 * A number is never used twice, and grows: Redis's is smaller only if it lost something.
 */
#ifndef GATEWAY_POLICY_H
#define GATEWAY_POLICY_H

#include "gateway/access.h"
#include "gateway/store.h"

struct policy {
    struct store *store; /* of shard 0 */
    struct access *access;
    uint64_t keys_rev; /* of the copy; 0: there is none */
    struct strbuf keys;
    uint64_t heard_rev; /* meanwhile */
    bool is_busy;       /* a call is in flight */
    bool has_heard;
};

/* All borrowed. */
void policy_init(struct policy *policy, struct store *store, struct access *access);
void policy_deinit(struct policy *policy);

/* The numbers that Redis has, of heartbeat.lua. */
void policy_on_revs(struct policy *policy, const redisReply *revs);

/* This number is Redis's, an order says. */
void policy_on_keys_rev(struct policy *policy, uint64_t rev);

#endif
