/* cluster_map.c - see cluster_map.h.
 *
 * CLUSTER SLOTS answers ((first slot, last slot, (host, port, id, …), replica, …), …).
 */
#include "common/cluster_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

/* ---- hosts ---- */

bool cluster_host_equals(const struct cluster_host *a, const struct cluster_host *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_plain(struct json_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.base[i] <= ' ' || text.base[i] > '~')
            return false;
    return true;
}

bool cluster_host_take(struct cluster_host *out, struct json_text host, uint64_t port,
                       const struct cluster_host *asked)
{
    if (host.len > CLUSTER_HOST_MAX || !is_plain(host) || port == 0 ||
        port > UINT16_MAX)
        return false;
    if (host.len == 0)
        host = (struct json_text){asked->host, strlen(asked->host)};
    memmove(out->host, host.base, host.len);
    out->host[host.len] = '\0';
    out->port = (uint16_t)port;
    return true;
}

/* ---- the map ---- */

void cluster_map_init(struct cluster_map *map)
{
    *map = (struct cluster_map){.unserved = CLUSTER_SLOTS};
    memset(map->owners, 0xff, sizeof(map->owners));
}

void cluster_map_copy(struct cluster_map *out, const struct cluster_map *map)
{
    size_t bytes = map->masters_count * sizeof(*map->masters);

    cluster_map_deinit(out);
    *out = *map;
    out->masters = xmalloc(bytes + 1);
    memcpy(out->masters, map->masters, bytes);
}

void cluster_map_deinit(struct cluster_map *map)
{
    free(map->masters);
    cluster_map_init(map);
}

static uint16_t find_master(const struct cluster_map *map,
                            const struct cluster_host *host)
{
    /* Neighbours often have the same one, and it is the newest. */
    for (unsigned i = map->masters_count; i-- > 0;)
        if (cluster_host_equals(&map->masters[i], host))
            return (uint16_t)i;
    return CLUSTER_MAP_NOBODY;
}

/* CLUSTER_MAP_NOBODY: there are too many. */
static uint16_t add_master(struct cluster_map *map, const struct cluster_host *host)
{
    uint16_t found = find_master(map, host);

    if (found != CLUSTER_MAP_NOBODY || map->masters_count == CLUSTER_MAP_MASTERS_MAX)
        return found;
    map->masters =
        xrealloc(map->masters, (map->masters_count + 1) * sizeof(*map->masters));
    map->masters[map->masters_count] = *host;
    return (uint16_t)map->masters_count++;
}

static void set_owner(struct cluster_map *map, unsigned slot, uint16_t owner)
{
    map->unserved -= map->owners[slot] == CLUSTER_MAP_NOBODY;
    map->unserved += owner == CLUSTER_MAP_NOBODY;
    map->owners[slot] = owner;
}

void cluster_map_set_owner(struct cluster_map *map, unsigned slot,
                           const struct cluster_host *owner)
{
    set_owner(map, slot, add_master(map, owner));
}

const struct cluster_host *cluster_map_owner(const struct cluster_map *map,
                                             unsigned slot)
{
    uint16_t owner = map->owners[slot];

    return owner == CLUSTER_MAP_NOBODY ? NULL : &map->masters[owner];
}

unsigned cluster_map_compare(const struct cluster_map *before,
                             const struct cluster_map *after,
                             bool has_moved[CLUSTER_SLOTS])
{
    uint16_t same[CLUSTER_MAP_MASTERS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < before->masters_count; i++)
        same[i] = find_master(after, &before->masters[i]);
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        uint16_t was = before->owners[slot], is = after->owners[slot];

        has_moved[slot] = was == CLUSTER_MAP_NOBODY || is == CLUSTER_MAP_NOBODY
                              ? was != is
                              : same[was] != is;
        count += has_moved[slot];
    }
    return count;
}

/* ---- the answer ---- */

static bool take_slot(const redisReply *range, size_t i, unsigned *slot)
{
    long long number;

    if (!reply_take_number(range, i, &number) || number < 0 || number >= CLUSTER_SLOTS)
        return false;
    *slot = (unsigned)number;
    return true;
}

static bool take_range(struct cluster_map *map, const redisReply *range,
                       const struct cluster_host *asked)
{
    const redisReply *master = reply_at(range, 2);
    struct cluster_host host;
    uint16_t owner;
    unsigned first, last;

    if (!take_slot(range, 0, &first) || !take_slot(range, 1, &last) || first > last ||
        !reply_is_array(master, 2) ||
        !cluster_host_take(&host, reply_text(master, 0), reply_number(master, 1),
                           asked))
        return false;
    if (strcmp(host.host, "?") == 0)
        return true;
    owner = add_master(map, &host);
    if (owner == CLUSTER_MAP_NOBODY)
        return false;
    for (unsigned slot = first; slot <= last; slot++) {
        if (map->owners[slot] != CLUSTER_MAP_NOBODY)
            return false; /* two have it */
        set_owner(map, slot, owner);
    }
    return true;
}

bool cluster_map_parse(struct cluster_map *map, const redisReply *reply,
                       const struct cluster_host *asked)
{
    cluster_map_init(map);
    if (!reply_is_array(reply, 0) || reply_count(reply) > CLUSTER_SLOTS)
        return false;
    for (size_t i = 0; i < reply_count(reply); i++)
        if (!take_range(map, reply_at(reply, i), asked)) {
            cluster_map_deinit(map);
            return false;
        }
    return true;
}
