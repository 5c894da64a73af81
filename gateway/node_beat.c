/* node_beat.c - what a heartbeat says: its script's arguments. */
#include "gateway/node.h"

#include <unistd.h>

#include "common/metrics.h"
#include "gateway/args.h"

static void add_field(struct store *store, const char *name, uint64_t value)
{
    redis_command_add_text(&store->args.cmd, name);
    redis_command_add_u64(&store->args.cmd, value);
}

static void add_text_field(struct store *store, const char *name, const char *value)
{
    redis_command_add_text(&store->args.cmd, name);
    redis_command_add_text(&store->args.cmd, value);
}

void node_begin_beat(struct node *node, uint64_t messages)
{
    struct store *store = node->store;

    scripts_begin(&store->args.cmd, SCRIPT_HEARTBEAT, 4 + 2 * (store->args.shard == 0));
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, store->node, KEY_NODE);
    args_add_node_key(&store->args, store->node, KEY_NODE_CLAIM);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    if (store->args.shard == 0) {
        args_add_fleet_key(&store->args, KEY_STATS);
        args_add_fleet_key(&store->args, KEY_POLICY);
    }
    redis_command_add_text(&store->args.cmd, store->node);
    redis_command_add_u64(&store->args.cmd, (uint64_t)node->config->lease_ms);
    redis_command_add_u64(&store->args.cmd, !node->name.is_known);
    redis_command_add_u64(&store->args.cmd, messages);
    add_text_field(store, "address", node->address);
    add_field(store, "pid", (uint64_t)getpid());
    add_text_field(store, "version", ROOMCAST_VERSION);
    add_field(store, "started_at", node->started_ms);
    add_field(store, "connections", metric_read(&node->metrics->connections));
    add_field(store, "rooms", metric_read(&node->metrics->rooms));
    add_field(store, "members", metric_read(&node->metrics->members));
    add_field(store, "messages", metric_read(&node->metrics->messages_published_total));
    add_field(store, "draining", node->is_draining);
}
