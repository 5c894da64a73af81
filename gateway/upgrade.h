/* upgrade.h - from an HTTP/1.1 request to a WebSocket: a strict parser for the one
 * request the gateway accepts (RFC 6455 section 4.2.1, RFC 9112).
 *
 * Pure: bytes in, verdict out, no socket. Nothing is allocated; what the request
 * names point into the caller's bytes.
 */
#ifndef GATEWAY_UPGRADE_H
#define GATEWAY_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/strbuf.h"
#include "gateway/http_text.h"

enum {
    /* A request (line and headers with the empty line) may be this long, else 431: 8 KiB
     * beside 32 KiB of cookies, which other services of the host may have set. */
    UPGRADE_MAX_BYTES = 40 * 1024,
    UPGRADE_MAX_HEADERS = 100, /* more are 431, too */
};

struct upgrade_request {
    struct http_text key;    /* Sec-WebSocket-Key, 24 characters, checked */
    struct http_text origin; /* base is NULL: none was sent */
    struct http_text host;   /* whom it is for, perhaps with a port */
    struct http_text token;  /* of `Authorization: Bearer`; base NULL: none was sent */
    /* From the value of the first X-Forwarded-For to that of the last, with the lines between them;
     * base NULL: none was sent. For forwarded.h. */
    struct http_text forwarded;
    /* `roomcast.v1` is among the offered Sec-WebSocket-Protocol values. */
    bool wants_v1;
    bool has_token_in_url; /* which is refused: URLs are logged, and shared */
};

/* Looks at the `len` bytes received so far. Returns
 *   0    more bytes are needed (never once len >= UPGRADE_MAX_BYTES),
 *   101  a valid upgrade request for /ws; *out is filled and *used is its length,
 *   400, 401, 404, 405, 426, 431  what to answer instead; the connection then closes.
 * It says what is wrong as soon as that is certain, not only at the end. */
int upgrade_parse(const char *bytes, size_t len, struct upgrade_request *out,
                  size_t *used);

/* Adds the 101 answer to `out`. */
void upgrade_print_accept(struct strbuf *out, const struct upgrade_request *req);

/* Adds the answer for another status (400, 401 with WWW-Authenticate, 403, 404, 405 with Allow, 408, 426 with
 * Sec-WebSocket-Version and Upgrade, 429 and 503 with Retry-After, 431), Connection: close and
 * a line: `text`, or where that is NULL what fits the status. */
void upgrade_print_refusal(struct strbuf *out, int status, const char *text);

#endif
