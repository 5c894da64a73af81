/* jwk.h - a public key as JSON (RFC 7517, RFC 7518 section 6, RFC 8037), as far as tokens are
 * verified with it: RSA of 2048 to 8192 bits for RS256, P-256 for ES256, Ed25519 for EdDSA.
 *
 * A key says its algorithm; a token only picks a key. Keys of another type, use or size, and
 * symmetric ones, are none.
 */
#ifndef COMMON_JWK_H
#define COMMON_JWK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "common/json.h"

/* X(id, word in a header) */
#define JWK_ALGS(X)                                                                    \
    X(JWK_HS256, "HS256")                                                              \
    X(JWK_RS256, "RS256")                                                              \
    X(JWK_ES256, "ES256")                                                              \
    X(JWK_EDDSA, "EdDSA")

enum jwk_alg {
#define X(id, word) id,
    JWK_ALGS(X)
#undef X
        JWK_NO_ALG,
};

struct jwk {
    enum jwk_alg alg;
    char *kid;      /* owned; NULL: none */
    uint64_t print; /* of its bytes: two that are the same have the same */
    EVP_PKEY *key;  /* owned */
};

/* JWK_NO_ALG: no such word. `word` is decoded. */
enum jwk_alg jwk_alg_of(struct json_text word);

const char *jwk_alg_word(enum jwk_alg alg);

/* Of a JSON value that json_scan has checked. False: it is no usable key, and *out is zeroed. */
bool jwk_parse(struct json_text text, struct jwk *out)
    __attribute__((warn_unused_result));

/* Accepts a zeroed key. */
void jwk_deinit(struct jwk *jwk);

/* Whether `signature` is that of `bytes` (RFC 7518 section 3, RFC 8037). Not for JWK_HS256. */
bool jwk_verify(const struct jwk *jwk, struct json_text bytes,
                struct json_text signature);

#endif
