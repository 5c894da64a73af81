/* api.h - what all endpoints of the admin API (SPEC section 4) share: the service's state,
 * commands to Redis, what stands in a request, answers.
 *
 * An endpoint is a function `api_…(owner, req)`, owner being the struct api. It looks at the
 * request, sends commands, and answers in the callback of the last; the request itself is
 * the callbacks' data where that is all they need. http.h drops the answer if the client has
 * gone.
 */
#ifndef ADMIN_API_H
#define ADMIN_API_H

#include "admin/auth.h"
#include "admin/console.h"
#include "admin/db.h"
#include "admin/files.h"
#include "admin/fleet.h"
#include "common/config.h"
#include "common/http.h"
#include "common/metrics.h"
#include "common/proto.h"

struct events;
struct fleet_classes;
struct fleet_keys;
struct fleet_revoked;
struct oidc;

enum {
    API_LIMIT_DEFAULT = 100,
    API_LIMIT_MAX = 1000,
    API_LOOK_MAX = 10000, /* names that one request looks at */
    API_DIGITS_MAX = 19,  /* of a number within a cursor: any so long fits 64 bits */
};

struct api {
    uv_loop_t *loop;
    const struct config *config;
    struct metrics *metrics;
    struct db db;
    struct strbuf out; /* scratch for one answer */
    struct auth auth;
    struct files files;
    struct console console;
    struct fleet fleet;
    struct events *events;
    struct fleet_keys *keys;
    struct fleet_revoked *revoked;
    struct fleet_classes *classes;
    struct oidc *oidc;      /* NULL: nobody signs in elsewhere */
    uint64_t logins_second; /* and how many began in it */
    unsigned logins;
    bool is_closing;
};

struct api *api_of(const struct http_request *req);

/* ---- what was asked; each answers the request itself when it returns false ---- */

/* Whether the fleet's Redis (shard 0) can be asked, or the one of a room: else 503. Call one of them
 * before anything is sent. */
bool api_is_up(struct http_request *req);
bool api_room_is_up(struct http_request *req, struct json_text room);

/* Parameter `i` of the path as a room's or a user's name, or `room` or `user` of the query. */
bool api_take_room(struct http_request *req, unsigned i, struct json_text *room);
bool api_take_user(struct http_request *req, unsigned i, struct json_text *user);

/* A whole number of the query, from `min` to `max`; `fallback` where it is not given. */
bool api_take_number(struct http_request *req, const char *name, uint64_t min,
                     uint64_t max, uint64_t fallback, uint64_t *out);
bool api_take_limit(struct http_request *req, unsigned *out);

/* The cursor of the query as api_add_cursor was given it, a new string that the caller
 * frees; NULL if there is none. */
bool api_take_cursor(struct http_request *req, char **out);

/* The fields of the body. Where nothing is required, it may be empty. */
bool api_take_body(struct http_request *req, unsigned required, unsigned optional,
                   struct proto_request *out);

/* ---- answers ---- */

/* 503: a key of the fleet is of another type than it has to be. */
void api_odd_key(struct http_request *req, unsigned shard, enum fleet_key which,
                 const char *type);

/* 503: what is asked for cannot be read as it stands in Redis; `message` says which key. */
void api_broken(struct http_request *req, const char *message);

/* A JSON text in `out`, which is kept for the next. */
void api_reply(struct http_request *req, int status, const struct strbuf *out);
void api_bad_request(struct http_request *req, const char *message);
void api_room_not_found(struct http_request *req);
void api_unavailable(struct http_request *req);

/* The same for what is down of this shard: says what its mark says, if that is a wrong one. */
void api_shard_unavailable(struct http_request *req, unsigned shard);

/* Adds `"next":` and the cursor `text`, or null if it is NULL. Any bytes; opaque to clients. */
void api_add_next(struct strbuf *out, const char *text, size_t len);

/* `http_route.handle`s, by the file they are in. */
void api_rooms(void *owner, struct http_request *req);
void api_rooms_one(void *owner, struct http_request *req);

void api_members(void *owner, struct http_request *req);
void api_members_bans(void *owner, struct http_request *req);
void api_members_mutes(void *owner, struct http_request *req);

void api_messages(void *owner, struct http_request *req);
void api_messages_publish(void *owner, struct http_request *req);
void api_messages_delete(void *owner, struct http_request *req);

void api_moderate_ban(void *owner, struct http_request *req);
void api_moderate_unban(void *owner, struct http_request *req);
void api_moderate_mute(void *owner, struct http_request *req);
void api_moderate_unmute(void *owner, struct http_request *req);

void api_kick(void *owner, struct http_request *req);
void api_close(void *owner, struct http_request *req);

void api_users(void *owner, struct http_request *req);
void api_users_disconnect(void *owner, struct http_request *req);

void api_keys(void *owner, struct http_request *req);
void api_tokens(void *owner, struct http_request *req);

void api_users_revoke(void *owner, struct http_request *req);
void api_tokens_revoke(void *owner, struct http_request *req);
void api_revocations(void *owner, struct http_request *req);

void api_classes(void *owner, struct http_request *req);
void api_classes_replace(void *owner, struct http_request *req);
void api_classes_put(void *owner, struct http_request *req);
void api_classes_delete(void *owner, struct http_request *req);

void api_shards(void *owner, struct http_request *req);

void api_fleet_gateways(void *owner, struct http_request *req);
void api_fleet_stats(void *owner, struct http_request *req);
void api_fleet_online(void *owner, struct http_request *req);

void api_audit(void *owner, struct http_request *req);
void api_events(void *owner, struct http_request *req);
void api_session(void *owner, struct http_request *req);
void api_session_begin(void *owner, struct http_request *req);
void api_session_end(void *owner, struct http_request *req);

void api_oidc_login(void *owner, struct http_request *req);
void api_oidc_callback(void *owner, struct http_request *req);

void api_openapi(void *owner, struct http_request *req);

void api_config(void *owner, struct http_request *req);
void api_metrics(void *owner, struct http_request *req);
void api_healthz(void *owner, struct http_request *req);
void api_readyz(void *owner, struct http_request *req);

#endif
