/* jwt.c - see jwt.h.
 *
 *     jwt_verify -> open_token -> split, decode, read_header, check_signature -> jwt_claims_read
 *     jwt_open   -> open_token
 */
#include "common/jwt.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/base64url.h"
#include "common/fnv.h"
#include "common/json_read.h"
#include "common/xalloc.h"

enum { HS256_BYTES = 32, KID_BYTES_MAX = 256 };

/* A token and what has been read of it; `bytes` has what the parts stand for, consecutive. */
struct reading {
    struct json_text head, body, tail; /* as sent */
    struct json_text head_json, body_json, signature;
    struct json_text signed_part; /* head.body */
    struct json_members members;
    struct strbuf bytes, kid;
    const struct jwks_issuer *issuer;
    enum jwk_alg alg;
    bool has_kid;
};

static const char *const words[JWT_RESULTS] = {
#define X(id, word) [id] = #word,
    PROTO_AUTH_REASONS(X)
#undef X
};

const char *jwt_reason_word(enum jwt_result result)
{
    return words[result];
}

/* ---- the three parts ---- */

static bool split(struct reading *r, struct json_text token)
{
    const char *end = token.base + token.len, *first, *second;

    if (token.len > JWT_BYTES_MAX)
        return false;
    first = memchr(token.base, '.', token.len);
    second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return false;
    r->head = (struct json_text){token.base, (size_t)(first - token.base)};
    r->body = (struct json_text){first + 1, (size_t)(second - first - 1)};
    r->tail = (struct json_text){second + 1, (size_t)(end - second - 1)};
    r->signed_part = (struct json_text){token.base, (size_t)(second - token.base)};
    return true;
}

static bool decode_part(struct reading *r, struct json_text part, struct json_text *out)
{
    size_t at = r->bytes.len;

    if (!base64url_decode(&r->bytes, part))
        return false;
    *out = (struct json_text){r->bytes.data + at, r->bytes.len - at};
    return true;
}

/* A dot more is none of base64url's digits. */
static bool decode(struct reading *r, size_t len)
{
    strbuf_reserve(&r->bytes, len); /* more than all of it, so that it never moves */
    return decode_part(r, r->head, &r->head_json) &&
           decode_part(r, r->body, &r->body_json) &&
           decode_part(r, r->tail, &r->signature);
}

static enum jwt_result read_header(struct reading *r)
{
    struct json_text alg, kid, word;
    struct strbuf text = {NULL, 0, 0};

    if (json_scan(r->head_json.base, r->head_json.len, &r->members) < 0 ||
        json_read_has_twice(&r->members))
        return JWT_FORM;
    alg = json_read_find(&r->members, "alg");
    kid = json_read_find(&r->members, "kid");
    if (kid.len > 0 && (!json_read_is_string(kid) || kid.len > KID_BYTES_MAX))
        return JWT_FORM;
    if (json_read_find(&r->members, "crit").len > 0 || !json_read_is_string(alg))
        return JWT_ALG;
    r->has_kid = kid.len > 0;
    json_read_text(&r->kid, kid);
    json_read_text(&text, alg);
    word = (struct json_text){text.data ? text.data : "", text.len};
    r->alg = jwk_alg_of(word);
    strbuf_deinit(&text);
    return r->alg == JWK_NO_ALG ? JWT_ALG : JWT_OK;
}

/* ---- secrets ---- */

/* It holds the key: to look the algorithm up and to prepare the key takes longer than to sign a token. */
struct jwt_secret {
    EVP_MAC_CTX *mac;
    uint64_t print;
};

/* A MAC that fails, which is out of memory, is one that nothing equals. */
static void sign(const struct jwt_secret *secret, struct json_text bytes,
                 unsigned char out[HS256_BYTES])
{
    size_t len = 0;

    if (EVP_MAC_init(secret->mac, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(secret->mac, (const unsigned char *)bytes.base, bytes.len) !=
            1 ||
        EVP_MAC_final(secret->mac, out, &len, HS256_BYTES) != 1 || len != HS256_BYTES)
        RAND_bytes(out, HS256_BYTES);
}

static uint64_t print_of(const struct jwt_secret *secret)
{
    unsigned char hash[HS256_BYTES];

    sign(secret, (struct json_text){"print", 5}, hash);
    return fnv64_add(FNV64_START, (const char *)hash, sizeof(hash));
}

static void init_secret(struct jwt_secret *secret, const char *text, size_t len)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    secret->mac = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    if (!secret->mac ||
        EVP_MAC_init(secret->mac, (const unsigned char *)text, len, params) != 1)
        abort(); /* out of memory, or without SHA-256 */
    secret->print = print_of(secret);
}

static enum jwt_result check_secrets(const struct jwt_secrets *secrets,
                                     const struct reading *r, uint64_t *key)
{
    unsigned char right[HS256_BYTES];

    if (!secrets || secrets->count == 0)
        return JWT_ALG;
    if (r->signature.len != HS256_BYTES)
        return JWT_SIGNATURE;
    for (size_t i = 0; i < secrets->count; i++) {
        sign(&secrets->all[i], r->signed_part, right);
        if (CRYPTO_memcmp(right, r->signature.base, HS256_BYTES) == 0) {
            *key = secrets->all[i].print;
            return JWT_OK;
        }
    }
    return JWT_SIGNATURE;
}

unsigned jwt_secrets_parse(struct jwt_secrets *secrets, const char *text)
{
    struct jwt_secrets read = {NULL, 0};
    unsigned line = 1;

    for (const char *at = text; *at; line++) {
        size_t len = strcspn(at, "\r\n");

        if (len > 0 && len < JWT_SECRET_BYTES_MIN) {
            jwt_secrets_deinit(&read);
            return line;
        }
        if (len > 0) {
            read.all = xrealloc(read.all, (read.count + 1) * sizeof(*read.all));
            init_secret(&read.all[read.count++], at, len);
        }
        at += len;
        at += at[0] == '\r' && at[1] == '\n' ? 2 : *at != '\0';
    }
    if (read.count == 0 && secrets->count > 0)
        return 1; /* a file that is just being written */
    jwt_secrets_deinit(secrets);
    *secrets = read;
    return 0;
}

bool jwt_secrets_have(const struct jwt_secrets *secrets, uint64_t print)
{
    for (size_t i = 0; i < secrets->count; i++)
        if (secrets->all[i].print == print)
            return true;
    return false;
}

void jwt_secrets_deinit(struct jwt_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++)
        EVP_MAC_CTX_free(secrets->all[i].mac); /* with its key */
    free(secrets->all);
    *secrets = (struct jwt_secrets){NULL, 0};
}

void jwt_add_signed(struct strbuf *out, const struct jwt_secrets *secrets,
                    struct json_text claims)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    size_t start = out->len;
    unsigned char signature[HS256_BYTES];

    base64url_add(out, header, sizeof(header) - 1);
    strbuf_add_char(out, '.');
    base64url_add(out, claims.base, claims.len);
    sign(&secrets->all[0], (struct json_text){out->data + start, out->len - start},
         signature);
    strbuf_add_char(out, '.');
    base64url_add(out, signature, sizeof(signature));
}

/* ---- keys of issuers ---- */

static bool has_this_kid(const struct reading *r, const struct jwk *key)
{
    return key->kid && strlen(key->kid) == r->kid.len &&
           (r->kid.len == 0 || memcmp(key->kid, r->kid.data, r->kid.len) == 0);
}

/* The key that the token picks; a set may have one kid for keys of several kinds. */
static enum jwt_result find_by_kid(const struct reading *r,
                                   const struct jwks_issuer *issuer,
                                   const struct jwk **out)
{
    enum jwt_result result = JWT_UNKNOWN_KID;

    for (size_t i = 0; i < issuer->count; i++) {
        if (!has_this_kid(r, &issuer->keys[i]))
            continue;
        if (issuer->keys[i].alg == r->alg) {
            *out = &issuer->keys[i];
            return JWT_OK;
        }
        result = JWT_ALG;
    }
    return result;
}

/* The only one of this alg. */
static enum jwt_result find_by_alg(const struct reading *r,
                                   const struct jwks_issuer *issuer,
                                   const struct jwk **out)
{
    size_t count = 0;

    for (size_t i = 0; i < issuer->count; i++)
        if (issuer->keys[i].alg == r->alg) {
            *out = &issuer->keys[i];
            count++;
        }
    return count == 1 ? JWT_OK : count == 0 ? JWT_ALG : JWT_KEY;
}

static enum jwt_result check_keys(const struct jwks *jwks, struct reading *r,
                                  const struct jwks_issuer *issuer, uint64_t *print)
{
    const struct jwk *key = NULL;
    enum jwt_result result;

    if (!jwks)
        return JWT_UNKNOWN_KID;
    if (jwks->count == 0)
        return JWT_ALG;
    if (!issuer)
        return JWT_ISSUER;
    result = r->has_kid ? find_by_kid(r, issuer, &key) : find_by_alg(r, issuer, &key);
    if (result != JWT_OK)
        return result;
    *print = key->print;
    return jwk_verify(key, r->signed_part, r->signature) ? JWT_OK : JWT_SIGNATURE;
}

/* ---- the whole ---- */

/* What a secret has signed is of no issuer that has keys of its own. */
static enum jwt_result check_signature(const struct jwt_rules *rules, struct reading *r,
                                       uint64_t *key)
{
    enum jwt_result result;

    if (r->alg == JWK_HS256) {
        result = check_secrets(rules->secrets, r, key);
        if (result != JWT_OK)
            return result;
    }
    if (json_scan(r->body_json.base, r->body_json.len, &r->members) < 0 ||
        json_read_has_twice(&r->members))
        return JWT_FORM;
    r->issuer = jwt_claims_find_issuer(&r->members, rules->jwks);
    if (r->alg == JWK_HS256)
        return r->issuer ? JWT_ISSUER : JWT_OK;
    return check_keys(rules->jwks, r, r->issuer, key);
}

static enum jwt_result open_token(const struct jwt_rules *rules, struct reading *r,
                                  struct json_text token, uint64_t *key)
{
    enum jwt_result result;

    if (!split(r, token) || !decode(r, token.len))
        return JWT_FORM;
    result = read_header(r);
    return result == JWT_OK ? check_signature(rules, r, key) : result;
}

static enum jwt_result verify(const struct jwt_rules *rules, struct reading *r,
                              struct json_text token, uint64_t now_secs,
                              struct jwt_claims *claims)
{
    enum jwt_result result = open_token(rules, r, token, &claims->key);

    return result == JWT_OK ? jwt_claims_read(rules, &r->members, now_secs, claims)
                            : result;
}

static void deinit(struct reading *r)
{
    json_members_deinit(&r->members);
    strbuf_deinit(&r->bytes);
    strbuf_deinit(&r->kid);
}

enum jwt_result jwt_verify(const struct jwt_rules *rules, struct json_text token,
                           uint64_t now_secs, struct jwt_claims *claims)
{
    struct reading r = {.alg = JWK_NO_ALG};
    enum jwt_result result;

    jwt_claims_deinit(claims);
    result = verify(rules, &r, token, now_secs, claims);
    deinit(&r);
    if (result != JWT_OK)
        jwt_claims_deinit(claims);
    claims->issuer = r.issuer;
    return result;
}

enum jwt_result jwt_open(const struct jwt_rules *rules, struct json_text token,
                         struct strbuf *claims)
{
    struct reading r = {.alg = JWK_NO_ALG};
    uint64_t key;
    enum jwt_result result = open_token(rules, &r, token, &key);

    if (result == JWT_OK)
        strbuf_add(claims, r.body_json.base, r.body_json.len);
    deinit(&r);
    return result;
}

void jwt_add_kid(struct strbuf *out, struct json_text token)
{
    struct reading r = {.alg = JWK_NO_ALG};

    if (split(&r, token) && decode(&r, token.len) && read_header(&r) == JWT_OK &&
        r.kid.len > 0)
        strbuf_add_percent(out, r.kid.data, r.kid.len);
    deinit(&r);
}
