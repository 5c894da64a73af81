/* http_upgrade.h - opening handshakes spelled by hand, and what is answered to them. */
#ifndef TESTS_SUPPORT_FLEET_HTTP_UPGRADE_H
#define TESTS_SUPPORT_FLEET_HTTP_UPGRADE_H

#include "tests/support/fleet/wire.h"

enum { HTTP_UPGRADE_ENDS_MS = 10000 };

/* The pieces of a request; the key is the sample of RFC 6455 section 1.3. USUAL and END
 * make a whole one. */
#define GET "GET /ws HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define USUAL GET HOST UPGRADE KEY VERSION
#define END "\r\n"

/* Reads a 101 that answers the sample key. `has`: a header line that it must have; NULL: no
 * subprotocol is answered. */
void http_upgrade_expect_101(struct wire *w, const char *has);

/* Reads a refusal: a whole HTTP answer of the length it says, Connection: close, and then
 * the end of the stream. `has`: a header line that it must have, or NULL. */
void http_upgrade_expect_refusal(struct wire *w, int status, const char *has);

#endif
