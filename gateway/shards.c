/* shards.c - see shards.h. */
#include "gateway/shards.h"

#include <stdlib.h>

#include "common/reply.h"
#include "common/shard_of.h"
#include "common/xalloc.h"
#include "gateway/args.h"

unsigned shards_count(const struct config *config)
{
    return redis_urls_is_cluster(&config->redis) ? SHARD_OF_MAX : config->redis.count;
}

/* ---- the marks ---- */

static struct shards *shards_of_marks(struct marks *marks)
{
    return list_entry(marks, struct shards, marks);
}

static void allow_all(struct marks *marks)
{
    struct shards *shards = shards_of_marks(marks);

    for (unsigned i = 0; i < shards->count; i++)
        shard_allow(&shards->all[i], marks_may_write(marks, i));
}

struct question {
    struct shards *shards;
    unsigned shard;
};

static void on_mark(void *data, int status, const redisReply *reply)
{
    struct question question = *(struct question *)data;
    struct shard *shard = &question.shards->all[question.shard];

    free(data);
    if (status == UV_EREMOTEIO && question.shards->count == 1)
        status = 0; /* it may not be read, as before there was any */
    if (!question.shards->is_closing)
        marks_on_reply(&question.shards->marks, question.shard, status,
                       reply_string(reply), uv_now(shard->opts.loop));
}

static void ask_for_mark(struct marks *marks, unsigned number, const char *text)
{
    struct shards *shards = shards_of_marks(marks);
    struct store *store = &shards->all[number].store;
    struct question *question = xcalloc(1, sizeof(*question));

    *question = (struct question){shards, number};
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, text ? "SET" : "GET");
    args_add_fleet_key(&store->args, KEY_SHARD);
    if (text) {
        redis_command_add_text(&store->args.cmd, text);
        redis_command_add_text(&store->args.cmd, "NX");
        redis_command_add_text(&store->args.cmd, "GET");
    }
    store_send_command(store, on_mark, question);
}

static const struct marks_hooks marks_hooks = {ask_for_mark, allow_all, allow_all};

void shards_on_link(struct shards *shards, const struct shard *shard, bool is_ready)
{
    unsigned number = shard->opts.number;

    if (!shard->opts.is_marked)
        return;
    if (is_ready)
        marks_on_link(&shards->marks, number, uv_now(shard->opts.loop));
    else
        marks_on_lost(&shards->marks, number, uv_now(shard->opts.loop));
}

void shards_init(struct shards *shards, const struct config *config)
{
    char id[PROTO_EPOCH_LEN + 1];

    shards->count = shards_count(config);
    shards->is_cluster = redis_urls_is_cluster(&config->redis);
    shards->spread = shards->is_cluster ? SHARD_OF_CLUSTER : shards->count;
    shards->all = xcalloc(shards->count, sizeof(*shards->all));
    args_make_id(id);
    marks_init(&shards->marks, shards->count, id, &marks_hooks);
}

/* ---- all of them ---- */

void shards_open(struct shards *shards, const struct shard_opts *opts)
{
    struct shard_opts each = *opts;

    each.is_marked = true;
    if (shards->is_cluster) {
        shards_open_cluster(shards, opts);
        each.cluster = &shards->cluster;
        each.masters = &shards->subs;
        each.feed_ops = &feed_cluster_ops;
    }
    for (each.number = 0; each.number < shards->count; each.number++)
        shard_open(&shards->all[each.number], &each);
}

void shards_set_classes(struct shards *shards, const struct classes *classes)
{
    for (unsigned i = 0; i < shards->count; i++) {
        shards->all[i].store.args.classes = classes;
        rooms_set_classes(&shards->all[i].rooms, classes);
    }
}

struct shard *shards_find(const struct shards *shards, struct json_text room)
{
    return &shards->all[shard_of(room.base, room.len, shards->spread)];
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
    if (shards->is_cluster)
        cluster_subs_flush(&shards->subs);
}

void shards_tick(struct shards *shards, uint64_t now_ms)
{
    marks_tick(&shards->marks, now_ms);
    if (shards->is_cluster) {
        cluster_tick(&shards->cluster, now_ms);
        cluster_subs_tick(&shards->subs, now_ms);
        shards_tick_fence(shards, now_ms);
        link_canaries_tick(&shards->canaries, shards->fence.state == FENCE_OPEN,
                           now_ms);
    }
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
    shards->is_closing = true;
    for (unsigned i = 0; i < shards->count; i++)
        shard_close(&shards->all[i]);
    if (!shards->is_cluster)
        return;
    cluster_close(&shards->cluster);
    for (unsigned i = 0; i < shards->count; i++)
        shard_fail_calls(&shards->all[i]);
}

void shards_tick_reading(struct shards *shards, uint64_t now_ms)
{
    if (shards->is_cluster)
        cluster_subs_tick(&shards->subs, now_ms);
    for (unsigned i = 0; i < shards->count; i++)
        feed_tick(&shards->all[i].feed);
    if (shards->is_cluster)
        cluster_subs_flush(&shards->subs);
}

void shards_close_reading(struct shards *shards)
{
    if (shards->is_cluster)
        cluster_subs_close(&shards->subs);
}

bool shards_are_reading(const struct shards *shards)
{
    for (unsigned i = 0; i < shards->count; i++)
        if (shard_is_reading(&shards->all[i]))
            return true;
    return false;
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
    if (shards->is_cluster) {
        link_canaries_deinit(&shards->canaries);
        cluster_deinit(&shards->cluster);
        cluster_subs_deinit(&shards->subs);
    }
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

bool shards_why_not_ready(const struct shards *shards, unsigned number,
                          struct strbuf *out)
{
    const char *why = shard_not_ready(&shards->all[number]);

    if (marks_print_wrong(&shards->marks, number, out) ||
        shards_print_fence(shards, number, out))
        return true;
    if (why)
        strbuf_add_text(out, why);
    return why != NULL;
}
