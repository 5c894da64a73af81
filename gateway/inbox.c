/* inbox.c - see inbox.h.
 *
 *     inbox_post -> in -> on_wake -> take_all -> out -> take_next -> hooks.on_handover
 *
 * A thread that posts wakes the loop, unless it is at work here and will look again. A turn of the loop
 * takes TURN_BYTES and no more, so that a full inbox does not keep it from its clients.
 */
#include "gateway/inbox.h"

#include <stdlib.h>

#include "common/xalloc.h"

enum {
    TURN_BYTES = 1024 * 1024,
    KEPT = 4096, /* places of a list that is empty again */
    FIRST = 64,
};

static void add(struct inbox_list *list, struct handover_copy *copy)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : FIRST;
        list->items = xrealloc(list->items, list->cap * sizeof(struct handover_copy *));
    }
    list->items[list->count++] = copy;
}

static void empty(struct inbox_list *list)
{
    list->count = 0;
    if (list->cap <= KEPT)
        return;
    free(list->items);
    *list = (struct inbox_list){NULL, 0, 0};
}

static size_t cost(const struct handover_copy *copy)
{
    return handover_bytes(copy) + sizeof(struct handover_copy *);
}

/* ---- in: any thread ---- */

/* The lock is held, so that the handle cannot be closed meanwhile. */
static void wake(struct inbox *inbox)
{
    if (!inbox->is_awake)
        uv_async_send(&inbox->wake);
    inbox->is_awake = true;
}

/* Returns whether it was taken. The lock is held. */
static bool post(struct inbox *inbox, struct handover_copy *copy)
{
    const struct handover *what = handover_of(copy);
    size_t bytes = cost(copy);

    if (handover_may_be_dropped(what) &&
        atomic_load_explicit(&inbox->bytes, memory_order_relaxed) + bytes >
            INBOX_MAX_BYTES) {
        inbox->dropped |= UINT64_C(1) << what->shard;
        return false;
    }
    atomic_fetch_add_explicit(&inbox->bytes, bytes, memory_order_relaxed);
    add(&inbox->in, handover_ref(copy));
    return true;
}

bool inbox_post(struct inbox *inbox, struct handover_copy *copy)
{
    bool is_taken = true; /* by a closed one, too: nobody misses it */

    uv_mutex_lock(&inbox->lock);
    if (inbox->is_open) {
        is_taken = post(inbox, copy);
        wake(inbox);
    }
    uv_mutex_unlock(&inbox->lock);
    return is_taken;
}

bool inbox_post_new(struct inbox *inbox, const struct handover *what)
{
    struct handover_copy *copy = handover_copy(what);
    bool is_taken = inbox_post(inbox, copy);

    handover_unref(copy);
    return is_taken;
}

/* ---- out: the loop's thread ---- */

static void tell_dropped(struct inbox *inbox)
{
    uint64_t dropped = inbox->out_dropped;

    inbox->out_dropped = 0;
    for (unsigned shard = 0; dropped; shard++, dropped >>= 1)
        if (dropped & 1)
            inbox->hooks->on_dropped(inbox->owner, shard);
}

/* What `out` had is done. False: there is no more, and who posts next wakes the loop. */
static bool take_all(struct inbox *inbox)
{
    struct inbox_list done;
    bool has_more;

    empty(&inbox->out);
    inbox->at = 0;
    tell_dropped(inbox);
    uv_mutex_lock(&inbox->lock);
    done = inbox->out;
    inbox->out = inbox->in;
    inbox->in = done;
    inbox->out_dropped = inbox->dropped;
    inbox->dropped = 0;
    has_more = inbox->out.count > 0 || inbox->out_dropped > 0;
    inbox->is_awake = has_more;
    uv_mutex_unlock(&inbox->lock);
    return has_more;
}

static size_t take_next(struct inbox *inbox)
{
    struct handover_copy *copy = inbox->out.items[inbox->at++];
    size_t bytes = cost(copy);

    inbox->hooks->on_handover(inbox->owner, handover_of(copy));
    handover_unref(copy);
    atomic_fetch_sub_explicit(&inbox->bytes, bytes, memory_order_relaxed);
    return bytes;
}

static void on_wake(uv_async_t *async)
{
    struct inbox *inbox = async->data;
    size_t taken = 0;

    while (taken < TURN_BYTES && !uv_is_closing((uv_handle_t *)async)) {
        if (inbox->at < inbox->out.count)
            taken += take_next(inbox);
        else if (!take_all(inbox))
            return;
    }
    if (!uv_is_closing((uv_handle_t *)async))
        uv_async_send(async); /* the rest comes in the next turn */
}

/* ---- beginning and end ---- */

void inbox_open(struct inbox *inbox, uv_loop_t *loop, const struct inbox_hooks *hooks,
                void *owner)
{
    if (uv_mutex_init(&inbox->lock) != 0 ||
        uv_async_init(loop, &inbox->wake, on_wake) != 0)
        abort();
    inbox->wake.data = inbox;
    inbox->hooks = hooks;
    inbox->owner = owner;
    inbox->is_open = true;
}

static void drop(struct inbox_list *list, size_t from)
{
    for (size_t i = from; i < list->count; i++)
        handover_unref(list->items[i]);
    free(list->items);
    *list = (struct inbox_list){NULL, 0, 0};
}

void inbox_close(struct inbox *inbox)
{
    uv_mutex_lock(&inbox->lock);
    inbox->is_open = false;
    uv_close((uv_handle_t *)&inbox->wake, NULL);
    uv_mutex_unlock(&inbox->lock);
    drop(&inbox->in, 0); /* nobody else touches it any more */
    drop(&inbox->out, inbox->at);
}

void inbox_deinit(struct inbox *inbox)
{
    uv_mutex_destroy(&inbox->lock);
}
