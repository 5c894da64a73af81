/* auth.h - who may use the API: those who send a token (SPEC section 4, SPEC-PUBLIC P8). Tokens are
 * AUTH_TOKEN, whose holder is `admin`, those of operators.h, and those of sessions. Wrong tokens are throttled by
 * address, a right one never is: behind one address there may be many people, and one who guesses
 * must not lock the others out. A token that can be guessed at any rate that a server answers is too
 * short in any case.
 */
#ifndef ADMIN_AUTH_H
#define ADMIN_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/operators.h"
#include "common/json.h"
#include "common/list.h"
#include "common/map.h"

/* X(id, word) */
#define AUTH_RESULTS(X)                                                                \
    X(AUTH_OK, ok)                                                                     \
    X(AUTH_MISSING, missing)                                                           \
    X(AUTH_WRONG, wrong)                                                               \
    X(AUTH_EXPIRED, expired)                                                           \
    X(AUTH_THROTTLED, throttled)                                                       \
    X(AUTH_FORBIDDEN, forbidden)

enum auth_result {
#define X(id, word) id,
    AUTH_RESULTS(X)
#undef X
        AUTH_RESULTS_COUNT,
    AUTH_ASK = AUTH_RESULTS_COUNT, /* it may be one of a session, see auth_answer */
};

enum { AUTH_NAME_MAX = 160 };

enum auth_kind { AUTH_BY_SETTING, AUTH_BY_FILE, AUTH_BY_SESSION };

/* How tokens of sessions begin, so that no other one is looked for in Redis. */
#define AUTH_SESSION_PREFIX "rcs_"

struct auth_who {
    char name[AUTH_NAME_MAX + 1];
    enum role role;
    enum auth_kind kind;
    uint64_t until_ms; /* when the token ends, since 1970; 0: never */
    unsigned char digest[OPERATORS_DIGEST];
};

struct auth {
    unsigned char digest[OPERATORS_DIGEST]; /* of AUTH_TOKEN */
    struct operators operators;             /* its owner's to read */
    struct map failures;                    /* address -> how often it was wrong */
    struct list order;                      /* the same, the longest unheard of first */
    unsigned failures_max;
    bool has_sessions; /* its owner's to set: there are tokens of sessions, too */
    uint64_t counts[ROLES_COUNT][AUTH_RESULTS_COUNT];
};

/* What came with a request. `now_ms` is of any clock that only goes on, `wall_ms` since 1970. */
struct auth_request {
    struct json_text header; /* Authorization; base NULL: none */
    const char *address;
    uint64_t now_ms, wall_ms;
};

/* `failures_max`: wrong tokens that an address may send at once; one more each 6 s. */
void auth_init(struct auth *auth, const char *token, unsigned failures_max);
void auth_deinit(struct auth *auth);

/* AUTH_OK: `who` says who it is; also of AUTH_EXPIRED. AUTH_ASK: who has the session of who->digest, must be
 * found out and told by auth_answer. Counts all but these two. */
enum auth_result auth_check(struct auth *auth, const struct auth_request *request,
                            struct auth_who *who);

/* After AUTH_ASK: `who` is complete, or there `is_none`. */
enum auth_result auth_answer(struct auth *auth, const struct auth_request *request,
                             const struct auth_who *who, bool is_none);

/* AUTH_OK, or AUTH_FORBIDDEN: less than `need`. Counts it. */
enum auth_result auth_permit(struct auth *auth, const struct auth_who *who,
                             enum role need);

/* Whether there are other tokens than AUTH_TOKEN, each with a name. */
bool auth_names_are_proven(const struct auth *auth);

/* Whether a token that was right is so still. */
bool auth_holds(const struct auth *auth, const struct auth_who *who, uint64_t wall_ms);

/* Adds admin_auth_total in Prometheus' text format. */
void auth_print_metrics(const struct auth *auth, struct strbuf *out);

#endif
