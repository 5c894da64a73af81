/* redis_dialer.c - see redis_dialer.h.
 *
 *     redis_dialer_start -> on_turn -> start_resolve -> on_resolved -> on_turn
 *     on_turn, with an address left -> start_stream -> on_open, the owner's
 *        ^                                  |
 *        +----- on_failed, on_late <--------+       none left -> on_failed, the owner's
 *
 * libuv resolves the name on another thread, and cannot always be stopped: so an answer of a round
 * that is over is dropped, and the next round waits for it.
 */
#include "common/redis_dialer.h"

#include <stdlib.h>

#include "common/xalloc.h"

struct redis_dialer {
    struct redis_dialer_opts opts;
    const struct redis_host *host; /* of the round; NULL: it is a path */
    const char *path;              /* the socket that is still to be tried, or NULL */
    uv_timer_t timer;              /* of the next try, or of the deadline of this one */
    uv_getaddrinfo_t resolve;
    struct addrinfo *found, *next; /* what the name stands for; where to go next */
    struct redis_stream *stream;   /* that is being opened */
    struct redis_loss loss;        /* of the round */
    int handles; /* open or closing, and the resolve request while libuv has it */
    bool is_resolving;
    bool is_stale;    /* what is being resolved is of a round that is over */
    bool is_resolved; /* in this round */
    bool is_active;
};

static void on_turn(uv_timer_t *timer);

static void try_soon(struct redis_dialer *d)
{
    uv_timer_start(&d->timer, on_turn, 0, 0);
}

static void drop_stream(struct redis_dialer *d)
{
    redis_stream_close(d->stream);
    d->stream = NULL;
}

/* ---- one address ---- */

static void on_open(void *owner, struct redis_stream *stream)
{
    struct redis_dialer *d = owner;

    uv_timer_stop(&d->timer);
    d->stream = NULL;
    d->is_active = false;
    d->opts.on_open(d->opts.owner, stream);
}

/* This address is no good. */
static void fail(struct redis_dialer *d, struct redis_loss loss)
{
    drop_stream(d);
    d->loss = redis_loss_worse(d->loss, loss);
    try_soon(d);
}

static void on_failed(void *owner, struct redis_loss loss)
{
    fail(owner, loss);
}

static void on_late(uv_timer_t *timer)
{
    struct redis_dialer *d = timer->data;

    fail(d, redis_stream_is_shaking_hands(d->stream)
                ? redis_loss_of(REDIS_WHY_TLS_SILENT)
                : redis_loss_as("no connection within the deadline"));
}

/* Nothing comes before on_open. */
static const struct redis_stream_hooks hooks = {on_open, NULL, on_failed};

static void start_stream(struct redis_dialer *d, const struct sockaddr *address,
                         const char *path)
{
    struct redis_tls *tls = NULL;
    struct redis_loss loss;

    if (d->opts.is_tls) {
        tls = redis_tls_new(d->opts.config, d->host->host, &loss);
        if (!tls) {
            fail(d, loss);
            return;
        }
    }
    d->stream = redis_stream_open(d->opts.loop, address, path, tls, &hooks, d, &loss);
    if (d->stream)
        uv_timer_start(&d->timer, on_late, d->opts.deadline_ms, 0);
    else
        fail(d, loss);
}

/* ---- the name ---- */

static void release(struct redis_dialer *d)
{
    if (--d->handles > 0)
        return;
    uv_freeaddrinfo(d->found);
    free(d);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct redis_dialer *d = req->data;

    d->is_resolving = false;
    if (d->is_stale) {
        uv_freeaddrinfo(found);
    } else {
        uv_freeaddrinfo(d->found);
        d->found = d->next = status < 0 ? NULL : found;
        d->is_resolved = true;
        if (status < 0)
            d->loss = redis_loss_as(uv_strerror(status));
    }
    d->is_stale = false;
    if (d->is_active)
        try_soon(d);
    release(d);
}

static void start_resolve(struct redis_dialer *d)
{
    static const struct addrinfo tcp = {.ai_socktype = SOCK_STREAM};
    int rc = uv_getaddrinfo(d->opts.loop, &d->resolve, on_resolved, d->host->host,
                            d->host->port, &tcp);

    if (rc < 0) {
        d->is_resolved = true;
        fail(d, redis_loss_as(uv_strerror(rc)));
        return;
    }
    d->is_resolving = true;
    d->handles++;
}

static void on_turn(uv_timer_t *timer)
{
    struct redis_dialer *d = timer->data;
    const struct addrinfo *next = d->next;
    const char *path = d->path;

    if (d->is_resolving)
        return; /* on_resolved goes on */
    if (next) {
        d->next = next->ai_next;
        start_stream(d, next->ai_addr, NULL);
    } else if (path) {
        d->path = NULL;
        start_stream(d, NULL, path);
    } else if (d->host && !d->is_resolved) {
        start_resolve(d);
    } else {
        d->is_active = false;
        d->opts.on_failed(d->opts.owner, d->loss);
    }
}

/* ---- rounds ---- */

static void start(struct redis_dialer *d, const struct redis_host *host,
                  const char *path)
{
    redis_dialer_stop(d);
    d->host = host;
    d->path = path;
    d->loss = redis_loss_of(REDIS_WHY_NOT_KNOWN);
    d->is_resolved = false;
    d->is_active = true;
    try_soon(d);
}

void redis_dialer_start(struct redis_dialer *d, const struct redis_host *host)
{
    start(d, host, NULL);
}

void redis_dialer_start_path(struct redis_dialer *d, const char *path)
{
    start(d, NULL, path);
}

bool redis_dialer_go_on(struct redis_dialer *d)
{
    d->is_active = d->next != NULL;
    if (d->is_active)
        try_soon(d);
    return d->is_active;
}

void redis_dialer_stop(struct redis_dialer *d)
{
    drop_stream(d);
    uv_timer_stop(&d->timer);
    d->next = NULL;
    d->path = NULL;
    d->is_active = false;
    d->is_stale = d->is_resolving;
}

struct redis_dialer *redis_dialer_open(const struct redis_dialer_opts *opts)
{
    struct redis_dialer *d = xcalloc(1, sizeof(*d));

    d->opts = *opts;
    d->resolve.data = d;
    uv_timer_init(opts->loop, &d->timer);
    d->timer.data = d;
    d->handles = 1;
    return d;
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void redis_dialer_close(struct redis_dialer *d)
{
    if (!d)
        return;
    redis_dialer_stop(d);
    uv_cancel((uv_req_t *)&d->resolve); /* best effort; on_resolved still comes */
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}
