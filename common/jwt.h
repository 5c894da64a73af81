/* jwt.h - tokens: JWS in compact form with claims (RFC 7515, 7519, 8725; SPEC-PUBLIC P1, P12,
 * P14).
 *
 *     const struct jwt_rules rules = {.secrets = …, .jwks = …, .audience = "roomcast", …};
 *     struct jwt_claims claims = {0};
 *
 *     switch (jwt_verify(&rules, token, now_s, &claims)) …
 *     jwt_claims_deinit(&claims);
 *
 * Strict: at most JWT_BYTES_MAX, no padding, no spare bits, header and claims JSON objects
 * without a key twice. The key says its algorithm. Claims are read once the signature is
 * right; before it only `iss`, which picks the keys.
 */
#ifndef COMMON_JWT_H
#define COMMON_JWT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/jwt_claims.h"

enum { JWT_BYTES_MAX = 8192, JWT_SECRET_BYTES_MIN = 32 };

struct jwt_secret;

/* Keys of HS256; the first signs. One thread at a time, also to verify. */
struct jwt_secrets {
    struct jwt_secret *all; /* owned */
    size_t count;
};

/* JWT_OK, or why not. `claims` may be used again and again. Texts of a refused token are of no
 * use. */
enum jwt_result jwt_verify(const struct jwt_rules *rules, struct json_text token,
                           uint64_t now_secs, struct jwt_claims *claims)
    __attribute__((warn_unused_result));

/* The same for a token whose claims are something else: JWT_OK if the signature is right, and adds the
 * claims, one JSON object without a key twice, to `claims`. Only secrets and keys of the rules count. */
enum jwt_result jwt_open(const struct jwt_rules *rules, struct json_text token,
                         struct strbuf *claims) __attribute__((warn_unused_result));

/* NULL for JWT_OK and JWT_UNKNOWN_KID. */
const char *jwt_reason_word(enum jwt_result result);

/* The decoded `kid` of a token that jwt_verify refused with JWT_UNKNOWN_KID, as %-encoded text: the only
 * part of a token that may be logged. */
void jwt_add_kid(struct strbuf *out, struct json_text token);

/* Adds a token with these claims (JSON, one object), signed with the first secret. */
void jwt_add_signed(struct strbuf *out, const struct jwt_secrets *secrets,
                    struct json_text claims);

/* One a line; empty lines do not count. 0, or the number of the first line that is too short, or 1 where there
 * were some and there would be none. Replaces what was there; on failure it stays. */
unsigned jwt_secrets_parse(struct jwt_secrets *secrets, const char *text);
bool jwt_secrets_have(const struct jwt_secrets *secrets, uint64_t print);
void jwt_secrets_deinit(struct jwt_secrets *secrets);

#endif
