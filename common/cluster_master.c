/* cluster_master.c - see cluster_master.h. */
#include "common/cluster_master.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/scripts.h"
#include "common/xalloc.h"

enum { MASTERS_MAX = 10000 }; /* of all that there ever were */

void cluster_masters_init(struct cluster_masters *masters,
                          const struct cluster_masters_opts *opts)
{
    memset(masters, 0, sizeof(*masters));
    masters->opts = *opts;
    list_init(&masters->all);
    masters->owners = xcalloc(CLUSTER_SLOTS, sizeof(struct cluster_master *));
}

/* ---- one master ---- */

static void on_ready(void *owner)
{
    struct cluster_master *master = owner;

    log_info("redis_ready", "link=%s host=%s port=%u", master->masters->opts.name,
             master->at.host, master->at.port);
    scripts_load(master->redis);
    master->masters->opts.hooks->on_link(master, true);
}

static void on_lost(void *owner, const char *why)
{
    struct cluster_master *master = owner;

    log_warn("redis_lost", "link=%s host=%s port=%u why=\"%s\"",
             master->masters->opts.name, master->at.host, master->at.port, why);
    master->masters->opts.hooks->on_link(master, false);
}

static struct cluster_master *new_master(struct cluster_masters *masters,
                                         const struct cluster_host *at)
{
    struct cluster_master *master = xcalloc(1, sizeof(*master));

    master->masters = masters;
    master->at = *at;
    redis_url_of_master(&master->url, &master->host,
                        &masters->opts.config->redis.urls[0], master->at.host,
                        master->at.port);
    list_add(&masters->all, &master->link);
    masters->count++;
    return master;
}

struct cluster_master *cluster_masters_get(struct cluster_masters *masters,
                                           const struct cluster_host *at)
{
    list_each(link, &masters->all) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        if (cluster_host_equals(&master->at, at))
            return master;
    }
    return masters->count < MASTERS_MAX ? new_master(masters, at) : NULL;
}

struct redis_link *cluster_master_use(struct cluster_master *master)
{
    struct cluster_masters *masters = master->masters;
    struct redis_link_opts opts;

    master->used_ms = uv_now(masters->opts.loop);
    if (master->redis)
        return master->redis;
    opts = redis_link_opts_of(masters->opts.config, &master->url, masters->opts.name);
    opts.metrics = masters->opts.metrics;
    opts.owner = master;
    opts.on_ready = on_ready;
    opts.on_lost = on_lost;
    master->redis = redis_link_open(masters->opts.loop, &opts);
    metric_add(&masters->opts.metrics->redis_links, 1);
    masters->opts.hooks->on_opened(masters);
    return master->redis;
}

static void close_link(struct cluster_master *master)
{
    struct redis_link *redis = master->redis;

    if (!redis)
        return;
    redis_link_close(redis);
    master->redis = NULL;
    metric_sub(&master->masters->opts.metrics->redis_links, 1);
}

/* ---- all of them ---- */

void cluster_masters_set_owner(struct cluster_masters *masters, unsigned slot,
                               struct cluster_master *master)
{
    struct cluster_master **owner = &masters->owners[slot];

    if (*owner == master)
        return;
    if (*owner)
        (*owner)->slots--;
    if (master)
        master->slots++;
    *owner = master;
    masters->opts.hooks->on_owner(masters, slot);
}

void cluster_masters_take_map(struct cluster_masters *masters,
                              const struct cluster_map *map)
{
    struct cluster_master **of_map =
        xcalloc(map->masters_count + 1, sizeof(struct cluster_master *));

    for (unsigned i = 0; i < map->masters_count; i++)
        of_map[i] = cluster_masters_get(masters, &map->masters[i]);
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        unsigned owner = map->owners[slot];

        cluster_masters_set_owner(masters, slot,
                                  owner < map->masters_count ? of_map[owner] : NULL);
    }
    free(of_map);
}

struct cluster_master *cluster_masters_any(struct cluster_masters *masters)
{
    struct cluster_master *lame = NULL;

    list_each(link, &masters->all) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        if (!redis_link_is_ready(master->redis))
            continue;
        if (!master->is_lame)
            return master;
        lame = master;
    }
    return lame;
}

/* Since when it is missed, or 0. */
static uint64_t missed_since(const struct cluster_master *master, uint64_t now_ms)
{
    if (master->slots == 0 || !master->redis || redis_link_is_ready(master->redis))
        return 0;
    return master->missed_ms ? master->missed_ms : now_ms;
}

bool cluster_masters_miss(struct cluster_masters *masters, uint64_t now_ms,
                          unsigned *away_slots)
{
    bool misses_one = false;

    *away_slots = 0;
    list_each(link, &masters->all) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        master->missed_ms = missed_since(master, now_ms);
        if (!master->missed_ms)
            continue;
        misses_one = true;
        if (now_ms - master->missed_ms >= CLUSTER_AWAY_MS)
            *away_slots += master->slots;
    }
    return misses_one;
}

void cluster_masters_tidy(struct cluster_masters *masters, uint64_t now_ms)
{
    list_each(link, &masters->all) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        if (now_ms - master->used_ms >= CLUSTER_IDLE_MS)
            close_link(master);
    }
}

void cluster_masters_close(struct cluster_masters *masters)
{
    list_each(link, &masters->all) {
        close_link(list_entry(link, struct cluster_master, link));
    }
}

void cluster_masters_deinit(struct cluster_masters *masters)
{
    struct list *link;

    free(masters->owners);
    while ((link = list_first(&masters->all))) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        list_remove(link);
        free(master->host.port);
        free(master);
    }
}
