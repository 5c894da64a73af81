/* policy.h - what the fleet has decided and each worker has a copy of (SPEC-PUBLIC P3, P14): so far the
 * keys of issuers, room classes, and what is revoked.
 *
 *     heartbeat, order -> another number -> read -> the copy is replaced, or merged
 *                         a smaller one  -> put back
 *
 * A number is never used twice, and grows: Redis's is smaller only if it lost something.
 */
#ifndef GATEWAY_POLICY_H
#define GATEWAY_POLICY_H

#include "common/classes_copy.h"
#include "common/replaced_copy.h"
#include "common/revoked_copy.h"
#include "gateway/access.h"
#include "gateway/store.h"

/* How a policy, the owner, asks the registry of shard 0. */
extern const struct registry_calls policy_calls;

/* What open connections are looked at for. */
struct policy_hooks {
    /* An order has revoked what has this name (revocations.h); open connections have so long. */
    void (*on_revoked_order)(void *owner, struct json_text name, uint64_t grace_secs);
    /* More may be revoked than was. */
    void (*on_revoked_read)(void *owner);
    /* Other classes count from now on; the former ones are there until it returns. */
    void (*on_classes)(void *owner);
};

struct policy {
    struct store *store; /* of shard 0 */
    struct access *access;
    const struct policy_hooks *hooks;
    void *owner;
    struct replaced_copy of_keys;
    struct strbuf keys; /* the copy */
    struct classes_copy classes;
    struct revoked_copy revoked;
    uint64_t dropped_ms; /* when what is over was dropped from it */
};

/* All borrowed. */
void policy_init(struct policy *policy, struct store *store, struct access *access,
                 const struct policy_hooks *hooks, void *owner);
void policy_deinit(struct policy *policy);

/* The numbers that Redis has, of heartbeat.lua. */
void policy_on_revs(struct policy *policy, const redisReply *revs);

/* The order `keys …`, without that word. */
void policy_on_keys_order(struct policy *policy, struct json_text order);

/* This number of the classes is Redis's, an order says. */
void policy_on_classes_rev(struct policy *policy, uint64_t rev);

/* The order `revoked …`, without that word. */
void policy_on_revoked(struct policy *policy, struct json_text order);

#endif
