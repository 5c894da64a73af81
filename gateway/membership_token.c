/* membership_token.c - see membership.h: a token that a member is in a room by. */
#include "gateway/membership.h"

#include <stdlib.h>

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
                          uint64_t end_s, uint64_t key)
{
    if (!m->token)
        m->token = xcalloc(1, sizeof(*m->token));
    m->token->membership = m;
    m->token->key = key;
    m->token->end_s = (uint32_t)end_s;
    m->token->has_lost_key = false;
    m->token->lifetime.kind = LIFETIME_ROOM_TOKEN;
    lifetime_set(lifetimes, &m->token->lifetime, end_s);
}
