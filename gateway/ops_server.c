/* ops_server.c - see ops_server.h. Runs on the main thread; what it reads of the workers are
 * relaxed atomics. */
#include "gateway/ops_server.h"

#include <stdlib.h>

#include "common/http.h"
#include "common/log.h"
#include "common/xalloc.h"

struct ops_server {
    struct http_server *http;
    struct worker **workers;
    struct worker_shared *shared;
    bool is_draining;
};

static void get_metrics(void *owner, struct http_reply *reply)
{
    struct ops_server *ops = owner;

    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(&reply->body, ops->shared->metrics, ops->shared->count);
}

static void get_healthz(void *owner, struct http_reply *reply)
{
    struct ops_server *ops = owner;

    for (unsigned i = 0; i < ops->shared->count; i++)
        if (!worker_has_ended(ops->workers[i]) &&
            !worker_is_alive(ops->workers[i], uv_hrtime())) {
            reply->status = 503;
            strbuf_add_format(&reply->body, "worker %u: its loop does not turn\n", i);
        }
    if (reply->status == 200)
        strbuf_add_text(&reply->body, "ok\n");
}

static void get_readyz(void *owner, struct http_reply *reply)
{
    struct ops_server *ops = owner;

    if (ops->is_draining) {
        reply->status = 503;
        strbuf_add_text(&reply->body, "draining\n");
        return;
    }
    for (unsigned i = 0; i < ops->shared->count; i++) {
        const char *why = worker_not_ready(ops->workers[i]);

        if (!why)
            continue;
        reply->status = 503;
        strbuf_add_format(&reply->body, "worker %u, shard 0: %s\n", i, why);
    }
    if (reply->status == 200)
        strbuf_add_text(&reply->body, "ready\n");
}

static const struct http_route routes[] = {
    {"/metrics", get_metrics},
    {"/healthz", get_healthz},
    {"/readyz", get_readyz},
    {NULL, NULL},
};

struct ops_server *ops_server_open(uv_loop_t *loop, int fd, struct worker **workers,
                                   struct worker_shared *shared)
{
    struct ops_server *ops = xcalloc(1, sizeof(*ops));
    int rc;

    ops->workers = workers;
    ops->shared = shared;
    rc = http_open(&ops->http, loop, fd, routes, ops);
    if (rc < 0) {
        log_error("ops_listen_failed", "why=\"%s\"", uv_strerror(rc));
        exit(2);
    }
    return ops;
}

void ops_server_drain(struct ops_server *ops)
{
    ops->is_draining = true;
}

void ops_server_close(struct ops_server *ops)
{
    http_close(ops->http);
}

void ops_server_free(struct ops_server *ops)
{
    free(ops);
}
