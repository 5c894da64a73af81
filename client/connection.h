/* connection.h - one WebSocket at a time to one of several addresses, for as long as it is
 * wanted. It knows nothing of rooms: its owner joins again in on_open.
 *
 *     connect -> on_open -> on_text ...           silence -> ping -> nothing -> lost
 *        ^                                        `reconnect` -> at its time -> lost
 *        |                                             |
 *     waiting (full jitter) <--------------------------+----> ended (4500 and the like)
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct connection;

struct connection_address {
    const char *host; /* a name or a numeric address */
    int port;
    const char *path; /* NULL: "/ws" */
};

enum connection_state {
    CONNECTION_WAITING, /* for the next attempt */
    CONNECTION_CONNECTING,
    CONNECTION_OPEN,
    CONNECTION_ENDED /* the server wants no such client: it does not come back */
};

struct connection_opts {
    const struct connection_address *addresses; /* tried in turn from `first`; copied */
    size_t count, first;
    /* Whether it comes back after the close code 4501: its owner has another token then. */
    bool returns_expired;
    /* Between attempts: at random up to the least, doubled with each, to the most. 0: 500 ms
     * and 30 s. */
    uint64_t pause_least_ms, pause_most_ms;
    /* A connection on which nothing comes for so long is asked, and given up after as long
     * again; also how long an attempt may take. 0: 15 s. */
    uint64_t silence_ms;
    void *owner; /* given to every callback; borrowed */

    /* All of them are set. They come from the loop, never from inside a call. */
    void (*on_open)(void *owner);
    void (*on_text)(void *owner, const char *text, size_t len);
    /* After it nothing comes from the connection that was. `code` is the one of its close. */
    void (*on_lost)(void *owner, int code);
    void (*on_state)(void *owner, enum connection_state state, const char *why);
    /* The last callback, after connection_close; the memory is freed after it. */
    void (*on_closed)(void *owner);
};

/* Starts to connect. Ends with connection_close. */
struct connection *connection_open(uv_loop_t *loop, const struct connection_opts *opts);

/* Sends one message; copies. False: not connected, it was not sent. */
bool connection_send(struct connection *conn, const char *text, size_t len);

/* The owner found this connection to be of use: a failure after it is the first one. */
void connection_commend(struct connection *conn);

/* The gateway goes away, and says when each of its clients shall come back. */
void connection_return_in(struct connection *conn, uint64_t ms);

bool connection_is_open(const struct connection *conn);

/* How long until the next attempt; 0: it is not waiting. */
uint64_t connection_wait_ms(const struct connection *conn);

/* What it is connected to, or tries next; borrowed. */
const struct connection_address *connection_address(const struct connection *conn);

/* Cuts the connection as a network would; it comes back. */
void connection_cut(struct connection *conn);

/* Stops and starts reading from the socket. */
void connection_pause(struct connection *conn);
void connection_resume(struct connection *conn);

/* Ends for good, within a second if the server does not answer. Of the callbacks only
 * on_closed follows. Idempotent. */
void connection_close(struct connection *conn);

#endif
