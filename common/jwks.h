/* jwks.h - the public keys of issuers (RFC 7517 section 5, SPEC-PUBLIC P1, P3): what
 * `rc:policy` has in its field `keys`, `{issuer: {"keys": [JWK, …]}}`.
 */
#ifndef COMMON_JWKS_H
#define COMMON_JWKS_H

#include "common/jwk.h"

struct jwks_issuer {
    char *name; /* owned */
    struct jwk *keys;
    size_t count;
    size_t left_out; /* entries that are no usable key */
    /* Its user's: when newer keys were asked for last, and when they were read at the issuer; 0: never. */
    uint64_t asked_ms, read_ms;
};

/* Zeroed: no issuer. */
struct jwks {
    struct jwks_issuer *issuers;
    size_t count;
};

/* Reads one issuer's set into `out` (zeroed by the caller), but for its name. False: it is no
 * set, or has no usable key; *out is zeroed then but for left_out. */
bool jwks_parse_set(struct json_text set, struct jwks_issuer *out)
    __attribute__((warn_unused_result));

/* Reads all issuers. False: it is no object of objects, an issuer is there twice; *out
 * is empty. An issuer whose set is none has no keys. */
bool jwks_parse(struct json_text text, struct jwks *out)
    __attribute__((warn_unused_result));

/* By its exact name; NULL: unknown. */
const struct jwks_issuer *jwks_find(const struct jwks *jwks, struct json_text issuer);

/* Whether a key with this print is still there. */
bool jwks_has(const struct jwks *jwks, uint64_t print);

void jwks_deinit_issuer(struct jwks_issuer *issuer);
void jwks_deinit(struct jwks *jwks);

#endif
