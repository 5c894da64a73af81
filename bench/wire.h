/* wire.h - the client's side of RFC 6455, as cheap as it can be: what the load generator
 * needs to speak, and no more. Whole text frames, masked with zeros.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/strbuf.h"

enum wire_opcode { WIRE_TEXT = 1, WIRE_CLOSE = 8, WIRE_PING = 9, WIRE_PONG = 10 };

/* `text` is borrowed: it points into the bytes given to wire_take. */
struct wire_frame {
    enum wire_opcode opcode;
    const char *text;
    size_t len;
};

/* Adds the request for an upgrade at `path`. */
void wire_add_upgrade(struct strbuf *out, const char *path);

/* Looks for the answer to it: its length, 0 when more must come, or -1: refused. */
ssize_t wire_take_upgrade(const char *bytes, size_t len);

/* Adds one frame. */
void wire_add(struct strbuf *out, enum wire_opcode opcode, const char *text,
              size_t len);

/* Takes the first frame: its whole length, 0 when more must come, or -1: not a frame
 * that a server may send unasked (masked, fragmented, extended, binary). */
ssize_t wire_take(const char *bytes, size_t len, struct wire_frame *out);

#endif
