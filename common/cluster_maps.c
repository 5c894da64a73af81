/* cluster_maps.c - see cluster_maps.h. */
#include "common/cluster_maps.h"

#include <stdlib.h>

void cluster_maps_init(struct cluster_maps *maps)
{
    *maps = (struct cluster_maps){.version = 0};
    cluster_map_init(&maps->map);
    if (uv_mutex_init(&maps->lock) != 0)
        abort();
}

void cluster_maps_deinit(struct cluster_maps *maps)
{
    cluster_map_deinit(&maps->map);
    uv_mutex_destroy(&maps->lock);
}

bool cluster_maps_begin(struct cluster_maps *maps, bool is_urgent, uint64_t now_ms)
{
    uint64_t pause_ms = is_urgent ? CLUSTER_MAPS_PAUSE_MS : CLUSTER_MAPS_PERIOD_MS;
    bool may_begin;

    uv_mutex_lock(&maps->lock);
    may_begin = !maps->is_reading &&
                (maps->begun_ms == 0 || now_ms - maps->begun_ms >= pause_ms);
    if (may_begin) {
        maps->is_reading = true;
        maps->begun_ms = now_ms;
    }
    uv_mutex_unlock(&maps->lock);
    return may_begin;
}

void cluster_maps_put(struct cluster_maps *maps, const struct cluster_map *map)
{
    uv_mutex_lock(&maps->lock);
    maps->is_reading = false;
    if (map) {
        maps->is_refused = false;
        cluster_map_copy(&maps->map, map);
        maps->version++;
    }
    uv_mutex_unlock(&maps->lock);
}

bool cluster_maps_refuse(struct cluster_maps *maps)
{
    bool is_news;

    uv_mutex_lock(&maps->lock);
    is_news = !maps->is_refused;
    maps->is_reading = false;
    maps->is_refused = true;
    uv_mutex_unlock(&maps->lock);
    return is_news;
}

bool cluster_maps_is_refused(struct cluster_maps *maps)
{
    bool is_refused;

    uv_mutex_lock(&maps->lock);
    is_refused = maps->is_refused;
    uv_mutex_unlock(&maps->lock);
    return is_refused;
}

bool cluster_maps_take(struct cluster_maps *maps, uint64_t *version,
                       struct cluster_map *map)
{
    bool is_newer;

    uv_mutex_lock(&maps->lock);
    is_newer = maps->version != *version;
    if (is_newer) {
        *version = maps->version;
        cluster_map_copy(map, &maps->map);
    }
    uv_mutex_unlock(&maps->lock);
    return is_newer;
}
