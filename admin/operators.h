/* operators.h - who operates, by the file of ROOMCAST_ADMIN_TOKENS_FILE (SPEC-PUBLIC P8). Pure: text in,
 * table out.
 *
 *     # name role SHA-256-of-the-token [until]
 *     maria moderator 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
 *     ci    admin     60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752 2027-01-31T00:00:00Z
 *
 * A name may have several tokens. It has no `:`, so that it is never that of a user or of somebody who
 * signed in elsewhere.
 */
#ifndef ADMIN_OPERATORS_H
#define ADMIN_OPERATORS_H

#include <stddef.h>
#include <stdint.h>

#include "admin/role.h"

enum {
    OPERATORS_MAX = 1000,
    OPERATORS_NAME_MAX = 64,
    OPERATORS_DIGEST = 32, /* bytes of SHA-256 */
};

struct operator_entry {
    char name[OPERATORS_NAME_MAX + 1];
    enum role role;
    unsigned char digest[OPERATORS_DIGEST];
    uint64_t until_ms; /* since 1970; 0: without end */
};

/* Zeroed: nobody. */
struct operators {
    struct operator_entry *all;
    size_t count;
};

/* 0, or the number of the first bad line, and `*why` says what is wrong with it: a literal. Replaces what was
 * there; on failure it stays. */
unsigned operators_parse(struct operators *operators, const char *text,
                         const char **why);

/* The digest's entry, also of one whose time is over; NULL: there is none. How long it takes does not depend on
 * how much of a digest is right. */
const struct operator_entry *
operators_find(const struct operators *operators,
               const unsigned char digest[OPERATORS_DIGEST]);

void operators_deinit(struct operators *operators);

#endif
