/* frame.h - one WebSocket message, encoded once and sent to many.
 *
 * Frames from server to client are not masked, so every receiver gets the same
 * bytes. A message is therefore encoded once and shared: each connection that
 * has it in its send queue holds one reference.
 */
#ifndef GATEWAY_FRAME_H
#define GATEWAY_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

struct frame;

enum frame_opcode {
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

/* Encode a message. Copies `payload`; the caller holds the only reference. */
struct frame *frame_new(enum frame_opcode opcode, const void *payload, size_t len);
struct frame *frame_new_text(const char *text, size_t len);

/* Several text messages in one, for clients that get all of them: one for each line of `text`. */
struct frame *frame_new_texts(const char *text, size_t len);

/* Bytes that go out as they are: an HTTP answer, a frame that wslay encoded. Copies. */
struct frame *frame_new_raw(const void *bytes, size_t len);

/* Take one more reference. Returns `f`, so it can be stored in the same line. */
struct frame *frame_ref(struct frame *f);

/* Give one reference back; the last one frees. NULL is allowed. */
void frame_unref(struct frame *f);

/* The bytes for the wire. Borrowed: valid while the caller holds a reference. */
uv_buf_t frame_bytes(const struct frame *f);
size_t frame_len(const struct frame *f);

/* Of one text message, not of frame_new_raw: its payload, borrowed; whether that is
 * `text`. */
const char *frame_text(const struct frame *f, size_t *len);
bool frame_is_text(const struct frame *f, const char *text, size_t len);

#endif
