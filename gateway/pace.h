/* pace.h - how much of a worker's time a connection may take by what it sends.
 *
 * Three token buckets a connection: one of frames, whatever their kind, one of bytes, one of messages. A
 * connection with at least half of each left is served at once. Any other is queued, and
 * the queue has PACE_TURN_NS of each turn of the loop. A connection whose bucket is empty
 * waits until there is a token again, and then queues. While Redis has PACE_UNANSWERED_BYTES
 * to work on, none that queues is served: what the others ask for would stand behind it.
 *
 *     PACE_FREE -> PACE_QUEUED <-> PACE_WAITING
 *
 * Pure: the time is passed in, and nothing here knows a socket.
 */
#ifndef GATEWAY_PACE_H
#define GATEWAY_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/metric_labels.h"
#include "gateway/token_bucket.h"
#include "gateway/wheel.h"

enum {
    PACE_TURN_NS = 1000 * 1000,
    PACE_TICK_MS = 10,
    PACE_UNANSWERED_BYTES = 256 * 1024,
    PACE_BREAK_MS = 1000, /* without waiting for so long: a run of waiting is over */
};

/* What a connection waits for. */
enum pace_why {
#define X(id, word) id,
    PACE_REASONS(X)
#undef X
};

enum pace_place { PACE_FREE, PACE_QUEUED, PACE_WAITING };

/* Of all connections of a worker. */
struct pace_env {
    struct token_bucket_rate frames, bytes, messages;
    struct list queued;
    struct wheel wheel; /* of ticks */
    uint32_t turned_ms; /* up to when the wheel has turned */
    unsigned waiting;
    size_t unanswered; /* bytes that Redis works on, of all connections */
};

/* Embedded in the connection; see pace_init. */
struct pace {
    struct token_bucket frames, bytes, messages;
    struct wheel_timer timer; /* its link is in the queue or in the wheel */
    uint32_t run_began_ms, waited_ms;
    unsigned char place, kind; /* of the last frame: an enum pace_why */
    bool has_waited;
};

void pace_env_init(struct pace_env *env);
void pace_init(struct pace *pace);

/* Whether it is served before those that queue. */
bool pace_is_first(struct pace_env *env, struct pace *pace, uint32_t now_ms);

/* A frame begins with `byte`: takes its token. False: there is none, or none for a message, which
 * it may be. */
bool pace_take_frame(struct pace_env *env, struct pace *pace, unsigned char byte,
                     uint32_t now_ms);

/* So many bytes were read. */
void pace_take_bytes(struct pace_env *env, struct pace *pace, uint32_t bytes,
                     uint32_t now_ms);

/* What was read was a message. */
void pace_take_message(struct pace_env *env, struct pace *pace, uint32_t now_ms);

/* Moves it to the end of the queue. */
void pace_queue(struct pace_env *env, struct pace *pace, uint32_t now_ms);

/* Takes it out of where it stands. */
void pace_free(struct pace_env *env, struct pace *pace, uint32_t now_ms);

/* Lets it wait if a bucket is empty, with *why set. False: none is. */
bool pace_wait(struct pace_env *env, struct pace *pace, uint32_t now_ms,
               enum pace_why *why);

/* Whether Redis has so much to do that nobody in the queue is served. */
static inline bool pace_is_full(const struct pace_env *env)
{
    return env->unanswered >= PACE_UNANSWERED_BYTES;
}

/* The first of the queue to be served, or NULL: there is none, or none may be now. */
struct pace *pace_next(struct pace_env *env);

/* Queues those that have waited long enough; call each PACE_TICK_MS while any waits. */
void pace_turn(struct pace_env *env, uint32_t now_ms);

/* For how many ms it has been waiting again and again without a break; 0: it has not. */
uint32_t pace_run_ms(const struct pace *pace, uint32_t now_ms);

#endif
