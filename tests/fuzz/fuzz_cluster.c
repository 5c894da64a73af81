/* fuzz_cluster.c - a Redis Cluster that answers anything: to CLUSTER SLOTS, and by errors that name
 * another master.
 *
 * Input: replies in RESP, one after the other. An error is looked at as one, everything else as an
 * answer to CLUSTER SLOTS. Whatever is taken is whole: each slot has a master with a name and a
 * port, or nobody; and of two maps the difference is what a look at each slot finds.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPLIES_MAX = 8 };

static const struct cluster_host asked = {"asked", 7000};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_host(const struct cluster_host *host)
{
    size_t len = strnlen(host->host, sizeof(host->host));

    require(len > 0 && len <= CLUSTER_HOST_MAX && host->port > 0);
    for (size_t i = 0; i < len; i++)
        require(host->host[i] > ' ' && host->host[i] <= '~');
    require(strcmp(host->host, "?") != 0);
}

static void check_map(const struct cluster_map *map)
{
    unsigned unserved = 0;

    for (unsigned i = 0; i < map->masters_count; i++)
        check_host(&map->masters[i]);
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        unserved += !cluster_map_owner(map, slot);
        require(!cluster_map_owner(map, slot) ||
                map->owners[slot] < map->masters_count);
    }
    require(map->unserved == unserved);
}

static void check_difference(const struct cluster_map *a, const struct cluster_map *b)
{
    bool has_moved[CLUSTER_SLOTS];
    unsigned count = cluster_map_compare(a, b, has_moved), found = 0;

    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        const struct cluster_host *was = cluster_map_owner(a, slot),
                                  *is = cluster_map_owner(b, slot);
        bool differs = was && is ? !cluster_host_equals(was, is) : was != is;

        require(differs == has_moved[slot]);
        found += differs;
    }
    require(count == found);
}

static void take_error(struct cluster_map *map, const char *text)
{
    enum cluster_error error = cluster_error_of(text);
    struct cluster_host owner;
    unsigned slot;

    if (!cluster_error_owner(text, &asked, &slot, &owner))
        return;
    require(error == CLUSTER_MOVED || error == CLUSTER_ASK);
    require(slot < CLUSTER_SLOTS);
    check_host(&owner);
    cluster_map_set_owner(map, slot, &owner);
    require(cluster_host_equals(cluster_map_owner(map, slot), &owner));
}

static void take_reply(struct cluster_map *map, const redisReply *reply)
{
    struct cluster_map next;

    if (reply_is_error(reply)) {
        take_error(map, reply_error(reply));
        return;
    }
    if (!cluster_map_parse(&next, reply, &asked))
        require(next.masters_count == 0 && next.unserved == CLUSTER_SLOTS);
    check_map(&next);
    check_difference(map, &next);
    check_difference(&next, map);
    cluster_map_deinit(map);
    *map = next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply_arena arena = {0};
    redisReader *reader = redisReaderCreateWithFunctions(&reply_arena_functions);
    struct cluster_map map;
    void *reply;

    reader->privdata = &arena;
    cluster_map_init(&map);
    redisReaderFeed(reader, (const char *)data, size);
    for (int i = 0; i < REPLIES_MAX; i++) {
        reply_arena_reset(&arena);
        if (redisReaderGetReply(reader, &reply) != REDIS_OK || !reply)
            break;
        take_reply(&map, reply);
    }
    check_map(&map);
    cluster_map_deinit(&map);
    redisReaderFree(reader);
    reply_arena_deinit(&arena);
    return 0;
}
