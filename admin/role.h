/* role.h - what an operator may do, in three steps: each may what the ones before it may
 * (SPEC-PUBLIC P14). Pure. */
#ifndef ADMIN_ROLE_H
#define ADMIN_ROLE_H

#include <stdbool.h>

#include "common/json.h"

/* X(id, word), the least first. */
#define ROLES(X)                                                                       \
    X(ROLE_NONE, none)                                                                 \
    X(ROLE_VIEWER, viewer)                                                             \
    X(ROLE_MODERATOR, moderator)                                                       \
    X(ROLE_ADMIN, admin)

enum role {
#define X(id, word) id,
    ROLES(X)
#undef X
        ROLES_COUNT,
};

const char *role_word(enum role role);

/* False: it is no word of a role that somebody can have. */
bool role_parse(struct json_text word, enum role *out);

#endif
