/* patience.c - see patience.h. */
#include "admin/patience.h"

#include <stdlib.h>

#include "common/xalloc.h"

struct patience_call {
    struct patience *patience; /* NULL: given up */
    redis_reply_fn on_reply;
    void *data;
};

static void on_timer(uv_timer_t *timer)
{
    struct patience *patience = timer->data;

    if (patience->is_half) {
        patience->hooks->on_over(patience);
        return;
    }
    patience->is_half = true;
    patience->hooks->on_half(patience);
}

void patience_begin(struct patience *patience, struct db *db,
                    const struct patience_hooks *hooks)
{
    uint64_t half_ms = (uint64_t)db->config->redis_deadline_ms / 2;

    *patience = (struct patience){.hooks = hooks};
    uv_timer_init(db->tick.loop, &patience->timer);
    patience->timer.data = patience;
    uv_timer_start(&patience->timer, on_timer, half_ms, half_ms);
}

static void on_answer(void *data, int status, const redisReply *reply)
{
    struct patience_call call = *(struct patience_call *)data;

    free(data);
    if (!call.patience)
        return;
    call.patience->call = NULL;
    call.on_reply(call.data, status, reply);
}

void patience_send(struct patience *patience, struct db *db, redis_reply_fn on_reply,
                   void *data)
{
    struct patience_call *call = xmalloc(sizeof(*call));

    *call = (struct patience_call){patience, on_reply, data};
    patience->call = call;
    db_send(db, on_answer, call);
}

bool patience_give_up(struct patience *patience)
{
    if (!patience->call)
        return false;
    patience->call->patience = NULL;
    patience->call = NULL;
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    struct patience *patience = handle->data;

    patience->hooks->on_closed(patience);
}

void patience_end(struct patience *patience)
{
    patience_give_up(patience);
    uv_close((uv_handle_t *)&patience->timer, on_closed);
}
