/* server_check.c - see server_check.h. */
#include "gateway/server_check.h"

#include <stdatomic.h>
#include <string.h>

#include "common/log.h"
#include "common/reply.h"
#include "common/rights.h"

enum { HANDOVER_MS = 3000 }; /* from the timeout until the replica is the master */

static void on_memory_info(void *data, int status, const redisReply *reply)
{
    const char *policy;

    (void)data;
    if (status < 0)
        return;
    policy = strstr(reply_string(reply).base, "maxmemory_policy:");
    if (policy && strncmp(policy + 17, "noeviction", 10) != 0)
        log_warn("redis_evicts",
                 "maxmemory_policy=%.*s text=\"rooms would lose keys: set "
                 "noeviction\"",
                 (int)strcspn(policy + 17, "\r\n"), policy + 17);
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

void server_check_start(struct store *store, int db)
{
    if (store->cluster) {
        get_setting(store, "cluster-require-full-coverage", on_coverage);
        get_setting(store, "cluster-node-timeout", on_timeout);
    }
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "INFO");
    redis_command_add_text(&store->args.cmd, "memory");
    args_aim_at_registry(&store->args);
    store_send_command(store, on_memory_info, NULL);
    rights_ask(store_link(store), db);
}
