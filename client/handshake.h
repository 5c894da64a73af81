/* handshake.h - the client's half of the opening handshake (RFC 6455 section 4.1): text
 * in, text out, no socket.
 */
#ifndef CLIENT_HANDSHAKE_H
#define CLIENT_HANDSHAKE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/strbuf.h"

enum {
    HANDSHAKE_ACCEPT = 29,    /* base64 of a SHA-1 digest, with its NUL */
    HANDSHAKE_MAX = 16 * 1024 /* the answer may be this long */
};

struct handshake {
    char accept[HANDSHAKE_ACCEPT]; /* what must be answered to our key */
    char *protocol;                /* what we offered, or NULL */
    struct strbuf head;            /* of the answer, as far as it has come */
};

/* Adds the request with a new key to `out`, and keeps what the answer must fit. */
void handshake_init(struct handshake *h, struct strbuf *out, const char *host, int port,
                    const char *path, const char *protocol);

/* Accepts a zeroed one, and may be called twice. */
void handshake_deinit(struct handshake *h);

/* Takes bytes of the answer. How many of them belong to it, once it is complete; 0: more
 * are needed; UV_EPROTO: it is too long, or not the right 101 (one Upgrade, one
 * Sec-WebSocket-Accept, nothing that was not offered). */
ssize_t handshake_take(struct handshake *h, const char *bytes, size_t len);

#endif
