/* ws_client.h - a small WebSocket client on libuv, for tests and the terminal
 * client. Shares no code with the gateway's side of the protocol.
 *
 * One struct ws_client is one connection: it is opened, talks, and closes once. All
 * callbacks come from the loop, never from inside a call.
 */
#ifndef CLIENT_WS_CLIENT_H
#define CLIENT_WS_CLIENT_H

#include <stddef.h>
#include <uv.h>

struct ws_client;

struct ws_client_opts {
    const char *host; /* a numeric address, or a name that is resolved; copied */
    int port;
    const char *path;     /* copied; NULL: "/ws" */
    const char *protocol; /* offered subprotocol, NULL: none; copied */
    void *owner;          /* given to every callback; borrowed */

    void (*on_open)(void *owner);
    /* One whole text message; borrowed, not NUL-terminated. */
    void (*on_text)(void *owner, const char *text, size_t len);
    /* The last callback. `code` is the close code the peer sent, 1006 where there was
     * none; `why` says it in words. The memory is freed after it. */
    void (*on_close)(void *owner, int code, const char *why);
};

/* Starts to connect. The client frees itself after on_close. */
struct ws_client *ws_client_open(uv_loop_t *loop, const struct ws_client_opts *opts);

/* Queues one text message; copies it. Ignored unless open. */
void ws_client_send(struct ws_client *client, const char *text, size_t len);

/* Sends a close frame and ends; on_close follows. Idempotent. */
void ws_client_close(struct ws_client *client, int code);

/* Cuts the TCP connection without a close frame, as a crash would; on_close follows. */
void ws_client_abort(struct ws_client *client);

/* Stops and starts reading from the socket: a slow client. */
void ws_client_pause(struct ws_client *client);
void ws_client_resume(struct ws_client *client);

#endif
