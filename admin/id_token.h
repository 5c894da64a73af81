/* id_token.h - who an ID token says that somebody is, and what that one may (OpenID Connect Core,
 * sections 2 and 3.1.3.7; SPEC-PUBLIC P8). Pure.
 */
#ifndef ADMIN_ID_TOKEN_H
#define ADMIN_ID_TOKEN_H

#include <stdint.h>

#include "admin/auth.h"
#include "common/jwt.h"
#include "common/metric_labels.h"

/* What came of a login. Of the last three there was no token: the provider said what is wrong, nobody began
 * it, Redis was away. */
enum id_token_result {
#define X(id, word) id,
    METRIC_LOGINS(X)
#undef X
};

/* All borrowed. */
struct id_token_rules {
    const struct jwks *jwks; /* of the one issuer */
    const char *client_id;
    const char *claim; /* which has values that make roles */
    /* Comma separated; `*`: anybody; empty: nobody. By role, ROLE_NONE's is not looked at. */
    const char *values[ROLES_COUNT];
    uint64_t leeway_secs, life_max_secs;
};

/* Fills name and role of `who`. `why`: a word more for the log, "" or a literal. */
enum id_token_result id_token_check(const struct id_token_rules *rules,
                                    struct json_text token, struct json_text nonce,
                                    uint64_t now_secs, struct auth_who *who,
                                    const char **why);

const char *id_token_word(enum id_token_result result);

#endif
