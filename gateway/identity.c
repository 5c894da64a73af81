/* identity.c - see identity.h. */
#include "gateway/identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static struct identity *make(struct json_text user, struct json_text name)
{
    struct identity *identity = xcalloc(1, sizeof(*identity) + user.len + name.len);

    identity->user_len = (unsigned char)user.len;
    identity->name_len = (unsigned char)name.len;
    memcpy(identity->text, user.base, user.len);
    if (name.len > 0)
        memcpy(identity->text + user.len, name.base, name.len);
    return identity;
}

struct identity *identity_new(struct jwt_claims *claims)
{
    struct identity *identity = make(claims->user, claims->name);

    identity->grants = claims->grants;
    claims->grants = NULL;
    identity->key = claims->key;
    identity->issued_s = (uint32_t)claims->issued_at;
    return identity;
}

struct identity *identity_new_guest(struct json_text user, uint64_t now_s)
{
    struct identity *identity = make(user, (struct json_text){NULL, 0});

    identity->is_guest = true;
    identity->issued_s = (uint32_t)now_s;
    return identity;
}

void identity_free(struct identity *identity)
{
    if (!identity)
        return;
    grants_unref(identity->grants);
    free(identity);
}
