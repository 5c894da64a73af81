/* wire.h - a blocking client for raw bytes: a TCP connection, HTTP requests spelled by
 * hand, and the frames of RFC 6455, right ones and wrong ones.
 *
 * Written from the RFC, with nothing of the gateway's. Whatever takes longer than its
 * deadline fails the test or says so; nothing blocks longer, not even a write to a
 * server that wants its own bytes read first.
 *
 *     struct wire *w = wire_open(port);
 *     wire_upgrade(w, "/ws", "Sec-WebSocket-Protocol: roomcast.v1\r\n");
 *     wire_send_frame(w, &(struct wire_frame){.head = WIRE_FIN | WIRE_TEXT,
 *                                             .bytes = "hi", .len = 2});
 *     assert_true(wire_read_frame(w, &frame, WIRE_DEADLINE_MS));
 *     wire_free(w);
 */
#ifndef TESTS_SUPPORT_FLEET_WIRE_H
#define TESTS_SUPPORT_FLEET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

enum { WIRE_DEADLINE_MS = 20000 };

/* The first byte of a frame is one of each, ored. */
enum { WIRE_FIN = 0x80, WIRE_RSV1 = 0x40, WIRE_RSV2 = 0x20, WIRE_RSV3 = 0x10 };
enum {
    WIRE_CONTINUATION = 0x0,
    WIRE_TEXT = 0x1,
    WIRE_BINARY = 0x2,
    WIRE_CLOSE = 0x8,
    WIRE_PING = 0x9,
    WIRE_PONG = 0xA
};

enum wire_length { WIRE_SHORTEST, WIRE_7_BITS, WIRE_16_BITS, WIRE_64_BITS };

/* What a stream can be: open, ended by the peer's FIN, or cut by its RST. */
enum wire_state { WIRE_OPEN, WIRE_ENDED, WIRE_RESET };

struct wire_frame {
    unsigned char head;      /* the first byte: flags and opcode */
    bool unmasked;           /* what a client must never be */
    enum wire_length length; /* how the length is written */
    const void *bytes;       /* NULL: zeros */
    size_t len;
};

struct wire;

/* Connects to 127.0.0.1; fails the test if it cannot. wire_free closes with FIN (or RST,
 * where the peer's bytes were not all read) and accepts NULL. */
struct wire *wire_open(int port);
void wire_free(struct wire *w);

/* NULL where nobody listens: for waiting. */
struct wire *wire_try_open(int port);

/* From another address of this machine, as "127.0.0.2". */
struct wire *wire_open_from(int port, const char *source);

/* wire_open with a small receive buffer: a client that is to be slow. Nothing is read
 * unless a call below reads. */
struct wire *wire_open_small(int port, int receive_bytes);

/* Cuts the connection with a RST, as a crash would, and frees. */
void wire_abort(struct wire *w);

/* Says that nothing more will be sent (FIN); reading goes on. */
void wire_end(struct wire *w);

/* Sends the handshake for `path` with `headers` ("" or lines that end with CRLF) added,
 * and fails the test unless the answer is a 101 with the right Sec-WebSocket-Accept.
 * wire_get_head gives the answer. */
void wire_upgrade(struct wire *w, const char *path, const char *headers);

/* The last head that wire_read_head or wire_upgrade has read, NUL-terminated; borrowed. */
const char *wire_get_head(const struct wire *w);

/* Writes all of it (in one write where the kernel takes it) and keeps what comes in
 * meanwhile. False: the peer has closed, or WIRE_DEADLINE_MS is over. */
bool wire_send(struct wire *w, const void *bytes, size_t len);
bool wire_send_text(struct wire *w, const char *text);
bool wire_send_frame(struct wire *w, const struct wire_frame *frame);

/* Adds the bytes of the frame, masked with `mask`, to `out`: to be sent in pieces, or
 * several in one. */
void wire_print_frame(struct strbuf *out, const struct wire_frame *frame,
                      uint32_t mask);

/* Reads up to the empty line that ends an HTTP head. False: it did not come. */
bool wire_read_head(struct wire *w, long deadline_ms);

/* Reads one frame of the server; frame->bytes is borrowed until the next call, NULL where
 * it is empty. False: the deadline is over or the stream has ended (wire_wait_end tells
 * which). A frame that no server may send (masked, a length not in its shortest form)
 * fails the test. */
bool wire_read_frame(struct wire *w, struct wire_frame *frame, long deadline_ms);

/* Reads until the peer ends the stream, keeping what comes. */
enum wire_state wire_wait_end(struct wire *w, long deadline_ms);

/* What has come in and was not read by the calls above; borrowed, NUL-terminated. */
const char *wire_get_unread(const struct wire *w, size_t *len);

/* Whether nothing at all comes for `ms`, also no end. */
bool wire_is_silent(struct wire *w, long ms);

#endif
