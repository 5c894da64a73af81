/* sender.h - what waits for one client, and when it is written.
 *
 *     SENDER_NEW -> SENDER_OPEN -> SENDER_ENDING -> SENDER_STOPPED
 *
 * NEW and OPEN write what is pushed; only OPEN takes what may be dropped (sender_send).
 * ENDING writes what is left, and says when that is done. STOPPED writes nothing.
 *
 * What is queued in one turn of the loop goes out in one write. What may wait for more
 * (ROOMCAST_FLUSH_MS, ROOMCAST_PRESENCE_FLUSH_MS) goes out with what may not.
 *
 * Three marks of a queue, by its bytes: above `low_bytes` it is no longer drained; above
 * `high_bytes` it is choked, so its client should not be read either; what does not fit into
 * `max_bytes` makes it slow. All end when it is drained again.
 *
 * A sender is embedded in its owner's struct. It calls the owner by sender_events alone.
 */
#ifndef GATEWAY_SENDER_H
#define GATEWAY_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/list.h"
#include "common/metrics.h"
#include "gateway/frame.h"
#include "gateway/queue.h"

struct sender;

enum sender_state { SENDER_NEW, SENDER_OPEN, SENDER_ENDING, SENDER_STOPPED };

/* What may be dropped when a client does not read: signals first, presence next. A
 * message that is not taken must be caught up from the history. Replies always go. */
enum sender_class { SENDER_REPLY, SENDER_MESSAGE, SENDER_PRESENCE, SENDER_SIGNAL };

/* How soon a queue is written. */
enum sender_urgency {
    SENDER_NOT_QUEUED,
    SENDER_WITH_PRESENCE, /* ROOMCAST_PRESENCE_FLUSH_MS after its first frame */
    SENDER_WITH_MESSAGES, /* ROOMCAST_FLUSH_MS after its first frame */
    SENDER_THIS_TURN,
    SENDER_URGENCIES
};

/* on_drained, on_failed and on_too_long may stop the sender. */
struct sender_events {
    void (*on_choked)(struct sender *sender);
    void (*on_slow)(struct sender *sender);
    /* sender_is_drained() again, after it was not, or after a message was not taken. */
    void (*on_drained)(struct sender *sender);
    /* It was ENDING, and the last byte is written; it is STOPPED now. */
    void (*on_ended)(struct sender *sender);
    /* The socket does not take bytes any more, and never will. */
    void (*on_failed)(struct sender *sender);
    /* The queues of all workers are too long, and this one is the longest. */
    void (*on_too_long)(struct sender *sender);
};

enum { SENDER_LOW_BYTES = 64 * 1024 };

/* What all senders of one worker share; created by sender_env_init. */
struct sender_env {
    uv_loop_t *loop;
    struct metrics *metrics;
    const struct sender_events *events;
    const uint32_t *now_s;          /* borrowed */
    struct metrics *const *workers; /* of all workers, to add up queues; borrowed */
    unsigned workers_count;         /* set by the owner, as `workers` */
    uint64_t fanout_started_ns;     /* 0: none this turn */
    struct list
        due[SENDER_URGENCIES]; /* senders with something to write, in its order */
    unsigned presence_count;   /* in due[SENDER_WITH_PRESENCE] */
    uint32_t due_ms[SENDER_URGENCIES]; /* how long a sender waits in due; 0: not used */
    uv_timer_t due_timer[SENDER_THIS_TURN]; /* for the first one */
    uv_prepare_t flush;
    struct list open;
    size_t queued_bytes;
    size_t low_bytes, high_bytes, max_bytes; /* of one queue: drained, choked, slow */
    size_t all_max_bytes;                    /* of all queues of all workers */
};

struct sender_opts {
    uv_loop_t *loop;
    struct metrics *metrics;
    const struct sender_events *events;
    const uint32_t *now_s; /* counts seconds */
    size_t max_bytes;      /* of one queue */
    size_t all_max_bytes;  /* of all queues of all workers */
    uint32_t flush_ms, presence_flush_ms;
};

/* Two cache lines: all that a delivery touches. */
struct sender {
    struct queue queue;
    struct list due; /* in env->due[urgency] */
    struct sender_env *env;
    struct sender_write *write; /* libuv is writing the first `writing` frames */
    uv_stream_t *stream;
    uint32_t writing;
    int fd; /* of `stream` */
    uint32_t slow_since_s;
    uint32_t due_ms, flushed_ms; /* of the loop's clock */
    unsigned char state, urgency;
    bool above_low, choked;
    struct list open; /* in env->open */
};

/* What is passed in `opts` is borrowed. */
void sender_env_init(struct sender_env *env, const struct sender_opts *opts);

/* Closes the env's handles; all senders must be stopped. */
void sender_env_close(struct sender_env *env);

/* A notice was read, at `read_ns` of uv_hrtime, 0: just now. What is written in this turn is its
 * fan-out. */
void sender_begin_fanout(struct sender_env *env, uint64_t read_ns);

/* `sender` is zeroed. It writes nothing before sender_attach. The struct must not move. */
void sender_init(struct sender *sender, struct sender_env *env);

/* Writes to `stream` (borrowed; its socket is connected). */
void sender_attach(struct sender *sender, uv_stream_t *stream);

void sender_open(struct sender *sender);
void sender_end(struct sender *sender);

/* Writes nothing more. Idempotent; sender_deinit must follow, after the stream is closed. */
void sender_stop(struct sender *sender);
void sender_deinit(struct sender *sender);

/* Sends the FIN. */
void sender_shut(const struct sender *sender);

/* Queues a reference of `frame`. False if it was not taken: the sender is not OPEN, or the
 * queue is too long for its class. */
bool sender_send(struct sender *sender, struct frame *frame, enum sender_class class);

/* Queues `frame` however long the queue is; takes over the caller's reference. */
void sender_push(struct sender *sender, struct frame *frame);

/* The one frame that is queued for this turn may wait for the answer that follows it, as long as presence may:
 * they go out in one write. */
void sender_hold(struct sender *sender);

/* Drops what waits, but for frames that are partly on their way. */
void sender_drop_unsent(struct sender *sender);

/* Whether there is room for something large: the queue is short. */
bool sender_is_drained(const struct sender *sender);
bool sender_is_choked(const struct sender *sender);

/* Whether it is slow, and has been for `secs` seconds. */
bool sender_is_slow(const struct sender *sender);
bool sender_is_slow_for(const struct sender *sender, uint32_t secs);

/* The second that is over does not count for sender_is_slow_for. */
void sender_excuse_second(struct sender *sender);

#endif
