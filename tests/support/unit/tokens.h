/* tokens.h - makes tokens of every algorithm, and the public keys that they are verified with. */
#ifndef TESTS_SUPPORT_UNIT_TOKENS_H
#define TESTS_SUPPORT_UNIT_TOKENS_H

#include <openssl/evp.h>

#include "common/jwk.h"
#include "common/strbuf.h"

#define TOKENS_SECRET "a secret of thirty-two bytes, or more"

struct tokens_key {
    enum jwk_alg alg;
    EVP_PKEY *pair; /* owned; NULL for JWK_HS256, whose secret is TOKENS_SECRET */
};

/* A new pair: RSA of `bits` (0: 2048), P-256 or Ed25519. */
struct tokens_key tokens_key(enum jwk_alg alg, unsigned bits);
void tokens_key_deinit(struct tokens_key *key);

/* The public half as JWK, with this kid unless NULL. To be freed. */
char *tokens_jwk(const struct tokens_key *key, const char *kid);

/* A token of these two texts, as they are. To be freed. */
char *tokens_sign(const struct tokens_key *key, const char *header, const char *claims);

/* The signature of these bytes as a token has it, not encoded. */
void tokens_add_signature(struct strbuf *out, const struct tokens_key *key,
                          const void *bytes, size_t len);

#endif
