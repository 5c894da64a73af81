/* db.c - see db.h. What a cluster does otherwise is in db_cluster.c.
 *
 *     link ready -> ask_for_mark -> on_mark -> decide -> on_link
 *                        ^ and each second
 */
#include "admin/db.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/rights.h"
#include "common/shard_mark.h"
#include "common/xalloc.h"

enum { TICK_MS = 1000, CLUSTER_TICK_MS = 100, WAIT_MS = 3000 };

unsigned db_shards_count(const struct config *config)
{
    return redis_urls_is_cluster(&config->redis) ? SHARD_OF_MAX : config->redis.count;
}

unsigned db_shard_of(const struct db *db, struct json_text room)
{
    return shard_of(room.base, room.len, db->spread);
}

uint64_t db_all_shards(const struct db *db)
{
    return UINT64_MAX >> (SHARD_OF_MAX - db->count);
}

bool db_is_up(const struct db *db, unsigned number)
{
    const struct db_shard *shard = &db->shards[number];

    if (db->is_cluster)
        return shard->is_up && !db->is_closed;
    return redis_link_is_ready(shard->link) && db_has_fit_mark(db, number);
}

bool db_answers(struct db *db, unsigned number)
{
    return db_is_up(db, number) &&
           (!db->is_cluster || cluster_is_ready(&db->cluster, db->shards[number].slot));
}

bool db_print_wrong_mark(const struct db *db, unsigned number, struct strbuf *out)
{
    const struct db_shard *shard = db_marked(db, number);

    if (shard->mark == DB_MARK_WRONG)
        shard_mark_print_wrong(out, number, db->count, shard->found, shard->found_of);
    return shard->mark == DB_MARK_WRONG;
}

void db_print_why(const struct db *db, unsigned number, struct strbuf *out)
{
    const struct db_shard *shard = &db->shards[number];

    if (db_print_wrong_mark(db, number, out))
        return;
    if (db->is_cluster)
        db_cluster_print_why(db, number, out);
    else if (!redis_link_is_ready(shard->link))
        strbuf_add_text(out, redis_why_text(redis_link_why(shard->link)));
    else if (shard->mark == DB_MARK_NONE)
        strbuf_add_text(out, "no gateway has marked it yet");
    else
        strbuf_add_text(out, "its mark is not read yet");
}

void db_print_where(const struct db *db, unsigned number, struct strbuf *out)
{
    const struct redis_url *url = redis_urls_of_shard(&db->config->redis, number);

    if (db->is_cluster)
        db_cluster_print_where(db, number, out);
    else if (url->form == REDIS_UNIX)
        strbuf_add_text(out, url->path);
    else if (url->form == REDIS_SENTINEL)
        strbuf_add_text(out, url->name);
    else
        strbuf_add_format(out, strchr(url->hosts[0].host, ':') ? "[%s]:%s" : "%s:%s",
                          url->hosts[0].host, url->hosts[0].port);
}

void db_add_missing(struct strbuf *out, uint64_t shards)
{
    const char *before = ",\"missing_shards\":[";

    for (unsigned i = 0; shards >> i; i++) {
        if (!(shards >> i & 1))
            continue;
        strbuf_add_format(out, "%s%u", before, i);
        before = ",";
        if (!(shards >> i >> 1)) {
            strbuf_add_char(out, ']');
            return;
        }
    }
}

/* The one function that tells, but for a cluster. */
static void decide(struct db_shard *shard)
{
    struct db *db = shard->db;
    bool is_up = db_is_up(db, shard->number);

    if (is_up == shard->is_up)
        return;
    shard->is_up = is_up;
    if (is_up) {
        scripts_load(shard->link);
        rights_ask(shard->link, db->config->redis.urls[shard->number].db);
    }
    db->on_link(db->owner, shard->number, is_up);
}

/* ---- the marks ---- */

static bool is_right(const struct db_shard *shard, struct json_text text,
                     unsigned *number, unsigned *count)
{
    char id[SHARD_MARK_ID_LEN + 1];

    return shard_mark_read(text, id, number, count) && *number == shard->number &&
           *count == shard->db->count;
}

static void take_mark(struct db_shard *shard, struct json_text text)
{
    struct strbuf line = {NULL, 0, 0};
    bool was_wrong = shard->mark == DB_MARK_WRONG;

    if (is_right(shard, text, &shard->found, &shard->found_of)) {
        shard->mark = DB_MARK_RIGHT;
        if (was_wrong)
            log_info("shard_marked_right", "shard=%u", shard->number);
        return;
    }
    shard->mark = DB_MARK_WRONG;
    if (was_wrong)
        return;
    db_print_wrong_mark(shard->db, shard->number, &line);
    log_error("shard_marked_otherwise", "shard=%u text=\"%s: nothing is written\"",
              shard->number, line.data);
    strbuf_deinit(&line);
}

static void tell(struct db_shard *shard)
{
    if (shard->db->is_cluster)
        db_cluster_look_at_all(shard->db);
    else
        decide(shard);
}

/* Without an answer it is asked for again. A right one that is gone since is put back by a gateway, and is
 * nobody else's meanwhile. */
static void on_mark(void *data, int status, const redisReply *reply)
{
    struct db_shard *shard = data;
    struct json_text text = reply_string(reply);

    shard->is_asking = false;
    if (status < 0 || shard->db->is_closed)
        return;
    if (text.len > 0)
        take_mark(shard, text);
    else if (shard->mark != DB_MARK_RIGHT)
        shard->mark = DB_MARK_NONE;
    tell(shard);
}

static void ask_for_mark(struct db_shard *shard)
{
    struct db *db = shard->db;

    if (shard->is_asking)
        return;
    db_begin(db, shard->number, "GET");
    command_add_fleet_key(&db->cmd, shard->number, KEY_SHARD);
    shard->is_asking = true;
    if (db->is_cluster)
        db_cluster_send(db, SCRIPTS_COUNT, on_mark, shard);
    else if (redis_link_send(shard->link, &db->cmd, on_mark, shard) < 0)
        shard->is_asking = false;
}

/* While the first shard has no master it cannot be asked, and the others must not wait for that. */
static void tick_cluster(struct db *db)
{
    struct db_shard *shard = &db->shards[0];
    uint64_t now_ms = uv_now(db->cluster.opts.loop);

    db_cluster_tick(db);
    if (shard->mark == DB_MARK_UNKNOWN && now_ms - db->begun_ms >= WAIT_MS)
        shard->mark = DB_MARK_NONE;
    if (!cluster_is_ready(&db->cluster, shard->slot)) {
        db->asked_ms = 0;
    } else if (db->asked_ms == 0 || now_ms - db->asked_ms >= TICK_MS) {
        db->asked_ms = now_ms;
        ask_for_mark(shard);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct db *db = timer->data;

    if (db->is_cluster)
        tick_cluster(db);
    for (unsigned i = 0; i < db->count && !db->is_cluster; i++)
        if (redis_link_is_ready(db->shards[i].link))
            ask_for_mark(&db->shards[i]);
}

/* ---- the links ---- */

static void on_ready(void *owner)
{
    struct db_shard *shard = owner;

    log_info("redis_ready", "link=commands shard=%u", shard->number);
    ask_for_mark(shard);
}

/* A wrong mark stays until it is seen to be right. */
static void on_lost(void *owner, const char *why)
{
    struct db_shard *shard = owner;

    log_warn("redis_lost", "link=commands shard=%u why=\"%s\"", shard->number, why);
    if (shard->mark != DB_MARK_WRONG)
        shard->mark = DB_MARK_UNKNOWN;
    decide(shard);
}

static void open_links(struct db *db, uv_loop_t *loop, struct metrics *metrics)
{
    for (unsigned i = 0; i < db->count; i++) {
        struct redis_link_opts opts = redis_link_opts_of(
            db->config, &db->config->redis.urls[i], "roomcast-admin-commands");

        opts.metrics = metrics;
        opts.owner = &db->shards[i];
        opts.on_ready = on_ready;
        opts.on_lost = on_lost;
        db->shards[i].link = redis_link_open(loop, &opts);
    }
}

void db_open(struct db *db, uv_loop_t *loop, const struct config *config,
             struct metrics *metrics, db_link_fn on_link, void *owner)
{
    uint64_t tick_ms;

    *db = (struct db){
        .config = config,
        .count = db_shards_count(config),
        .is_cluster = redis_urls_is_cluster(&config->redis),
        .begun_ms = uv_now(loop),
        .on_link = on_link,
        .owner = owner,
    };
    db->spread = db->is_cluster ? SHARD_OF_CLUSTER : db->count;
    db->shards = xcalloc(db->count, sizeof(*db->shards));
    for (unsigned i = 0; i < db->count; i++) {
        db->shards[i].db = db;
        db->shards[i].number = i;
    }
    if (db->is_cluster)
        db_cluster_open(db, loop, metrics);
    else
        open_links(db, loop, metrics);
    tick_ms = db->is_cluster ? CLUSTER_TICK_MS : TICK_MS;
    uv_timer_init(loop, &db->tick);
    db->tick.data = db;
    uv_timer_start(&db->tick, on_tick, tick_ms, tick_ms);
}

void db_close(struct db *db)
{
    db->is_closed = true;
    if (db->is_cluster)
        db_cluster_close(db);
    for (unsigned i = 0; i < db->count && !db->is_cluster; i++) {
        redis_link_close(db->shards[i].link);
        db->shards[i].link = NULL;
    }
    uv_close((uv_handle_t *)&db->tick, NULL);
}

void db_deinit(struct db *db)
{
    if (db->is_cluster)
        db_cluster_deinit(db);
    free(db->shards);
    redis_command_deinit(&db->cmd);
}

/* ---- commands ---- */

static void aim(struct db *db, unsigned shard)
{
    db->at = shard;
    db->slot = db->shards[shard].slot;
}

static void aim_at_room(struct db *db, struct json_text room)
{
    db->at = db_shard_of(db, room);
    db->slot = cluster_slot_of_room(room.base, room.len);
}

void db_begin(struct db *db, unsigned shard, const char *verb)
{
    aim(db, shard);
    redis_command_begin(&db->cmd);
    redis_command_add_text(&db->cmd, verb);
}

void db_begin_script(struct db *db, unsigned shard, enum script script, unsigned keys)
{
    aim(db, shard);
    scripts_begin(&db->cmd, script, keys);
}

void db_begin_room(struct db *db, struct json_text room, const char *verb)
{
    aim_at_room(db, room);
    redis_command_begin(&db->cmd);
    redis_command_add_text(&db->cmd, verb);
}

void db_begin_room_script(struct db *db, struct json_text room, enum script script,
                          unsigned keys)
{
    aim_at_room(db, room);
    scripts_begin(&db->cmd, script, keys);
}

static int send_by_link(struct db *db, enum script script, redis_reply_fn on_reply,
                        void *data)
{
    struct redis_link *link = db->shards[db->at].link;

    if (!link || !db_is_up(db, db->at))
        return UV_ENOTCONN;
    if (script == SCRIPTS_COUNT)
        return redis_link_send(link, &db->cmd, on_reply, data);
    return scripts_send(link, script, &db->cmd, on_reply, data);
}

void db_send_script(struct db *db, enum script script, redis_reply_fn on_reply,
                    void *data)
{
    int rc;

    if (db->is_cluster && !db->is_closed && db_has_fit_mark(db, db->at)) {
        db_cluster_send(db, script, on_reply, data);
        return;
    }
    rc = send_by_link(db, script, on_reply, data);
    if (rc < 0 && on_reply)
        on_reply(data, rc, NULL);
}

void db_send(struct db *db, redis_reply_fn on_reply, void *data)
{
    db_send_script(db, SCRIPTS_COUNT, on_reply, data);
}
