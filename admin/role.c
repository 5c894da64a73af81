/* role.c - see role.h. */
#include "admin/role.h"

static const char *const words[] = {
#define X(id, word) [id] = #word,
    ROLES(X)
#undef X
};

const char *role_word(enum role role)
{
    return words[role];
}

bool role_parse(struct json_text word, enum role *out)
{
    for (enum role role = ROLE_VIEWER; role < ROLES_COUNT; role++)
        if (json_text_is(word, words[role])) {
            *out = role;
            return true;
        }
    return false;
}
