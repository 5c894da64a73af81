/* access.c - see access.h. */
#include "gateway/access.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/clock.h"
#include "common/digits.h"
#include "common/log.h"
#include "common/moments.h"
#include "common/settings.h"

enum {
    GUEST_BYTES = 6,
    ASK_AGAIN_MS = 30000,
    LATELY_MS = 30000,
    LOOK_TICKS = 2000 / LIFETIME_TICK_MS, /* the file of the secrets is looked at */
};

static uint64_t now_s(void)
{
    return clock_ms() / 1000;
}

static void note_keys(struct access *access)
{
    bool has_keys = access->secrets.count > 0;

    for (size_t i = 0; i < access->jwks.count; i++)
        has_keys |= access->jwks.issuers[i].count > 0;
    atomic_store(&access->has_keys, has_keys && access->rules.jwks);
}

/* The secrets are read again if their file has changed; what is no good leaves the old ones. */
static void look_at_secrets(struct access *access)
{
    struct strbuf text = {NULL, 0, 0};
    unsigned line;

    if (watched_file_take(&access->secrets_file, &text)) {
        line = jwt_secrets_parse(&access->secrets, text.data);
        if (line > 0) {
            log_error("secrets_refused", "setting=ROOMCAST_JWT_SECRET_FILE line=%u",
                      line);
            metric_add(&access->metrics->config_errors_total, 1);
        } else {
            log_info("secrets_changed", "count=%zu", access->secrets.count);
            note_keys(access);
            access->hooks.on_keys_changed(access->hooks.owner);
        }
        OPENSSL_cleanse(text.data, text.len);
    }
    strbuf_deinit(&text);
}

static void on_tick(uv_timer_t *timer)
{
    struct access *access = timer->data;

    lifetimes_tick(&access->lifetimes, clock_ms());
    if (++access->ticks % LOOK_TICKS == 0)
        look_at_secrets(access);
}

void access_open(struct access *access, uv_loop_t *loop, const struct config *config,
                 struct metrics *metrics, const struct access_hooks *hooks)
{
    *access = (struct access){.config = config, .metrics = metrics, .hooks = *hooks};
    access->is_on = strcmp(config->auth, "jwt") == 0;
    access->rules = (struct jwt_rules){
        .secrets = &access->secrets,
        .audience = config->jwt_audience,
        .user_claim = config->jwt_user_claim,
        .rooms_claim = config->jwt_rooms_claim,
        .leeway_secs = (uint64_t)config->jwt_leeway_secs,
        .life_max_secs = (uint64_t)config->token_max_secs,
        .grants = &access->grants,
    };
    access->lifetimes = (struct lifetimes){
        .warn_ms = 1000 * (uint64_t)config->auth_warn_secs,
        .leeway_ms = 1000 * (uint64_t)config->jwt_leeway_secs,
        .random = moments_below,
        .on_warn = hooks->on_warn,
        .on_end = hooks->on_end,
        .data = hooks->owner,
    };
    lifetimes_init(&access->lifetimes, clock_ms());
    uv_timer_init(loop, &access->tick);
    access->tick.data = access;
    if (!access->is_on)
        return;
    /* config has checked it */
    (void)jwt_secrets_parse(&access->secrets, config->jwt_secret);
    note_keys(access);
    watched_file_init(&access->secrets_file, "ROOMCAST_JWT_SECRET_FILE",
                      settings_file_of("ROOMCAST_JWT_SECRET"));
    watched_file_skip(&access->secrets_file);
    uv_timer_start(&access->tick, on_tick, LIFETIME_TICK_MS, LIFETIME_TICK_MS);
}

void access_close(struct access *access)
{
    uv_close((uv_handle_t *)&access->tick, NULL);
}

void access_deinit(struct access *access)
{
    jwt_claims_deinit(&access->claims);
    jwt_secrets_deinit(&access->secrets);
    jwks_deinit(&access->jwks);
    watched_file_deinit(&access->secrets_file);
    grants_table_deinit(&access->grants);
}

bool access_is_ready(const struct access *access)
{
    return !access->is_on || atomic_load(&((struct access *)access)->has_keys);
}

/* When an issuer was asked and read stays so. */
static void keep_times(struct jwks *next, const struct jwks *now)
{
    for (size_t i = 0; i < next->count; i++) {
        struct jwks_issuer *issuer = &next->issuers[i];
        const struct jwks_issuer *same =
            jwks_find(now, (struct json_text){issuer->name, strlen(issuer->name)});

        issuer->asked_ms = same ? same->asked_ms : 0;
        issuer->read_ms = same ? same->read_ms : 0;
    }
}

bool access_set_keys(struct access *access, struct json_text keys)
{
    struct jwks read;

    if (!jwks_parse(keys, &read)) {
        access_has_looked(access);
        return false;
    }
    keep_times(&read, &access->jwks);
    access->claims.issuer = NULL; /* it points into the former ones */
    jwks_deinit(&access->jwks);
    access->jwks = read;
    access_has_looked(access);
    access->hooks.on_keys_changed(access->hooks.owner);
    return true;
}

void access_has_looked(struct access *access)
{
    access->rules.jwks = &access->jwks;
    note_keys(access);
}

bool access_has_key(const struct access *access, uint64_t key)
{
    return jwks_has(&access->jwks, key) || jwt_secrets_have(&access->secrets, key);
}

void access_note_reading(struct access *access, struct json_text issuer)
{
    struct jwks_issuer *known = (struct jwks_issuer *)jwks_find(&access->jwks, issuer);

    if (known)
        known->read_ms = clock_ms();
}

/* What is unknown right after its issuer was read is so. Else the keys are asked for, at most once in a
 * while an issuer. */
static enum jwt_result ask_for_keys(struct access *access, struct jwks_issuer *issuer)
{
    uint64_t now_ms = clock_ms();

    if (access->is_behind)
        return JWT_UNKNOWN_KID;
    if (now_ms - issuer->read_ms < LATELY_MS)
        return JWT_KEY;
    if (issuer->asked_ms == 0 || now_ms - issuer->asked_ms >= ASK_AGAIN_MS) {
        issuer->asked_ms = now_ms;
        access->hooks.on_keys_wanted(access->hooks.owner, issuer->name);
    }
    return JWT_UNKNOWN_KID;
}

static bool is_revoked(const struct access *access)
{
    const struct jwt_claims *claims = &access->claims;

    return access->revoked && revocations_has(access->revoked, claims->user,
                                              claims->jti, claims->issued_at);
}

enum jwt_result access_verify(struct access *access, struct json_text token)
{
    enum jwt_result result =
        jwt_verify(&access->rules, token, now_s(), &access->claims);

    if (result == JWT_UNKNOWN_KID && access->claims.issuer)
        result = ask_for_keys(access, (struct jwks_issuer *)access->claims.issuer);
    if (result == JWT_OK && is_revoked(access))
        result = JWT_REVOKED;
    metric_add(&access->metrics->auth_total[result], 1);
    return result;
}

struct identity *access_make_guest(struct access *access)
{
    unsigned char bytes[GUEST_BYTES];
    char user[sizeof(JWT_GUEST) - 1 + 2 * GUEST_BYTES + 1] = JWT_GUEST;

    if (!access->config->guests)
        return NULL;
    RAND_bytes(bytes, sizeof(bytes));
    digits_print_hex(user + sizeof(JWT_GUEST) - 1, bytes, sizeof(bytes));
    metric_add(&access->metrics->auth_total[JWT_OK], 1);
    return identity_new_guest((struct json_text){user, strlen(user)}, now_s());
}

unsigned access_rights(const struct access *access, const struct identity *identity,
                       struct json_text room)
{
    int rights = identity && !identity->is_guest ? grants_find(identity->grants, room)
                                                 : GRANTS_NONE;
    const struct class_rules *rules;

    if (rights != GRANTS_NONE)
        return (unsigned)rights;
    rules = classes_rules(access->classes, room);
    return identity && identity->is_guest ? rules->guests : rules->users;
}
