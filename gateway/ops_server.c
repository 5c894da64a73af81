/* ops_server.c - see ops_server.h. Runs on the main thread; what it reads of the workers are
 * relaxed atomics. */
#include "gateway/ops_server.h"

#include <stdlib.h>

#include "common/http.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "gateway/shards.h"

enum { MAX_BODY_BYTES = 4096 }; /* nobody needs one */

struct ops_server {
    struct http_server *http;
    struct worker **workers;
    struct worker_shared *shared;
    bool is_draining;
};

static void answer(struct http_request *req, int status, const char *type,
                   struct strbuf *body)
{
    http_add_header(req, "cache-control", "no-store");
    http_reply(req, status, type, body->data, body->len);
    strbuf_deinit(body);
}

static void answer_text(struct http_request *req, int status, struct strbuf *body)
{
    answer(req, status, "text/plain; charset=utf-8", body);
}

static void get_metrics(void *owner, struct http_request *req)
{
    struct ops_server *ops = owner;
    struct strbuf body = {NULL, 0, 0};

    /* The log is the process's. This thread is the one writer of this metric and of those
     * of its HTTP server. */
    metric_set(&ops->shared->metrics[0]->log_dropped_total, log_dropped());
    metrics_print(&body, METRICS_GATEWAY, ops->shared->metrics, ops->shared->count);
    answer(req, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static void get_healthz(void *owner, struct http_request *req)
{
    struct ops_server *ops = owner;
    struct strbuf body = {NULL, 0, 0};

    for (unsigned i = 0; i < ops->shared->count; i++)
        if (!worker_has_ended(ops->workers[i]) &&
            !worker_is_alive(ops->workers[i], uv_hrtime()))
            strbuf_add_format(&body, "worker %u: its loop does not turn\n", i);
    if (body.len > 0) {
        answer_text(req, 503, &body);
        return;
    }
    strbuf_add_text(&body, "ok\n");
    answer_text(req, 200, &body);
}

/* Whether each worker turns; else adds which does not. */
static bool all_turn(const struct ops_server *ops, struct strbuf *body)
{
    for (unsigned i = 0; i < ops->shared->count; i++)
        if (!worker_is_alive(ops->workers[i], uv_hrtime()))
            strbuf_add_format(body, "worker %u: its loop does not turn\n", i);
    return body->len == 0;
}

/* Whether a shard is ready for each worker; else adds a line with the first one's reason. */
static bool is_shard_ready(const struct ops_server *ops, unsigned shard,
                           struct strbuf *body)
{
    size_t before = body->len;

    strbuf_add_format(body, "shard %u: ", shard);
    for (unsigned i = 0; i < ops->shared->count; i++)
        if (worker_why_not_ready(ops->workers[i], shard, body)) {
            strbuf_add_char(body, '\n');
            return false;
        }
    body->len = before;
    return true;
}

/* Whether enough shards are ready (SPEC-SCALE S9); adds which are not. */
static bool enough_are_ready(const struct ops_server *ops, struct strbuf *body)
{
    unsigned ready = 0, count = ops->shared->shards;

    for (unsigned i = 0; i < count; i++)
        ready += is_shard_ready(ops, i, body);
    return 100 * ready >= config_ready_percent(ops->shared->config, count) * count;
}

/* Whether somebody can prove who it is; else says so (SPEC-PUBLIC P3). */
static bool have_keys(const struct ops_server *ops, struct strbuf *body)
{
    for (unsigned i = 0; i < ops->shared->count; i++)
        if (!worker_has_keys(ops->workers[i])) {
            strbuf_add_text(body, "no_keys\n");
            return false;
        }
    return true;
}

static void get_readyz(void *owner, struct http_request *req)
{
    struct ops_server *ops = owner;
    struct strbuf body = {NULL, 0, 0}, reasons = {NULL, 0, 0};
    bool is_ready = false;

    if (ops->is_draining)
        strbuf_add_text(&body, "draining\n");
    else if (all_turn(ops, &body) && have_keys(ops, &body))
        is_ready = enough_are_ready(ops, &reasons);
    if (is_ready)
        strbuf_add_text(&body, "ready\n");
    strbuf_add(&body, reasons.data ? reasons.data : "", reasons.len);
    strbuf_deinit(&reasons);
    answer_text(req, is_ready ? 200 : 503, &body);
}

static const struct http_route routes[] = {
    {"GET", "/metrics", get_metrics, 0},
    {"GET", "/healthz", get_healthz, 0},
    {"GET", "/readyz", get_readyz, 0},
    {NULL, NULL, NULL, 0},
};

struct ops_server *ops_server_open(uv_loop_t *loop, int fd, struct worker **workers,
                                   struct worker_shared *shared)
{
    struct ops_server *ops = xcalloc(1, sizeof(*ops));
    struct http_opts opts = {
        .routes = routes,
        .owner = ops,
        .config = shared->config,
        .metrics = shared->metrics[0],
        .max_body_bytes = MAX_BODY_BYTES,
    };
    int rc;

    ops->workers = workers;
    ops->shared = shared;
    rc = http_open(&ops->http, loop, fd, &opts);
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
