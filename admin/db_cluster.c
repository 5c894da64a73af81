/* db_cluster.c - a db on a Redis Cluster: 64 shards, each up while the master that has its registry can be
 * asked, or is away for no longer than a second; none while the cluster's mark is a wrong one.
 *
 *     cluster.h: a master is ready, is lost, has a slot -> look_at -> on_link
 *     db.c: the mark is another one -> look_at each
 */
#include "admin/db.h"

#include <string.h>

#include "common/rights.h"

enum { DOWN_MS = 1000 };

static struct db *db_of(struct cluster *cluster)
{
    return list_entry(cluster, struct db, cluster);
}

/* The one function that tells. */
static void set_up(struct db_shard *shard, bool is_up)
{
    if (shard->is_up == is_up)
        return;
    shard->is_up = is_up;
    shard->db->on_link(shard->db->owner, shard->number, is_up);
}

/* A master that hands over is away for less than a second: calls wait for the next one. */
static void look_at(struct db_shard *shard)
{
    uint64_t now_ms = uv_now(shard->db->cluster.opts.loop);

    if (cluster_is_ready(&shard->db->cluster, shard->slot)) {
        shard->lost_ms = 0;
        set_up(shard, db_has_fit_mark(shard->db, shard->number));
        return;
    }
    if (shard->lost_ms == 0)
        shard->lost_ms = now_ms;
    if (now_ms - shard->lost_ms >= DOWN_MS ||
        !db_has_fit_mark(shard->db, shard->number))
        set_up(shard, false);
}

/* ---- what the cluster tells ---- */

static void on_master(struct cluster *cluster, struct cluster_master *master,
                      bool is_ready)
{
    struct db *db = db_of(cluster);

    if (is_ready)
        rights_ask(master->redis, 0);
    for (unsigned i = 0; i < db->count; i++)
        if (cluster_owner(cluster, db->shards[i].slot) == master)
            look_at(&db->shards[i]);
}

static void on_owner(struct cluster *cluster, unsigned slot)
{
    struct db_shard *shard = &db_of(cluster)->shards[slot / SHARD_OF_SLOTS];

    if (shard->slot == slot)
        look_at(shard);
}

/* Nothing here sends from a prepare handle. */
static void on_opened(struct cluster *cluster)
{
    (void)cluster;
}

static const struct cluster_hooks hooks = {
    .on_master = on_master,
    .on_owner = on_owner,
    .on_opened = on_opened,
};

void db_cluster_look_at_all(struct db *db)
{
    for (unsigned i = 0; i < db->count; i++)
        look_at(&db->shards[i]);
}

void db_cluster_tick(struct db *db)
{
    cluster_tick(&db->cluster, uv_now(db->cluster.opts.loop));
    db_cluster_look_at_all(db);
}

/* ---- what is asked ---- */

static const struct cluster_master *owner_of(const struct db *db, unsigned number)
{
    return db->cluster.masters.owners[db->shards[number].slot];
}

void db_cluster_print_why(const struct db *db, unsigned number, struct strbuf *out)
{
    const struct cluster_master *owner = owner_of(db, number);

    if (owner && redis_link_is_ready(owner->redis))
        strbuf_add_text(out, "its mark is not read yet");
    else if (owner)
        strbuf_add_text(out, redis_why_text(redis_link_why(owner->redis)));
    else if (db->cluster.version == 0)
        strbuf_add_text(out, redis_why_text(cluster_why(&db->cluster)));
    else
        strbuf_add_text(out, "no master has its slots");
}

void db_cluster_print_where(const struct db *db, unsigned number, struct strbuf *out)
{
    const struct cluster_master *owner = owner_of(db, number);

    if (owner)
        strbuf_add_format(out, strchr(owner->at.host, ':') ? "[%s]:%u" : "%s:%u",
                          owner->at.host, owner->at.port);
}

bool db_has_master(struct db *db, struct json_text room)
{
    return db->is_cluster && !db->is_closed && db_has_fit_mark(db, 0) &&
           cluster_is_ready(&db->cluster, cluster_slot_of_room(room.base, room.len));
}

void db_cluster_send(struct db *db, enum script script, redis_reply_fn on_reply,
                     void *data)
{
    const struct cluster_target target = {.slot = db->slot, .shard = db->at};

    cluster_send(&db->cluster, &target, &db->cmd, script, on_reply, data);
}

/* ---- beginning and end ---- */

void db_cluster_open(struct db *db, uv_loop_t *loop, struct metrics *metrics)
{
    const struct cluster_opts opts = {
        .loop = loop,
        .config = db->config,
        .metrics = metrics,
        .maps = &db->maps,
        .name = "roomcast-admin-commands",
        .hooks = &hooks,
    };
    char key[KEYS_MAX_BYTES];

    for (unsigned i = 0; i < db->count; i++)
        db->shards[i].slot = cluster_slot_of_key(key, keys_fleet(key, i, KEY_ROOMS));
    cluster_maps_init(&db->maps);
    cluster_open(&db->cluster, &opts);
}

void db_cluster_close(struct db *db)
{
    cluster_close(&db->cluster);
}

void db_cluster_deinit(struct db *db)
{
    cluster_deinit(&db->cluster);
    cluster_maps_deinit(&db->maps);
}
