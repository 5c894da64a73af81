/* auth.h - who may use the API: clients that send the token (SPEC section 4). Wrong tokens are
 * throttled by address, the right one never is: behind one address there may be many
 * people, and one who guesses must not lock the others out. A token that can be guessed at
 * any rate that a server answers is too short in any case.
 */
#ifndef ADMIN_AUTH_H
#define ADMIN_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/list.h"
#include "common/map.h"

enum auth_result { AUTH_OK, AUTH_MISSING, AUTH_WRONG, AUTH_THROTTLED };

struct auth {
    unsigned char digest[32]; /* of the token */
    struct map failures;      /* address -> how often it was wrong */
    struct list order;        /* the same, the longest unheard of first */
    unsigned failures_max;
};

/* `failures_max`: wrong tokens that an address may send at once; one more each 6 s. */
void auth_init(struct auth *auth, const char *token, unsigned failures_max);
void auth_deinit(struct auth *auth);

/* Looks at an Authorization header (base NULL: there was none). `now_ms` of any clock that
 * only goes on. */
enum auth_result auth_check(struct auth *auth, struct json_text header,
                            const char *address, uint64_t now_ms);

#endif
