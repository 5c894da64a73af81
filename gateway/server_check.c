/* server_check.c - see server_check.h. */
#include "gateway/server_check.h"

#include <stdatomic.h>
#include <string.h>

#include "common/log.h"
#include "common/reply.h"
#include "common/rights.h"

enum { HANDOVER_MS = 3000 }; /* from the timeout until the replica is the master */

/* ---- memory ---- */

/* The policy, if it is one that evicts; else empty. */
static struct json_text evicting_policy(int status, const redisReply *reply)
{
    static const char name[] = "maxmemory_policy:";
    const char *policy = status == 0 ? strstr(reply_string(reply).base, name) : NULL;

    if (!policy || strncmp(policy + sizeof(name) - 1, "noeviction", 10) == 0)
        return (struct json_text){"", 0};
    policy += sizeof(name) - 1;
    return (struct json_text){policy, strcspn(policy, "\r\n")};
}

#define EVICTS "maxmemory_policy=%.*s text=\"rooms would lose keys: set noeviction\""

static void on_shard_memory(void *data, int status, const redisReply *reply)
{
    const struct store *store = data;
    struct json_text policy = evicting_policy(status, reply);

    if (policy.len > 0)
        log_warn("redis_evicts", "shard=%u " EVICTS, store->args.shard, (int)policy.len,
                 policy.base);
}

static void on_master_memory(void *data, int status, const redisReply *reply)
{
    const struct cluster_master *master = data;
    struct json_text policy = evicting_policy(status, reply);

    if (policy.len > 0)
        log_warn("redis_evicts", "host=%s port=%u " EVICTS, master->at.host,
                 master->at.port, (int)policy.len, policy.base);
}

static void ask_for_memory(struct redis_link *link, redis_reply_fn on_reply, void *data)
{
    struct redis_command cmd = {{0}, 0};

    redis_command_begin(&cmd);
    redis_command_add_text(&cmd, "INFO");
    redis_command_add_text(&cmd, "memory");
    if (redis_link_send(link, &cmd, on_reply, data) < 0)
        log_debug("memory_not_asked", "why=\"not connected\"");
    redis_command_deinit(&cmd);
}

/* ---- what a cluster is asked about ---- */

/* With services that run Redis for others that is nothing to mend. */
static void tell_refused(void)
{
    static atomic_flag is_told;

    if (!atomic_flag_test_and_set(&is_told))
        log_info("cluster_unknown",
                 "text=\"CONFIG is refused: cluster-require-full-coverage and "
                 "cluster-node-timeout are not looked at\"");
}

static void on_coverage(void *data, int status, const redisReply *reply)
{
    (void)data;
    if (status == UV_EREMOTEIO)
        tell_refused();
    else if (reply_is_text(reply, 1, "yes"))
        log_warn(
            "cluster_needs_all_slots",
            "text=\"cluster-require-full-coverage is yes: the rooms of all masters "
            "stop when one is lost; set no\"");
}

static void on_timeout(void *data, int status, const redisReply *reply)
{
    const struct store *store = data;
    uint64_t timeout_ms = status == 0 ? reply_decimal(reply_text(reply, 1)) : 0;

    if (timeout_ms > 0 && timeout_ms + HANDOVER_MS > (uint64_t)store->config->lease_ms)
        log_warn("cluster_timeout_long",
                 "cluster_node_timeout_ms=%llu lease_ms=%ld text=\"a failover takes "
                 "longer than a lease: gateways lose theirs meanwhile\"",
                 (unsigned long long)timeout_ms, store->config->lease_ms);
}

static void get_setting(struct store *store, const char *name, redis_reply_fn on_reply)
{
    struct redis_command cmd = {{0}, 0};

    redis_command_begin(&cmd);
    redis_command_add_text(&cmd, "CONFIG");
    redis_command_add_text(&cmd, "GET");
    redis_command_add_text(&cmd, name);
    if (redis_link_ask(store_link(store), &cmd, on_reply, store) < 0)
        log_debug("setting_not_asked", "name=%s why=\"not connected\"", name);
    redis_command_deinit(&cmd);
}

/* ---- */

void server_check_start(struct store *store, int db)
{
    ask_for_memory(store_link(store), on_shard_memory, store);
    rights_ask(store_link(store), db);
}

void server_check_start_cluster(struct store *store)
{
    get_setting(store, "cluster-require-full-coverage", on_coverage);
    get_setting(store, "cluster-node-timeout", on_timeout);
}

void server_check_start_master(struct cluster_master *master)
{
    ask_for_memory(master->redis, on_master_memory, master);
    rights_ask(master->redis, 0);
}
