/* policy.c - see policy.h.
 *
 *     policy_on_revs -> on_keys_rev -> start_read -> on_read -> take -> access_set_keys
 *                                   -> start_restore -> on_restored
 *                    -> classes_copy_on_rev -> on_classes
 *                    -> revoked_copy_on_rev
 */
#include "gateway/policy.h"

#include <string.h>

#include "common/clock.h"
#include "common/digits.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/percent.h"

/* In the order of heartbeat.lua. */
enum policy_kind {
#define X(id, word) id,
    METRIC_POLICIES(X)
#undef X
        REVS
};

enum { DROP_MS = 10000 };

/* ---- how Redis is asked ---- */

static struct redis_command *begin(void *owner, const char *verb)
{
    struct policy *policy = owner;

    redis_command_begin(&policy->store->args.cmd);
    redis_command_add_text(&policy->store->args.cmd, verb);
    return &policy->store->args.cmd;
}

static struct redis_command *begin_script(void *owner, enum script script,
                                          unsigned keys)
{
    struct policy *policy = owner;

    scripts_begin(&policy->store->args.cmd, script, keys);
    return &policy->store->args.cmd;
}

static void add_key(void *owner, enum fleet_key key)
{
    args_add_fleet_key(&((struct policy *)owner)->store->args, key);
}

static void send_it(void *owner, redis_reply_fn on_reply, void *data)
{
    store_send_command(((struct policy *)owner)->store, on_reply, data);
}

static void send_script(void *owner, enum script script, redis_reply_fn on_reply,
                        void *data)
{
    store_send_script(((struct policy *)owner)->store, script, on_reply, data);
}

const struct registry_calls policy_calls = {
    .begin = begin,
    .begin_script = begin_script,
    .add_key = add_key,
    .send = send_it,
    .send_script = send_script,
};

/* ---- what is revoked ---- */

static void note_revoked(struct policy *policy)
{
    struct metrics *metrics = policy->store->metrics;

    metric_set(&metrics->policy_rev[POLICY_REVOKED], policy->revoked.rev);
    metric_set(&metrics->revoked_entries, revocations_count(&policy->revoked.table));
}

static void on_revoked_order(void *owner, struct json_text name, uint64_t grace_secs)
{
    struct policy *policy = owner;

    policy->hooks->on_revoked_order(policy->owner, name, grace_secs);
}

static void on_revoked_read(void *owner)
{
    struct policy *policy = owner;

    note_revoked(policy);
    policy->hooks->on_revoked_read(policy->owner);
}

static const struct revoked_copy_hooks revoked_hooks = {
    .calls = &policy_calls,
    .on_order = on_revoked_order,
    .on_read = on_revoked_read,
};

void policy_on_revoked(struct policy *policy, struct json_text text)
{
    char name[REVOCATION_NAME_MAX];
    struct revoked_order order;

    if (!policy->access->is_on)
        return;
    if (!revoked_order_parse(text, name, &order)) {
        log_warn("order_unknown", "bytes=%zu", text.len);
        return;
    }
    revoked_copy_on_order(&policy->revoked, &order);
    note_revoked(policy);
}

static void on_revoked_rev(struct policy *policy, uint64_t rev)
{
    uint64_t now_ms = clock_ms();

    if (now_ms - policy->dropped_ms >= DROP_MS) {
        policy->dropped_ms = now_ms;
        revocations_drop_old(&policy->revoked.table, now_ms);
    }
    revoked_copy_on_rev(&policy->revoked, rev);
    note_revoked(policy);
}

/* ---- classes ---- */

static void on_classes(void *owner)
{
    struct policy *policy = owner;

    metric_set(&policy->store->metrics->policy_rev[POLICY_CLASSES],
               policy->classes.is.rev);
    policy->hooks->on_classes(policy->owner);
}

void policy_on_classes_rev(struct policy *policy, uint64_t rev)
{
    classes_copy_on_rev(&policy->classes, rev);
}

/* ---- keys ---- */

static void take(struct policy *policy, struct json_text keys, uint64_t rev)
{
    if (!access_set_keys(policy->access, keys)) {
        intake_refuse(policy->store->metrics, INTAKE_REPLY, "policy",
                      (struct json_text){"", 0});
        return;
    }
    strbuf_reset(&policy->keys, 64 * 1024);
    strbuf_add(&policy->keys, keys.base, keys.len);
    policy->of_keys.rev = rev;
    policy->access->is_behind =
        policy->of_keys.has_heard && policy->of_keys.heard_rev > rev;
    metric_set(&policy->store->metrics->policy_rev[POLICY_KEYS], rev);
    log_info("keys_changed", "rev=%llu issuers=%zu", (unsigned long long)rev,
             policy->access->jwks.count);
}

static void on_read(void *data, int status, const redisReply *reply)
{
    struct policy *policy = data;
    uint64_t rev = reply_decimal(reply_text(reply, 1));

    if (status == 0 && reply_has_text(reply, 0) &&
        replaced_copy_wants(&policy->of_keys, rev))
        take(policy, reply_text(reply, 0), rev);
    replaced_copy_end(&policy->of_keys);
}

static void start_read(void *owner)
{
    struct policy *policy = owner;
    struct redis_command *cmd = begin(policy, "HMGET");

    add_key(policy, KEY_POLICY);
    redis_command_add_text(cmd, "keys");
    redis_command_add_text(cmd, "keys_rev");
    send_it(policy, on_read, policy);
}

static void on_restored(void *data, int status, const redisReply *reply)
{
    struct policy *policy = data;

    if (status == 0 && reply_is_value(reply, 1))
        log_warn("keys_restored", "rev=%llu", (unsigned long long)policy->of_keys.rev);
    replaced_copy_end(&policy->of_keys);
}

static void start_restore(void *owner)
{
    struct policy *policy = owner;
    struct redis_command *cmd = begin_script(policy, SCRIPT_RESTORE, 2);

    add_key(policy, KEY_POLICY);
    add_key(policy, KEY_FLEET_EVENTS);
    redis_command_add_text(cmd, "keys_rev");
    redis_command_add_u64(cmd, policy->of_keys.rev);
    redis_command_add_text(cmd, "keys");
    redis_command_add(cmd, policy->keys.data, policy->keys.len);
    send_script(policy, SCRIPT_RESTORE, on_restored, policy);
}

static void on_keys_rev(struct policy *policy, uint64_t rev)
{
    if (rev > REPLACED_REV_MAX) /* nothing that anybody has written */
        rev = 0;
    policy->access->is_behind = rev > policy->of_keys.rev;
    if (!policy->access->is_on)
        return;
    if (rev == policy->of_keys.rev)
        access_has_looked(policy->access);
    replaced_copy_on_rev(&policy->of_keys, rev);
}

/* ---- all ---- */

void policy_init(struct policy *policy, struct store *store, struct access *access,
                 const struct policy_hooks *hooks, void *owner)
{
    struct class_rules fallback;

    *policy = (struct policy){
        .store = store, .access = access, .hooks = hooks, .owner = owner};
    policy->of_keys = (struct replaced_copy){
        .start_read = start_read, .start_restore = start_restore, .owner = policy};
    class_rules_of_settings(&fallback, store->config);
    classes_copy_init(&policy->classes, &policy_calls, on_classes, policy, &fallback,
                      store->metrics);
    revoked_copy_init(&policy->revoked, &revoked_hooks, policy, store->metrics);
    access->revoked = &policy->revoked.table;
    access->classes = &policy->classes.table;
}

void policy_deinit(struct policy *policy)
{
    strbuf_deinit(&policy->keys);
    classes_copy_deinit(&policy->classes);
    revoked_copy_deinit(&policy->revoked);
}

static uint64_t number_of(const redisReply *revs, enum policy_kind kind)
{
    return reply_decimal(reply_text(revs, kind));
}

static void note_reading(struct policy *policy, const char *encoded, size_t len)
{
    char name[3 * ISSUER_BYTES_MAX];

    if (len > sizeof(name))
        return;
    memcpy(name, encoded, len);
    if (percent_decode(name, len, &len) == 0)
        access_note_reading(policy->access, (struct json_text){name, len});
}

void policy_on_keys_order(struct policy *policy, struct json_text order)
{
    const char *space = memchr(order.base, ' ', order.len);
    size_t digits = space ? (size_t)(space - order.base) : order.len;
    uint64_t rev;

    if (!digits_parse(order.base, digits, UINT64_MAX, &rev)) {
        log_warn("order_unknown", "bytes=%zu", order.len);
        return;
    }
    on_keys_rev(policy, rev);
    if (space)
        note_reading(policy, space + 1, order.len - digits - 1);
}

void policy_on_revs(struct policy *policy, const redisReply *revs)
{
    if (!reply_is_array(revs, REVS))
        return;
    on_keys_rev(policy, number_of(revs, POLICY_KEYS));
    policy_on_classes_rev(policy, number_of(revs, POLICY_CLASSES));
    if (policy->access->is_on)
        on_revoked_rev(policy, number_of(revs, POLICY_REVOKED));
}
