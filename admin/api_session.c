/* api_session.c - `/api/session`: who the bearer of a token is; the last step of signing in, and signing
 * out.
 *
 *     api_session_begin -> sessions_take_code -> on_code -> sessions_begin -> on_begun
 *     api_session_end   -> sessions_end -> on_ended
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/events.h"
#include "admin/sessions.h"
#include "common/clock.h"
#include "common/json_read.h"
#include "common/log.h"
#include "common/xalloc.h"

enum { SECRET_MAX = 256 };

static void add_who(struct strbuf *out, const struct auth_who *who, const char *name)
{
    strbuf_add_text(out, "\"name\":");
    strbuf_add_json(out, name, strlen(name));
    proto_add_text(out, "role", role_word(who->role), strlen(role_word(who->role)));
    if (who->until_ms)
        proto_add_number(out, "expires_at", who->until_ms);
    else
        proto_add_raw(out, "expires_at", "null");
    strbuf_add_char(out, '}');
}

/* By the name that is in the audit trail. */
void api_session(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct audit_origin origin;

    audit_origin_of(&origin, req);
    strbuf_reset(&api->out, 4096);
    strbuf_add_char(&api->out, '{');
    add_who(&api->out, http_kept(req), origin.who);
    api_reply(req, 200, &api->out);
}

/* ---- signing in ---- */

struct call {
    struct http_request *req;
    struct api *api;
    struct sessions_text proof; /* the hash of the tab's secret */
    struct auth_who who;
    struct strbuf token;
};

/* What was secret does not stay in memory that others get. */
static void forget(struct strbuf *text)
{
    if (text->data)
        OPENSSL_cleanse(text->data, text->len);
    strbuf_deinit(text);
}

static void free_call(struct call *call)
{
    forget(&call->token);
    free(call);
}

static void on_begun(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct strbuf *out = &call->api->out;

    (void)reply;
    if (status < 0) {
        api_unavailable(call->req);
    } else {
        log_info("signed_in", "name=%s role=%s",
                 log_name(call->who.name, strlen(call->who.name)),
                 role_word(call->who.role));
        strbuf_reset(out, 4096);
        strbuf_add_format(out, "{\"token\":\"%s\",", call->token.data);
        add_who(out, &call->who, call->who.name);
        api_reply(call->req, 201, out);
        OPENSSL_cleanse(out->data, out->len);
    }
    free_call(call);
}

static void refuse(struct http_request *req)
{
    http_reply_error(
        req, 403, "forbidden",
        "the code is not known, is too old, was taken before, or is another "
        "tab's");
}

/* The code is taken, whatever the secret is. */
static void on_code(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct sessions_text challenge;
    enum sessions_result result =
        sessions_read_code(&call->who, &challenge, status, reply);

    if (result == SESSIONS_OK &&
        CRYPTO_memcmp(challenge.text, call->proof.text, SESSIONS_RANDOM) == 0) {
        sessions_begin(&call->api->db, &call->token, &call->who, clock_ms(), on_begun,
                       call);
        return;
    }
    if (result == SESSIONS_AWAY)
        api_unavailable(call->req);
    else
        refuse(call->req);
    free_call(call);
}

/* False: it is no such string. */
static bool read_field(const struct json_members *body, const char *name, size_t max,
                       struct strbuf *out)
{
    struct json_text token = json_read_find(body, name);

    json_read_text(out, token);
    return json_read_is_string(token) && out->len > 0 && out->len <= max;
}

static void begin(struct http_request *req, const struct strbuf *code,
                  const struct strbuf *secret)
{
    struct call *call;

    if (!sessions_is_random((struct json_text){code->data, code->len})) {
        refuse(req);
        return;
    }
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = api_of(req);
    sessions_hash(&call->proof, (struct json_text){secret->data, secret->len});
    sessions_take_code(&call->api->db, (struct json_text){code->data, code->len},
                       on_code, call);
}

void api_session_begin(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text text = http_body(req);
    struct json_members body = {NULL, 0, 0, 0};
    struct strbuf code = {NULL, 0, 0}, secret = {NULL, 0, 0};

    if (!api->oidc)
        http_reply_error(req, 404, "not_found",
                         "signing in elsewhere is not set up here");
    else if (json_scan(text.base, text.len, &body) < 0 || json_read_has_twice(&body) ||
             !read_field(&body, "code", SECRET_MAX, &code) ||
             !read_field(&body, "secret", SECRET_MAX, &secret))
        api_bad_request(req,
                        "the body is one JSON object: code, and secret of 1 to 256 "
                        "bytes");
    else
        begin(req, &code, &secret);
    json_members_deinit(&body);
    forget(&code);
    forget(&secret);
}

/* ---- signing out ---- */

static void on_ended(void *data, int status, const redisReply *reply)
{
    struct http_request *req = data;
    struct api *api = api_of(req);
    const struct auth_who *who = http_kept(req);

    (void)reply;
    if (status < 0) {
        api_unavailable(req);
        return;
    }
    log_info("signed_out", "name=%s", log_name(who->name, strlen(who->name)));
    events_end_session(api->events, who->digest);
    strbuf_reset(&api->out, 4096);
    strbuf_add_text(&api->out, "{\"ended\":true}");
    api_reply(req, 200, &api->out);
}

void api_session_end(void *owner, struct http_request *req)
{
    struct api *api = owner;
    const struct auth_who *who = http_kept(req);

    if (who->kind != AUTH_BY_SESSION)
        http_reply_error(req, 409, "conflict",
                         "this token is one of the settings, which does not end so");
    else
        sessions_end(&api->db, who->digest, on_ended, req);
}
