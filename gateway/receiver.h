/* receiver.h - what one client says, and when it is read.
 *
 *     RECEIVER_NEW -> RECEIVER_OPEN -> RECEIVER_ENDING -> RECEIVER_STOPPED
 *
 * NEW hands over bytes as they come (on_head). OPEN makes WebSocket messages of them. A client
 * that sends too much is read when pace.h says so. What was read by then is kept as it came,
 * the backlog, and nothing more is read until it is used up: bytes go one way, and in order.
 * ENDING looks through what comes for the peer's close frame only; it stands behind all others.
 *
 * A receiver is embedded in its owner's struct. It calls the owner by receiver_events alone.
 */
#ifndef GATEWAY_RECEIVER_H
#define GATEWAY_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/metrics.h"
#include "common/strbuf.h"
#include "gateway/pace.h"

struct reader;
struct receiver;

enum receiver_state { RECEIVER_NEW, RECEIVER_OPEN, RECEIVER_ENDING, RECEIVER_STOPPED };

/* Why an OPEN receiver is not read. */
enum receiver_pause {
    RECEIVER_PAUSED = 1, /* its owner has enough to do */
    RECEIVER_CHOKED = 2, /* its client does not read */
};

/* What is passed is borrowed. Each may stop the receiver. */
struct receiver_events {
    void (*on_head)(struct receiver *receiver, const char *bytes, size_t len);
    void (*on_message)(struct receiver *receiver, bool is_text, const char *bytes,
                       size_t len);
    /* See reader.h. */
    void (*on_answer)(struct receiver *receiver, const void *bytes, size_t len);
    void (*on_close_frame)(struct receiver *receiver, int code, bool is_peers);
    /* UV_EOF, or why the socket cannot be read. */
    void (*on_read_end)(struct receiver *receiver, int status);
};

enum {
    RECEIVER_READ_BYTES = 64 * 1024,
    RECEIVER_PACED_READ_BYTES =
        16 * 1024, /* where there are limits: the longest backlog */
    RECEIVER_SPARE_READERS = 8,
    RECEIVER_SMALL_BYTES = 16 * 1024, /* a message of one who is limited */
};

struct receiver_opts {
    uv_loop_t *loop;
    struct metrics *metrics;
    const struct receiver_events *events;
    struct token_bucket_rate frames, bytes, messages; /* zeroed: no limit */
    size_t max_message_bytes;
    bool allows_binary;
};

/* What all receivers of one worker share; created by receiver_env_init. */
struct receiver_env {
    uv_loop_t *loop;
    struct metrics *metrics;
    const struct receiver_events *events;
    struct pace_env pace;
    uv_check_t serve;
    uv_idle_t busy; /* while somebody is queued in `pace`, a turn does not wait */
    uv_timer_t pace_tick;
    uint64_t serve_until_ns; /* 0: those that come first are served */
    bool has_served;         /* a frame of the receiver that is being served */
    bool allows_binary;
    size_t max_message_bytes;
    struct reader *spare[RECEIVER_SPARE_READERS];
    unsigned spare_count;
    unsigned read_bytes; /* at once */
    char read_buf[RECEIVER_READ_BYTES];
};

struct receiver {
    struct receiver_env *env;
    uv_stream_t *stream;
    struct reader *reader;  /* while a message is half read */
    struct strbuf *backlog; /* what was read and must wait */
    uint32_t unanswered;    /* bytes of it that Redis works on */
    int fd;                 /* of `stream` */
    struct pace pace;
    unsigned char state, pauses; /* of enum receiver_pause */
    bool is_read;                /* libuv tells when there is something to read */
    bool has_eof, was_heard;
    bool in_feed, is_deaf; /* deaf: what comes is dropped unseen */
    bool is_small;         /* its messages may have RECEIVER_SMALL_BYTES */
};

/* What is passed in `opts` is borrowed. */
void receiver_env_init(struct receiver_env *env, const struct receiver_opts *opts);

/* Closes the env's handles; all receivers must be stopped. */
void receiver_env_close(struct receiver_env *env);
void receiver_env_deinit(struct receiver_env *env); /* once the loop has ended */

/* `receiver` is zeroed. The struct must not move. */
void receiver_init(struct receiver *receiver, struct receiver_env *env);

/* Reads from `stream` (borrowed; its socket is connected; its `data` is the receiver's). */
void receiver_attach(struct receiver *receiver, uv_stream_t *stream);

void receiver_open(struct receiver *receiver);
void receiver_end(struct receiver *receiver);

/* Reads nothing more. Idempotent; receiver_deinit must follow, after the stream is closed. */
void receiver_stop(struct receiver *receiver);
void receiver_deinit(struct receiver *receiver);

/* Bytes that were read before it was OPEN, and are behind the head. */
void receiver_take(struct receiver *receiver, const char *bytes, size_t len);

/* What comes from now on is dropped unseen. */
void receiver_deafen(struct receiver *receiver);

/* Messages that begin from now on may have RECEIVER_SMALL_BYTES, or as much as all may. */
void receiver_limit(struct receiver *receiver, bool to_small);

/* The peer says nothing more. */
void receiver_note_eof(struct receiver *receiver);
bool receiver_has_eof(const struct receiver *receiver);

/* Not read, for a reason, until it is released from all of them. What was read already is
 * handed over first then. */
void receiver_pause(struct receiver *receiver, enum receiver_pause why);
void receiver_resume(struct receiver *receiver, enum receiver_pause why);

/* What it said was a message, which takes a token. */
void receiver_take_message(struct receiver *receiver);

/* So many bytes of what the client says are for Redis to work on; it has answered. */
void receiver_begin_work(struct receiver *receiver, uint32_t bytes);
void receiver_end_work(struct receiver *receiver, uint32_t bytes);

/* Whether its socket is read as soon as something comes. */
bool receiver_is_read(const struct receiver *receiver);

/* Whether anything was read since this was asked. */
bool receiver_was_heard(struct receiver *receiver);

/* See pace_run_ms. */
uint32_t receiver_waiting_ms(const struct receiver *receiver);

#endif
