/* cluster.c - see cluster.h. Here: the map and the links; the calls are in cluster_calls.c.
 *
 *     cluster_tick -> cluster_maps_take -> owners -> hooks.on_owner
 *                  -> cluster_maps_begin -> CLUSTER SLOTS -> on_map -> cluster_maps_put
 */
#include "common/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"

/* ---- the masters ---- */

static struct cluster *cluster_of(struct cluster_masters *masters)
{
    return list_entry(masters, struct cluster, masters);
}

static void on_link(struct cluster_master *master, bool is_ready)
{
    struct cluster *cluster = cluster_of(master->masters);

    if (cluster->is_closed)
        return;
    if (!is_ready || cluster->version == 0)
        cluster_want_map(cluster);
    cluster->opts.hooks->on_master(cluster, master, is_ready);
    cluster_calls_go_on(cluster);
}

static void on_opened(struct cluster_masters *masters)
{
    cluster_of(masters)->opts.hooks->on_opened(cluster_of(masters));
}

static void on_owner(struct cluster_masters *masters, unsigned slot)
{
    cluster_of(masters)->opts.hooks->on_owner(cluster_of(masters), slot);
}

static const struct cluster_masters_hooks masters_hooks = {
    .on_link = on_link,
    .on_opened = on_opened,
    .on_owner = on_owner,
};

struct cluster_master *cluster_owner(struct cluster *cluster, unsigned slot)
{
    return cluster->masters.owners[slot];
}

struct redis_link *cluster_link(struct cluster *cluster, unsigned slot)
{
    struct cluster_master *owner = cluster_owner(cluster, slot);

    return owner && !cluster->is_closed ? cluster_master_use(owner) : NULL;
}

bool cluster_is_ready(struct cluster *cluster, unsigned slot)
{
    return redis_link_is_ready(cluster_link(cluster, slot));
}

enum redis_why cluster_why(const struct cluster *cluster)
{
    const struct list *first = cluster->masters.all.next;

    if (cluster_maps_is_refused(cluster->opts.maps))
        return REDIS_WHY_SLOTS;
    return first == &cluster->masters.all
               ? REDIS_WHY_NOT_KNOWN
               : redis_link_why(list_entry(first, struct cluster_master, link)->redis);
}

/* ---- the map ---- */

/* Nothing goes on without the map. */
static void note_refusal(struct cluster *cluster)
{
    if (cluster_maps_refuse(cluster->opts.maps))
        log_error("redis_refuses_slots", "text=\"the right +cluster|slots is needed\"");
}

static void on_map(void *data, int status, const redisReply *reply)
{
    struct cluster_master *asked = data;
    struct cluster *cluster = cluster_of(asked->masters);
    struct cluster_map map;
    bool is_map = status == 0 && cluster_map_parse(&map, reply, &asked->at);

    cluster->is_reading = false;
    metric_add(&cluster->opts.metrics->redis_map_reads_total, 1);
    if (status == UV_EREMOTEIO && strncmp(reply_error(reply), "NOPERM", 6) == 0)
        note_refusal(cluster);
    else
        cluster_maps_put(cluster->opts.maps, is_map ? &map : NULL);
    if (is_map)
        cluster_map_deinit(&map);
    else
        cluster_want_map(cluster);
    if (status == 0 && !is_map)
        intake_refuse(cluster->opts.metrics, INTAKE_REPLY, "cluster slots",
                      (struct json_text){"", 0});
}

static void start_reading(struct cluster *cluster, struct cluster_master *master)
{
    struct redis_command cmd = {{0}, 0};

    redis_command_begin(&cmd);
    redis_command_add_text(&cmd, "CLUSTER");
    redis_command_add_text(&cmd, "SLOTS");
    cluster->is_reading = true;
    cluster->wants_map = false;
    if (redis_link_send(master->redis, &cmd, on_map, master) < 0)
        on_map(master, UV_ENOTCONN, NULL);
    redis_command_deinit(&cmd);
}

/* One after the other, while nobody else is known to answer. */
static void try_hosts(struct cluster *cluster)
{
    const struct redis_url *url = &cluster->opts.config->redis.urls[0];

    for (unsigned i = 0; i < url->hosts_count; i++) {
        struct cluster_host at = {.port = (uint16_t)atoi(url->hosts[i].port)};

        snprintf(at.host, sizeof(at.host), "%s", url->hosts[i].host);
        cluster_master_use(cluster_masters_get(&cluster->masters, &at));
    }
}

static void read_map(struct cluster *cluster, uint64_t now_ms)
{
    struct cluster_master *master = cluster_masters_any(&cluster->masters);

    if (!master)
        try_hosts(cluster);
    else if (!cluster->is_reading &&
             cluster_maps_begin(cluster->opts.maps, cluster->wants_map, now_ms))
        start_reading(cluster, master);
}

static void take_map(struct cluster *cluster)
{
    struct cluster_map map = {.masters = NULL};

    if (!cluster_maps_take(cluster->opts.maps, &cluster->version, &map))
        return;
    cluster_masters_take_map(&cluster->masters, &map);
    cluster->unserved = map.unserved;
    cluster_map_deinit(&map);
    cluster_calls_go_on(cluster);
}

void cluster_want_map(struct cluster *cluster)
{
    cluster->wants_map = true;
}

/* A replica may have taken over from one that does not answer. The map goes on naming those that have failed, so
 * their slots count as well. */
static void look_for_missed(struct cluster *cluster, uint64_t now_ms)
{
    unsigned away_slots;

    if (cluster_masters_miss(&cluster->masters, now_ms, &away_slots))
        cluster_want_map(cluster);
    if (cluster->opts.worker == 0) /* all have the same */
        metric_set(&cluster->opts.metrics->redis_slots_unserved,
                   cluster->unserved + away_slots);
}

void cluster_tick(struct cluster *cluster, uint64_t now_ms)
{
    take_map(cluster);
    look_for_missed(cluster, now_ms);
    read_map(cluster, now_ms);
    cluster_masters_tidy(&cluster->masters, now_ms);
}

/* ---- beginning and end ---- */

void cluster_open(struct cluster *cluster, const struct cluster_opts *opts)
{
    const struct cluster_masters_opts of_masters = {
        .loop = opts->loop,
        .config = opts->config,
        .metrics = opts->metrics,
        .name = opts->name,
        .hooks = &masters_hooks,
    };

    cluster->opts = *opts;
    cluster->replaced = 1;
    cluster_masters_init(&cluster->masters, &of_masters);
    cluster_calls_init(cluster);
    try_hosts(cluster);
}

void cluster_replace_links(struct cluster *cluster, const char *why)
{
    cluster->replaced++;
    list_each(link, &cluster->masters.all) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        if (redis_link_is_ready(master->redis))
            redis_link_replace(master->redis, why);
    }
}

bool cluster_may_run(const struct cluster *cluster, unsigned shard)
{
    return cluster->said[shard] == cluster->replaced;
}

void cluster_close(struct cluster *cluster)
{
    cluster->is_closed = true;
    cluster_masters_close(&cluster->masters);
    cluster_calls_close(cluster);
}

void cluster_deinit(struct cluster *cluster)
{
    cluster_masters_deinit(&cluster->masters);
}
