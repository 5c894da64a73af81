/* identity.h - who a connection is: a user that a token has proven, or a guest, with all that
 * follows from it (SPEC-PUBLIC P1). Pure.
 */
#ifndef GATEWAY_IDENTITY_H
#define GATEWAY_IDENTITY_H

#include "common/jwt.h"
#include "gateway/lifetime.h"

/* Why what a token gives ends before its time, as a refused token does. */
enum withdrawn {
    WITHDRAWN_NOT,
    WITHDRAWN_KEY,   /* what it was verified with is not accepted any more */
    WITHDRAWN_TOKEN, /* it is revoked */
};

struct identity {
    struct lifetime lifetime; /* first */
    void *owner;
    struct grants *grants;    /* a reference; NULL: none */
    uint64_t key;             /* print of what the token was verified with */
    uint32_t issued_s, end_s; /* of the token; 0: never */
    bool is_guest;
    unsigned char withdrawn; /* enum withdrawn */
    unsigned char user_len, name_len, jti_len;
    char text[]; /* the user, how it is shown, the token's jti */
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

/* len 0: it has none. */
static inline struct json_text identity_jti(const struct identity *identity)
{
    return (struct json_text){identity->text + identity->user_len + identity->name_len,
                              identity->jti_len};
}

/* base NULL: it is shown by its user alone. */
static inline struct json_text identity_name(const struct identity *identity)
{
    return (struct json_text){
        identity->name_len > 0 ? identity->text + identity->user_len : NULL,
        identity->name_len};
}

#endif
