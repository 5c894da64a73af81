/* jwt_claims.h - what the claims of a token say, and whether that holds (RFC 7519 section 4.1,
 * SPEC-PUBLIC P1, P12, P14). Tokens themselves are jwt.h's.
 */
#ifndef COMMON_JWT_CLAIMS_H
#define COMMON_JWT_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/grants.h"
#include "common/jwks.h"
#include "common/proto.h"

enum { JWT_JTI_MAX = 128, JWT_NAME_MAX = 64 };

/* Of users without a token; no token may name such a user. */
#define JWT_GUEST "guest-"

enum jwt_result {
    JWT_OK,
#define X(id, word) id,
    PROTO_AUTH_REASONS(X)
#undef X
        JWT_UNKNOWN_KID, /* of a known issuer: its keys may have changed */
    JWT_RESULTS,
};

struct jwt_secrets;

/* What is accepted; all borrowed. */
struct jwt_rules {
    const struct jwt_secrets *secrets; /* NULL: none */
    const struct jwks *jwks;           /* NULL: not known yet */
    const char *audience;              /* empty: not looked at */
    const char *user_claim, *rooms_claim;
    uint64_t leeway_secs, life_max_secs;
    struct grants_table *grants;
};

/* As the settings are where nobody sets them: for tests and benchmarks. */
#define JWT_RULES_USUAL                                                                \
    .audience = "roomcast", .user_claim = "sub", .rooms_claim = "rooms",               \
    .leeway_secs = 30, .life_max_secs = 86400

/* What a good token says. Texts are decoded, base NULL where the claim is not there, and point into
 * `text`. Zeroed: nothing. */
struct jwt_claims {
    struct json_text user, name, jti;
    struct json_text room;          /* of a room token: the one that it is for */
    unsigned can;                   /* and the rights there */
    uint64_t issued_at, expires_at; /* seconds since 1970 */
    uint64_t key;                   /* print of what it was verified with */
    /* Borrowed; NULL: a secret's. Also of a token that is refused with JWT_UNKNOWN_KID. */
    const struct jwks_issuer *issuer;
    struct grants *grants; /* a reference; NULL: none */
    struct strbuf text;
};

void jwt_claims_deinit(struct jwt_claims *claims);

/* The issuer that the claims name, if it is one of `jwks`. May be asked before the signature is known to be
 * right. */
const struct jwks_issuer *jwt_claims_find_issuer(const struct json_members *members,
                                                 const struct jwks *jwks);

/* Whether they are for rules->audience, and their times hold; those go into `claims`. */
enum jwt_result jwt_claims_hold(const struct jwt_rules *rules,
                                const struct json_members *members, uint64_t now_secs,
                                struct jwt_claims *claims);

/* Reads them into `claims`, which is empty but for its key. */
enum jwt_result jwt_claims_read(const struct jwt_rules *rules,
                                const struct json_members *members, uint64_t now_secs,
                                struct jwt_claims *claims);

#endif
