/* echo.h - talking to a gateway with ROOMCAST_ECHO=1, which sends text and binary messages
 * back as they came: what the tests of RFC 6455 have in common.
 *
 * A row of a table says which frames a client sends, which messages and control frames
 * must come back, and how it ends. Each row is run three times: all in one write, a write
 * a frame, and a write a byte.
 */
#ifndef TESTS_SUPPORT_FLEET_ECHO_H
#define TESTS_SUPPORT_FLEET_ECHO_H

#include <stddef.h>

#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/wire.h"

enum { ECHO_FRAMES = 14, ECHO_STAYS_OPEN = 0, ECHO_ENDS_MS = 10000 };

/* Lists end with a frame whose `bytes` are NULL. In `answers` only the opcode of `head`
 * counts, and a message may come in fragments. */
struct echo_row {
    const char *name;
    struct wire_frame send[ECHO_FRAMES];
    struct wire_frame answers[ECHO_FRAMES];
    int close; /* the status that the server must close with, or ECHO_STAYS_OPEN */
};

/* A frame of the table: flags and opcode, and a literal. */
#define ECHO_FRAME(first, literal)                                                     \
    {                                                                                  \
        .head = (first), .bytes = (literal), .len = sizeof(literal) - 1                \
    }

/* The usual ones: BEGIN and MORE go on, LAST ends a message. */
#define TEXT(literal) ECHO_FRAME(WIRE_FIN | WIRE_TEXT, literal)
#define BINARY(literal) ECHO_FRAME(WIRE_FIN | WIRE_BINARY, literal)
#define PING(literal) ECHO_FRAME(WIRE_FIN | WIRE_PING, literal)
#define PONG(literal) ECHO_FRAME(WIRE_FIN | WIRE_PONG, literal)
#define CLOSE(literal) ECHO_FRAME(WIRE_FIN | WIRE_CLOSE, literal)
#define BEGIN_TEXT(literal) ECHO_FRAME(WIRE_TEXT, literal)
#define BEGIN_BINARY(literal) ECHO_FRAME(WIRE_BINARY, literal)
#define MORE(literal) ECHO_FRAME(WIRE_CONTINUATION, literal)
#define LAST(literal) ECHO_FRAME(WIRE_FIN | WIRE_CONTINUATION, literal)

/* A fleet of one such gateway; 0, as a fixture wants it. */
int echo_start(struct fleet *fleet);

/* Runs all rows against the gateway, printing each name. */
void echo_run(int port, const struct echo_row *rows, size_t count);

/* An upgraded connection; for wire_free. */
struct wire *echo_open(int port);

/* The next message (fragments put together) or control frame is this one. */
void echo_expect(struct wire *w, int opcode, const void *bytes, size_t len);

/* The next frame is a close frame with this status, and then the stream ends with a FIN
 * and without another byte. The client has not answered the close frame by then. */
void echo_expect_close(struct wire *w, int status);

/* The connection still works: a ping is answered; then closes it in good order. */
void echo_expect_open(struct wire *w);

#endif
