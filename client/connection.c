/* connection.c - see connection.h.
 *
 *     connection_open -> start_connect -> on_open -> on_text ...
 *                             ^              |
 *                             |              v
 *                          on_timer <- on_close -> (ended)
 *
 *     connection_close -> (close handshake) -> on_close -> on_timer_closed
 *
 * One timer serves the state: the pause while WAITING, the deadline while CONNECTING,
 * silence and `reconnect` while OPEN, the patience with a close once closing.
 */
#include "client/connection.h"

#include <stdlib.h>
#include <sys/random.h>

#include "client/ws_client.h"
#include "common/xalloc.h"

enum {
    PAUSE_LEAST_MS = 500,
    PAUSE_MOST_MS = 30000,
    SILENCE_MS = 15000,
    CLOSE_MS = 1000,
    CLOSE_UNAUTHORIZED = 4500,
    CLOSE_EXPIRED = 4501,
};

struct connection {
    struct connection_opts opts;
    struct connection_address *addresses; /* owned, with the strings */
    uv_loop_t *loop;
    struct ws_client *ws; /* NULL: none */
    enum connection_state state;
    uv_timer_t timer;
    size_t at;          /* in addresses */
    unsigned attempts;  /* in vain since the last good connection */
    uint64_t heard_ms;  /* when something came */
    uint64_t return_ms; /* when to come back; 0: not asked to */
    uint64_t retry_ms;  /* WAITING: when the next attempt begins */
    bool was_asked;     /* silent: a ping is under way */
    bool closing;
};

static void start_connect(struct connection *conn);

static void set_state(struct connection *conn, enum connection_state state,
                      const char *why)
{
    conn->state = state;
    if (!conn->closing)
        conn->opts.on_state(conn->opts.owner, state, why);
}

/* ---- an open connection ---- */

static void on_timer(uv_timer_t *timer);

/* Sets the timer of an open connection. The owner may have closed it in a callback. */
static void await_silence(struct connection *conn)
{
    uint64_t now_ms = uv_now(conn->loop);
    uint64_t at_ms = conn->heard_ms + conn->opts.silence_ms * (conn->was_asked ? 2 : 1);

    if (conn->return_ms && conn->return_ms < at_ms)
        at_ms = conn->return_ms;
    if (conn->closing)
        return;
    uv_timer_start(&conn->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void check_silence(struct connection *conn)
{
    uint64_t silent_ms = uv_now(conn->loop) - conn->heard_ms;

    if (silent_ms >= 2 * conn->opts.silence_ms) {
        ws_client_abort(conn->ws);
        return;
    }
    if (silent_ms >= conn->opts.silence_ms && !conn->was_asked)
        connection_send(conn, "{\"type\":\"ping\"}", 15);
    conn->was_asked = silent_ms >= conn->opts.silence_ms;
    await_silence(conn);
}

static void on_timer(uv_timer_t *timer)
{
    struct connection *conn = timer->data;

    if (conn->closing || conn->state == CONNECTION_CONNECTING)
        ws_client_abort(conn->ws);
    else if (conn->state == CONNECTION_WAITING)
        start_connect(conn);
    else if (conn->return_ms && uv_now(conn->loop) >= conn->return_ms)
        ws_client_close(conn->ws, 1000); /* on_close comes back at once */
    else
        check_silence(conn);
}

static void on_open(void *owner)
{
    struct connection *conn = owner;

    if (conn->closing)
        return;
    conn->heard_ms = uv_now(conn->loop);
    conn->was_asked = false;
    set_state(conn, CONNECTION_OPEN, "connected");
    await_silence(conn);
    if (!conn->closing)
        conn->opts.on_open(conn->opts.owner);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct connection *conn = owner;

    conn->heard_ms = uv_now(conn->loop);
    conn->was_asked = false;
    if (!conn->closing)
        conn->opts.on_text(conn->opts.owner, text, len);
}

/* ---- its end, and the next one ---- */

static uint64_t random_below(uint64_t n)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = uv_hrtime();
    return random % n;
}

/* Full jitter: any time up to a bound that doubles. */
static uint64_t pause_ms(const struct connection *conn)
{
    uint64_t bound = conn->opts.pause_least_ms;

    for (unsigned i = 1; i < conn->attempts && bound < conn->opts.pause_most_ms; i++)
        bound *= 2;
    if (bound > conn->opts.pause_most_ms)
        bound = conn->opts.pause_most_ms;
    return random_below(bound + 1);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct connection *conn = handle->data;

    for (size_t i = 0; i < conn->opts.count; i++) {
        free((char *)conn->addresses[i].host);
        free((char *)conn->addresses[i].path);
    }
    free(conn->addresses);
    conn->opts.on_closed(conn->opts.owner);
    free(conn);
}

/* SPEC-PUBLIC P2. */
static const char *why_ended(int code, const char *why)
{
    if (code == CLOSE_UNAUTHORIZED)
        return "a good token is needed";
    return code == CLOSE_EXPIRED ? "the token has expired" : why;
}

static void on_close(void *owner, int code, const char *why)
{
    struct connection *conn = owner;
    bool was_asked_back = conn->return_ms != 0;

    conn->ws = NULL;
    conn->return_ms = 0;
    if (conn->closing) {
        uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
        return;
    }
    uv_timer_stop(&conn->timer);
    conn->opts.on_lost(conn->opts.owner, code);
    if (conn->closing) /* by the owner, just now */
        return;
    conn->at = (conn->at + 1) % conn->opts.count;
    if (code >= 4500 && code < 5000 &&
        !(code == CLOSE_EXPIRED && conn->opts.returns_expired)) {
        set_state(conn, CONNECTION_ENDED, why_ended(code, why));
        return;
    }
    conn->attempts++;
    conn->retry_ms = was_asked_back ? 0 : pause_ms(conn);
    uv_timer_start(&conn->timer, on_timer, conn->retry_ms, 0);
    conn->retry_ms += uv_now(conn->loop);
    set_state(conn, CONNECTION_WAITING, why);
}

static void start_connect(struct connection *conn)
{
    const struct connection_address *to = &conn->addresses[conn->at];
    struct ws_client_opts opts = {.host = to->host,
                                  .port = to->port,
                                  .path = to->path,
                                  .protocol = "roomcast.v1",
                                  .owner = conn,
                                  .on_open = on_open,
                                  .on_text = on_text,
                                  .on_close = on_close};

    conn->ws = ws_client_open(conn->loop, &opts);
    uv_timer_start(&conn->timer, on_timer, conn->opts.silence_ms, 0);
    set_state(conn, CONNECTION_CONNECTING, "connecting"); /* the owner may close */
}

/* ---- what the owner calls ---- */

static uint64_t or_else(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

struct connection *connection_open(uv_loop_t *loop, const struct connection_opts *opts)
{
    struct connection *conn = xcalloc(1, sizeof(*conn));

    conn->opts = *opts;
    conn->opts.pause_least_ms = or_else(opts->pause_least_ms, PAUSE_LEAST_MS);
    conn->opts.pause_most_ms = or_else(opts->pause_most_ms, PAUSE_MOST_MS);
    conn->opts.silence_ms = or_else(opts->silence_ms, SILENCE_MS);
    conn->addresses = xcalloc(opts->count, sizeof(*conn->addresses));
    for (size_t i = 0; i < opts->count; i++) {
        const struct connection_address *from = &opts->addresses[i];

        conn->addresses[i] = (struct connection_address){
            .host = xstrdup(from->host),
            .port = from->port,
            .path = from->path ? xstrdup(from->path) : NULL};
    }
    conn->at = opts->first % opts->count;
    conn->loop = loop;
    uv_timer_init(loop, &conn->timer);
    conn->timer.data = conn;
    /* Not start_connect: our callbacks must come from the loop, never from open. */
    uv_timer_start(&conn->timer, on_timer, 0, 0);
    return conn;
}

bool connection_is_open(const struct connection *conn)
{
    return conn->ws && conn->state == CONNECTION_OPEN;
}

bool connection_send(struct connection *conn, const char *text, size_t len)
{
    if (!connection_is_open(conn))
        return false;
    ws_client_send(conn->ws, text, len);
    return true;
}

void connection_commend(struct connection *conn)
{
    conn->attempts = 0;
}

void connection_return_in(struct connection *conn, uint64_t ms)
{
    conn->return_ms = uv_now(conn->loop) + ms;
    if (connection_is_open(conn))
        await_silence(conn);
}

uint64_t connection_wait_ms(const struct connection *conn)
{
    uint64_t now_ms = uv_now(conn->loop);

    if (conn->state != CONNECTION_WAITING || conn->retry_ms <= now_ms)
        return 0;
    return conn->retry_ms - now_ms;
}

const struct connection_address *connection_address(const struct connection *conn)
{
    return &conn->addresses[conn->at];
}

void connection_cut(struct connection *conn)
{
    if (conn->ws)
        ws_client_abort(conn->ws);
}

void connection_pause(struct connection *conn)
{
    if (conn->ws)
        ws_client_pause(conn->ws);
}

void connection_resume(struct connection *conn)
{
    if (conn->ws)
        ws_client_resume(conn->ws);
}

void connection_close(struct connection *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    if (!conn->ws) {
        uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
        return;
    }
    ws_client_close(conn->ws, 1000);
    uv_timer_start(&conn->timer, on_timer, CLOSE_MS, 0);
}
