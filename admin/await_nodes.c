/* await_nodes.c - see await_nodes.h.
 *
 *     await_nodes_start -> ask -> on_mark (each node) -> no mark is left, or too late -> done
 *                           ^                         -> on_pause
 *                           +------- 20 ms ---------------+
 */
#include "admin/await_nodes.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/xalloc.h"

enum { PAUSE_MS = 20, PATIENCE_MS = 2000 };

struct await_nodes {
    struct api *api;
    struct await_nodes_opts opts;
    char *mark;
    uv_timer_t pause;
    uint64_t until_ms;
    size_t to_answer,
        marked; /* of the round: answers to come; nodes that have the mark */
};

static void ask(struct await_nodes *await);

static void on_closed(uv_handle_t *handle)
{
    struct await_nodes *await = handle->data;

    free(await->mark);
    free(await);
}

static void done(struct await_nodes *await)
{
    await->opts.on_done(await->opts.data, await->opts.nodes, await->opts.count);
    for (size_t i = 0; i < await->opts.count; i++)
        free(await->opts.nodes[i]);
    free(await->opts.nodes);
    uv_close((uv_handle_t *)&await->pause, on_closed);
}

static void on_pause(uv_timer_t *timer)
{
    ask(timer->data);
}

static void end_round(struct await_nodes *await)
{
    await->opts.count = await->marked;
    if (await->marked == 0 || await->api->is_closing ||
        uv_now(await->api->loop) + PAUSE_MS > await->until_ms)
        done(await);
    else
        uv_timer_start(&await->pause, on_pause, PAUSE_MS, 0);
}

/* No answer is no proof: the node stays. */
static void on_mark(void *data, int status, const redisReply *reply)
{
    struct await_nodes *await = data;
    char *node = await->opts.nodes[await->opts.count - await->to_answer];
    bool is_gone = status == 0 && !reply_is_string(reply, await->mark);

    if (is_gone)
        free(node);
    else
        await->opts.nodes[await->marked++] = node;
    if (--await->to_answer == 0)
        end_round(await);
}

static void ask(struct await_nodes *await)
{
    struct api *api = await->api;
    size_t count = await->opts.count;

    await->to_answer = count;
    await->marked = 0;
    for (size_t i = 0; i < count; i++) {
        db_begin_room(&api->db, await->opts.room, "HGET");
        command_add_on_key(&api->db.cmd, await->opts.room, await->opts.nodes[i]);
        command_add(&api->db.cmd, await->opts.field);
        db_send(&api->db, on_mark, await);
    }
}

void await_nodes_start(struct api *api, const struct await_nodes_opts *opts)
{
    struct await_nodes *await = xcalloc(1, sizeof(*await));

    await->api = api;
    await->opts = *opts;
    await->mark = xstrdup(opts->mark);
    await->until_ms = uv_now(api->loop) + PATIENCE_MS;
    uv_timer_init(api->loop, &await->pause);
    await->pause.data = await;
    if (opts->count == 0)
        done(await);
    else
        ask(await);
}
