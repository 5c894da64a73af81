/* cluster_maps.h - the map of a Redis Cluster for all workers of a process: one of them reads it, and
 * all take it over. From any thread.
 */
#ifndef COMMON_CLUSTER_MAPS_H
#define COMMON_CLUSTER_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/cluster_map.h"

enum {
    CLUSTER_MAPS_PAUSE_MS = 100,  /* between two readings */
    CLUSTER_MAPS_PERIOD_MS = 5000 /* without any reason */
};

struct cluster_maps {
    uv_mutex_t lock;
    struct cluster_map map; /* the latest */
    uint64_t version;       /* of it; 0: none yet */
    uint64_t begun_ms;      /* the last reading, by uv_hrtime */
    bool is_reading;
    bool is_refused; /* the last reading: this user has not the right to it */
};

void cluster_maps_init(struct cluster_maps *maps);
void cluster_maps_deinit(struct cluster_maps *maps);

/* Whether the caller may read the map now, which nobody else does; then cluster_maps_put must follow, with
 * NULL if it could not be read. `is_urgent`: else once in a period. */
bool cluster_maps_begin(struct cluster_maps *maps, bool is_urgent, uint64_t now_ms);
void cluster_maps_put(struct cluster_maps *maps, const struct cluster_map *map);

/* In place of put: Redis refuses it. True: that is news. */
bool cluster_maps_refuse(struct cluster_maps *maps);
bool cluster_maps_is_refused(struct cluster_maps *maps);

/* Copies the latest into `map` if it is newer than *version, which becomes its own. */
bool cluster_maps_take(struct cluster_maps *maps, uint64_t *version,
                       struct cluster_map *map);

#endif
