/* id_token.c - see id_token.h.
 *
 *     id_token_check -> jwt_open -> check_claims -> jwt_claims_hold, is_party, is_nonce
 *                                                -> name_of, role_of
 */
#include "admin/id_token.h"

#include <string.h>

#include <openssl/crypto.h>

#include "common/json_read.h"
#include "common/proto.h"

static const char *const words[] = {
#define X(id, word) [id] = #word,
    METRIC_LOGINS(X)
#undef X
};

const char *id_token_word(enum id_token_result result)
{
    return words[result];
}

/* ---- whom it is for ---- */

static bool is_text(struct json_text token, const char *wanted, size_t len)
{
    struct strbuf text = {NULL, 0, 0};
    bool is_it;

    json_read_text(&text, token);
    is_it = json_read_is_string(token) && text.len == len &&
            (len == 0 || CRYPTO_memcmp(text.data, wanted, len) == 0);
    strbuf_deinit(&text);
    return is_it;
}

static bool has_several(struct json_text array)
{
    struct json_text each;
    size_t at = 0;

    return array.base[0] == '[' && json_read_next(array, &at, &each) &&
           json_read_next(array, &at, &each);
}

/* A token for several must say that this client asked for it. */
static bool is_party(const struct id_token_rules *rules,
                     const struct json_members *claims)
{
    struct json_text party = json_read_find(claims, "azp");

    if (party.len == 0)
        return !has_several(json_read_find(claims, "aud"));
    return is_text(party, rules->client_id, strlen(rules->client_id));
}

/* ---- who it is ---- */

static bool take_name(struct json_text token, struct auth_who *who)
{
    static const char prefix[] = "oidc:";
    size_t len = sizeof(prefix) - 1;
    struct strbuf text = {NULL, 0, 0};
    bool is_one;

    json_read_text(&text, token);
    is_one = json_read_is_string(token) && text.len > 0 &&
             proto_is_plain(text.data, text.len, AUTH_NAME_MAX - len);
    if (is_one) {
        memcpy(who->name, prefix, len);
        memcpy(who->name + len, text.data, text.len);
        who->name[len + text.len] = '\0';
    }
    strbuf_deinit(&text);
    return is_one;
}

/* An address that the provider says it has not verified may be anybody's. */
static bool name_of(const struct json_members *claims, struct auth_who *who)
{
    struct json_text verified = json_read_find(claims, "email_verified");
    struct json_text email = json_read_find(claims, "email");
    bool is_trusted = verified.len == 0 || json_read_is_true(verified);

    return (is_trusted && email.len > 0 && take_name(email, who)) ||
           take_name(json_read_find(claims, "sub"), who);
}

/* ---- what that one may ---- */

/* Whether a string is in a list with commas. */
static bool is_listed(struct json_text value, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, ",");

        if (len > 0 && is_text(value, list, len))
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

static bool has_listed(struct json_text claim, const char *list)
{
    struct json_text each;
    size_t at = 0;

    if (strcmp(list, "*") == 0 || (claim.len > 0 && is_listed(claim, list)))
        return true;
    if (claim.len == 0 || claim.base[0] != '[')
        return false;
    while (json_read_next(claim, &at, &each))
        if (is_listed(each, list))
            return true;
    return false;
}

/* The highest that one of the values makes. */
static enum role role_of(const struct id_token_rules *rules,
                         const struct json_members *claims)
{
    struct json_text claim = json_read_find(claims, rules->claim);
    enum role role = ROLE_ADMIN;

    while (role > ROLE_NONE && !has_listed(claim, rules->values[role]))
        role--;
    return role;
}

/* ---- the whole ---- */

static enum id_token_result check_claims(const struct id_token_rules *rules,
                                         const struct json_members *claims,
                                         struct json_text nonce, uint64_t now_secs,
                                         struct auth_who *who, const char **why)
{
    const struct jwt_rules holding = {
        .audience = rules->client_id,
        .leeway_secs = rules->leeway_secs,
        .life_max_secs = rules->life_max_secs,
    };
    struct jwt_claims times = {0};
    enum jwt_result result = jwt_claims_hold(&holding, claims, now_secs, &times);

    if (result == JWT_OK && !is_party(rules, claims))
        result = JWT_AUDIENCE;
    if (result != JWT_OK) {
        *why = jwt_reason_word(result);
        return ID_TOKEN_REFUSED;
    }
    if (!is_text(json_read_find(claims, "nonce"), nonce.base, nonce.len))
        return ID_TOKEN_NONCE;
    if (!name_of(claims, who))
        return ID_TOKEN_NO_NAME;
    who->role = role_of(rules, claims);
    return who->role == ROLE_NONE ? ID_TOKEN_NO_ROLE : ID_TOKEN_OK;
}

enum id_token_result id_token_check(const struct id_token_rules *rules,
                                    struct json_text token, struct json_text nonce,
                                    uint64_t now_secs, struct auth_who *who,
                                    const char **why)
{
    const struct jwt_rules keys = {.jwks = rules->jwks};
    struct json_members claims = {NULL, 0, 0, 0};
    struct strbuf text = {NULL, 0, 0};
    enum jwt_result opened = jwt_open(&keys, token, &text);
    enum id_token_result result = ID_TOKEN_REFUSED;

    *why = "";
    if (opened == JWT_UNKNOWN_KID)
        result = ID_TOKEN_UNKNOWN_KID;
    else if (opened != JWT_OK)
        *why = jwt_reason_word(opened);
    else if (json_scan(text.data, text.len, &claims) == 0)
        result = check_claims(rules, &claims, nonce, now_secs, who, why);
    json_members_deinit(&claims);
    strbuf_deinit(&text);
    return result;
}
