/* routes.c - see routes.h.
 *
 * Paths are compared as they were sent (http_route.h), so what needs a token is told by the
 * same bytes that choose the endpoint. */
#include "admin/routes.h"

#include <string.h>

#include "admin/api.h"
#include "admin/events.h" /* where api_events is */

static const struct http_route routes[] = {
    {"GET", "/api/rooms", api_rooms},
    {"GET", "/api/rooms/{room}", api_rooms_one},
    {"GET", "/api/rooms/{room}/members", api_members},
    {"GET", "/api/rooms/{room}/messages", api_messages},
    {"POST", "/api/rooms/{room}/messages", api_messages_publish},
    {"DELETE", "/api/rooms/{room}/messages/{seq}", api_messages_delete},
    {"POST", "/api/rooms/{room}/kick/{user}", api_kick},
    {"POST", "/api/rooms/{room}/close", api_close},
    {"GET", "/api/rooms/{room}/bans", api_members_bans},
    {"GET", "/api/rooms/{room}/mutes", api_members_mutes},
    {"POST", "/api/rooms/{room}/ban/{user}", api_moderate_ban},
    {"DELETE", "/api/rooms/{room}/ban/{user}", api_moderate_unban},
    {"POST", "/api/rooms/{room}/mute/{user}", api_moderate_mute},
    {"DELETE", "/api/rooms/{room}/mute/{user}", api_moderate_unmute},
    {"GET", "/api/users/{user}", api_users},
    {"POST", "/api/users/{user}/disconnect", api_users_disconnect},
    {"GET", "/api/keys", api_keys},
    {"POST", "/api/tokens", api_tokens},
    {"GET", "/api/shards", api_shards},
    {"GET", "/api/gateways", api_fleet_gateways},
    {"GET", "/api/stats", api_fleet_stats},
    {"GET", "/api/stats/online", api_fleet_online},
    {"GET", "/api/audit", api_audit},
    {"GET", "/api/events", api_events},
    {"GET", "/api/openapi.json", api_openapi},
    {"GET", "/config.json", api_config},
    {"GET", "/metrics", api_metrics},
    {"GET", "/healthz", api_healthz},
    {"GET", "/readyz", api_readyz},
    {NULL, NULL, NULL},
};

static bool is_of_the_api(struct json_text path)
{
    return (path.len == 4 && memcmp(path.base, "/api", 4) == 0) ||
           (path.len > 4 && memcmp(path.base, "/api/", 5) == 0);
}

static bool admit(void *owner, struct http_request *req)
{
    struct api *api = owner;
    char address[HTTP_PEER_MAX];

    if (!is_of_the_api(http_path(req)))
        return true;
    http_peer(req, address);
    switch (auth_check(&api->auth, http_header(req, "authorization"), address,
                       uv_now(api->loop))) {
    case AUTH_OK:
        return true;
    case AUTH_THROTTLED:
        metric_add(&api->metrics->admin_throttled_total, 1);
        http_add_header(req, "retry-after", "6");
        http_reply_error(req, 429, "rate_limited", "too many wrong tokens");
        return false;
    case AUTH_WRONG:
        metric_add(&api->metrics->admin_auth_failures_total, 1);
        break;
    case AUTH_MISSING:
        break;
    }
    http_add_header(req, "www-authenticate", "Bearer realm=\"roomcast\"");
    http_reply_error(req, 401, "unauthorized", "a bearer token is needed");
    return false;
}

static void otherwise(void *owner, struct http_request *req)
{
    struct api *api = owner;

    if (is_of_the_api(http_path(req)))
        http_reply_error(req, 404, "not_found", "there is no such endpoint");
    else
        console_serve(&api->console, req);
}

enum http_class {
#define X(id, word) id,
    HTTP_CLASSES(X)
#undef X
};

static enum http_class class_of(int status)
{
    return (enum http_class)(HTTP_2XX + status / 100 - 2);
}

static void on_answered(void *owner, int status, uint64_t ns)
{
    struct api *api = owner;

    metric_add(&api->metrics->admin_requests_total[class_of(status)], 1);
    metric_observe_ns(&api->metrics->admin_request_seconds, ns);
}

struct http_opts routes_opts(struct api *api)
{
    return (struct http_opts){
        .routes = routes,
        .owner = api,
        .config = api->config,
        .metrics = api->metrics,
        .max_body_bytes = (size_t)api->config->max_message_bytes,
        .admit = admit,
        .otherwise = otherwise,
        .on_answered = on_answered,
    };
}
