/* conn.h - one client's socket: handshake, WebSocket messages, send queue, pings, close.
 *
 *     CONN_HANDSHAKE -> CONN_OPEN -> CONN_CLOSING -> CONN_LINGERING -> CONN_GONE
 *
 * HANDSHAKE reads the HTTP request. OPEN talks. CLOSING has queued the last bytes (a
 * close frame or an HTTP refusal). LINGERING has sent them and its FIN, and waits for the
 * peer's, or for its close frame, so that what was sent is not destroyed by a reset. GONE:
 * libuv is letting go.
 *
 * A conn is embedded in its owner's struct, which knows what is said; conn knows rooms
 * as little as JSON. What is sent in one turn of the loop goes out in one write. What may
 * wait for more (ROOMCAST_FLUSH_MS, ROOMCAST_PRESENCE_FLUSH_MS) goes out with what may not.
 */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/config.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/strbuf.h"
#include "gateway/frame.h"
#include "gateway/pace.h"
#include "gateway/queue.h"
#include "gateway/wheel.h"

struct conn;
struct reader;

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_LINGERING, CONN_GONE };

/* Why a connection ended: X(id, word in disconnects_total, close code) */
#define CONN_ENDS(X)                                                                   \
    X(CONN_END_CLIENT, client, 1000)                                                   \
    X(CONN_END_HANDSHAKE, handshake, 0)                                                \
    X(CONN_END_PROTOCOL, protocol, 1002)                                               \
    X(CONN_END_TOO_LARGE, too_large, 1009)                                             \
    X(CONN_END_SLOW, slow, 4001)                                                       \
    X(CONN_END_NO_PONG, no_pong, 4002)                                                 \
    X(CONN_END_IDLE, idle, 4003)                                                       \
    X(CONN_END_DRAINING, draining, 4000)                                               \
    X(CONN_END_OPERATOR, operator, 4503)                                               \
    X(CONN_END_SHUTDOWN, shutdown, 1001)                                               \
    X(CONN_END_ERROR, error, 0)

enum conn_end {
#define X(id, word, code) id,
    CONN_ENDS(X)
#undef X
};

/* What may be dropped when a client does not read: signals first, presence next. A
 * message that is not taken must be caught up from the history. Replies always go. */
enum conn_class { CONN_REPLY, CONN_MESSAGE, CONN_PRESENCE, CONN_SIGNAL };

struct conn_events {
    void (*on_open)(struct conn *conn);
    void (*on_message)(struct conn *conn, const char *text, size_t len); /* borrowed */
    /* conn_is_drained() again, after it was not. */
    void (*on_drained)(struct conn *conn);
    /* About once a second while `watched`, else at pings. */
    void (*on_tick)(struct conn *conn);
    /* Once, for a conn that was open: no message comes any more, none is taken. */
    void (*on_end)(struct conn *conn);
    /* libuv has let go; the owner frees the memory when it wants. */
    void (*on_gone)(struct conn *conn);
};

/* How soon a queue is written. */
enum conn_urgency {
    CONN_NOT_QUEUED,
    CONN_WITH_PRESENCE, /* ROOMCAST_PRESENCE_FLUSH_MS after its first frame */
    CONN_WITH_MESSAGES, /* ROOMCAST_FLUSH_MS after its first frame */
    CONN_THIS_TURN,
    CONN_URGENCIES
};

enum {
    CONN_LOW_BYTES = 64 * 1024,
    CONN_READ_BYTES = 64 * 1024,
    CONN_PACED_READ_BYTES = 16 * 1024, /* where there are limits: what may be held */
    CONN_SPARE_READERS = 8,
    CONN_OVER_LIMIT_EXTRA = 32, /* so many beyond max_connections still get their 503 */
};

/* What all connections of one worker share; made by conn_env_init. */
struct conn_env {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    const struct conn_events *events;
    _Atomic unsigned *open_count; /* sockets of the process; borrowed */
    unsigned max_connections;
    struct metrics *const *workers; /* of all workers, to add up queues; borrowed */
    unsigned workers_count;
    bool draining;              /* new handshakes get 503 */
    uint64_t fanout_started_ns; /* set by who reads a notice; 0: none this turn */

    uv_prepare_t flush;
    uv_timer_t second;
    struct wheel wheel; /* of seconds */
    struct pace_env pace;
    uv_check_t serve;
    uv_idle_t busy; /* while somebody is queued in `pace`, a turn does not wait */
    uv_timer_t pace_tick;
    uint64_t serve_until_ns; /* 0: those that come first are served */
    bool has_served;         /* a frame of the connection that is being served */
    struct list due[CONN_URGENCIES]; /* conns with something to send, in its order */
    unsigned presence_count;         /* in due[CONN_WITH_PRESENCE] */
    uint32_t due_ms[CONN_URGENCIES]; /* how long one stands there; 0: none does */
    uv_timer_t due_timer[CONN_THIS_TURN]; /* for the first one */
    struct list all;
    struct reader *spare[CONN_SPARE_READERS];
    unsigned spare_count;
    size_t queued_bytes;
    size_t low_bytes, high_bytes, max_bytes; /* of one queue: drained, choked, slow */
    unsigned read_bytes;                     /* at once */
    char read_buf[CONN_READ_BYTES];
};

struct conn {
    /* What each message touches stands together: two cache lines. */
    struct queue queue;
    struct list due; /* in env->due[urgency] */
    struct conn_env *env;
    struct conn_write *write; /* libuv is writing the first `writing` frames */
    uint32_t writing;
    int fd;
    uint32_t slow_since_s;
    uint32_t due_ms, flushed_ms; /* of the loop's clock */
    unsigned char state, end, missed_pongs, urgency;
    bool paused, above_low, choked, watched, over_limit, has_eof;
    bool is_read;          /* libuv tells when there is something to read */
    bool in_feed, is_deaf; /* deaf: what comes is dropped unseen */

    uint32_t ping_at_s, opened_s;
    struct reader *reader; /* while a message is half read */
    struct strbuf *held;   /* the request's head; or what was read and must wait */
    uint32_t unanswered;   /* bytes of it that Redis works on */
    struct pace pace;
    struct list all;
    struct wheel_timer timer;
    uv_tcp_t tcp;
};

void conn_env_init(struct conn_env *env, uv_loop_t *loop, const struct config *config,
                   struct metrics *metrics, const struct conn_events *events);

/* Closes the env's handles; all conns must be gone. */
void conn_env_close(struct conn_env *env);
void conn_env_deinit(struct conn_env *env); /* once the loop has ended */

/* Accepts from `listener` into `conn` (zeroed, in the owner's struct). 0, or a libuv
 * code: then nothing is held, but on_gone will come. */
int conn_accept(struct conn *conn, struct conn_env *env, uv_stream_t *listener)
    __attribute__((warn_unused_result));

bool conn_is_open(const struct conn *conn);

/* Queues a reference of `frame`. False if it was not taken: the conn is not open, or the
 * queue is too long for its class. */
bool conn_send(struct conn *conn, struct frame *frame, enum conn_class class);

/* Encodes a reply and queues it. */
void conn_send_text(struct conn *conn, const char *text, size_t len);

/* Whether there is room for something large: the queue is short. */
bool conn_is_drained(const struct conn *conn);

/* Stops handing over messages, and reading; what was read already is handed over first when
 * it is resumed. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* So many bytes of what the client says are for Redis to work on; it has answered. */
void conn_begin_work(struct conn *conn, uint32_t bytes);
void conn_end_work(struct conn *conn, uint32_t bytes);

/* Sends a close frame with the code of `end` and ends. Idempotent; on_end is called
 * before it returns; the memory stays until on_gone. */
void conn_close(struct conn *conn, enum conn_end end);

/* Ends without a word. */
void conn_abort(struct conn *conn, enum conn_end end);

/* on_tick about once a second from now on, or not. */
void conn_watch(struct conn *conn, bool watched);

#endif
