/* shard_notices.c - what comes to a shard by its bus, and from other workers. */
#include "gateway/shard.h"

#include <string.h>

#include "common/log.h"

static struct shard *shard_of_bus(struct bus *bus)
{
    return list_entry(bus, struct shard, bus);
}

static void on_bus_ready(struct bus *bus)
{
    struct shard *shard = shard_of_bus(bus);

    if (!shard->opts.cluster)
        redis_link_hurry(shard->link);
    if (shard->may_write)
        node_on_link(&shard->node);
}

static void lose_deaf(struct room *room)
{
    shard_lose_home(shard_of_room(room), room, HOME_DEAF);
}

/* In a cluster, where each room is told by itself that it is not subscribed, own notices did not come
 * back (bus_restart). */
static void on_bus_lost(struct bus *bus)
{
    struct shard *shard = shard_of_bus(bus);

    if (shard->opts.cluster)
        rooms_each(&shard->rooms, lose_deaf);
    node_on_lost(&shard->node);
}

/* ---- what comes by the bus ---- */

static void on_home(struct bus *bus, struct room *room, struct json_text master)
{
    struct cluster_host host;

    memcpy(&host, master.base, sizeof(host)); /* feed_cluster.c */
    shard_on_home(shard_of_bus(bus), room, &host);
}

static void on_ended(struct bus *bus, struct room *room, enum metric_home why)
{
    shard_lose_home(shard_of_bus(bus), room, why);
}

static void on_canary(struct bus *bus, uint64_t number)
{
    node_on_canary(&shard_of_bus(bus)->node, number);
}

static void on_proof(struct bus *bus, struct json_text text)
{
    struct link_proof proof;

    memcpy(&proof, text.base, sizeof(proof)); /* shards_cluster.c */
    shard_on_proof(shard_of_bus(bus), &proof);
}

static void on_command(struct bus *bus, struct json_text command)
{
    struct shard *shard = shard_of_bus(bus);

    shard->opts.hooks->on_command(shard, command);
}

static void on_notice(struct bus *bus, uint64_t read_ns)
{
    struct shard *shard = shard_of_bus(bus);

    shard->opts.hooks->on_notice(shard, read_ns);
}

const struct bus_hooks shard_bus_hooks = {
    .on_ready = on_bus_ready,
    .on_lost = on_bus_lost,
    .on_home = on_home,
    .on_ended = on_ended,
    .on_canary = on_canary,
    .on_proof = on_proof,
    .on_command = on_command,
    .on_notice = on_notice,
};

static struct log_limit dropped_lines = {.per_sec = 1};

/* ---- what is read here, and what other workers hand over ---- */

static struct shard *shard_of_feed(struct feed *feed)
{
    return list_entry(feed, struct shard, feed);
}

static void on_told(struct feed *feed, const struct handover *what)
{
    bus_take(&shard_of_feed(feed)->bus, what);
}

static void on_expired(struct feed *feed, const char *room, size_t len)
{
    expiry_add(&shard_of_feed(feed)->expiry, room, len);
}

const struct feed_hooks shard_feed_hooks = {on_told, on_expired};

void shard_take(struct shard *shard, const struct handover *what)
{
    if (handover_is_request(what))
        feed_take(&shard->feed, what);
    else
        bus_take(&shard->bus, what);
}

void shard_on_dropped(struct shard *shard)
{
    log_limited(LOG_WARN, &dropped_lines, "handover_dropped", "worker=%u shard=%u",
                shard->opts.worker, shard->opts.number);
    rooms_on_dropped(&shard->rooms);
}
