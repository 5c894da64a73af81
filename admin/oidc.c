/* oidc.c - see oidc.h.
 *
 *     on_tick -> issuers_tick -> get -> on_answer -> issuers_answer -> on_configuration, on_keys
 *     oidc_redeem -> fetch_post -> on_token -> id_token_check -> on_who
 */
#include "admin/oidc.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "admin/issuers.h"
#include "common/clock.h"
#include "common/https_url.h"
#include "common/json_read.h"
#include "common/log.h"
#include "common/moments.h"
#include "common/settings.h"
#include "common/watched_file.h"
#include "common/xalloc.h"

enum { TICK_MS = 1000 };

struct oidc {
    uv_loop_t *loop;
    const struct config *config;
    struct fetch *fetch;
    struct issuers issuers; /* the one */
    uv_timer_t tick;
    struct jwks jwks; /* empty: not read yet */
    struct id_token_rules rules;
    char *login_url, *token_url; /* NULL: not known yet */
    bool wants_groups;           /* the provider has a scope for them */
    bool takes_secret_in_body;
    struct list redemptions;
    struct watched_file secret_file;
    char *secret; /* of the client; empty: none */
};

/* Somebody who has come back. */
struct redemption {
    struct list link;
    struct oidc *oidc;
    struct sessions_text nonce;
    oidc_fn on_who;
    void *data;
};

/* ---- what the provider says of itself ---- */

static bool has_text(struct json_text array, const char *text)
{
    struct json_text each;
    size_t at = 0;

    if (array.len == 0 || array.base[0] != '[')
        return false;
    while (json_read_next(array, &at, &each))
        if (json_read_is(each, text))
            return true;
    return false;
}

/* NULL: it is none that may be asked. */
static char *take_url(const struct json_members *in, const char *name)
{
    char *url = json_read_dup(json_read_find(in, name));

    if (https_url_is((struct json_text){url, strlen(url)}))
        return url;
    free(url);
    return NULL;
}

static void set_url(char **to, char *url)
{
    free(*to);
    *to = url;
}

static void take_configuration(struct oidc *oidc, const struct json_members *in)
{
    struct json_text methods =
        json_read_find(in, "token_endpoint_auth_methods_supported");

    set_url(&oidc->login_url, take_url(in, "authorization_endpoint"));
    set_url(&oidc->token_url, take_url(in, "token_endpoint"));
    oidc->wants_groups = has_text(json_read_find(in, "scopes_supported"), "groups");
    oidc->takes_secret_in_body = has_text(methods, "client_secret_post") &&
                                 !has_text(methods, "client_secret_basic");
    if (!oidc->login_url || !oidc->token_url)
        log_warn(
            "oidc_configuration",
            "why=\"it has no authorization_endpoint and token_endpoint of https\"");
}

static void on_configuration(void *owner, struct json_text text)
{
    struct json_members in = {NULL, 0, 0, 0};

    if (json_scan(text.base, text.len, &in) == 0)
        take_configuration(owner, &in);
    json_members_deinit(&in);
}

static void on_keys(void *owner, struct issuer *issuer)
{
    struct oidc *oidc = owner;
    struct jwks_issuer read = {0};

    if (!jwks_parse_set((struct json_text){issuer->keys, strlen(issuer->keys)}, &read))
        return;
    jwks_deinit(&oidc->jwks);
    oidc->jwks.issuers = xcalloc(1, sizeof(read));
    oidc->jwks.issuers[0] = read;
    oidc->jwks.issuers[0].name = xstrdup(issuer->source->name);
    oidc->jwks.count = 1;
}

static void on_answer(void *data, const struct fetch_answer *answer)
{
    struct issuer *issuer = data;
    struct oidc *oidc = issuer->in->owner;

    issuers_answer(issuer, answer, uv_now(oidc->loop), clock_ms());
}

static void get(void *owner, struct issuer *issuer, const char *url)
{
    struct oidc *oidc = owner;

    fetch_get(oidc->fetch, url, on_answer, issuer);
}

static const struct issuers_hooks hooks = {
    .get = get,
    .on_keys = on_keys,
    .on_configuration = on_configuration,
    .random = moments_below,
};

static void set_secret(struct oidc *oidc, const char *text)
{
    if (oidc->secret)
        OPENSSL_cleanse(oidc->secret, strlen(oidc->secret));
    free(oidc->secret);
    oidc->secret = xmemdup(text, strcspn(text, "\r\n"));
}

static void look_at_secret(struct oidc *oidc)
{
    struct strbuf text = {NULL, 0, 0};

    if (watched_file_take(&oidc->secret_file, &text)) {
        set_secret(oidc, text.data);
        OPENSSL_cleanse(text.data, text.len);
        log_info("secret_changed", "setting=ROOMCAST_OIDC_CLIENT_SECRET_FILE");
    }
    strbuf_deinit(&text);
}

static void on_tick(uv_timer_t *timer)
{
    struct oidc *oidc = timer->data;

    look_at_secret(oidc);
    issuers_tick(&oidc->issuers, uv_now(oidc->loop), clock_ms());
}

bool oidc_is_ready(const struct oidc *oidc)
{
    return oidc->login_url && oidc->token_url && oidc->jwks.count > 0;
}

/* ---- there ---- */

static void add_field(struct strbuf *out, const char *name, const char *value,
                      size_t len)
{
    strbuf_add_char(out, '&');
    strbuf_add_text(out, name);
    strbuf_add_char(out, '=');
    strbuf_add_percent(out, value, len);
}

static void add_text(struct strbuf *out, const char *name, const char *value)
{
    add_field(out, name, value, strlen(value));
}

void oidc_add_url(const struct oidc *oidc, struct strbuf *out,
                  const struct sessions_login *login)
{
    const struct config *config = oidc->config;
    struct sessions_text proof;

    sessions_hash(&proof, (struct json_text){login->verifier.text, SESSIONS_RANDOM});
    strbuf_add_text(out, oidc->login_url);
    strbuf_add_char(out, strchr(oidc->login_url, '?') ? '&' : '?');
    strbuf_add_text(out, "response_type=code");
    add_text(out, "client_id", config->oidc_client_id);
    add_text(out, "redirect_uri", config->oidc_redirect_url);
    add_text(out, "scope", oidc->wants_groups ? "openid email groups" : "openid email");
    add_text(out, "state", login->state.text);
    add_text(out, "nonce", login->nonce.text);
    add_text(out, "code_challenge", proof.text);
    add_text(out, "code_challenge_method", "S256");
}

/* ---- and back ---- */

/* RFC 6749, section 2.3.1: both are encoded before they are put together. */
static void add_user(const struct oidc *oidc, struct strbuf *out)
{
    const char *id = oidc->config->oidc_client_id;

    strbuf_add_percent(out, id, strlen(id));
    strbuf_add_char(out, ':');
    strbuf_add_percent(out, oidc->secret, strlen(oidc->secret));
}

static void log_refused(enum id_token_result result, const char *why)
{
    static struct log_limit lines = {.per_sec = 10};

    log_limited(LOG_WARN, &lines, "login_refused", "result=%s why=%s",
                id_token_word(result), why[0] ? why : "-");
}

/* Its keys may have changed: they are read for the next try. */
static enum id_token_result check(struct oidc *oidc,
                                  const struct redemption *redemption,
                                  struct json_text token, struct auth_who *who)
{
    const char *name = oidc->issuers.all[0].source->name, *why;
    struct json_text nonce = {redemption->nonce.text, SESSIONS_RANDOM};
    enum id_token_result result =
        id_token_check(&oidc->rules, token, nonce, clock_ms() / 1000, who, &why);

    if (result == ID_TOKEN_UNKNOWN_KID)
        issuers_want(&oidc->issuers, (struct json_text){name, strlen(name)},
                     uv_now(oidc->loop), clock_ms());
    if (result != ID_TOKEN_OK)
        log_refused(result, why);
    return result;
}

static enum id_token_result read_answer(struct oidc *oidc,
                                        const struct redemption *redemption,
                                        struct json_text body, struct auth_who *who)
{
    struct json_members in = {NULL, 0, 0, 0};
    enum id_token_result result = ID_TOKEN_NOT_GIVEN;
    struct json_text token = {"", 0};

    if (json_scan(body.base, body.len, &in) == 0)
        token = json_read_find(&in, "id_token");
    if (json_read_is_string(token)) {
        char *text = json_read_dup(token);

        result = check(oidc, redemption, (struct json_text){text, strlen(text)}, who);
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    } else {
        log_refused(result, "no_id_token");
    }
    json_members_deinit(&in);
    return result;
}

static void on_token(void *data, const struct fetch_answer *answer)
{
    struct redemption *redemption = data;
    struct auth_who who = {.role = ROLE_NONE};
    enum id_token_result result = ID_TOKEN_NOT_GIVEN;

    if (answer->result == FETCH_OK)
        result = read_answer(redemption->oidc, redemption, answer->body, &who);
    else
        log_refused(result, log_name(answer->why, strlen(answer->why)));
    list_remove(&redemption->link);
    redemption->on_who(redemption->data, result, &who);
    free(redemption);
}

void oidc_redeem(struct oidc *oidc, struct json_text code,
                 const struct sessions_login *login, oidc_fn on_who, void *data)
{
    const struct config *config = oidc->config;
    struct redemption *redemption = xcalloc(1, sizeof(*redemption));
    struct strbuf body = {NULL, 0, 0}, user = {NULL, 0, 0};
    bool has_secret = oidc->secret[0] != '\0';
    bool is_basic = has_secret && !oidc->takes_secret_in_body;

    *redemption = (struct redemption){
        .oidc = oidc, .nonce = login->nonce, .on_who = on_who, .data = data};
    list_add(&oidc->redemptions, &redemption->link);
    strbuf_add_text(&body, "grant_type=authorization_code");
    add_field(&body, "code", code.base, code.len);
    add_text(&body, "redirect_uri", config->oidc_redirect_url);
    add_text(&body, "code_verifier", login->verifier.text);
    if (!is_basic)
        add_text(&body, "client_id", config->oidc_client_id);
    if (has_secret && !is_basic)
        add_text(&body, "client_secret", oidc->secret);
    if (is_basic)
        add_user(oidc, &user);
    fetch_post(oidc->fetch, oidc->token_url, &body, is_basic ? user.data : NULL,
               on_token, redemption);
    OPENSSL_cleanse(body.data, body.len);
    strbuf_deinit(&body);
    if (user.data)
        OPENSSL_cleanse(user.data, user.len);
    strbuf_deinit(&user);
}

/* ---- beginning and end ---- */

struct oidc *oidc_open(uv_loop_t *loop, const struct config *config)
{
    struct oidc *oidc;

    if (config->oidc_issuer.count == 0)
        return NULL;
    oidc = xcalloc(1, sizeof(*oidc));
    oidc->loop = loop;
    oidc->config = config;
    oidc->rules = (struct id_token_rules){
        .jwks = &oidc->jwks,
        .client_id = config->oidc_client_id,
        .claim = config->oidc_claim,
        .values = {[ROLE_VIEWER] = config->oidc_viewer,
                   [ROLE_MODERATOR] = config->oidc_moderator,
                   [ROLE_ADMIN] = config->oidc_admin},
        .leeway_secs = (uint64_t)config->jwt_leeway_secs,
        .life_max_secs = (uint64_t)config->token_max_secs,
    };
    list_init(&oidc->redemptions);
    issuers_init(&oidc->issuers, &config->oidc_issuer,
                 1000 * (uint64_t)config->jwks_refresh_secs, &hooks, oidc,
                 uv_now(loop));
    set_secret(oidc, config->oidc_client_secret);
    watched_file_init(&oidc->secret_file, "ROOMCAST_OIDC_CLIENT_SECRET_FILE",
                      settings_file_of("ROOMCAST_OIDC_CLIENT_SECRET"));
    watched_file_skip(&oidc->secret_file);
    oidc->fetch = fetch_open(loop);
    uv_timer_init(loop, &oidc->tick);
    oidc->tick.data = oidc;
    uv_timer_start(&oidc->tick, on_tick, 0, TICK_MS);
    return oidc;
}

/* Those that wait are told before the server of their answers is gone. */
void oidc_close(struct oidc *oidc)
{
    const struct auth_who nobody = {.role = ROLE_NONE};

    if (!oidc)
        return;
    fetch_close(oidc->fetch);
    list_each(link, &oidc->redemptions) {
        struct redemption *redemption = list_entry(link, struct redemption, link);

        list_remove(link);
        redemption->on_who(redemption->data, ID_TOKEN_NOT_GIVEN, &nobody);
        free(redemption);
    }
    uv_close((uv_handle_t *)&oidc->tick, NULL);
}

void oidc_free(struct oidc *oidc)
{
    if (!oidc)
        return;
    issuers_deinit(&oidc->issuers);
    jwks_deinit(&oidc->jwks);
    watched_file_deinit(&oidc->secret_file);
    set_secret(oidc, "");
    free(oidc->secret);
    free(oidc->login_url);
    free(oidc->token_url);
    free(oidc);
}
