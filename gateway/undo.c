/* undo.c - see undo.h.
 *
 *     undo_start -> on_claimed -> start_page -> on_page -> undo.lua a room, SREM
 *                                     ^                        |
 *                                     +------------------------+ -> bury.lua
 *
 * The rooms of a page are undone side by side. A job that fails is dropped: the node stays
 * where the heartbeats report it, to whoever comes next.
 */
#include "gateway/undo.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "gateway/args.h"

enum { UNDO_PAGE = 100 };

struct undo_job {
    struct undo *undo; /* NULL: closed meanwhile */
    char node[STORE_NODE_MAX];
    unsigned calls; /* in flight */
    uint64_t members, rooms;
    bool failed;
};

struct undo_room {
    struct undo_job *job;
    size_t len;
    char room[];
};

static void start_page(struct undo_job *job);

void undo_bury(struct store *store, const char *node, redis_reply_fn on_done,
               void *data)
{
    scripts_begin(&store->args.cmd, SCRIPT_BURY, 4);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, node, KEY_NODE);
    args_add_node_key(&store->args, node, KEY_NODE_ROOMS);
    args_add_node_key(&store->args, node, KEY_NODE_CLAIM);
    redis_command_add_text(&store->args.cmd, node);
    store_send_script(store, SCRIPT_BURY, on_done, data);
}

static void end_job(struct undo_job *job)
{
    struct undo *undo = job->undo;

    if (undo) {
        if (job->rooms > 0)
            log_info("node_undone", "node=%s rooms=%llu members=%llu", job->node,
                     (unsigned long long)job->rooms, (unsigned long long)job->members);
        undo->job = NULL;
    }
    free(job);
}

static void on_buried(void *data, int status, const redisReply *reply)
{
    struct undo_job *job = data;

    if (job->undo && status == 0 && reply->type == REDIS_REPLY_INTEGER &&
        reply->integer == 1)
        metric_add(&job->undo->metrics->nodes_undone_total, 1);
    end_job(job);
}

static void room_done(struct undo_room *room, bool ok)
{
    struct undo_job *job = room->job;

    free(room);
    job->failed = job->failed || !ok;
    if (--job->calls > 0)
        return;
    if (!job->undo || job->failed)
        end_job(job); /* the next heartbeat reports it again */
    else
        start_page(job);
}

static void on_removed(void *data, int status, const redisReply *reply)
{
    (void)reply;
    room_done(data, status == 0);
}

static void on_undone(void *data, int status, const redisReply *reply);

static void start_room(struct undo_room *room)
{
    struct store *store = room->job->undo->store;

    store_begin_undo(store, room->room, room->len, room->job->node);
    store_send_script(store, SCRIPT_UNDO, on_undone, room);
}

static void on_undone(void *data, int status, const redisReply *reply)
{
    struct undo_room *room = data;
    struct undo_job *job = room->job;
    struct undo *undo = job->undo;

    if (!undo || status < 0 || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements < 3) {
        room_done(room, false);
        return;
    }
    job->members += (uint64_t)reply->element[0]->integer;
    metric_add(&undo->metrics->members_expired_total,
               (uint64_t)reply->element[0]->integer);
    index_touch(undo->index, room->room, room->len);
    if (reply->element[2]->integer > 0) {
        start_room(room);
        return;
    }
    job->rooms++;
    redis_command_begin(&undo->store->args.cmd);
    redis_command_add_text(&undo->store->args.cmd, "SREM");
    args_add_node_key(&undo->store->args, job->node, KEY_NODE_ROOMS);
    redis_command_add(&undo->store->args.cmd, room->room, room->len);
    store_send_command(undo->store, on_removed, room);
}

static void on_page(void *data, int status, const redisReply *reply)
{
    struct undo_job *job = data;

    if (!job->undo || status < 0 || reply->type != REDIS_REPLY_ARRAY) {
        end_job(job);
        return;
    }
    if (reply->elements == 0) {
        undo_bury(job->undo->store, job->node, on_buried, job);
        return;
    }
    job->calls = (unsigned)reply->elements;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *name = reply->element[i];
        struct undo_room *room = xcalloc(1, sizeof(*room) + (size_t)name->len + 1);

        room->job = job;
        room->len = (size_t)name->len;
        memcpy(room->room, name->str, room->len);
        start_room(room);
    }
}

static void start_page(struct undo_job *job)
{
    struct store *store = job->undo->store;

    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "SRANDMEMBER");
    args_add_node_key(&store->args, job->node, KEY_NODE_ROOMS);
    redis_command_add_u64(&store->args.cmd, UNDO_PAGE);
    store_send_command(store, on_page, job);
}

static void on_claimed(void *data, int status, const redisReply *reply)
{
    struct undo_job *job = data;

    if (job->undo && status == 0 && reply->type == REDIS_REPLY_INTEGER &&
        reply->integer == 1)
        start_page(job);
    else
        end_job(job);
}

void undo_start(struct undo *undo, const char *node, uint64_t silent_ms)
{
    struct store *store = undo->store;
    struct undo_job *job;

    if (undo->job || strlen(node) >= STORE_NODE_MAX || strcmp(node, store->node) == 0)
        return;
    job = xcalloc(1, sizeof(*job));
    job->undo = undo;
    strcpy(job->node, node);
    undo->job = job;
    scripts_begin(&store->args.cmd, SCRIPT_CLAIM, 2);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, node, KEY_NODE_CLAIM);
    redis_command_add_text(&store->args.cmd, node);
    redis_command_add_u64(&store->args.cmd, silent_ms);
    redis_command_add_text(&store->args.cmd, store->node);
    redis_command_add_u64(&store->args.cmd,
                          1000u * (uint64_t)store->config->lease_secs);
    store_send_script(store, SCRIPT_CLAIM, on_claimed, job);
}

bool undo_is_busy(const struct undo *undo)
{
    return undo->job;
}

void undo_init(struct undo *undo, struct store *store, struct index *index,
               struct metrics *metrics)
{
    *undo = (struct undo){store, index, metrics, NULL};
}

void undo_close(struct undo *undo)
{
    if (undo->job)
        undo->job->undo = NULL;
    undo->job = NULL;
}
