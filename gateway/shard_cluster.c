/* shard_cluster.c - a shard of a Redis Cluster: at which master its rooms are at home (SPEC-SCALE S5).
 *
 *     subscribed at the master that has the slot -> home -> sync -> ready
 *     MOVED, the map, the worker that reads -> no home -> subscribed again
 *
 * A room without a home for longer than the deadline refuses joins.
 */
#include "gateway/shard.h"

#include "common/cluster.h"

enum { ASK_AGAIN_MS = 1000 };

static struct cluster_master *owner_of(const struct shard *shard,
                                       const struct room *room)
{
    return cluster_owner(shard->opts.cluster, room->slot);
}

/* Of this shard's notices by this master. */
static uint64_t *proven_ns(const struct shard *shard, struct cluster_master *master)
{
    return &master->proven_ns[shard->opts.number % shard->opts.workers];
}

void shard_on_proof(struct shard *shard, const struct link_proof *proof)
{
    struct cluster_master *master =
        cluster_masters_get(&shard->opts.cluster->masters, &proof->at);

    if (master)
        *proven_ns(shard, master) = proof->sent_ns;
}

static void begin_without_home(struct shard *shard, struct room *room)
{
    room->cluster.home = NULL;
    room->cluster.proven_ns = NULL;
    room->cluster.homeless_ms = uv_now(shard->opts.loop);
    room->cluster.asked_ms = room->cluster.homeless_ms;
    shard->has_homeless = true;
}

void shard_on_new_room(struct shard *shard, struct room *room)
{
    if (shard->opts.cluster)
        begin_without_home(shard, room);
}

void shard_lose_home(struct shard *shard, struct room *room, enum metric_home why)
{
    if (!room->cluster.home)
        return;
    metric_add(&shard->opts.metrics->redis_homes_lost_total[why], 1);
    begin_without_home(shard, room);
    room->is_subscribed = false;
    room->was_deaf = true;
    room_doubt(room);
}

void shard_on_home(struct shard *shard, struct room *room,
                   const struct cluster_host *host)
{
    struct cluster_masters *masters = &shard->opts.cluster->masters;
    struct cluster_master *home = cluster_masters_get(masters, host);

    if (!home)
        return;
    /* Redis takes a subscription only where the slot is, or at a replica of that master, as a former
     * master may be by now: then the first call tells. */
    cluster_masters_set_owner(masters, room->slot, home);
    room->cluster.home = home;
    room->cluster.proven_ns = proven_ns(shard, home);
    room->cluster.homeless_ms = 0;
    room_restart_grace(room);
    room_on_subscribed(room);
}

void shard_on_moved(struct shard *shard, struct room *room)
{
    if (room->cluster.home != owner_of(shard, room))
        shard_lose_home(shard, room, HOME_MOVED);
}

/* ---- the clock ---- */

static void look_at_homeless(struct shard *shard, struct room *room, uint64_t now_ms)
{
    uint64_t deadline_ms = (uint64_t)shard->opts.config->redis_deadline_ms;

    shard->has_homeless = true;
    if (now_ms - room->cluster.asked_ms >= ASK_AGAIN_MS) {
        room->cluster.asked_ms = now_ms;
        bus_subscribe(&shard->bus, room);
    }
    if (now_ms - room->cluster.homeless_ms >= deadline_ms)
        room_fail_waiting(room);
}

static void look_at(struct room *room)
{
    struct shard *shard = shard_of_room(room);

    if (room->cluster.home && room->cluster.home != owner_of(shard, room))
        shard_lose_home(shard, room, HOME_MOVED);
    if (!room->cluster.home)
        look_at_homeless(shard, room, uv_now(shard->opts.loop));
}

void shard_tick_homes(struct shard *shard)
{
    if (!shard->has_homeless && !shard->map_changed)
        return;
    shard->has_homeless = shard->map_changed = false;
    rooms_each(&shard->rooms, look_at);
}
