/* shard.c - see shard.h.
 *
 * Here the parts are put together, and nothing is decided: what one of them says, this file
 * tells the others.
 *
 *     shard_open -> both links ready -> node -> on_up   -> status, hooks.on_up, the rooms
 *                                      node -> on_down -> the outbox, the rooms, status, hooks.on_up
 *     each turn: shard_check_lease, shard_flush
 *     shard_tick -> the node; while it is up the rooms, the expiry
 *     shard_drain -> shard_forget -> shard_close -> [the loop ends] -> shard_end, shard_deinit
 */
#include "gateway/shard.h"

#include <stdio.h>

#include "common/log.h"
#include "common/scripts.h"
#include "common/shard_of.h"
#include "gateway/announce.h"
#include "gateway/deliver.h"

enum { RETRY_MS = 1000 }; /* what Redis refused for a room */

/* ---- the links ---- */

void shard_allow(struct shard *shard, bool may_write)
{
    if (shard->may_write == may_write)
        return;
    shard->may_write = may_write;
    if (!may_write)
        node_on_lost(&shard->node);
    else if (redis_link_is_ready(store_link(&shard->store)))
        node_on_link(&shard->node);
}

static void on_link_ready(void *owner)
{
    struct shard *shard = owner;

    log_info("redis_ready", "worker=%u shard=%u link=commands", shard->opts.worker,
             shard->opts.number);
    scripts_load(shard->link);
    feed_hurry(&shard->feed);
    shard->opts.hooks->on_link(shard, true);
    if (shard->may_write)
        node_on_link(&shard->node);
}

void shard_on_registry(struct shard *shard, bool is_ready)
{
    if (is_ready && shard->may_write)
        node_on_link(&shard->node);
    else if (!is_ready && !shard->node.is_up)
        node_on_lost(&shard->node);
    /* Else calls wait for the next master, until the lease is over or canaries are missed. */
}

static void on_link_lost(void *owner, const char *why)
{
    struct shard *shard = owner;

    log_warn("redis_lost", "worker=%u shard=%u link=commands why=\"%s\"",
             shard->opts.worker, shard->opts.number, why);
    node_on_lost(&shard->node);
    shard->may_write = !shard->opts.is_marked; /* else it may be another Redis next */
    shard->opts.hooks->on_link(shard, false);
}

/* ---- up and down ---- */

static void on_up(struct node *node)
{
    struct shard *shard = list_entry(node, struct shard, node);

    log_info("redis_up", "worker=%u shard=%u node=%s", shard->opts.worker,
             shard->opts.number, shard->store.node);
    shard->is_up = true;
    shard_note_status(shard);
    shard->opts.hooks->on_up(shard);
    rooms_set_up(&shard->rooms, true);
}

static void on_down(struct node *node)
{
    struct shard *shard = list_entry(node, struct shard, node);

    shard->is_up = false;
    outbox_fail(&shard->outbox);
    rooms_set_up(&shard->rooms, false);
    shard_note_status(shard);
    shard->opts.hooks->on_up(shard);
}

static void on_revs(struct node *node, const redisReply *revs)
{
    struct shard *shard = list_entry(node, struct shard, node);

    if (shard->opts.number == 0)
        shard->opts.hooks->on_revs(shard, revs);
}

static const struct node_hooks node_hooks = {on_up, on_down, on_revs};

/* ---- what the store tells ---- */

static void on_touched(struct store *store, const char *room, size_t len, bool is_new)
{
    index_touch(&list_entry(store, struct shard, store)->index, room, len, is_new);
}

static void on_unknown(struct store *store)
{
    node_beat(&list_entry(store, struct shard, store)->node);
}

/* ---- the clock ---- */

static void retry_refused(struct shard *shard, uint64_t now_ms)
{
    if (!shard->rooms.has_stuck || now_ms - shard->retried_ms < RETRY_MS)
        return;
    shard->retried_ms = now_ms;
    rooms_pump(&shard->rooms);
}

void shard_tick(struct shard *shard, uint64_t now_ms)
{
    shard_tick_homes(shard);
    shard_tick_status(shard);
    feed_tick(&shard->feed);
    node_tick(&shard->node);
    if (!shard->is_up)
        return;
    retry_refused(shard, now_ms);
    rooms_doubt_more(&shard->rooms);
    if (feed_is_open(&shard->feed))
        expiry_tick(&shard->expiry, now_ms);
    rooms_end_grace(&shard->rooms, now_ms, false);
}

/* ---- beginning ---- */

static const struct redis_url *url_of(const struct shard *shard)
{
    return redis_urls_of_shard(&shard->opts.config->redis, shard->opts.number);
}

static void open_link(struct shard *shard)
{
    struct redis_link_opts opts =
        redis_link_opts_of(shard->opts.config, url_of(shard), shard->link_name);

    snprintf(shard->link_name, sizeof(shard->link_name), "roomcast-%u-%u-commands",
             shard->opts.worker, shard->opts.number);
    opts.metrics = shard->opts.metrics;
    opts.owner = shard;
    opts.on_ready = on_link_ready;
    opts.on_lost = on_link_lost;
    shard->link = redis_link_open(shard->opts.loop, &opts);
}

static void open_feed(struct shard *shard)
{
    const struct feed_opts opts = {
        .loop = shard->opts.loop,
        .config = shard->opts.config,
        .url = url_of(shard),
        .metrics = shard->opts.metrics,
        .name = shard->feed_name,
        .shard = shard->opts.number,
        .worker = shard->opts.worker,
        .workers = shard->opts.workers,
        .inboxes = shard->opts.inboxes,
        .ops = shard->opts.feed_ops,
        .cluster = shard->opts.cluster,
        .masters = shard->opts.masters,
        .hooks = &shard_feed_hooks,
    };

    snprintf(shard->feed_name, sizeof(shard->feed_name), "roomcast-%u-%u-notices",
             shard->opts.worker, shard->opts.number);
    feed_open(&shard->feed, &opts);
}

static void open_bus(struct shard *shard)
{
    unsigned reader = shard->opts.number % shard->opts.workers;
    struct bus_opts opts = {
        .loop = shard->opts.loop,
        .rooms = &shard->rooms,
        .shard = shard->opts.number,
        .worker = shard->opts.worker,
        .hooks = &shard_bus_hooks,
    };

    if (reader == shard->opts.worker) {
        open_feed(shard);
        opts.feed = &shard->feed;
    } else {
        opts.reader = shard->opts.inboxes[reader];
    }
    bus_open(&shard->bus, &opts);
}

static void open_node(struct shard *shard)
{
    const struct node_opts opts = {
        .loop = shard->opts.loop,
        .config = shard->opts.config,
        .metrics = shard->opts.metrics,
        .store = &shard->store,
        .bus = &shard->bus,
        .rooms = &shard->rooms,
        .index = &shard->index,
        .address = shard->opts.address,
        .worker = shard->opts.worker,
        .shard = shard->opts.number,
        .state = &shard->state,
        .hooks = &node_hooks,
    };

    node_init(&shard->node, &opts);
}

static unsigned registry_slot(unsigned shard)
{
    char tag[8];
    int len = snprintf(tag, sizeof(tag), "%u", shard_of_tag(shard));

    return cluster_slot_of_room(tag, (size_t)len);
}

void shard_open(struct shard *shard, const struct shard_opts *opts)
{
    shard->opts = *opts;
    shard->may_write = !opts->is_marked;
    if (!opts->cluster)
        open_link(shard);
    store_init(&shard->store, shard->link, opts->config, opts->metrics);
    shard->store.cluster = opts->cluster;
    shard->store.args.shard = opts->number;
    shard->store.args.is_cluster = opts->cluster != NULL;
    shard->store.args.registry_slot = registry_slot(opts->number);
    shard->store.on_touched = on_touched;
    shard->store.on_unknown = on_unknown;
    rooms_init(&shard->rooms, &shard_room_hooks, opts->metrics, opts->config);
    deliver_init(&shard->rooms);
    history_cache_init(&shard->history_cache, &shard->store, &shard->rooms);
    outbox_init(&shard->outbox, &shard->store);
    joins_leaves_init(&shard->joins_leaves, &shard->store);
    index_init(&shard->index, &shard->store);
    expiry_init(&shard->expiry, &shard->store, opts->metrics);
    open_bus(shard);
    open_node(shard);
}

const char *shard_not_ready(const struct shard *shard)
{
    return node_state_text(
        atomic_load_explicit(&((struct shard *)shard)->state, memory_order_relaxed));
}

/* ---- the end of a turn ---- */

void shard_check_lease(struct shard *shard)
{
    node_check_lease(&shard->node);
}

void shard_flush(struct shard *shard, uint64_t now_ms)
{
    store_run_failed(&shard->store);
    history_cache_run(&shard->history_cache, now_ms);
    index_flush(&shard->index, now_ms);
    outbox_flush(&shard->outbox, now_ms);
    joins_leaves_flush(&shard->joins_leaves);
}

void shard_dump(const struct shard *shard)
{
    const struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&shard->rooms.map, &at)))
        log_info("room", "room=%s users=%u seq=%llu rev=%llu step=%s",
                 log_name(room->name, room->name_len), room->users.count,
                 (unsigned long long)room_log_seq(&room->log),
                 (unsigned long long)announce_rev(room),
                 room_step_word(room_next_step(room)));
}

/* ---- the end ---- */

void shard_drain(struct shard *shard)
{
    node_drain(&shard->node);
}

static void on_forgotten(void *data, int status, const redisReply *reply)
{
    struct shard *shard = data;

    (void)status;
    (void)reply;
    shard->opts.hooks->on_forgotten(shard);
}

void shard_forget(struct shard *shard)
{
    index_flush_all(&shard->index, uv_now(shard->opts.loop));
    if (shard->is_up)
        node_forget(&shard->node, on_forgotten, shard);
    else
        shard->opts.hooks->on_forgotten(shard);
}

void shard_close(struct shard *shard)
{
    shard->is_up = false;
    rooms_set_up(&shard->rooms, false);
    outbox_fail(&shard->outbox);
    node_close(&shard->node);
    bus_close(&shard->bus);
    if (shard->link)
        redis_link_close(shard->link);
    shard->link = shard->store.link = NULL;
    if (!shard->opts.cluster)
        shard_fail_calls(shard);
}

void shard_fail_calls(struct shard *shard)
{
    outbox_fail(&shard->outbox); /* what waited for the calls in flight */
    joins_leaves_flush(&shard->joins_leaves);
    store_run_failed(&shard->store);
}

bool shard_is_reading(const struct shard *shard)
{
    return feed_is_open(&shard->feed);
}

void shard_end(struct shard *shard)
{
    history_cache_deinit(&shard->history_cache);
    joins_leaves_flush(&shard->joins_leaves); /* fails with what else is not sent */
    store_deinit(&shard->store);
}

void shard_deinit(struct shard *shard)
{
    rooms_deinit(&shard->rooms);
    index_deinit(&shard->index);
    expiry_deinit(&shard->expiry);
    bus_deinit(&shard->bus);
    feed_deinit(&shard->feed);
}
