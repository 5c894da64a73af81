/* http_message.h - one HTTP/1.1 request after the other out of a stream of bytes, to the
 * letter of RFC 9112, and printed again in the plainest form.
 *
 * Where a request ends must be beyond doubt: what two programs read differently, an attacker
 * uses. So two lengths, a length beside an encoding, another encoding than `chunked`, a bare
 * LF, a chunk size with anything but hex digits, no Host or two, two Authorizations are refused with 400, and the
 * connection must be closed. What is printed has one Host, a target in origin form (`/` for `*`),
 * and a Content-Length where there was a body, which is decoded; it has no Transfer-Encoding,
 * Expect, or trailer.
 *
 * Pure: bytes in, bytes out, no socket.
 */
#ifndef COMMON_HTTP_MESSAGE_H
#define COMMON_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

enum {
    /* Request line and headers, else 431; the same of the trailers. With 32 KiB of cookies,
     * which other services of the host may have set. */
    HTTP_MESSAGE_HEAD_BYTES = 40 * 1024,
    HTTP_MESSAGE_HEADERS = 96, /* more are 431, too */
};

enum http_message_state {
    HTTP_MESSAGE_START, /* no byte of a request yet */
    HTTP_MESSAGE_HEAD,  /* in the request line or the headers */
    HTTP_MESSAGE_BODY,  /* in as many bytes as announced */
    HTTP_MESSAGE_SIZE,  /* in the line with the size of a chunk */
    HTTP_MESSAGE_CHUNK, /* in a chunk */
    HTTP_MESSAGE_BREAK, /* in the line end behind a chunk */
    HTTP_MESSAGE_TRAILER,
    HTTP_MESSAGE_WHOLE,  /* `out` is the request */
    HTTP_MESSAGE_REFUSED /* answer `status`, and close */
};

/* Zeroed but for max_body_bytes is at the start. */
struct http_message {
    size_t max_body_bytes; /* more is 413 */
    enum http_message_state state;
    int status;          /* why REFUSED: 400, 413, 417, 431 or 505 */
    const char *why;     /* a literal in plain ASCII */
    bool wants_continue; /* the client waits for 100 before it sends the body */
    struct strbuf out;

    struct strbuf line, host, body;
    size_t head_bytes;
    unsigned headers;
    uint64_t left; /* of the body or the chunk */
    bool has_host, has_authorization, has_length, is_chunked, is_absolute, is_version_0;
};

/* Takes bytes until the request is WHOLE or REFUSED; how many it has taken. Takes none
 * then: http_message_next first. */
size_t http_message_feed(struct http_message *message, const char *bytes, size_t len);

/* Back to the start, keeping little memory. */
void http_message_next(struct http_message *message);

void http_message_deinit(struct http_message *message);

#endif
