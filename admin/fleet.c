/* fleet.c - see fleet.h.
 *
 *     on_tick, fleet_get -> start_reading -> on_time -> start_totals: ZCARD, HGET, ZRANGE
 *         -> [all are answered] start_nodes -> on_node each -> end_reading -> who waits
 *     on_tick -> start_sample
 *
 * Each command of a step is answered, well or badly, in any order; so nothing of one reading comes
 * in the next. What they say is fleet_view.h's. The rooms of shard 0 are counted with each reading, those of
 * the others beside it.
 */
#include "admin/fleet.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/xalloc.h"

enum {
    TICK_MS = 1000,
    NODES_MAX = 4096,
    SAMPLER_LEASE_MS = 5000,
    SAMPLES_KEPT = 24 * 360, /* a day */
};

static void answer(struct fleet *fleet, bool ok)
{
    struct list *link;

    while ((link = list_first(&fleet->waiting))) {
        struct fleet_wait *wait = list_entry(link, struct fleet_wait, link);

        list_remove(link);
        wait->on_view(wait, ok);
    }
}

static void note_up(struct fleet *fleet)
{
    metric_set(&fleet->metrics->redis_up[0], fleet->is_up && fleet->is_writable);
    for (unsigned i = 1; i < fleet->db->count; i++)
        metric_set(&fleet->metrics->redis_up[i], fleet_shard_is_up(fleet, i));
}

static void sum_rooms(struct fleet *fleet)
{
    struct fleet_view *view = &fleet->view;

    for (unsigned i = 0; i < fleet->db->count; i++)
        if (fleet_shard_is_up(fleet, i))
            view->rooms += fleet->shards[i].rooms;
        else
            view->missing |= 1ULL << i;
}

static void end_reading(struct fleet *fleet, bool ok)
{
    fleet->is_reading = false;
    fleet->is_up = ok;
    if (ok) {
        fleet_view_deinit(&fleet->view);
        fleet->view = fleet->next;
        sum_rooms(fleet);
        fleet->next = (struct fleet_view){0};
        fleet->read_at_ms = uv_now(fleet->loop);
    } else {
        fleet_view_deinit(&fleet->next);
        fleet->is_writable = false;
    }
    note_up(fleet);
    answer(fleet, ok);
    fleet->on_read(fleet->owner);
}

/* ---- keys of a wrong type ---- */

/* A key of another type than it has to be counts as empty and is named in the log: it must not
 * hide the rest of the fleet. */
static bool is_odd_type(const char *key, int status, const redisReply *reply)
{
    static struct log_limit lines = {.per_sec = 1};

    if (status != UV_EREMOTEIO || strncmp(reply_error(reply), "WRONGTYPE", 9) != 0)
        return false;
    log_limited(LOG_WARN, &lines, "key_broken", "key=%s text=\"is of a wrong type\"",
                key);
    return true;
}

static bool is_odd_fleet_key(unsigned shard, enum fleet_key which, int status,
                             const redisReply *reply)
{
    char key[KEYS_MAX_BYTES];

    keys_fleet(key, shard, which);
    return is_odd_type(key, status, reply);
}

static bool is_odd_node(const char *node, int status, const redisReply *reply)
{
    char key[KEYS_MAX_BYTES];

    keys_node(key, 0, node, KEY_NODE);
    return is_odd_type(key, status, reply);
}

/* ---- the nodes ---- */

static void on_node(void *data, int status, const redisReply *reply)
{
    const struct fleet_question *question = data;
    struct fleet *fleet = question->fleet;

    if (status == 0 && reply_is_array(reply, FLEET_VIEW_FIELDS))
        fleet_view_take_node(&fleet->next, question->at, reply);
    else if (!is_odd_node(fleet->next.nodes[question->at].name, status, reply))
        fleet->has_failed = true;
    if (--fleet->to_answer == 0)
        end_reading(fleet, !fleet->has_failed);
}

static void start_node(struct fleet_question *question)
{
    struct db *db = question->fleet->db;

    db_begin(db, 0, "HMGET");
    command_add_node_key(&db->cmd, 0, question->fleet->next.nodes[question->at].name,
                         KEY_NODE);
    for (size_t k = 0; k < FLEET_VIEW_FIELDS; k++)
        redis_command_add_text(&db->cmd, fleet_view_fields[k]);
    db_send(db, on_node, question);
}

static void start_nodes(struct fleet *fleet)
{
    size_t count = fleet->next.count;

    fleet->to_answer = count;
    fleet->questions = xrealloc(fleet->questions, count * sizeof(*fleet->questions));
    for (size_t i = 0; i < count; i++) {
        fleet->questions[i] = (struct fleet_question){fleet, i};
        start_node(&fleet->questions[i]);
    }
}

/* ---- the fleet ---- */

static void end_total(struct fleet *fleet)
{
    if (--fleet->to_answer > 0)
        return;
    if (fleet->has_failed || fleet->next.count == 0)
        end_reading(fleet, !fleet->has_failed);
    else
        start_nodes(fleet);
}

/* A reading waits for the count of shard 0 alone: that of another Redis may be long in coming. */
static void on_count(void *data, int status, const redisReply *reply)
{
    struct fleet_shard *shard = data;
    struct fleet *fleet = shard->fleet;

    shard->is_counting = false;
    shard->has_failed =
        status < 0 && !is_odd_fleet_key(shard->number, KEY_ROOMS, status, reply);
    shard->rooms = status == 0 ? reply_value(reply) : 0;
    if (shard->number > 0)
        return;
    fleet->has_failed = fleet->has_failed || shard->has_failed;
    end_total(fleet);
}

static void start_count(struct fleet_shard *shard)
{
    struct db *db = shard->fleet->db;

    if (shard->is_counting)
        return;
    shard->is_counting = true;
    db_begin(db, shard->number, "ZCARD");
    command_add_fleet_key(&db->cmd, shard->number, KEY_ROOMS);
    db_send(db, on_count, shard);
}

static void start_counts(struct fleet *fleet)
{
    for (unsigned i = 1; i < fleet->db->count; i++)
        start_count(&fleet->shards[i]);
}

static void on_messages(void *data, int status, const redisReply *reply)
{
    struct fleet *fleet = data;

    if (status < 0)
        fleet->has_failed =
            !is_odd_fleet_key(0, KEY_STATS, status, reply) || fleet->has_failed;
    else
        fleet->next.messages_total = reply_decimal(reply_string(reply));
    end_total(fleet);
}

static void on_nodes(void *data, int status, const redisReply *reply)
{
    struct fleet *fleet = data;

    if (status == 0 && reply_is_array(reply, 0))
        fleet_view_take_names(&fleet->next, fleet->metrics, reply, fleet->now_ms);
    else if (!is_odd_fleet_key(0, KEY_NODES, status, reply))
        fleet->has_failed = true;
    end_total(fleet);
}

static void start_totals(struct fleet *fleet)
{
    struct db *db = fleet->db;

    fleet->to_answer = 3;
    start_count(&fleet->shards[0]);
    db_begin(db, 0, "HGET");
    command_add_fleet_key(&db->cmd, 0, KEY_STATS);
    redis_command_add_text(&db->cmd, "messages_total");
    db_send(db, on_messages, fleet);
    db_begin(db, 0, "ZRANGE");
    command_add_fleet_key(&db->cmd, 0, KEY_NODES);
    redis_command_add_u64(&db->cmd, 0);
    redis_command_add_u64(&db->cmd, NODES_MAX - 1);
    redis_command_add_text(&db->cmd, "WITHSCORES");
    db_send(db, on_nodes, fleet);
}

/* Before the stamps of the nodes are read, which are compared with it. */
static void on_time(void *data, int status, const redisReply *reply)
{
    struct fleet *fleet = data;

    fleet->now_ms = reply_decimal(reply_text(reply, 0)) * 1000 +
                    reply_decimal(reply_text(reply, 1)) / 1000;
    if (status < 0 || fleet->now_ms == 0)
        end_reading(fleet, false);
    else
        start_totals(fleet);
}

static void start_reading(struct fleet *fleet)
{
    if (fleet->is_reading)
        return;
    fleet_view_deinit(&fleet->next);
    fleet->is_reading = true;
    fleet->has_failed = false;
    start_counts(fleet);
    db_begin(fleet->db, 0, "TIME");
    db_send(fleet->db, on_time, fleet);
}

/* ---- the series ---- */

static void on_sampled(void *data, int status, const redisReply *reply)
{
    struct fleet *fleet = data;

    fleet->is_writable =
        status == 0 || is_odd_fleet_key(0, KEY_STATS_ONLINE, status, reply);
    note_up(fleet);
    if (status == 0 && reply_is_value(reply, 1))
        metric_add(&fleet->metrics->admin_samples_total, 1);
}

/* Each replica offers one; the script takes it from one of them when it is time. It is also
 * how a Redis that takes no writes is found out. */
static void start_sample(struct fleet *fleet)
{
    struct db *db = fleet->db;
    struct strbuf *out = &fleet->sample;

    strbuf_reset(out, 4096);
    fleet_view_add_totals(&fleet->view, out);
    db_begin_script(db, 0, SCRIPT_SAMPLE, 3);
    command_add_fleet_key(&db->cmd, 0, KEY_STATS_SAMPLER);
    command_add_fleet_key(&db->cmd, 0, KEY_STATS_ONLINE);
    command_add_fleet_key(&db->cmd, 0, KEY_FLEET_EVENTS);
    redis_command_add_text(&db->cmd, fleet->replica);
    redis_command_add_u64(&db->cmd, SAMPLER_LEASE_MS);
    redis_command_add_u64(&db->cmd, SAMPLES_KEPT);
    redis_command_add(&db->cmd, out->data, out->len);
    db_send_script(db, SCRIPT_SAMPLE, on_sampled, fleet);
}

static void on_tick(uv_timer_t *timer)
{
    struct fleet *fleet = timer->data;

    if (db_is_up(fleet->db, 0)) {
        start_reading(fleet);
        if (fleet->is_up)
            start_sample(fleet);
    } else if (!fleet->is_reading) {
        start_counts(fleet);
        end_reading(fleet, false);
    }
}

/* ---- for others ---- */

void fleet_on_link(struct fleet *fleet, unsigned shard, bool is_up)
{
    if (shard > 0 && is_up) {
        fleet->shards[shard].has_failed = false;
        start_count(&fleet->shards[shard]);
    } else if (is_up) {
        start_reading(fleet);
        start_sample(fleet);
    } else if (shard == 0 && !fleet->is_reading) {
        end_reading(fleet, false);
    }
}

void fleet_get(struct fleet *fleet, struct fleet_wait *wait)
{
    if (fleet->is_up && !fleet->is_reading &&
        uv_now(fleet->loop) - fleet->read_at_ms <= FLEET_FRESH_MS) {
        wait->on_view(wait, true);
        return;
    }
    list_add(&fleet->waiting, &wait->link);
    start_reading(fleet);
}

bool fleet_is_up(const struct fleet *fleet)
{
    return fleet->is_up;
}

bool fleet_shard_is_up(const struct fleet *fleet, unsigned shard)
{
    return db_is_up(fleet->db, shard) &&
           (shard == 0 ? fleet->is_up : !fleet->shards[shard].has_failed);
}

bool fleet_is_writable(const struct fleet *fleet)
{
    return fleet->is_writable;
}

void fleet_add_stats(const struct fleet *fleet, struct strbuf *out)
{
    strbuf_add_text(out, fleet->is_up ? "{\"redis_up\":true" : "{\"redis_up\":false");
    db_add_missing(out, fleet->view.missing);
    fleet_view_add_totals(&fleet->view, out);
}

void fleet_add_nodes(const struct fleet *fleet, struct strbuf *out)
{
    fleet_view_add_nodes(&fleet->view, out);
}

void fleet_init(struct fleet *fleet, uv_loop_t *loop, struct db *db,
                struct metrics *metrics, void (*on_read)(void *owner), void *owner)
{
    uint32_t random = 0;

    *fleet = (struct fleet){
        .loop = loop,
        .db = db,
        .metrics = metrics,
        .on_read = on_read,
        .owner = owner,
    };
    list_init(&fleet->waiting);
    for (unsigned i = 0; i < SHARD_OF_MAX; i++)
        fleet->shards[i] = (struct fleet_shard){.fleet = fleet, .number = i};
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    snprintf(fleet->replica, sizeof(fleet->replica), "admin-%d-%08x", (int)getpid(),
             random);
    uv_timer_init(loop, &fleet->tick);
    fleet->tick.data = fleet;
    uv_timer_start(&fleet->tick, on_tick, TICK_MS, TICK_MS);
}

void fleet_close(struct fleet *fleet)
{
    uv_close((uv_handle_t *)&fleet->tick, NULL);
}

void fleet_deinit(struct fleet *fleet)
{
    fleet_view_deinit(&fleet->view);
    fleet_view_deinit(&fleet->next);
    free(fleet->questions);
    strbuf_deinit(&fleet->sample);
}
