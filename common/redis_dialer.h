/* redis_dialer.h - from a host's name, or the path of a socket, to an open stream.
 *
 *     redis_dialer_start -> on_open, with a stream; or on_failed, when all addresses have failed
 *     redis_dialer_go_on -> the same with the addresses that are left
 *
 * A round tries the addresses of the name, in order; each is given up after the deadline, which
 * the handshake of TLS is within.
 */
#ifndef COMMON_REDIS_DIALER_H
#define COMMON_REDIS_DIALER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/config.h"
#include "common/redis_stream.h"

struct redis_dialer;

/* All borrowed, for life. */
struct redis_dialer_opts {
    uv_loop_t *loop;
    const struct config *config; /* of TLS */
    bool is_tls;
    uint64_t deadline_ms;
    void *owner;
    /* Gives the stream; others' hooks must be set (redis_stream_hand_over) before it returns. */
    void (*on_open)(void *owner, struct redis_stream *stream);
    void (*on_failed)(void *owner, struct redis_loss loss);
};

/* Does nothing yet. */
struct redis_dialer *redis_dialer_open(const struct redis_dialer_opts *opts);

/* Begins a round, in place of the one before. `host` is borrowed until the next, or the end. */
void redis_dialer_start(struct redis_dialer *dialer, const struct redis_host *host);
void redis_dialer_start_path(struct redis_dialer *dialer, const char *path);

/* Tries the next address of the round, where the stream that it gave was no good. False: none is
 * left. */
bool redis_dialer_go_on(struct redis_dialer *dialer);

/* Ends the round: nothing is called until the next one. */
void redis_dialer_stop(struct redis_dialer *dialer);

/* Ends at once; nothing is called any more. NULL is allowed. */
void redis_dialer_close(struct redis_dialer *dialer);

#endif
