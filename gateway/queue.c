/* queue.c - see queue.h. */
#include "gateway/queue.h"

#include "gateway/pool.h"

static struct frame **at(const struct queue *q, uint32_t i)
{
    return &q->items[(q->head + i) & (q->cap - 1)];
}

/* What a waiting frame costs, also an empty one: its place here and its header. */
static size_t cost(const struct frame *frame)
{
    return frame_len(frame) + QUEUE_FRAME_BYTES;
}

static void shrink_if_empty(struct queue *q)
{
    if (q->count > 0 || q->items == q->first)
        return;
    pool_recycle(q->items, q->cap * sizeof(struct frame *));
    queue_init(q);
}

static void grow(struct queue *q)
{
    uint32_t cap = q->cap * 4;
    struct frame **bigger = pool_alloc(cap * sizeof(struct frame *));

    for (uint32_t i = 0; i < q->count; i++)
        bigger[i] = *at(q, i);
    if (q->items != q->first)
        pool_recycle(q->items, q->cap * sizeof(struct frame *));
    q->items = bigger;
    q->cap = cap;
    q->head = 0;
}

void queue_init(struct queue *q)
{
    *q = (struct queue){.cap = sizeof(q->first) / sizeof(q->first[0])};
    q->items = q->first;
}

void queue_push(struct queue *q, struct frame *frame)
{
    if (q->count == q->cap)
        grow(q);
    *at(q, q->count++) = frame_ref(frame);
    q->bytes += cost(frame);
}

unsigned queue_gather(const struct queue *q, uv_buf_t *bufs, unsigned max,
                      size_t *total)
{
    unsigned count = q->count < max ? q->count : max;

    *total = 0;
    if (count == 0)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        bufs[i] = frame_bytes(*at(q, i));
        *total += bufs[i].len;
    }
    bufs[0].base += q->head_sent;
    bufs[0].len -= q->head_sent;
    *total -= q->head_sent;
    return count;
}

void queue_consume(struct queue *q, size_t sent)
{
    sent += q->head_sent;
    while (q->count > 0 && sent >= frame_len(*at(q, 0))) {
        struct frame *gone = *at(q, 0);

        sent -= frame_len(gone);
        q->bytes -= cost(gone);
        q->head = (q->head + 1) & (q->cap - 1);
        q->count--;
        frame_unref(gone);
    }
    q->head_sent = (uint32_t)sent;
    shrink_if_empty(q);
}

void queue_cut(struct queue *q, uint32_t keep)
{
    while (q->count > keep) {
        struct frame *last = *at(q, --q->count);

        q->bytes -= cost(last);
        frame_unref(last);
    }
    if (keep == 0)
        q->head_sent = 0;
    shrink_if_empty(q);
}
