/* reaper.c - see reaper.h.
 *
 *     reaper_start -> on_claimed -> start_page -> on_page -> reap.lua a room, SREM
 *                                     ^                        |
 *                                     +------------------------+ -> forget.lua
 *
 * The rooms of a page are reaped side by side. A job that fails is dropped: the node stays
 * where the heartbeats report it, to the next node that asks.
 */
#include "gateway/reaper.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/args.h"

enum { ROOMS_A_PAGE = 100 };

struct reap_job {
    struct reaper *reaper; /* NULL: closed meanwhile */
    char node[STORE_NODE_MAX];
    unsigned calls; /* in flight */
    uint64_t members, rooms;
    bool failed;
};

struct reap_room {
    struct reap_job *job;
    size_t len;
    char room[];
};

static void start_page(struct reap_job *job);

void reaper_forget(struct store *store, const char *node, redis_reply_fn on_done,
                   void *data)
{
    scripts_begin(&store->args.cmd, SCRIPT_FORGET, 5);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, node, KEY_NODE);
    args_add_node_key(&store->args, node, KEY_NODE_ROOMS);
    args_add_node_key(&store->args, node, KEY_NODE_CLAIM);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    redis_command_add_text(&store->args.cmd, node);
    store_send_script(store, SCRIPT_FORGET, on_done, data);
}

static void end_job(struct reap_job *job)
{
    struct reaper *reaper = job->reaper;

    if (reaper) {
        if (job->rooms > 0)
            log_info("node_reaped", "node=%s rooms=%llu members=%llu", job->node,
                     (unsigned long long)job->rooms, (unsigned long long)job->members);
        reaper->job = NULL;
    }
    free(job);
}

static void on_forgotten(void *data, int status, const redisReply *reply)
{
    struct reap_job *job = data;

    if (job->reaper && status == 0 && reply_is_value(reply, 1))
        metric_add(&job->reaper->metrics->nodes_reaped_total, 1);
    end_job(job);
}

static void room_done(struct reap_room *room, bool ok)
{
    struct reap_job *job = room->job;

    free(room);
    job->failed = job->failed || !ok;
    if (--job->calls > 0)
        return;
    if (!job->reaper || job->failed)
        end_job(job); /* the next heartbeat reports it again */
    else
        start_page(job);
}

static void on_removed(void *data, int status, const redisReply *reply)
{
    (void)reply;
    room_done(data, status == 0);
}

/* From the rooms of the node. */
static void start_removing(struct reap_room *room)
{
    struct reap_job *job = room->job;
    struct store *store = job->reaper->store;

    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "SREM");
    args_add_node_key(&store->args, job->node, KEY_NODE_ROOMS);
    redis_command_add(&store->args.cmd, room->room, room->len);
    store_send_command(store, on_removed, room);
}

static void on_reaped(void *data, int status, const redisReply *reply);

static void start_room(struct reap_room *room)
{
    struct store *store = room->job->reaper->store;

    store_begin_reap(store, room->room, room->len, room->job->node);
    store_send_script(store, SCRIPT_REAP, on_reaped, room);
}

static void on_reaped(void *data, int status, const redisReply *reply)
{
    struct reap_room *room = data;
    struct reap_job *job = room->job;
    struct reaper *reaper = job->reaper;

    if (!reaper || status < 0 || !reply_is_array(reply, 3)) {
        room_done(room, false);
        return;
    }
    job->members += reply_number(reply, 0);
    metric_add(&reaper->metrics->members_expired_total, reply_number(reply, 0));
    index_touch(reaper->index, room->room, room->len, false);
    if (reply_number(reply, 2) > 0) {
        start_room(room);
        return;
    }
    job->rooms++;
    start_removing(room);
}

static struct reap_room *new_room(struct reap_job *job, struct json_text name)
{
    struct reap_room *room = xcalloc(1, sizeof(*room) + name.len + 1);

    room->job = job;
    room->len = name.len;
    memcpy(room->room, name.base, name.len);
    return room;
}

static void on_dropped(void *data, int status, const redisReply *reply)
{
    struct reap_job *job = data;

    (void)reply;
    if (job->reaper && status == 0)
        start_page(job);
    else
        end_job(job);
}

/* The key is no set: what it said is lost, but the rooms tell of the node (renewal.h). */
static void drop_rooms(struct reap_job *job)
{
    struct store *store = job->reaper->store;

    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "DEL");
    args_add_node_key(&store->args, job->node, KEY_NODE_ROOMS);
    store_send_command(store, on_dropped, job);
}

static void on_page(void *data, int status, const redisReply *reply)
{
    struct reap_job *job = data;

    if (job->reaper && status == UV_EREMOTEIO &&
        strncmp(reply_error(reply), "WRONGTYPE", 9) == 0) {
        drop_rooms(job);
        return;
    }
    if (!job->reaper || status < 0 || !reply_is_array(reply, 0)) {
        end_job(job);
        return;
    }
    if (reply_count(reply) == 0) {
        reaper_forget(job->reaper->store, job->node, on_forgotten, job);
        return;
    }
    job->calls = (unsigned)reply_count(reply);
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct reap_room *room = new_room(job, reply_text(reply, i));

        if (intake_room(job->reaper->metrics, "node_rooms", reply_text(reply, i)))
            start_room(room);
        else
            start_removing(room); /* nobody can be in it; it would never go */
    }
}

static void start_page(struct reap_job *job)
{
    struct store *store = job->reaper->store;

    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "SRANDMEMBER");
    args_add_node_key(&store->args, job->node, KEY_NODE_ROOMS);
    redis_command_add_u64(&store->args.cmd, ROOMS_A_PAGE);
    store_send_command(store, on_page, job);
}

static void on_claimed(void *data, int status, const redisReply *reply)
{
    struct reap_job *job = data;

    if (job->reaper && status == 0 && reply_is_value(reply, 1))
        start_page(job);
    else
        end_job(job);
}

/* What cannot be a node's name is never reaped: it would stay before the dead ones, and a
 * heartbeat reports only the first few. */
static void forget_stranger(struct store *store, struct json_text name)
{
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "ZREM");
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_text(&store->args, name);
    store_send_command(store, NULL, NULL);
}

void reaper_start(struct reaper *reaper, struct json_text name, uint64_t silent_ms)
{
    struct store *store = reaper->store;
    struct reap_job *job;
    const char *node;

    if (reaper->job || (name.len == strlen(store->node) &&
                        memcmp(name.base, store->node, name.len) == 0))
        return;
    if (!intake_node(reaper->metrics, "nodes", name)) {
        forget_stranger(store, name);
        return;
    }
    job = xcalloc(1, sizeof(*job));
    job->reaper = reaper;
    memcpy(job->node, name.base, name.len);
    node = job->node;
    reaper->job = job;
    scripts_begin(&store->args.cmd, SCRIPT_CLAIM, 3);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, node, KEY_NODE_CLAIM);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    redis_command_add_text(&store->args.cmd, node);
    redis_command_add_u64(&store->args.cmd, silent_ms);
    redis_command_add_text(&store->args.cmd, store->node);
    redis_command_add_u64(&store->args.cmd, (uint64_t)store->config->lease_ms);
    store_send_script(store, SCRIPT_CLAIM, on_claimed, job);
}

bool reaper_is_busy(const struct reaper *reaper)
{
    return reaper->job;
}

void reaper_init(struct reaper *reaper, struct store *store, struct index *index,
                 struct metrics *metrics)
{
    *reaper = (struct reaper){store, index, metrics, NULL};
}

void reaper_close(struct reaper *reaper)
{
    if (reaper->job)
        reaper->job->reaper = NULL;
    reaper->job = NULL;
}
