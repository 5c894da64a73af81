/* move_links_open.c - connects both sides of a move (move_links.h).
 *
 *     move_links_open -> [all are ready] -> INFO server -> who each of them is
 */
#include "admin/move_links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shard_of.h"
#include "common/xalloc.h"

enum {
    TICK_MS = 100,
    CONNECT_MS = 10000,
    REFUSED_MS = 2000,   /* where it is known why there is no connection */
    DEADLINE_MS = 30000, /* of a command, if the setting is not longer */
};

static const char link_name[] = "roomcast-admin-move";

/* ---- a cluster tells much, and none of it is needed here ---- */

static void on_master(struct cluster *cluster, struct cluster_master *master,
                      bool is_ready)
{
    (void)cluster;
    (void)master;
    (void)is_ready;
}

static void on_owner(struct cluster *cluster, unsigned slot)
{
    (void)cluster;
    (void)slot;
}

static void on_opened(struct cluster *cluster)
{
    (void)cluster;
}

static const struct cluster_hooks cluster_hooks = {
    .on_master = on_master,
    .on_owner = on_owner,
    .on_opened = on_opened,
};

/* ---- connecting ---- */

static void on_ready(void *owner)
{
    (void)owner;
}

static void on_lost(void *owner, const char *why)
{
    struct move_place *place = owner;

    place->lost = why;
}

static void open_list(struct move_side *side)
{
    side->count = side->shards;
    side->places = xcalloc(side->count, sizeof(*side->places));
    for (unsigned i = 0; i < side->count; i++) {
        struct move_place *place = &side->places[i];
        struct redis_link_opts opts = redis_link_opts_of(
            &side->config, redis_urls_of_shard(&side->config.redis, i), link_name);

        place->side = side;
        place->number = i;
        opts.silence_ms = opts.deadline_ms;
        opts.metrics = &side->links->metrics;
        opts.owner = place;
        opts.on_ready = on_ready;
        opts.on_lost = on_lost;
        place->link = redis_link_open(&side->links->loop, &opts);
    }
}

static void open_cluster(struct move_side *side)
{
    const struct cluster_opts opts = {
        .loop = &side->links->loop,
        .config = &side->config,
        .metrics = &side->links->metrics,
        .maps = &side->maps,
        .name = link_name,
        .hooks = &cluster_hooks,
    };

    cluster_maps_init(&side->maps);
    cluster_open(&side->cluster, &opts);
}

static void open_side(struct move_links *links, enum move_which which,
                      const struct config *config)
{
    struct move_side *side = &links->sides[which];

    side->links = links;
    side->name = which == MOVE_FROM ? "ROOMCAST_MOVE_FROM" : "ROOMCAST_MOVE_TO";
    side->config = *config;
    side->config.redis = which == MOVE_FROM ? config->move_from : config->move_to;
    if (side->config.redis_deadline_ms < DEADLINE_MS)
        side->config.redis_deadline_ms = DEADLINE_MS;
    side->is_cluster = redis_urls_is_cluster(&side->config.redis);
    side->shards = side->is_cluster ? SHARD_OF_MAX : side->config.redis.count;
    if (side->is_cluster)
        open_cluster(side);
    else
        open_list(side);
}

/* The places of a cluster are its masters, once it has told them. */
static void find_masters(struct move_side *side)
{
    if (side->count > 0 || side->cluster.version == 0)
        return;
    side->places = xcalloc(side->cluster.masters.count, sizeof(*side->places));
    list_each(link, &side->cluster.masters.all) {
        struct cluster_master *master = list_entry(link, struct cluster_master, link);

        if (master->slots == 0)
            continue;
        side->places[side->count] =
            (struct move_place){.side = side, .number = side->count, .master = master};
        cluster_master_use(master);
        side->count++;
    }
}

/* Masters that are not asked for long stay connected. */
static void tick_cluster(struct move_side *side)
{
    for (unsigned i = 0; i < side->count; i++)
        cluster_master_use(side->places[i].master);
    cluster_tick(&side->cluster, uv_now(&side->links->loop));
}

static void on_tick(uv_timer_t *timer)
{
    struct move_links *links = timer->data;

    for (unsigned i = 0; i < 2; i++)
        if (links->sides[i].is_cluster)
            tick_cluster(&links->sides[i]);
}

static bool has_all_slots(struct move_side *side)
{
    for (unsigned slot = 0; side->is_cluster && slot < CLUSTER_SLOTS; slot++)
        if (!cluster_owner(&side->cluster, slot))
            return move_links_fail(side->links, "%s: no master has slot %u", side->name,
                                   slot);
    return true;
}

static const struct move_place *find_unready(const struct move_side *side)
{
    for (unsigned i = 0; i < side->count; i++)
        if (!redis_link_is_ready(move_links_of_place(&side->places[i])))
            return &side->places[i];
    return NULL;
}

static enum redis_why why_not(const struct move_side *side,
                              const struct move_place *place)
{
    return place ? redis_link_why(move_links_of_place(place))
                 : cluster_why(&side->cluster);
}

/* Whether all of it can be asked; if not, and it will not be, the move has failed. */
static bool is_ready(struct move_side *side, uint64_t waited_ms)
{
    const struct move_place *place;
    enum redis_why why;
    const char *text;

    if (side->is_cluster)
        find_masters(side);
    place = find_unready(side);
    if (side->count > 0 && !place)
        return has_all_slots(side);
    why = why_not(side, place);
    text = why == REDIS_WHY_NOT_KNOWN && place && place->lost ? place->lost
                                                              : redis_why_text(why);
    if (waited_ms >= (why == REDIS_WHY_NOT_KNOWN ? CONNECT_MS : REFUSED_MS))
        move_links_fail(side->links, "%s, %s %u: %s", side->name,
                        side->is_cluster ? "master" : "shard",
                        place ? place->number : 0, text);
    return false;
}

static bool wait_ready(struct move_links *links)
{
    uint64_t since_ms = uv_now(&links->loop);
    unsigned ready;

    do {
        uint64_t waited_ms;

        uv_run(&links->loop, UV_RUN_ONCE);
        waited_ms = uv_now(&links->loop) - since_ms;
        ready = 0;
        for (unsigned i = 0; i < 2; i++)
            ready += is_ready(&links->sides[i], waited_ms);
    } while (ready < 2 && !links->has_failed);
    return !links->has_failed;
}

/* ---- who is who ---- */

static void on_info(void *data, const redisReply *reply)
{
    struct move_place *place = data;
    struct json_text info = reply_string(reply);
    const char *at = info.len > 0 ? strstr(info.base, "run_id:") : NULL;
    int db = place->master
                 ? 0
                 : redis_urls_of_shard(&place->side->config.redis, place->number)->db;

    if (at)
        snprintf(place->id, sizeof(place->id), "%.40s/%d", at + 7, db);
    else
        move_links_fail(place->side->links,
                        "%s, shard %u: INFO does not tell its run_id",
                        place->side->name, place->number);
}

static bool identify(struct move_links *links)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < links->sides[i].count; k++) {
            move_links_begin(links, "INFO");
            redis_command_add_text(&links->cmd, "server");
            move_links_send_place(links, &links->sides[i].places[k], on_info,
                                  &links->sides[i].places[k]);
        }
    return move_links_wait(links);
}

/* ---- beginning and end ---- */

bool move_links_open(struct move_links *links, const struct config *config)
{
    uv_loop_init(&links->loop);
    uv_timer_init(&links->loop, &links->tick);
    links->tick.data = links;
    uv_timer_start(&links->tick, on_tick, TICK_MS, TICK_MS);
    open_side(links, MOVE_FROM, config);
    open_side(links, MOVE_TO, config);
    return wait_ready(links) && identify(links);
}

static void close_side(struct move_side *side)
{
    if (side->is_cluster)
        cluster_close(&side->cluster);
    for (unsigned i = 0; i < side->count; i++)
        redis_link_close(side->places[i].link);
}

static void deinit_side(struct move_side *side)
{
    if (side->is_cluster) {
        cluster_deinit(&side->cluster);
        cluster_maps_deinit(&side->maps);
    }
    free(side->places);
}

void move_links_close(struct move_links *links)
{
    for (unsigned i = 0; i < 2; i++)
        close_side(&links->sides[i]);
    uv_close((uv_handle_t *)&links->tick, NULL);
    uv_run(&links->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < 2; i++)
        deinit_side(&links->sides[i]);
    redis_command_deinit(&links->cmd);
    uv_loop_close(&links->loop);
}
