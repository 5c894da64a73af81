/* policy.c - see policy.h.
 *
 *     policy_on_revs -> start_read -> on_read -> take -> access_set_keys
 *                    -> start_restore -> on_restored
 */
#include "gateway/policy.h"

#include "common/intake.h"
#include "common/log.h"

enum { KEYS_REV, REVS = 5 };

static const uint64_t rev_max = UINT64_C(999999999999999); /* as restore.lua has it */

void policy_init(struct policy *policy, struct store *store, struct access *access)
{
    *policy = (struct policy){.store = store, .access = access};
}

void policy_deinit(struct policy *policy)
{
    strbuf_deinit(&policy->keys);
}

/* A call has come back. */
static void go_on(struct policy *policy)
{
    policy->is_busy = false;
    if (policy->has_heard) {
        policy->has_heard = false;
        policy_on_keys_rev(policy, policy->heard_rev);
    }
}

/* ---- reading ---- */

static void take(struct policy *policy, struct json_text keys, uint64_t rev)
{
    if (!access_set_keys(policy->access, keys)) {
        intake_refuse(policy->store->metrics, INTAKE_REPLY, "policy",
                      (struct json_text){"", 0});
        return;
    }
    strbuf_reset(&policy->keys, 64 * 1024);
    strbuf_add(&policy->keys, keys.base, keys.len);
    policy->keys_rev = rev;
    metric_set(&policy->store->metrics->policy_rev[KEYS_REV], rev);
    log_info("keys_changed", "rev=%llu issuers=%zu", (unsigned long long)rev,
             policy->access->jwks.count);
}

static void on_read(void *data, int status, const redisReply *reply)
{
    struct policy *policy = data;
    uint64_t rev = reply_decimal(reply_text(reply, 1));

    if (status == 0 && reply_has_text(reply, 0) && rev > policy->keys_rev &&
        rev <= rev_max)
        take(policy, reply_text(reply, 0), rev);
    go_on(policy);
}

static void start_read(struct policy *policy)
{
    struct store *store = policy->store;

    policy->is_busy = true;
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "HMGET");
    args_add_fleet_key(&store->args, KEY_POLICY);
    redis_command_add_text(&store->args.cmd, "keys");
    redis_command_add_text(&store->args.cmd, "keys_rev");
    store_send_command(store, on_read, policy);
}

/* ---- putting back ---- */

static void on_restored(void *data, int status, const redisReply *reply)
{
    struct policy *policy = data;

    if (status == 0 && reply_is_value(reply, 1))
        log_warn("keys_restored", "rev=%llu", (unsigned long long)policy->keys_rev);
    go_on(policy);
}

static void start_restore(struct policy *policy)
{
    struct store *store = policy->store;

    policy->is_busy = true;
    scripts_begin(&store->args.cmd, SCRIPT_RESTORE, 2);
    args_add_fleet_key(&store->args, KEY_POLICY);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    redis_command_add_u64(&store->args.cmd, policy->keys_rev);
    redis_command_add(&store->args.cmd, policy->keys.data, policy->keys.len);
    store_send_script(store, SCRIPT_RESTORE, on_restored, policy);
}

/* ---- numbers ---- */

void policy_on_keys_rev(struct policy *policy, uint64_t rev)
{
    if (rev > rev_max) /* nothing that anybody has written */
        rev = 0;
    if (policy->access->is_on && rev == policy->keys_rev)
        access_has_looked(policy->access);
    if (!policy->access->is_on || rev == policy->keys_rev)
        return;
    if (policy->is_busy) {
        policy->has_heard = true;
        policy->heard_rev = rev;
    } else if (rev > policy->keys_rev) {
        start_read(policy);
    } else {
        start_restore(policy);
    }
}

void policy_on_revs(struct policy *policy, const redisReply *revs)
{
    if (reply_is_array(revs, REVS))
        policy_on_keys_rev(policy, reply_decimal(reply_text(revs, KEYS_REV)));
}
