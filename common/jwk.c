/* jwk.c - see jwk.h.
 *
 *     jwk_parse -> read_common (kty, use, key_ops, alg, kid) -> read_rsa | read_ec | read_okp
 */
#include "common/jwk.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "common/base64url.h"
#include "common/fnv.h"
#include "common/json_read.h"

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    RSA_EXPONENT_BYTES_MAX = 8,
    COORDINATE_BYTES = 32, /* P-256 and Ed25519 */
    POINT_BYTES = 1 + 2 * COORDINATE_BYTES,
    POINT_UNCOMPRESSED = 4,
    KID_MAX = 256,
    ES256_BYTES = 64,
    EDDSA_BYTES = 64,
};

static const char *const words[] = {
#define X(id, word) [id] = word,
    JWK_ALGS(X)
#undef X
};

enum jwk_alg jwk_alg_of(struct json_text word)
{
    for (int i = 0; i < JWK_NO_ALG; i++)
        if (word.len == strlen(words[i]) && memcmp(word.base, words[i], word.len) == 0)
            return (enum jwk_alg)i;
    return JWK_NO_ALG;
}

const char *jwk_alg_word(enum jwk_alg alg)
{
    return words[alg];
}

/* ---- parts of a key ---- */

/* The bytes of a member, in `out`; false: it is not there, or is no base64url. */
static bool read_bytes(const struct json_members *in, const char *name,
                       struct strbuf *out)
{
    struct json_text token = json_read_find(in, name);

    strbuf_reset(out, 4096);
    return json_read_is_string(token) &&
           base64url_decode(out, (struct json_text){token.base + 1, token.len - 2});
}

static EVP_PKEY *make(const char *type, OSSL_PARAM_BLD *parts)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (!params || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static BIGNUM *number_of(const struct strbuf *bytes)
{
    return BN_bin2bn((const unsigned char *)bytes->data, (int)bytes->len, NULL);
}

static EVP_PKEY *make_rsa(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;

    if (parts && OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_E, e))
        key = make("RSA", parts);
    OSSL_PARAM_BLD_free(parts);
    return key;
}

static bool is_rsa_fit(const BIGNUM *n, const BIGNUM *e)
{
    return BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= RSA_BITS_MAX &&
           BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
           BN_num_bytes(e) <= RSA_EXPONENT_BYTES_MAX;
}

static EVP_PKEY *read_rsa(const struct json_members *in, struct strbuf *scratch)
{
    BIGNUM *n = read_bytes(in, "n", scratch) ? number_of(scratch) : NULL;
    BIGNUM *e = read_bytes(in, "e", scratch) ? number_of(scratch) : NULL;
    EVP_PKEY *key = n && e && is_rsa_fit(n, e) ? make_rsa(n, e) : NULL;

    BN_free(n);
    BN_free(e);
    return key;
}

static bool read_coordinate(const struct json_members *in, const char *name,
                            struct strbuf *scratch, unsigned char *out)
{
    if (!read_bytes(in, name, scratch) || scratch->len != COORDINATE_BYTES)
        return false;
    memcpy(out, scratch->data, COORDINATE_BYTES);
    return true;
}

static EVP_PKEY *make_ec(const unsigned char point[POINT_BYTES])
{
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;

    if (parts &&
        OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, "P-256",
                                        0) &&
        OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         POINT_BYTES))
        key = make("EC", parts);
    OSSL_PARAM_BLD_free(parts);
    return key;
}

/* A point that is not on the curve is refused by make_ec. */
static EVP_PKEY *read_ec(const struct json_members *in, struct strbuf *scratch)
{
    unsigned char point[POINT_BYTES] = {POINT_UNCOMPRESSED};

    if (!json_read_is(json_read_find(in, "crv"), "P-256") ||
        !read_coordinate(in, "x", scratch, point + 1) ||
        !read_coordinate(in, "y", scratch, point + 1 + COORDINATE_BYTES))
        return NULL;
    return make_ec(point);
}

static EVP_PKEY *read_okp(const struct json_members *in, struct strbuf *scratch)
{
    unsigned char x[COORDINATE_BYTES];

    if (!json_read_is(json_read_find(in, "crv"), "Ed25519") ||
        !read_coordinate(in, "x", scratch, x))
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
}

static const struct {
    const char *kty;
    enum jwk_alg alg;
    EVP_PKEY *(*read)(const struct json_members *in, struct strbuf *scratch);
} kinds[] = {
    {"RSA", JWK_RS256, read_rsa},
    {"EC", JWK_ES256, read_ec},
    {"OKP", JWK_EDDSA, read_okp},
};

/* ---- the whole ---- */

static bool is_absent_or(struct json_text token, const char *word)
{
    return token.len == 0 || json_read_is(token, word);
}

/* Absent, or one of them. */
static bool may_verify(struct json_text key_ops)
{
    struct json_text each;
    size_t at = 0;

    if (key_ops.len == 0)
        return true;
    if (key_ops.base[0] != '[')
        return false;
    while (json_read_next(key_ops, &at, &each))
        if (json_read_is(each, "verify"))
            return true;
    return false;
}

static bool read_kid(struct json_text token, struct jwk *out)
{
    if (token.len == 0)
        return true;
    if (!json_read_is_string(token) || token.len > KID_MAX)
        return false;
    out->kid = json_read_dup(token);
    return true;
}

static void read(const struct json_members *in, struct jwk *out)
{
    struct json_text kty = json_read_find(in, "kty");
    struct strbuf scratch = {NULL, 0, 0};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (json_read_is(kty, kinds[i].kty) &&
            is_absent_or(json_read_find(in, "alg"), words[kinds[i].alg])) {
            out->alg = kinds[i].alg;
            out->key = kinds[i].read(in, &scratch);
        }
    strbuf_deinit(&scratch);
    ERR_clear_error();
}

/* The bytes that the key is made of. */
static uint64_t print_of(EVP_PKEY *key)
{
    unsigned char *bytes = NULL;
    int len = i2d_PUBKEY(key, &bytes);
    uint64_t print =
        len > 0 ? fnv64_add(FNV64_START, (const char *)bytes, (size_t)len) : 0;

    OPENSSL_free(bytes);
    return print;
}

bool jwk_parse(struct json_text text, struct jwk *out)
{
    struct json_members in = {NULL, 0, 0, 0};

    *out = (struct jwk){0};
    if (json_scan(text.base, text.len, &in) == 0 &&
        is_absent_or(json_read_find(&in, "use"), "sig") &&
        may_verify(json_read_find(&in, "key_ops")) &&
        read_kid(json_read_find(&in, "kid"), out))
        read(&in, out);
    json_members_deinit(&in);
    if (out->key) {
        out->print = print_of(out->key);
        return true;
    }
    jwk_deinit(out);
    return false;
}

void jwk_deinit(struct jwk *jwk)
{
    free(jwk->kid);
    EVP_PKEY_free(jwk->key);
    *jwk = (struct jwk){0};
}

/* ---- signatures ---- */

/* Two numbers, consecutive (RFC 7518 section 3.4) as the DER that OpenSSL takes; to be
 * freed by OPENSSL_free. */
static unsigned char *der_of(struct json_text signature, size_t *len)
{
    const unsigned char *at = (const unsigned char *)signature.base;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(at, COORDINATE_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(at + COORDINATE_BYTES, COORDINATE_BYTES, NULL);
    unsigned char *der = NULL;
    int der_len = -1;

    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        der_len = i2d_ECDSA_SIG(pair, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    *len = der_len > 0 ? (size_t)der_len : 0;
    return der;
}

static bool verify(const struct jwk *jwk, struct json_text bytes,
                   const unsigned char *signature, size_t len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *hash = jwk->alg == JWK_EDDSA ? NULL : EVP_sha256();
    bool is_right = context &&
                    EVP_DigestVerifyInit(context, NULL, hash, NULL, jwk->key) == 1 &&
                    EVP_DigestVerify(context, signature, len,
                                     (const unsigned char *)bytes.base, bytes.len) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_right;
}

bool jwk_verify(const struct jwk *jwk, struct json_text bytes,
                struct json_text signature)
{
    const unsigned char *raw = (const unsigned char *)signature.base;
    unsigned char *der;
    size_t len;
    bool is_right;

    if (jwk->alg == JWK_EDDSA && signature.len != EDDSA_BYTES)
        return false;
    if (jwk->alg != JWK_ES256)
        return verify(jwk, bytes, raw, signature.len);
    if (signature.len != ES256_BYTES)
        return false;
    der = der_of(signature, &len);
    is_right = der && verify(jwk, bytes, der, len);
    OPENSSL_free(der);
    return is_right;
}
