/* api_oidc.c - the way of a browser to the provider and back.
 *
 *     api_oidc_login -> sessions_put_login -> on_login_put -> 302, to the provider
 *     api_oidc_callback -> sessions_take_login -> on_login_taken -> oidc_redeem -> on_who
 *         -> sessions_put_code -> on_code_put -> 302, to the console: /#login=<code>
 *     end_call counts what came of it.
 *
 * Somebody without a token can begin, so that is bounded: LOGINS_PER_SEC. The state is taken once,
 * whatever comes of it. People see these answers, so refusals are a line of text.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/oidc.h"
#include "common/log.h"
#include "common/xalloc.h"

enum { LOGINS_PER_SEC = 20, PROVIDER_CODE_MAX = 4096, SAID_MAX = 200 };

struct call {
    struct api *api;
    struct http_request *req;
    struct sessions_login login;
    struct strbuf code;   /* the provider's; empty: none came */
    struct strbuf denial; /* what it said instead of one; empty: nothing */
    struct sessions_text own_code;
};

static struct call *new_call(struct api *api, struct http_request *req)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->api = api;
    call->req = req;
    return call;
}

static void free_call(struct call *call)
{
    strbuf_deinit(&call->code);
    strbuf_deinit(&call->denial);
    free(call);
}

static void count(const struct api *api, enum id_token_result result)
{
    metric_add(&api->metrics->oidc_logins_total[result], 1);
}

static void end_call(struct call *call, enum id_token_result result)
{
    count(call->api, result);
    free_call(call);
}

static void reply_line(struct http_request *req, int status, const char *line)
{
    http_add_header(req, "cache-control", "no-store");
    http_add_header(req, "referrer-policy", "no-referrer");
    http_reply(req, status, "text/plain; charset=utf-8", line, strlen(line));
}

static void redirect(struct http_request *req, const char *url)
{
    http_add_header(req, "location", url);
    reply_line(req, 302, "");
}

static void reply_off(struct http_request *req)
{
    http_reply_error(req, 404, "not_found", "signing in elsewhere is not set up here");
}

/* ---- there ---- */

static bool may_begin(struct api *api)
{
    uint64_t second = uv_now(api->loop) / 1000;

    if (second != api->logins_second) {
        api->logins_second = second;
        api->logins = 0;
    }
    return ++api->logins <= LOGINS_PER_SEC;
}

static void on_login_put(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct strbuf url = {NULL, 0, 0};

    (void)reply;
    if (status < 0) {
        api_unavailable(call->req);
    } else {
        oidc_add_url(call->api->oidc, &url, &call->login);
        redirect(call->req, url.data);
    }
    strbuf_deinit(&url);
    free_call(call);
}

static void begin(struct api *api, struct http_request *req, struct json_text challenge)
{
    struct call *call = new_call(api, req);

    memcpy(call->login.challenge.text, challenge.base, SESSIONS_RANDOM);
    sessions_fill(&call->login.state);
    sessions_fill(&call->login.nonce);
    sessions_fill(&call->login.verifier);
    sessions_put_login(&api->db, &call->login, on_login_put, call);
}

void api_oidc_login(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text challenge;

    if (!api->oidc) {
        reply_off(req);
    } else if (http_query(req, "challenge", &challenge) < 0 || !challenge.base ||
               !sessions_is_random(challenge)) {
        api_bad_request(req,
                        "challenge must be the SHA-256 of the secret of the tab, in "
                        "base64url");
    } else if (!may_begin(api)) {
        http_add_header(req, "retry-after", "1");
        http_reply_error(req, 429, "rate_limited", "too many begin to sign in");
    } else if (!oidc_is_ready(api->oidc)) {
        http_add_header(req, "retry-after", "5");
        http_reply_error(req, 503, "unavailable",
                         "the provider has not said yet how to sign in");
    } else if (api_is_up(req)) {
        begin(api, req, challenge);
    }
}

/* ---- and back ---- */

#define NOT_SIGNED_IN "You are not signed in: "

static const char away[] = NOT_SIGNED_IN "Redis cannot be reached. Try again.\n";
static const char odd[] = NOT_SIGNED_IN
    "this way back is not known, is too old, or was taken before. Begin again.\n";

/* Errors of RFC 6749, section 4.1.2.1, and of OpenID Connect, in words for people. */
static const struct {
    const char *error, *words;
} denials[] = {
    {"access_denied", "it was refused, by you or by the provider."},
    {"consent_required", "the provider needs your consent."},
    {"interaction_required", "the provider has to ask you something."},
    {"login_required", "you are not signed in at the provider."},
    {"server_error", "the provider has failed. Try again later."},
    {"temporarily_unavailable", "the provider is busy. Try again later."},
    {"", "the provider refuses what this service asks for."},
};

static const char *find_words(struct json_text error)
{
    size_t i = 0;

    while (denials[i].error[0] && !json_text_is(error, denials[i].error))
        i++;
    return denials[i].words;
}

/* What may be in such texts; anything else is shown as `?`. */
static void add_said(struct strbuf *out, struct json_text said)
{
    for (size_t i = 0; i < said.len && i < SAID_MAX; i++) {
        char c = said.base[i];

        strbuf_add_char(out, c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
    }
    strbuf_add_text(out, said.len > SAID_MAX ? "..." : "");
}

static void print_denial(struct strbuf *out, struct json_text error,
                         struct json_text description)
{
    strbuf_add_text(out, find_words(error));
    strbuf_add_text(out, " The provider says: ");
    add_said(out, error);
    strbuf_add_text(out, description.len > 0 ? ", " : "");
    add_said(out, description);
}

static void deny(const struct call *call)
{
    static struct log_limit lines = {.per_sec = 10};
    struct strbuf line = {NULL, 0, 0};

    log_limited(LOG_WARN, &lines, "login_refused", "result=denied why=\"%s\"",
                call->denial.data);
    strbuf_add_format(&line, NOT_SIGNED_IN "%s\n", call->denial.data);
    reply_line(call->req, 403, line.data);
    strbuf_deinit(&line);
}

static void refuse(struct http_request *req, enum id_token_result result)
{
    switch (result) {
    case ID_TOKEN_UNKNOWN_KID:
        http_add_header(req, "retry-after", "2");
        reply_line(req, 503,
                   NOT_SIGNED_IN "the keys of the provider are being read. Begin "
                                 "again.\n");
        break;
    case ID_TOKEN_NO_ROLE:
        reply_line(req, 403, NOT_SIGNED_IN "this account has no role here.\n");
        break;
    default:
        reply_line(req, 403,
                   NOT_SIGNED_IN
                   "what the provider says cannot be believed. The log of "
                   "the service says why.\n");
    }
}

static void on_code_put(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    char url[sizeof("/#login=") + SESSIONS_RANDOM];

    (void)reply;
    snprintf(url, sizeof(url), "/#login=%s", call->own_code.text);
    if (status < 0)
        reply_line(call->req, 503, away);
    else
        redirect(call->req, url);
    end_call(call, status < 0 ? ID_TOKEN_AWAY : ID_TOKEN_OK);
}

static void on_who(void *data, enum id_token_result result, const struct auth_who *who)
{
    struct call *call = data;

    if (result == ID_TOKEN_OK) {
        sessions_put_code(&call->api->db, &call->own_code, who, &call->login.challenge,
                          on_code_put, call);
        return;
    }
    refuse(call->req, result);
    end_call(call, result);
}

/* Without a code: why. */
static enum id_token_result turn_away(const struct call *call,
                                      enum sessions_result result)
{
    if (result == SESSIONS_AWAY) {
        reply_line(call->req, 503, away);
        return ID_TOKEN_AWAY;
    }
    if (result == SESSIONS_NONE) {
        reply_line(call->req, 403, odd);
        return ID_TOKEN_NO_LOGIN;
    }
    if (call->denial.len > 0) {
        deny(call);
        return ID_TOKEN_DENIED;
    }
    refuse(call->req, ID_TOKEN_NOT_GIVEN);
    return ID_TOKEN_NOT_GIVEN;
}

static void on_login_taken(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct oidc *oidc = call->api->oidc;
    enum sessions_result result = sessions_read_login(&call->login, status, reply);

    if (result == SESSIONS_OK && call->code.len > 0 && !call->api->is_closing &&
        oidc_is_ready(oidc))
        oidc_redeem(oidc, (struct json_text){call->code.data, call->code.len},
                    &call->login, on_who, call);
    else
        end_call(call, turn_away(call, result));
}

/* What the provider says; false: it is malformed. A code counts only where it names no error. */
static bool take_answer(struct call *call)
{
    struct json_text code, error, description;

    if (http_query(call->req, "code", &code) < 0 ||
        http_query(call->req, "error", &error) < 0 ||
        http_query(call->req, "error_description", &description) < 0 ||
        code.len > PROVIDER_CODE_MAX)
        return false;
    if (error.len > 0)
        print_denial(&call->denial, error, description);
    else if (code.len > 0)
        strbuf_add(&call->code, code.base, code.len);
    return true;
}

void api_oidc_callback(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text state;
    struct call *call;

    if (!api->oidc) {
        reply_off(req);
        return;
    }
    call = new_call(api, req);
    if (http_query(req, "state", &state) < 0 || !state.base ||
        !sessions_is_random(state) || !take_answer(call)) {
        end_call(call, turn_away(call, SESSIONS_NONE));
        return;
    }
    memcpy(call->login.state.text, state.base, SESSIONS_RANDOM);
    sessions_take_login(&api->db, &call->login.state, on_login_taken, call);
}
