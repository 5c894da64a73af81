/* redis_stream.h - one connection that moves bytes: TCP or a unix socket, plain or TLS.
 *
 *     redis_stream_open -> on_open -> on_bytes ...
 *                       -> on_failed, at any time: then nothing more comes
 *
 * With TLS, on_open comes after the handshake; what is written and what comes are the plain bytes.
 * There is no deadline here: who opens it closes it when it has waited long enough.
 */
#ifndef COMMON_REDIS_STREAM_H
#define COMMON_REDIS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "common/redis_loss.h"
#include "common/redis_tls.h"
#include "common/strbuf.h"

struct redis_stream;

/* Called from the loop, never from inside open. All may close the stream. */
struct redis_stream_hooks {
    void (*on_open)(void *owner, struct redis_stream *stream);
    void (*on_bytes)(void *owner, const char *bytes, size_t len);
    /* Also from inside write. */
    void (*on_failed)(void *owner, struct redis_loss loss);
};

/* Where to: `address`, or the socket at `path` where that is NULL. Takes `tls`; NULL: plain. The
 * hooks and the owner are borrowed for life. NULL: *loss tells why not. */
struct redis_stream *redis_stream_open(uv_loop_t *loop, const struct sockaddr *address,
                                       const char *path, struct redis_tls *tls,
                                       const struct redis_stream_hooks *hooks,
                                       void *owner, struct redis_loss *loss);

/* Once it is open: others are called from now on. */
void redis_stream_hand_over(struct redis_stream *stream,
                            const struct redis_stream_hooks *hooks, void *owner);

/* Ends it at once; nothing is called any more. NULL is allowed. */
void redis_stream_close(struct redis_stream *stream);

/* Whether what was written before is still under way: then it must not be written to. */
bool redis_stream_is_writing(const struct redis_stream *stream);

/* Writes all of `bytes`, takes them and leaves other memory, empty, in their place. */
void redis_stream_write(struct redis_stream *stream, struct strbuf *bytes);

/* Whether it is connected and waits for the server's part of the handshake. */
bool redis_stream_is_shaking_hands(const struct redis_stream *stream);

#endif
