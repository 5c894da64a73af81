/* conn.h - one client's socket: handshake, states, pings, close.
 *
 *     CONN_HANDSHAKE -> CONN_OPEN -> CONN_CLOSING -> CONN_LINGERING -> CONN_GONE
 *
 * HANDSHAKE reads the HTTP request. OPEN talks. CLOSING has queued the last bytes (a
 * close frame or an HTTP refusal). LINGERING has sent them and its FIN, and waits for the
 * peer's, or for its close frame, so that what was sent is not destroyed by a reset. GONE:
 * libuv is letting go.
 *
 * What waits for the client is its sender's, what the client says its receiver's. A conn
 * is embedded in its owner's struct, which knows what is said; conn knows rooms as little as
 * JSON.
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
#include "gateway/arrival.h"
#include "gateway/frame.h"
#include "gateway/handshake.h"
#include "gateway/pulse.h"
#include "gateway/receiver.h"
#include "gateway/sender.h"
#include "gateway/wheel.h"

struct conn;

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_LINGERING, CONN_GONE };

/* Why a connection ended; metric_labels.h has the words and the close codes. */
enum conn_end {
#define X(id, word, code) id,
    CONN_ENDS(X)
#undef X
};

struct conn_events {
    /* A handshake that asks for nothing wrong; 101, or the status to refuse it with. */
    int (*on_upgrade)(struct conn *conn, const struct upgrade_request *req);
    void (*on_open)(struct conn *conn);
    void (*on_message)(struct conn *conn, const char *text, size_t len); /* borrowed */
    /* conn_is_drained() again, after it was not. */
    void (*on_drained)(struct conn *conn);
    /* About once a second while `wants_ticks`, else at pings. */
    void (*on_tick)(struct conn *conn);
    /* Once, for a conn that was open: no message comes any more, none is taken. */
    void (*on_end)(struct conn *conn);
    /* libuv has let go; the owner frees the memory when it wants. */
    void (*on_gone)(struct conn *conn);
};

enum {
    CONN_OVER_LIMIT_EXTRA = 32, /* so many beyond max_connections still get their 503 */
};

/* What all connections of one worker share; created by conn_env_init. */
struct conn_env {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    const struct conn_events *events;
    _Atomic unsigned *open_count; /* sockets of the process; borrowed */
    unsigned max_connections;
    bool draining; /* new handshakes get 503 */
    struct arrival_env arrivals;
    struct list all;
    uv_timer_t second;
    struct wheel wheel; /* of seconds */
    struct sender_env sender;
    struct receiver_env receiver;
};

struct conn {
    struct sender sender; /* first: two cache lines, all that a delivery touches */
    struct conn_env *env;
    struct pulse pulse;
    uint32_t opened_s;
    unsigned char state, end;
    bool wants_ticks, over_limit;
    struct handshake handshake;
    struct arrival arrival;
    struct receiver receiver;
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
bool conn_send(struct conn *conn, struct frame *frame, enum sender_class class);

/* Encodes a reply and queues it. */
void conn_send_text(struct conn *conn, const char *text, size_t len);

/* Whether there is room for something large: the queue is short. */
bool conn_is_drained(const struct conn *conn);

/* Stops handing over messages, and reading; what was read already is handed over first when
 * it is resumed. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* What the client said is a message: it takes a token of ROOMCAST_MESSAGES_PER_SEC. */
void conn_take_message(struct conn *conn);

/* So many bytes of what the client says are for Redis to work on; it has answered. */
void conn_begin_work(struct conn *conn, uint32_t bytes);
void conn_end_work(struct conn *conn, uint32_t bytes);

/* Sends a close frame with the code of `end` and ends. Idempotent; on_end is called
 * before it returns; the memory stays until on_gone. */
void conn_close(struct conn *conn, enum conn_end end);

/* Ends without a word. */
void conn_abort(struct conn *conn, enum conn_end end);

/* What the client says may have RECEIVER_SMALL_BYTES at most, or as much as is set. */
void conn_limit_messages(struct conn *conn, bool to_small);

/* It has proven who it is, or has done what it came for: it does not count as pending any more
 * (SPEC-PUBLIC P4). Idempotent. */
void conn_settle(struct conn *conn);

/* on_tick about once a second from now on, or not. */
void conn_want_ticks(struct conn *conn, bool wants_ticks);

#endif
