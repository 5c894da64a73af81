/* redis_pending.c - see redis_pending.h. */
#include "common/redis_pending.h"

#include <assert.h>
#include <stdlib.h>

#include "common/xalloc.h"

enum { CAP_MIN = 64 };

static struct redis_call *call_at(const struct redis_pending *p, unsigned i)
{
    return &p->calls[(p->head + i) & (p->cap - 1)];
}

static void grow(struct redis_pending *p)
{
    unsigned cap = p->cap ? p->cap * 2 : CAP_MIN;
    struct redis_call *bigger = xmalloc(cap * sizeof(*bigger));

    for (unsigned i = 0; i < p->count; i++)
        bigger[i] = *call_at(p, i);
    free(p->calls);
    p->calls = bigger;
    p->cap = cap;
    p->head = 0;
}

void redis_pending_deinit(struct redis_pending *p)
{
    free(p->calls);
    *p = (struct redis_pending){0};
}

void redis_pending_add(struct redis_pending *p, struct redis_call call)
{
    if (p->count == p->cap)
        grow(p);
    *call_at(p, p->count++) = call;
    p->again_count += call.is_again;
}

const struct redis_call *redis_pending_first(const struct redis_pending *p)
{
    assert(p->count > 0);
    return call_at(p, 0);
}

struct redis_call redis_pending_take(struct redis_pending *p)
{
    struct redis_call first = *redis_pending_first(p);

    p->head = (p->head + 1) & (p->cap - 1);
    p->count--;
    if (p->expired_count > 0)
        p->expired_count--;
    p->again_count -= first.is_again;
    return first;
}

/* They were sent in order, so the first one in time ends the search, unless there are some that
 * took the place of others. */
bool redis_pending_expire(struct redis_pending *p, unsigned *at, uint64_t now,
                          uint64_t deadline_ms, struct redis_call *out)
{
    if (*at < p->expired_count)
        *at = p->expired_count;
    while (*at < p->count) {
        unsigned i = (*at)++;
        struct redis_call *call = call_at(p, i);

        if (now - call->sent_at < deadline_ms) {
            if (p->again_count == 0)
                return false;
            continue;
        }
        p->expired_count += i == p->expired_count;
        if (!call->on_reply)
            continue;
        *out = *call;
        call->on_reply = NULL;
        return true;
    }
    return false;
}
