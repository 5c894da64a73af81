/* policy.h - what the fleet has decided and each worker has a copy of (SPEC-PUBLIC P3, P14): so far the
 * keys of issuers, and what is revoked.
 *
 *     heartbeat, order -> another number -> read -> the copy is replaced, or merged
 *                         a smaller one  -> put back
 *
 * A number is never used twice, and grows: Redis's is smaller only if it lost something.
 */
#ifndef GATEWAY_POLICY_H
#define GATEWAY_POLICY_H

#include "common/revoked_copy.h"
#include "gateway/access.h"
#include "gateway/store.h"

/* What open connections are looked at for. */
struct policy_hooks {
    /* An order has revoked what has this name (revocations.h); open connections have so long. */
    void (*on_revoked_order)(void *owner, struct json_text name, uint64_t grace_secs);
    /* More may be revoked than was. */
    void (*on_revoked_read)(void *owner);
};

struct policy {
    struct store *store; /* of shard 0 */
    struct access *access;
    const struct policy_hooks *hooks;
    void *owner;
    uint64_t keys_rev; /* of the copy; 0: there is none */
    struct strbuf keys;
    uint64_t heard_rev; /* meanwhile */
    bool is_busy;       /* a call is in flight */
    bool has_heard;
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

/* The order `revoked …`, without that word. */
void policy_on_revoked(struct policy *policy, struct json_text order);

#endif
