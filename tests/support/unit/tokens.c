/* tokens.c - see tokens.h. */
#include "tests/support/unit/tokens.h"

#include <assert.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "common/base64url.h"

enum { COORDINATE_BYTES = 32, DER_MAX = 2048 };

struct tokens_key tokens_key(enum jwk_alg alg, unsigned bits)
{
    struct tokens_key key = {alg, NULL};

    if (alg == JWK_RS256)
        key.pair = EVP_RSA_gen(bits ? bits : 2048);
    else if (alg == JWK_ES256)
        key.pair = EVP_EC_gen("P-256");
    else if (alg == JWK_EDDSA)
        key.pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert(key.pair || alg == JWK_HS256);
    return key;
}

void tokens_key_deinit(struct tokens_key *key)
{
    EVP_PKEY_free(key->pair);
    key->pair = NULL;
}

/* ---- public keys ---- */

static void add_bytes(struct strbuf *out, const char *name, const void *bytes,
                      size_t len)
{
    strbuf_add_format(out, ",\"%s\":\"", name);
    base64url_add(out, bytes, len);
    strbuf_add_char(out, '"');
}

static void add_number(struct strbuf *out, const struct tokens_key *key,
                       const char *name, const char *param, int size)
{
    unsigned char bytes[1024 + 1];
    BIGNUM *number = NULL;
    int len;

    assert(EVP_PKEY_get_bn_param(key->pair, param, &number) == 1);
    len = size ? size : BN_num_bytes(number);
    assert(len <= (int)sizeof(bytes) && BN_bn2binpad(number, bytes, len) == len);
    add_bytes(out, name, bytes, (size_t)len);
    BN_free(number);
}

static void add_parts(struct strbuf *out, const struct tokens_key *key)
{
    unsigned char x[COORDINATE_BYTES];
    size_t len = sizeof(x);

    switch (key->alg) {
    case JWK_RS256:
        strbuf_add_text(out, "\"kty\":\"RSA\"");
        add_number(out, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        add_number(out, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
        break;
    case JWK_ES256:
        strbuf_add_text(out, "\"kty\":\"EC\",\"crv\":\"P-256\"");
        add_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, COORDINATE_BYTES);
        add_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, COORDINATE_BYTES);
        break;
    default:
        assert(key->alg == JWK_EDDSA);
        strbuf_add_text(out, "\"kty\":\"OKP\",\"crv\":\"Ed25519\"");
        assert(EVP_PKEY_get_raw_public_key(key->pair, x, &len) == 1);
        add_bytes(out, "x", x, len);
    }
}

char *tokens_jwk(const struct tokens_key *key, const char *kid)
{
    struct strbuf out = {NULL, 0, 0};

    strbuf_add_char(&out, '{');
    add_parts(&out, key);
    if (kid) {
        strbuf_add_text(&out, ",\"kid\":");
        strbuf_add_json(&out, kid, strlen(kid));
    }
    strbuf_add_char(&out, '}');
    return out.data;
}

/* ---- signatures ---- */

static void add_pair(struct strbuf *out, const unsigned char *der, size_t len)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    unsigned char bytes[2 * COORDINATE_BYTES];

    assert(pair);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, COORDINATE_BYTES);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + COORDINATE_BYTES, COORDINATE_BYTES);
    strbuf_add(out, (char *)bytes, sizeof(bytes));
    ECDSA_SIG_free(pair);
}

void tokens_add_signature(struct strbuf *out, const struct tokens_key *key,
                          const void *bytes, size_t len)
{
    const EVP_MD *hash = key->alg == JWK_EDDSA ? NULL : EVP_sha256();
    unsigned char signature[DER_MAX];
    size_t size = sizeof(signature);
    unsigned hmac_size = sizeof(signature);
    EVP_MD_CTX *context;

    if (key->alg == JWK_HS256) {
        HMAC(hash, TOKENS_SECRET, (int)strlen(TOKENS_SECRET), bytes, len, signature,
             &hmac_size);
        strbuf_add(out, (char *)signature, hmac_size);
        return;
    }
    context = EVP_MD_CTX_new();
    assert(EVP_DigestSignInit(context, NULL, hash, NULL, key->pair) == 1);
    assert(EVP_DigestSign(context, signature, &size, bytes, len) == 1);
    EVP_MD_CTX_free(context);
    if (key->alg == JWK_ES256)
        add_pair(out, signature, size);
    else
        strbuf_add(out, (char *)signature, size);
}

char *tokens_sign(const struct tokens_key *key, const char *header, const char *claims)
{
    struct strbuf out = {NULL, 0, 0}, signature = {NULL, 0, 0};

    base64url_add(&out, header, strlen(header));
    strbuf_add_char(&out, '.');
    base64url_add(&out, claims, strlen(claims));
    tokens_add_signature(&signature, key, out.data, out.len);
    strbuf_add_char(&out, '.');
    base64url_add(&out, signature.data, signature.len);
    strbuf_deinit(&signature);
    return out.data;
}
