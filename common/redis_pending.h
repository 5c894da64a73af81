/* redis_pending.h - the commands of a link that wait for their replies: a ring, in the order sent,
 * and which of them have been given up.
 */
#ifndef COMMON_REDIS_PENDING_H
#define COMMON_REDIS_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reply_arena.h"

/* `status`: 0 with the reply (borrowed, of any shape but never an error: look into it with
 * reply.h), UV_EREMOTEIO with an error reply, UV_ETIMEDOUT or UV_ECONNRESET with NULL. */
typedef void (*redis_reply_fn)(void *data, int status, const redisReply *reply);

struct redis_call {
    redis_reply_fn on_reply; /* NULL: nobody waits (any more) */
    void *data;
    uint64_t sent_at;
    bool is_again; /* sent_at is that of another one, before those in front of it */
    bool may_be_refused; /* an error reply is nothing to log or to count */
};

/* Zeroed is empty. */
struct redis_pending {
    struct redis_call *calls;
    unsigned head, count, cap; /* cap: a power of two */
    unsigned expired_count;    /* of the first ones: timed out already */
    unsigned again_count;      /* of all: is_again */
};

void redis_pending_deinit(struct redis_pending *pending);

void redis_pending_add(struct redis_pending *pending, struct redis_call call);

/* The one whose reply is next; there must be one. The second removes it. */
const struct redis_call *redis_pending_first(const struct redis_pending *pending);
struct redis_call redis_pending_take(struct redis_pending *pending);

/* The next one from `*at` on (0 to begin with) that somebody has waited for as long as
 * `deadline_ms`; nobody does any more then. False: there is none. */
bool redis_pending_expire(struct redis_pending *pending, unsigned *at, uint64_t now,
                          uint64_t deadline_ms, struct redis_call *out);

#endif
