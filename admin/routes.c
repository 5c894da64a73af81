/* routes.c - see routes.h.
 *
 *     admit -> auth_check -> decide
 *           -> sessions_find -> on_session -> auth_answer -> decide -> http_go_on
 *
 * Paths are compared as they were sent (http_route.h), so what needs a token is told by the
 * same bytes that choose the endpoint. */
#include "admin/routes.h"

#include <string.h>

#include "admin/api.h"
#include "admin/events.h" /* where api_events is */
#include "admin/sessions.h"
#include "common/clock.h"
#include "common/xalloc.h"

static const struct http_route routes[] = {
    {"GET", "/api/rooms", api_rooms, ROLE_VIEWER},
    {"GET", "/api/rooms/{room}", api_rooms_one, ROLE_VIEWER},
    {"GET", "/api/rooms/{room}/members", api_members, ROLE_VIEWER},
    {"GET", "/api/rooms/{room}/messages", api_messages, ROLE_VIEWER},
    {"POST", "/api/rooms/{room}/messages", api_messages_publish, ROLE_MODERATOR},
    {"DELETE", "/api/rooms/{room}/messages/{seq}", api_messages_delete, ROLE_MODERATOR},
    {"POST", "/api/rooms/{room}/kick/{user}", api_kick, ROLE_MODERATOR},
    {"POST", "/api/rooms/{room}/close", api_close, ROLE_ADMIN},
    {"GET", "/api/rooms/{room}/bans", api_members_bans, ROLE_VIEWER},
    {"GET", "/api/rooms/{room}/mutes", api_members_mutes, ROLE_VIEWER},
    {"POST", "/api/rooms/{room}/ban/{user}", api_moderate_ban, ROLE_MODERATOR},
    {"DELETE", "/api/rooms/{room}/ban/{user}", api_moderate_unban, ROLE_MODERATOR},
    {"POST", "/api/rooms/{room}/mute/{user}", api_moderate_mute, ROLE_MODERATOR},
    {"DELETE", "/api/rooms/{room}/mute/{user}", api_moderate_unmute, ROLE_MODERATOR},
    {"GET", "/api/users/{user}", api_users, ROLE_VIEWER},
    {"POST", "/api/users/{user}/disconnect", api_users_disconnect, ROLE_MODERATOR},
    {"POST", "/api/users/{user}/revoke", api_users_revoke, ROLE_MODERATOR},
    {"GET", "/api/keys", api_keys, ROLE_VIEWER},
    {"POST", "/api/tokens", api_tokens, ROLE_ADMIN},
    {"POST", "/api/tokens/{jti}/revoke", api_tokens_revoke, ROLE_MODERATOR},
    {"GET", "/api/revocations", api_revocations, ROLE_VIEWER},
    {"GET", "/api/classes", api_classes, ROLE_VIEWER},
    {"PUT", "/api/classes", api_classes_replace, ROLE_ADMIN},
    {"PUT", "/api/classes/{prefix}", api_classes_put, ROLE_ADMIN},
    {"DELETE", "/api/classes/{prefix}", api_classes_delete, ROLE_ADMIN},
    {"GET", "/api/shards", api_shards, ROLE_VIEWER},
    {"GET", "/api/gateways", api_fleet_gateways, ROLE_VIEWER},
    {"GET", "/api/stats", api_fleet_stats, ROLE_VIEWER},
    {"GET", "/api/stats/online", api_fleet_online, ROLE_VIEWER},
    {"GET", "/api/audit", api_audit, ROLE_VIEWER},
    {"GET", "/api/events", api_events, ROLE_VIEWER},
    {"GET", "/api/session", api_session, ROLE_VIEWER},
    {"POST", "/api/session", api_session_begin, ROLE_NONE},
    {"DELETE", "/api/session", api_session_end, ROLE_VIEWER},
    {"GET", "/oidc/login", api_oidc_login, ROLE_NONE},
    {"GET", "/oidc/callback", api_oidc_callback, ROLE_NONE},
    {"GET", "/api/openapi.json", api_openapi, ROLE_VIEWER},
    {"GET", "/config.json", api_config, ROLE_NONE},
    {"GET", "/metrics", api_metrics, ROLE_NONE},
    {"GET", "/healthz", api_healthz, ROLE_NONE},
    {"GET", "/readyz", api_readyz, ROLE_NONE},
    {NULL, NULL, NULL, ROLE_NONE},
};

static bool is_of_the_api(struct json_text path)
{
    return (path.len == 4 && memcmp(path.base, "/api", 4) == 0) ||
           (path.len > 4 && memcmp(path.base, "/api/", 5) == 0);
}

static enum role need_of(const struct http_request *req, const struct http_route *route)
{
    if (route)
        return (enum role)route->need;
    return is_of_the_api(http_path(req)) ? ROLE_VIEWER : ROLE_NONE;
}

static void refuse(struct http_request *req, enum auth_result result)
{
    if (result == AUTH_FORBIDDEN) {
        http_reply_error(req, 403, "forbidden", "the role of this token is too little");
    } else if (result == AUTH_THROTTLED) {
        http_add_header(req, "retry-after", "6");
        http_reply_error(req, 429, "rate_limited", "too many wrong tokens");
    } else {
        http_add_header(req, "www-authenticate", "Bearer realm=\"roomcast\"");
        http_reply_error(req, 401, "unauthorized",
                         result == AUTH_EXPIRED ? "the token has expired"
                                                : "a bearer token is needed");
    }
}

/* Kept with the request; who it is comes first, for the endpoints. */
struct asker {
    struct auth_who who;
    enum role need;
    char address[HTTP_PEER_MAX];
};

static struct asker *new_asker(struct http_request *req, enum role need)
{
    struct asker *asker = xcalloc(1, sizeof(*asker));

    asker->need = need;
    http_peer(req, asker->address);
    http_keep(req, asker);
    return asker;
}

static struct auth_request request_of(const struct api *api, const struct asker *asker)
{
    return (struct auth_request){
        .address = asker->address,
        .now_ms = uv_now(api->loop),
        .wall_ms = clock_ms(),
    };
}

/* False: it has answered. */
static bool decide(struct http_request *req, enum auth_result result)
{
    const struct asker *asker = http_kept(req);

    if (result == AUTH_OK)
        result = auth_permit(&api_of(req)->auth, &asker->who, asker->need);
    if (result != AUTH_OK)
        refuse(req, result);
    return result == AUTH_OK;
}

static void on_session(void *data, int status, const redisReply *reply)
{
    struct http_request *req = data;
    struct api *api = api_of(req);
    struct asker *asker = http_kept(req);
    struct auth_request request = request_of(api, asker);
    enum sessions_result found = sessions_read(&asker->who, status, reply);

    if (found == SESSIONS_AWAY)
        api_unavailable(req);
    else if (decide(req, auth_answer(&api->auth, &request, &asker->who,
                                     found == SESSIONS_NONE)))
        http_go_on(req);
}

static bool admit(void *owner, struct http_request *req, const struct http_route *route)
{
    struct api *api = owner;
    enum role need = need_of(req, route);
    struct asker *asker;
    struct auth_request request;
    enum auth_result result;

    if (need == ROLE_NONE)
        return true;
    asker = new_asker(req, need);
    request = request_of(api, asker);
    request.header = http_header(req, "authorization");
    result = auth_check(&api->auth, &request, &asker->who);
    if (result != AUTH_ASK)
        return decide(req, result);
    sessions_find(&api->db, asker->who.digest, on_session, req);
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
