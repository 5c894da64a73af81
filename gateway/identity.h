/* identity.h - who a connection is: a user that a token has proven, or a guest, with all that
 * follows from it (SPEC-PUBLIC P1). Pure.
 */
#ifndef GATEWAY_IDENTITY_H
#define GATEWAY_IDENTITY_H

#include "common/jwt.h"
#include "gateway/lifetime.h"

struct identity {
    struct lifetime lifetime; /* first */
    void *owner;
    struct grants *grants;    /* a reference; NULL: none */
    uint64_t key;             /* print of what the token was verified with */
    uint32_t issued_s, end_s; /* of the token; 0: never */
    bool is_guest;
    bool has_lost_key; /* what its token was verified with is not accepted any more */
    unsigned char user_len, name_len;
    char text[]; /* the user, then how it is shown */
};

/* Takes the grants out of `claims`. */
struct identity *identity_new(struct jwt_claims *claims);

/* `user` is one that guests have. */
struct identity *identity_new_guest(struct json_text user, uint64_t now_s);

/* Its lifetime must have been stopped. Accepts NULL. */
void identity_free(struct identity *identity);

static inline struct json_text identity_user(const struct identity *identity)
{
    return (struct json_text){identity->text, identity->user_len};
}

/* base NULL: it is shown by its user alone. */
static inline struct json_text identity_name(const struct identity *identity)
{
    return (struct json_text){
        identity->name_len > 0 ? identity->text + identity->user_len : NULL,
        identity->name_len};
}

#endif
