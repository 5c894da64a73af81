/* api_misc.c - what the service says of itself: metrics, health, the keys that it reads, the console's
 * settings, and the description of the API. */
#include <string.h>

#include "admin/api.h"
#include "admin/fleet_keys.h"
#include "common/log.h"
#include "openapi_embedded.h"

void api_metrics(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct metrics *const all[] = {api->metrics};

    metric_set(&api->metrics->log_dropped_total, log_dropped());
    strbuf_reset(&api->out, 64 * 1024);
    metrics_print(&api->out, METRICS_ADMIN, all, 1);
    fleet_keys_print_metrics(api->keys, &api->out);
    auth_print_metrics(&api->auth, &api->out);
    http_add_header(req, "cache-control", "no-store");
    http_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", api->out.data,
               api->out.len);
}

/* Lines without the last end. */
static void reply_plain(struct http_request *req, int status, const char *text)
{
    struct strbuf body = {NULL, 0, 0};

    strbuf_add_format(&body, "%s\n", text);
    http_add_header(req, "cache-control", "no-store");
    http_reply(req, status, "text/plain; charset=utf-8", body.data, body.len);
    strbuf_deinit(&body);
}

/* An answer proves that the loop turns. */
void api_healthz(void *owner, struct http_request *req)
{
    (void)owner;
    reply_plain(req, 200, "ok");
}

/* NULL: it is ready. Borrowed from `why`, which is empty, or static. */
static const char *not_ready(const struct api *api, unsigned shard, struct strbuf *why)
{
    if (!db_is_up(&api->db, shard)) {
        db_print_why(&api->db, shard, why);
        return why->data;
    }
    if (!fleet_shard_is_up(&api->fleet, shard))
        return "no connection to Redis";
    if (shard == 0 && !fleet_is_writable(&api->fleet))
        return "Redis does not take what is written";
    return NULL;
}

static void reply_one(struct http_request *req, const char *why)
{
    reply_plain(req, why ? 503 : 200, why ? why : "ready");
}

/* A line for each that is not, also where the others are enough. */
static void reply_several(struct http_request *req)
{
    struct api *api = api_of(req);
    struct strbuf body = {NULL, 0, 0}, why = {NULL, 0, 0};
    unsigned ready = 0, count = api->db.count;

    for (unsigned i = 0; i < count; i++) {
        const char *reason;

        strbuf_reset(&why, 4096);
        reason = not_ready(api, i, &why);
        if (reason)
            strbuf_add_format(&body, "%sshard %u: %s", body.len > 0 ? "\n" : "", i,
                              reason);
        else
            ready++;
    }
    reply_plain(req,
                100 * ready >= config_ready_percent(api->config, count) * count ? 200
                                                                                : 503,
                body.len > 0 ? body.data : "ready");
    strbuf_deinit(&body);
    strbuf_deinit(&why);
}

void api_readyz(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct strbuf why = {NULL, 0, 0};

    if (api->is_closing)
        reply_plain(req, 503, "stopping");
    else if (api->db.count > 1)
        reply_several(req);
    else
        reply_one(req, not_ready(api, 0, &why));
    strbuf_deinit(&why);
}

void api_keys(void *owner, struct http_request *req)
{
    struct api *api = owner;

    strbuf_reset(&api->out, 64 * 1024);
    fleet_keys_print(api->keys, &api->out);
    api_reply(req, 200, &api->out);
}

void api_openapi(void *owner, struct http_request *req)
{
    (void)owner;
    http_add_header(req, "cache-control", "no-store");
    http_reply_shared(req, 200, "application/json", admin_openapi, admin_openapi_len);
}

void api_config(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct strbuf *out = &api->out, urls = {NULL, 0, 0};
    size_t start = 0;

    console_add_ws_urls(&urls, api->config, http_host(req));
    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"ws_urls\":[");
    for (size_t i = 0; i <= urls.len; i++) {
        if (i < urls.len && urls.data[i] != ',')
            continue;
        strbuf_add_text(out, start > 0 ? "," : "");
        strbuf_add_json(out, urls.data + start, i - start);
        start = i + 1;
    }
    strbuf_add_text(out, "],\"version\":\"" ROOMCAST_VERSION "\"");
    proto_add_raw(out, "oidc", api->oidc ? "true" : "false");
    strbuf_add_char(out, '}');
    strbuf_deinit(&urls);
    api_reply(req, 200, out);
}
