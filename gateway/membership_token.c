/* membership_token.c - see membership.h: a token that a member is in a room by. */
#include "gateway/membership.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

struct membership *membership_of_token(struct lifetime *lifetime)
{
    return ((struct membership_token *)(void *)lifetime)->membership;
}

void membership_drop_token(struct membership *m)
{
    if (!m->token)
        return;
    lifetime_stop(&m->token->lifetime);
    free(m->token);
    m->token = NULL;
}

void membership_set_token(struct membership *m, struct lifetimes *lifetimes,
                          const struct jwt_claims *claims)
{
    struct membership_token *token = xcalloc(1, sizeof(*token) + claims->jti.len);

    membership_drop_token(m);
    m->token = token;
    token->membership = m;
    token->key = claims->key;
    token->issued_s = (uint32_t)claims->issued_at;
    token->end_s = (uint32_t)claims->expires_at;
    token->jti_len = (unsigned char)claims->jti.len;
    if (claims->jti.len > 0)
        memcpy(token->jti, claims->jti.base, claims->jti.len);
    token->lifetime.kind = LIFETIME_ROOM_TOKEN;
    lifetime_set(lifetimes, &token->lifetime, claims->expires_at);
}
