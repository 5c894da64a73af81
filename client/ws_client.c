/* ws_client.c - see ws_client.h.
 *
 * What happens, in the order of the functions below, read upwards from open:
 *
 *     open (-> on_resolved) -> on_connected -> on_bytes (handshake) -> on_bytes (wslay) -> end
 *                                                         |                ^
 *     send -> on_turn (one write for all of a turn)    on_message          |
 *                                                         |                |
 *     close frame, ours or theirs -> CLOSING -> FIN of the server, or on_deadline
 *
 * Every end, good or bad, goes through end(): it closes the handles, and when libuv has
 * let go of them on_close is called and the memory freed. So nothing is freed below a
 * callback of the owner, and an owner that closes twice or in on_text does no harm.
 *
 * wslay knows the frames; its bytes to send are gathered in `out` and leave with one try
 * write at the end of the turn. What the kernel does not take then moves to `writing`.
 *
 * Over 400 lines because every step shares one state and ends in end().
 */
#include "client/ws_client.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <wslay/wslay.h>

#include "client/handshake.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    KEEP_BYTES = 16 * 1024, /* of an empty buffer */
    HANDSHAKE_MS = 60000,   /* to the 101 */
    ADDRESS_MS = 5000, /* for an address that does not answer, if there are others */
    CLOSING_MS = 5000, /* from the close frame to the end of the stream */
    READ_BYTES = 64 * 1024
};

enum ws_client_state {
    WS_CLIENT_CONNECTING, /* until the 101 is read */
    WS_CLIENT_OPEN,
    WS_CLIENT_CLOSING, /* a close frame was sent or came in */
    WS_CLIENT_ENDED    /* the handles are closing */
};

struct ws_client {
    struct ws_client_opts opts; /* its strings are not kept */
    enum ws_client_state state;
    const char *why; /* it ended; a literal or of libuv */
    struct handshake handshake;
    wslay_event_context_ptr frames;
    const uint8_t *in; /* what wslay has not taken of the bytes at hand */
    size_t in_len;
    struct strbuf out, writing; /* the latter is not empty while libuv has it */
    uv_tcp_t tcp;
    uv_timer_t deadline;
    uv_idle_t turn; /* idle handles keep the loop from sleeping on what is to be sent */
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    struct addrinfo *found, *next; /* what the name stands for; the next one to try */
    bool is_resolving;             /* libuv has the request */
    bool is_connecting;            /* to an address of it */
    bool is_between;               /* the tcp of an attempt in vain is closing */
    uv_write_t write;
    int handles; /* that libuv still holds */
};

/* One handle less that libuv holds, or one request. */
static void release(struct ws_client *client)
{
    if (--client->handles > 0)
        return;
    client->opts.on_close(client->opts.owner,
                          wslay_event_get_status_code_received(client->frames),
                          client->why);
    wslay_event_context_free(client->frames);
    handshake_deinit(&client->handshake);
    strbuf_deinit(&client->out);
    strbuf_deinit(&client->writing);
    uv_freeaddrinfo(client->found);
    free(client);
}

static void on_handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void end(struct ws_client *client, const char *why)
{
    if (client->state == WS_CLIENT_ENDED)
        return;
    client->state = WS_CLIENT_ENDED;
    client->why = why;
    if (client->is_resolving)
        uv_cancel((uv_req_t *)&client->resolve); /* on_resolved still comes */
    if (!client->is_between)
        uv_close((uv_handle_t *)&client->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&client->deadline, on_handle_closed);
    uv_close((uv_handle_t *)&client->turn, on_handle_closed);
}

static void fail_attempt(struct ws_client *client, int status);

static void on_deadline(uv_timer_t *timer)
{
    struct ws_client *client = timer->data;

    if (client->is_connecting && client->next)
        fail_attempt(client, UV_ETIMEDOUT);
    else
        end(client, client->state == WS_CLIENT_CONNECTING
                        ? "no answer to the handshake in time"
                        : "no end of the connection after the close frame");
}

/* The close frame is on its way, in one direction at least. */
static void start_closing(struct ws_client *client)
{
    if (client->state != WS_CLIENT_OPEN)
        return;
    client->state = WS_CLIENT_CLOSING;
    uv_timer_start(&client->deadline, on_deadline, CLOSING_MS, 0);
}

static void flush(struct ws_client *client);

static void on_written(uv_write_t *req, int status)
{
    struct ws_client *client = req->data;

    if (client->state == WS_CLIENT_ENDED)
        return;
    strbuf_reset(&client->writing, KEEP_BYTES);
    if (status < 0)
        end(client, uv_strerror(status));
    else
        flush(client);
}

/* Writes what is in `out`, unless an earlier write is still under way. */
static void flush(struct ws_client *client)
{
    uv_buf_t bytes = uv_buf_init(client->out.data, (unsigned)client->out.len);
    struct strbuf empty = client->writing;
    int n;

    if (client->writing.len > 0 || client->out.len == 0)
        return;
    n = uv_try_write((uv_stream_t *)&client->tcp, &bytes, 1);
    if (n == (int)bytes.len) {
        strbuf_reset(&client->out, KEEP_BYTES);
        return;
    }
    client->writing = client->out;
    client->out = empty;
    bytes.base += n > 0 ? n : 0;
    bytes.len -= n > 0 ? (size_t)n : 0;
    n = uv_write(&client->write, (uv_stream_t *)&client->tcp, &bytes, 1, on_written);
    if (n < 0)
        end(client, uv_strerror(n));
}

static void on_turn(uv_idle_t *turn)
{
    struct ws_client *client = turn->data;

    uv_idle_stop(turn);
    if (wslay_event_want_write(client->frames))
        wslay_event_send(client->frames);
    flush(client);
}

static void start_turn(struct ws_client *client)
{
    if (client->state != WS_CLIENT_ENDED && wslay_event_want_write(client->frames))
        uv_idle_start(&client->turn, on_turn);
}

static ssize_t on_frame_bytes(wslay_event_context_ptr frames, const uint8_t *bytes,
                              size_t len, int flags, void *data)
{
    struct ws_client *client = data;

    (void)frames;
    (void)flags;
    strbuf_add(&client->out, bytes, len);
    return (ssize_t)len;
}

static ssize_t on_want_bytes(wslay_event_context_ptr frames, uint8_t *to, size_t len,
                             int flags, void *data)
{
    struct ws_client *client = data;
    size_t n = client->in_len < len ? client->in_len : len;

    (void)flags;
    if (n == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, client->in, n);
    client->in += n;
    client->in_len -= n;
    return (ssize_t)n;
}

static int on_want_mask(wslay_event_context_ptr frames, uint8_t *to, size_t len,
                        void *data)
{
    (void)frames;
    (void)data;
    return getrandom(to, len, 0) == (ssize_t)len ? 0 : -1;
}

static void on_message(wslay_event_context_ptr frames,
                       const struct wslay_event_on_msg_recv_arg *message, void *data)
{
    struct ws_client *client = data;

    (void)frames;
    if (message->opcode == WSLAY_CONNECTION_CLOSE)
        start_closing(client);
    else if (message->opcode == WSLAY_TEXT_FRAME && client->state == WS_CLIENT_OPEN)
        client->opts.on_text(client->opts.owner, (const char *)message->msg,
                             message->msg_length);
}

static void take_frames(struct ws_client *client, const char *bytes, size_t len)
{
    client->in = (const uint8_t *)bytes;
    client->in_len = len;
    if (wslay_event_want_read(client->frames) && wslay_event_recv(client->frames) != 0)
        end(client, "the server breaks the protocol");
    client->in_len = 0;
    if (!wslay_event_want_read(client->frames))
        start_closing(client); /* also where wslay objects to what it has read */
    start_turn(client);
}

static void take_answer(struct ws_client *client, const char *bytes, size_t len)
{
    ssize_t used = handshake_take(&client->handshake, bytes, len);

    if (used < 0)
        end(client, "the server refuses the handshake");
    if (used <= 0)
        return;
    handshake_deinit(&client->handshake);
    uv_timer_stop(&client->deadline);
    client->state = WS_CLIENT_OPEN;
    client->opts.on_open(client->opts.owner);
    if (client->state != WS_CLIENT_ENDED)
        take_frames(client, bytes + used, len - (size_t)used);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static _Thread_local char scratch[READ_BYTES]; /* used up before the next read */

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(scratch, sizeof(scratch));
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ws_client *client = stream->data;

    if (n < 0)
        end(client,
            n == UV_EOF ? "the server ended the connection" : uv_strerror((int)n));
    else if (n > 0 && client->state == WS_CLIENT_CONNECTING)
        take_answer(client, buf->base, (size_t)n);
    else if (n > 0)
        take_frames(client, buf->base, (size_t)n);
}

static void try_next(struct ws_client *client);

/* The tcp of an attempt in vain is gone; the next address wants one of its own. */
static void on_tcp_closed(uv_handle_t *handle)
{
    struct ws_client *client = handle->data;

    client->is_between = false;
    if (client->state == WS_CLIENT_ENDED) {
        release(client);
        return;
    }
    uv_tcp_init(handle->loop, &client->tcp);
    client->tcp.data = client;
    try_next(client);
}

static void fail_attempt(struct ws_client *client, int status)
{
    client->is_connecting = false;
    if (!client->next) {
        end(client, uv_strerror(status));
        return;
    }
    client->is_between = true;
    uv_close((uv_handle_t *)&client->tcp, on_tcp_closed);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct ws_client *client = req->data;

    if (client->state == WS_CLIENT_ENDED || client->is_between)
        return;
    if (status < 0) {
        fail_attempt(client, status);
        return;
    }
    client->is_connecting = false;
    uv_timer_start(&client->deadline, on_deadline, HANDSHAKE_MS, 0);
    uv_tcp_nodelay(&client->tcp, 1);
    uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_bytes);
    flush(client);
}

static void try_address(struct ws_client *client, const struct sockaddr *address)
{
    int rc = uv_tcp_connect(&client->connect, &client->tcp, address, on_connected);

    client->is_connecting = true;
    if (client->next)
        uv_timer_start(&client->deadline, on_deadline, ADDRESS_MS, 0);
    if (rc < 0)
        fail_attempt(client, rc);
}

static void try_next(struct ws_client *client)
{
    const struct sockaddr *address = client->next->ai_addr;

    client->next = client->next->ai_next;
    try_address(client, address);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct ws_client *client = req->data;

    client->is_resolving = false;
    client->found = client->next = found;
    if (client->state != WS_CLIENT_ENDED) {
        if (status == 0 && found)
            try_next(client);
        else
            end(client, uv_strerror(status < 0 ? status : UV_EAI_NONAME));
    }
    release(client);
}

static void start_resolve(struct ws_client *client, const char *host, int port)
{
    static const struct addrinfo tcp = {.ai_socktype = SOCK_STREAM};
    char service[16];
    int rc;

    snprintf(service, sizeof(service), "%d", port);
    rc = uv_getaddrinfo(client->tcp.loop, &client->resolve, on_resolved, host, service,
                        &tcp);
    if (rc < 0) {
        end(client, uv_strerror(rc));
        return;
    }
    client->is_resolving = true;
    client->handles++;
}

static void start_connect(struct ws_client *client, const char *host, int port)
{
    struct sockaddr_storage address;
    struct sockaddr *any = (struct sockaddr *)&address;
    int rc = uv_ip4_addr(host, port, (struct sockaddr_in *)any);

    if (rc < 0)
        rc = uv_ip6_addr(host, port, (struct sockaddr_in6 *)any);
    if (rc < 0)
        start_resolve(client, host, port);
    else
        try_address(client, any);
}

struct ws_client *ws_client_open(uv_loop_t *loop, const struct ws_client_opts *opts)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_want_bytes,
        .send_callback = on_frame_bytes,
        .genmask_callback = on_want_mask,
        .on_msg_recv_callback = on_message,
    };
    struct ws_client *client = xcalloc(1, sizeof(*client));

    client->opts = *opts;
    if (wslay_event_context_client_init(&client->frames, &callbacks, client) != 0)
        abort(); /* out of memory */
    handshake_init(&client->handshake, &client->out, opts->host, opts->port,
                   opts->path ? opts->path : "/ws", opts->protocol);
    uv_tcp_init(loop, &client->tcp);
    uv_timer_init(loop, &client->deadline);
    uv_idle_init(loop, &client->turn);
    client->handles = 3;
    client->tcp.data = client->deadline.data = client->turn.data = client;
    client->connect.data = client->write.data = client->resolve.data = client;
    uv_timer_start(&client->deadline, on_deadline, HANDSHAKE_MS, 0);
    start_connect(client, opts->host, opts->port);
    return client;
}

void ws_client_send(struct ws_client *client, const char *text, size_t len)
{
    struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)text, len};

    if (client->state != WS_CLIENT_OPEN)
        return;
    wslay_event_queue_msg(client->frames, &message);
    start_turn(client);
}

void ws_client_close(struct ws_client *client, int code)
{
    if (client->state == WS_CLIENT_CONNECTING)
        end(client, "closed before the handshake was done");
    if (client->state != WS_CLIENT_OPEN)
        return;
    wslay_event_queue_close(client->frames, (uint16_t)code, NULL, 0);
    start_closing(client);
    start_turn(client);
    ws_client_resume(client);
}

void ws_client_abort(struct ws_client *client)
{
    end(client, "cut");
}

void ws_client_pause(struct ws_client *client)
{
    uv_read_stop((uv_stream_t *)&client->tcp);
}

void ws_client_resume(struct ws_client *client)
{
    if (client->state == WS_CLIENT_OPEN || client->state == WS_CLIENT_CLOSING)
        uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_bytes);
}
