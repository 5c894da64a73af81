/* api_revoke.c - tokens that are not accepted any more (SPEC-PUBLIC P3): `POST /api/users/{user}/revoke`,
 * `POST /api/tokens/{jti}/revoke`, `GET /api/revocations`.
 *
 *     start -> fleet_revoked_add -> on_done
 *     api_revocations -> hash_page_send
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/broken.h"
#include "admin/fleet_revoked.h"
#include "admin/hash_page.h"
#include "admin/moderation.h"
#include "common/clock.h"
#include "common/digits.h"
#include "common/intake.h"
#include "common/json_read.h"
#include "common/jwt_claims.h"
#include "common/xalloc.h"

enum { GRACE_SECS_MAX = 60 };

/* ---- revoking ---- */

struct call {
    struct http_request *req;
    struct api *api;
    struct json_text user,
        jti; /* borrowed of the request; base NULL: not of this kind */
    struct audit_origin origin;
};

static void note(const struct call *call)
{
    struct strbuf detail = {NULL, 0, 0};

    if (call->jti.base) {
        strbuf_add_text(&detail, "jti ");
        strbuf_add(&detail, call->jti.base, call->jti.len);
    }
    audit_add(call->api, &call->origin,
              &(struct audit_entry){.what = AUDIT_REVOKE,
                                    .user = call->user,
                                    .detail = {detail.data, detail.len}});
    strbuf_deinit(&detail);
}

/* Once it is written it counts: nodes that have not heard of it read it. */
static void on_done(void *data, enum fleet_revoked_result result,
                    const struct orders_told *told)
{
    struct call *call = data;
    struct strbuf *out = &call->api->out;

    if (result == FLEET_REVOKED_OK) {
        note(call);
        strbuf_reset(out, 4096);
        strbuf_add_format(out, "{\"nodes\":%zu", told->heard);
        moderation_reply(call->req, told->pending, told->pending_count);
    } else if (result == FLEET_REVOKED_FULL) {
        http_reply_error(call->req, 507, "full",
                         "there are 100,000 revocations, and none is over");
    } else {
        api_unavailable(call->req);
    }
    free(call);
}

/* The moment now, as whole seconds: a token of this second is an older one. */
static uint64_t now_up(void)
{
    return clock_ms() / 1000 + 1;
}

static bool take_number(struct json_text value, uint64_t min, uint64_t max,
                        uint64_t *out)
{
    return value.len == 0 ||
           (digits_parse(value.base, value.len, max, out) && *out >= min);
}

static bool take_body(struct http_request *req, uint64_t *issued_before,
                      uint64_t *grace_secs)
{
    struct json_text text = http_body(req);
    struct json_members body = {NULL, 0, 0, 0};
    uint64_t latest = now_up() + (uint64_t)api_of(req)->config->token_max_secs;
    bool is_good;

    *issued_before = now_up();
    *grace_secs = 0;
    if (text.len == 0)
        return true;
    is_good =
        json_scan(text.base, text.len, &body) == 0 && !json_read_has_twice(&body) &&
        take_number(json_read_find(&body, "issued_before"), 1, latest, issued_before) &&
        take_number(json_read_find(&body, "grace_secs"), 0, GRACE_SECS_MAX, grace_secs);
    json_members_deinit(&body);
    if (!is_good)
        api_bad_request(req,
                        "the body is one JSON object: issued_before (seconds since "
                        "1970) and grace_secs (0 to 60), or nothing");
    return is_good;
}

static void start(struct http_request *req, struct json_text user, struct json_text jti)
{
    struct api *api = api_of(req);
    struct strbuf name = {NULL, 0, 0};
    struct revocation is;
    uint64_t grace_secs, from;
    struct call *call;

    if (!take_body(req, &is.issued_before, &grace_secs) || !api_is_up(req))
        return;
    /* As long as the oldest such token is accepted. */
    from = is.issued_before > now_up() ? is.issued_before : now_up();
    is.until_ms = 1000 * (from + (uint64_t)api->config->token_max_secs +
                          (uint64_t)api->config->jwt_leeway_secs);
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = api;
    call->user = user;
    call->jti = jti;
    audit_origin_of(&call->origin, req);
    if (user.base)
        revocations_print_user(&name, user);
    else
        revocations_print_jti(&name, jti);
    fleet_revoked_add(api->revoked, (struct json_text){name.data, name.len}, &is,
                      grace_secs, on_done, call);
    strbuf_deinit(&name);
}

void api_users_revoke(void *owner, struct http_request *req)
{
    struct json_text user;

    (void)owner;
    if (api_take_user(req, 0, &user))
        start(req, user, (struct json_text){NULL, 0});
}

void api_tokens_revoke(void *owner, struct http_request *req)
{
    struct json_text jti = http_param(req, 0);

    (void)owner;
    if (!proto_is_plain(jti.base, jti.len, JWT_JTI_MAX))
        api_bad_request(req, "a jti has 1 to 128 bytes of UTF-8 without control "
                             "characters");
    else
        start(req, (struct json_text){NULL, 0}, jti);
}

/* ---- the list ---- */

static bool is_name(struct metrics *metrics, struct json_text name)
{
    bool is = revocations_is_name(name);

    if (!is)
        intake_refuse(metrics, INTAKE_REPLY, "revoked", name);
    return is;
}

static void failed(struct http_request *req, int status, const redisReply *reply)
{
    if (broken_is_cause(status, reply))
        api_broken(req, "the key of what is revoked is broken: it is no hash");
    else
        api_unavailable(req);
}

static bool add_entry(struct strbuf *out, struct json_text name, struct json_text value)
{
    bool is_user = name.base[0] == 'u';
    size_t skip = is_user ? strlen("user:") : strlen("jti:");
    struct revocation is;

    if (!revocation_parse(value, &is) || is.until_ms <= clock_ms())
        return false;
    strbuf_add_text(out, is_user ? "{\"user\":" : "{\"jti\":");
    strbuf_add_json(out, name.base + skip, name.len - skip);
    proto_add_number(out, "issued_before", is.issued_before);
    proto_add_number(out, "until", is.until_ms);
    strbuf_add_char(out, '}');
    return true;
}

static const struct hash_page_kind kind = {"entries", false, is_name, failed,
                                           add_entry};

void api_revocations(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct hash_page *page = hash_page_open(req, &kind);

    if (!page)
        return;
    if (!api_is_up(req)) {
        hash_page_free(page);
        return;
    }
    db_begin_script(&api->db, 0, SCRIPT_MEMBERS, 1);
    command_add_fleet_key(&api->db.cmd, 0, KEY_REVOKED);
    hash_page_send(page);
}
