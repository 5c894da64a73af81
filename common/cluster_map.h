/* cluster_map.h - which master of a Redis Cluster has which slot: the answer to CLUSTER SLOTS, taken
 * apart and believed only if it is whole. Bytes in, parts out; nothing is asked.
 */
#ifndef COMMON_CLUSTER_MAP_H
#define COMMON_CLUSTER_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cluster_slot.h"
#include "common/reply.h"

enum {
    CLUSTER_HOST_MAX = 255,
    CLUSTER_MAP_MASTERS_MAX = 1024,
    CLUSTER_MAP_NOBODY = UINT16_MAX, /* in owners */
};

struct cluster_host {
    char host[CLUSTER_HOST_MAX + 1]; /* a name or an address */
    uint16_t port;
};

struct cluster_map {
    struct cluster_host *masters;
    unsigned masters_count;
    unsigned unserved;              /* slots that nobody has */
    uint16_t owners[CLUSTER_SLOTS]; /* index in masters */
};

/* Takes the answer to CLUSTER SLOTS apart. `asked` is who gave it: a master without a name has the
 * same host. False: it is no such answer, and `map` is empty. One whose host is not known yet ("?")
 * counts as nobody. */
bool cluster_map_parse(struct cluster_map *map, const redisReply *reply,
                       const struct cluster_host *asked);
void cluster_map_deinit(struct cluster_map *map);

/* `out` is zeroed, or to be replaced. */
void cluster_map_copy(struct cluster_map *out, const struct cluster_map *map);

/* Nobody has any slot: what is known at the start. */
void cluster_map_init(struct cluster_map *map);

/* Borrowed; NULL: nobody. */
const struct cluster_host *cluster_map_owner(const struct cluster_map *map,
                                             unsigned slot);

/* Notes what MOVED tells. With too many masters nobody has the slot. */
void cluster_map_set_owner(struct cluster_map *map, unsigned slot,
                           const struct cluster_host *owner);

/* Marks the slots that another one has in `after`, and returns how many these are. */
unsigned cluster_map_compare(const struct cluster_map *before,
                             const struct cluster_map *after,
                             bool has_moved[CLUSTER_SLOTS]);

bool cluster_host_equals(const struct cluster_host *a, const struct cluster_host *b);

/* What Redis calls a host: a name, an address, or nothing, which is that of `asked`. False: neither,
 * or too long. */
bool cluster_host_take(struct cluster_host *out, struct json_text host, uint64_t port,
                       const struct cluster_host *asked);

#endif
