/* identity.c - see identity.h. */
#include "gateway/identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static unsigned char put(struct identity *identity, size_t at, struct json_text text)
{
    if (text.len > 0)
        memcpy(identity->text + at, text.base, text.len);
    return (unsigned char)text.len;
}

static struct identity *make(struct json_text user, struct json_text name,
                             struct json_text jti)
{
    struct identity *identity =
        xcalloc(1, sizeof(*identity) + user.len + name.len + jti.len);

    identity->user_len = put(identity, 0, user);
    identity->name_len = put(identity, user.len, name);
    identity->jti_len = put(identity, user.len + name.len, jti);
    return identity;
}

struct identity *identity_new(struct jwt_claims *claims)
{
    struct identity *identity = make(claims->user, claims->name, claims->jti);

    identity->grants = claims->grants;
    claims->grants = NULL;
    identity->key = claims->key;
    identity->issued_s = (uint32_t)claims->issued_at;
    return identity;
}

struct identity *identity_new_guest(struct json_text user, uint64_t now_s)
{
    const struct json_text none = {NULL, 0};
    struct identity *identity = make(user, none, none);

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
