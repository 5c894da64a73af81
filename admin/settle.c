/* settle.c - see settle.h.
 *
 *     settle_start -> ask -> on_mark (each node) -> nobody is left, or too late -> done
 *                      ^                         -> on_pause
 *                      +------- 20 ms -------------+
 */
#include "admin/settle.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/xalloc.h"

enum { PAUSE_MS = 20, PATIENCE_MS = 2000 };

struct settle {
    struct api *api;
    struct settle_opts opts;
    char *mark;
    uv_timer_t pause;
    uint64_t until_ms;
    size_t to_answer,
        kept; /* of the round: answers to come; nodes that have the mark */
};

static void ask(struct settle *s);

static void on_closed(uv_handle_t *handle)
{
    struct settle *s = handle->data;

    free(s->mark);
    free(s);
}

static void done(struct settle *s)
{
    s->opts.on_done(s->opts.data, s->opts.nodes, s->opts.count);
    for (size_t i = 0; i < s->opts.count; i++)
        free(s->opts.nodes[i]);
    free(s->opts.nodes);
    uv_close((uv_handle_t *)&s->pause, on_closed);
}

static void on_pause(uv_timer_t *timer)
{
    ask(timer->data);
}

static void end_round(struct settle *s)
{
    s->opts.count = s->kept;
    if (s->kept == 0 || s->api->is_closing ||
        uv_now(s->api->loop) + PAUSE_MS > s->until_ms)
        done(s);
    else
        uv_timer_start(&s->pause, on_pause, PAUSE_MS, 0);
}

/* No answer is no proof: the node stays. */
static void on_mark(void *data, int status, const redisReply *reply)
{
    struct settle *s = data;
    char *node = s->opts.nodes[s->opts.count - s->to_answer];
    bool is_gone = status == 0 && !reply_is_string(reply, s->mark);

    if (is_gone)
        free(node);
    else
        s->opts.nodes[s->kept++] = node;
    if (--s->to_answer == 0)
        end_round(s);
}

static void ask(struct settle *s)
{
    struct api *api = s->api;
    size_t count = s->opts.count;

    s->to_answer = count;
    s->kept = 0;
    for (size_t i = 0; i < count; i++) {
        db_begin(&api->db, "HGET");
        command_add_on_key(&api->db.cmd, s->opts.room, s->opts.nodes[i]);
        command_add(&api->db.cmd, s->opts.field);
        db_send(&api->db, on_mark, s);
    }
}

void settle_start(struct api *api, const struct settle_opts *opts)
{
    struct settle *s = xcalloc(1, sizeof(*s));

    s->api = api;
    s->opts = *opts;
    s->mark = xstrdup(opts->mark);
    s->until_ms = uv_now(api->loop) + PATIENCE_MS;
    uv_timer_init(api->loop, &s->pause);
    s->pause.data = s;
    if (opts->count == 0)
        done(s);
    else
        ask(s);
}
