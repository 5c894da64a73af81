/* shards.c - see shards.h. */
#include "gateway/shards.h"

#include <stdlib.h>

#include "common/shard_of.h"
#include "common/xalloc.h"

unsigned shards_count(const struct config *config)
{
    (void)config;
    return 1;
}

unsigned shards_ready_percent(const struct config *config)
{
    return shards_count(config) == 1 ? 100 : 51;
}

void shards_open(struct shards *shards, const struct shard_opts *opts)
{
    struct shard_opts each = *opts;

    shards->count = shards_count(opts->config);
    shards->all = xcalloc(shards->count, sizeof(*shards->all));
    for (each.number = 0; each.number < shards->count; each.number++)
        shard_open(&shards->all[each.number], &each);
}

struct shard *shards_find(const struct shards *shards, struct json_text room)
{
    return &shards->all[shard_of(room.base, room.len, shards->count)];
}

void shards_check_lease(struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_check_lease(&shards->all[i]);
}

void shards_flush(struct shards *shards, uint64_t now_ms)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_flush(&shards->all[i], now_ms);
}

void shards_tick(struct shards *shards, uint64_t now_ms)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_tick(&shards->all[i], now_ms);
}

void shards_drain(struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_drain(&shards->all[i]);
}

void shards_forget(struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_forget(&shards->all[i]);
}

void shards_close(struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_close(&shards->all[i]);
}

void shards_end(struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_end(&shards->all[i]);
}

void shards_deinit(struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        shard_deinit(&shards->all[i]);
    free(shards->all);
    *shards = (struct shards){0};
}

bool shards_are_empty(const struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        if (shards->all[i].rooms.map.count > 0 && shards->all[i].is_up)
            return false;
    return true;
}

void shards_end_grace(struct shards *shards, uint64_t now_ms)
{
    for (unsigned i = 0; i < shards->count; i++)
        rooms_end_grace(&shards->all[i].rooms, now_ms, true);
}
