/* shards_cluster.c - the shards of a Redis Cluster: what they share, and what that tells them. */
#include "gateway/shards.h"

#include <stdio.h>

#include "common/shard_of.h"
#include "gateway/server_check.h"

/* ---- commands ---- */

static struct shards *shards_of_cluster(struct cluster *cluster)
{
    return list_entry(cluster, struct shards, cluster);
}

static bool has_slot_of(struct cluster *cluster, unsigned shard,
                        const struct cluster_master *master)
{
    for (unsigned i = 0; i < SHARD_OF_SLOTS; i++)
        if (cluster_owner(cluster, shard * SHARD_OF_SLOTS + i) == master)
            return true;
    return false;
}

/* A connection that could not be ended may have had calls of all shards that have slots there. */
static void on_master(struct cluster *cluster, struct cluster_master *master,
                      bool is_ready)
{
    struct shards *shards = shards_of_cluster(cluster);
    bool is_loose = is_ready && redis_link_take_loose(master->redis);

    if (is_ready && cluster->opts.worker == 0) /* one of the process is enough */
        server_check_start_master(master);
    for (unsigned i = 0; i < shards->count; i++) {
        struct shard *shard = &shards->all[i];

        if (is_loose && has_slot_of(cluster, i, master))
            node_on_loose(&shard->node);
        if (cluster_owner(cluster, shard->store.args.registry_slot) == master)
            shard_on_registry(shard, is_ready);
    }
}

static void on_owner(struct cluster *cluster, unsigned slot)
{
    struct shard *shard = &shards_of_cluster(cluster)->all[slot / SHARD_OF_SLOTS];

    shard->map_changed = true;
    feed_cluster_on_map(&shard->feed);
    if (shard->store.args.registry_slot != slot)
        return;
    shard_on_registry(shard, false);
    if (cluster_is_ready(cluster, slot))
        shard_on_registry(shard, true);
}

static struct room *room_of(struct cluster_turn *turn)
{
    return list_entry(turn, struct room, cluster.turn);
}

static void on_moved(struct cluster *cluster, struct cluster_turn *turn)
{
    struct room *room = room_of(turn);

    (void)cluster;
    shard_on_moved(shard_of_room(room), room);
}

static void hold(struct cluster_turn *turn)
{
    room_ref(room_of(turn));
}

static void release(struct cluster_turn *turn)
{
    room_unref(room_of(turn));
}

static void on_halfway(struct cluster *cluster, struct cluster_turn *turn)
{
    (void)cluster;
    room_doubt(room_of(turn));
}

static void on_cluster_opened(struct cluster *cluster)
{
    struct shards *shards = shards_of_cluster(cluster);

    shards->hooks->on_opened(shards->owner);
}

static const struct cluster_hooks cluster_hooks = {
    .on_master = on_master,
    .on_owner = on_owner,
    .on_moved = on_moved,
    .on_halfway = on_halfway,
    .hold = hold,
    .release = release,
    .on_opened = on_cluster_opened,
};

/* ---- notices ---- */

static struct shards *shards_of_masters(struct cluster_subs *masters)
{
    return list_entry(masters, struct shards, subs);
}

/* The feed that a channel is of; NULL: no shard's that is read here. */
static struct feed *feed_of(struct cluster_subs *masters, struct json_text channel)
{
    unsigned slot = cluster_slot_of_key(channel.base, channel.len);
    struct feed *feed = &shards_of_masters(masters)->all[slot / SHARD_OF_SLOTS].feed;

    return feed_is_open(feed) ? feed : NULL;
}

static void on_ready(struct cluster_subs_link *master)
{
    struct shards *shards = shards_of_masters(master->masters);

    for (unsigned i = 0; i < shards->count; i++)
        if (feed_is_open(&shards->all[i].feed))
            feed_cluster_on_ready(&shards->all[i].feed);
    cluster_subs_link_want_expiry(master);
}

static void on_lost(struct cluster_subs_link *master, const char *why)
{
    struct shards *shards = shards_of_masters(master->masters);

    (void)why;
    cluster_want_map(&shards->cluster);
    link_canaries_on_lost(&shards->canaries, master);
    for (unsigned i = 0; i < shards->count; i++)
        if (feed_is_open(&shards->all[i].feed))
            feed_cluster_on_lost(&shards->all[i].feed, master);
}

static struct cluster_sub *find(struct cluster_subs *masters, struct json_text channel)
{
    struct cluster_sub *canary =
        link_canaries_find(&shards_of_masters(masters)->canaries, channel);
    struct feed *feed = canary ? NULL : feed_of(masters, channel);

    return feed ? feed_cluster_find(feed, channel) : canary;
}

/* Without an owner it is a link's canary, which is looked at with the next tick. */
static void on_fence(void *owner, struct cluster_sub *sub, bool is_subscribed)
{
    if (owner)
        feed_cluster_on_fence(owner, sub, is_subscribed);
}

static void on_ended(struct cluster_subs *masters, struct json_text channel)
{
    struct feed *feed = feed_of(masters, channel);

    if (feed)
        feed_cluster_on_ended(feed, channel);
}

/* To each worker once: by the feed of the first shard that is read here. */
static void tell_proof(struct shards *shards, const struct link_proof *proof)
{
    struct feed *feed = &shards->all[shards->cluster.opts.worker].feed;

    if (proof->sent_ns > 0 && feed_is_open(feed))
        feed_tell_proof(feed, (struct json_text){(const char *)proof, sizeof(*proof)});
}

static void on_message(struct cluster_subs *masters, struct json_text channel,
                       struct json_text text)
{
    struct shards *shards = shards_of_masters(masters);
    struct feed *feed = feed_of(masters, channel);
    struct link_proof proof;

    if (link_canaries_take(&shards->canaries, channel, text, &proof))
        tell_proof(shards, &proof);
    else if (feed)
        feed_take_message(feed, channel, text);
}

static void on_slot_moved(struct cluster_subs *masters, unsigned slot,
                          const struct cluster_host *owner)
{
    struct cluster *cluster = &shards_of_masters(masters)->cluster;
    struct cluster_master *master = cluster_masters_get(&cluster->masters, owner);

    if (master)
        cluster_masters_set_owner(&cluster->masters, slot, master);
    cluster_want_map(cluster);
}

static void on_expired(struct cluster_subs *masters, const char *room, size_t len)
{
    unsigned slot = cluster_slot_of_room(room, len);
    struct shard *shard = &shards_of_masters(masters)->all[slot / SHARD_OF_SLOTS];

    if (shard_is_reading(shard))
        expiry_add(&shard->expiry, room, len);
}

static void on_masters_opened(struct cluster_subs *masters)
{
    struct shards *shards = shards_of_masters(masters);

    shards->hooks->on_opened(shards->owner);
}

static const struct cluster_subs_hooks masters_hooks = {
    .on_ready = on_ready,
    .on_lost = on_lost,
    .find = find,
    .on_fence = on_fence,
    .on_ended = on_ended,
    .on_message = on_message,
    .on_moved = on_slot_moved,
    .on_expired = on_expired,
    .on_opened = on_masters_opened,
};

/* ---- beginning ---- */

void shards_open_cluster(struct shards *shards, const struct shard_opts *opts)
{
    struct cluster_opts of_cluster = {
        .loop = opts->loop,
        .config = opts->config,
        .metrics = opts->metrics,
        .maps = opts->maps,
        .name = shards->command_name,
        .worker = opts->worker,
        .hooks = &cluster_hooks,
    };
    const struct cluster_subs_opts of_masters = {
        .loop = opts->loop,
        .config = opts->config,
        .metrics = opts->metrics,
        .name = shards->notice_name,
        .hooks = &masters_hooks,
    };

    shards->hooks = opts->hooks;
    shards->owner = opts->owner;
    snprintf(shards->command_name, sizeof(shards->command_name), "roomcast-%u-commands",
             opts->worker);
    snprintf(shards->notice_name, sizeof(shards->notice_name), "roomcast-%u-notices",
             opts->worker);
    cluster_subs_init(&shards->subs, &of_masters);
    cluster_open(&shards->cluster, &of_cluster);
    link_canaries_init(&shards->canaries, &shards->cluster, &shards->subs);
}
