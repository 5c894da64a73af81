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

/* A node that is asked. */
struct question {
    struct await_nodes *await;
    bool is_marked;
};

struct await_nodes {
    struct api *api;
    struct await_nodes_opts opts;
    char *mark;
    uv_timer_t pause;
    uint64_t until_ms;
    struct question *questions; /* of the round, a node each */
    size_t to_answer;           /* of them; in any order */
};

static void ask(struct await_nodes *await);

static void on_closed(uv_handle_t *handle)
{
    struct await_nodes *await = handle->data;

    free(await->questions);
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

/* Those that have the mark stay. */
static void sort_out(struct await_nodes *await)
{
    size_t marked = 0;

    for (size_t i = 0; i < await->opts.count; i++)
        if (await->questions[i].is_marked)
            await->opts.nodes[marked++] = await->opts.nodes[i];
        else
            free(await->opts.nodes[i]);
    await->opts.count = marked;
}

static void end_round(struct await_nodes *await)
{
    sort_out(await);
    if (await->opts.count == 0 || await->api->is_closing ||
        uv_now(await->api->loop) + PAUSE_MS > await->until_ms)
        done(await);
    else
        uv_timer_start(&await->pause, on_pause, PAUSE_MS, 0);
}

/* No answer is no proof: the node stays. */
static void on_mark(void *data, int status, const redisReply *reply)
{
    struct question *question = data;
    struct await_nodes *await = question->await;

    question->is_marked = status != 0 || reply_is_string(reply, await->mark);
    if (--await->to_answer == 0)
        end_round(await);
}

static void ask(struct await_nodes *await)
{
    struct api *api = await->api;
    size_t count = await->opts.count;

    await->to_answer = count;
    for (size_t i = 0; i < count; i++) {
        await->questions[i].await = await;
        db_begin_room(&api->db, await->opts.room, "HGET");
        command_add_on_key(&api->db.cmd, await->opts.room, await->opts.nodes[i]);
        command_add(&api->db.cmd, await->opts.field);
        db_send(&api->db, on_mark, &await->questions[i]);
    }
}

void await_nodes_start(struct api *api, const struct await_nodes_opts *opts)
{
    struct await_nodes *await = xcalloc(1, sizeof(*await));

    await->api = api;
    await->opts = *opts;
    await->mark = xstrdup(opts->mark);
    await->questions = xcalloc(opts->count + 1, sizeof(*await->questions));
    await->until_ms = uv_now(api->loop) + PATIENCE_MS;
    uv_timer_init(api->loop, &await->pause);
    await->pause.data = await;
    if (opts->count == 0)
        done(await);
    else
        ask(await);
}
