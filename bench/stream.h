/* stream.h - one connection of the load generator: a non-blocking socket in an epoll set,
 * whole frames in and out. See wire.h for what it understands.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/wire.h"
#include "common/strbuf.h"

/* Embedded in the object that has the connection. */
struct stream {
    int fd;
    bool is_upgraded;
    struct strbuf in;  /* the beginning of a frame that is not all here */
    struct strbuf out; /* what the socket did not take */
};

/* Called once with NULL when the upgrade is done, then for each frame. */
typedef void (*stream_frame_fn)(void *owner, const struct wire_frame *frame);

/* Connects, adds itself to `epoll` with `owner` as the data of its events, and asks for
 * the upgrade at `path`. 0, or a negative errno: then only stream_close is allowed. */
int stream_open(struct stream *stream, int epoll, const struct sockaddr_in *address,
                const char *path, void *owner) __attribute__((warn_unused_result));
void stream_close(struct stream *stream);

/* Writes `out` and empties it; what does not fit waits for the socket. */
void stream_send(struct stream *stream, struct strbuf *out);

/* For the events of epoll. `scratch` is memory of STREAM_READ_BYTES that is free
 * meanwhile. The number of bytes read, 0 where there were none, or a negative errno:
 * EPIPE at the end, EPROTO when the bytes make no sense. */
enum { STREAM_READ_BYTES = 256 * 1024 };
ssize_t stream_on_readable(struct stream *stream, char *scratch,
                           stream_frame_fn on_frame, void *owner)
    __attribute__((warn_unused_result));
void stream_on_writable(struct stream *stream);

#endif
