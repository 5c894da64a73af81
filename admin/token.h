/* token.h - makes tokens of HS256 for users of gateways, by `POST /api/tokens` and by
 * `roomcast-admin token` (SPEC-PUBLIC P3).
 *
 * What is made here a gateway with the same settings takes: it is verified before it is given.
 */
#ifndef ADMIN_TOKEN_H
#define ADMIN_TOKEN_H

#include <stdint.h>

#include "common/config.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/strbuf.h"

enum { TOKEN_JTI_BYTES = 16, TOKEN_SECS_DEFAULT = 3600 };

/* Texts are decoded; base NULL: not given. */
struct token_wish {
    struct json_text user, name;
    struct json_text
        rooms;     /* a JSON object that json_scan has checked: pattern -> rights */
    uint64_t secs; /* 0: TOKEN_SECS_DEFAULT, or less where less is allowed */
    char jti[2 * TOKEN_JTI_BYTES + 1]; /* out: what it can be revoked by */
};

/* Adds it to `out`, signed with the first of `secrets`. NULL, or why there is none: a literal. */
const char *token_make(struct strbuf *out, struct token_wish *wish,
                       const struct jwt_secrets *secrets, const struct config *config,
                       uint64_t now_secs);

/* `roomcast-admin token`: prints one to stdout. What main returns. */
int token_command(const struct config *config);

#endif
