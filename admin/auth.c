/* auth.c - see auth.h.
 *
 *     auth_check -> take_token -> find_who | count_failure
 *
 * Tokens are compared by their SHA-256, in constant time, so that neither the bytes nor the
 * length of the right one shows in how long it takes. Addresses are remembered while their
 * bucket is not empty, at most ADDRESSES_MAX of them, the oldest making room.
 */
#include "admin/auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "common/xalloc.h"

enum { SESSION_RANDOM = 43, REFILL_MS = 6000, ADDRESSES_MAX = 10000 };

static const char *const words[] = {
#define X(id, word) [id] = #word,
    AUTH_RESULTS(X)
#undef X
};

struct failure {
    struct list link;
    uint64_t at_ms; /* of the last one taken back */
    unsigned count;
    char address[];
};

void auth_init(struct auth *auth, const char *token, unsigned failures_max)
{
    *auth = (struct auth){.failures_max = failures_max};
    list_init(&auth->order);
    SHA256((const unsigned char *)token, strlen(token), auth->digest);
}

static void forget(struct auth *auth, struct failure *failure)
{
    map_remove(&auth->failures, failure->address, strlen(failure->address));
    list_remove(&failure->link);
    free(failure);
}

void auth_deinit(struct auth *auth)
{
    list_each(link, &auth->order)
        forget(auth, list_entry(link, struct failure, link));
    map_deinit(&auth->failures);
    operators_deinit(&auth->operators);
}

/* The address's failures that still count; NULL: none. */
static struct failure *find(struct auth *auth, const char *address, uint64_t now_ms)
{
    struct failure *failure = map_find(&auth->failures, address, strlen(address));
    uint64_t over;

    if (!failure)
        return NULL;
    over = (now_ms - failure->at_ms) / REFILL_MS;
    if (over >= failure->count) {
        forget(auth, failure);
        return NULL;
    }
    failure->count -= (unsigned)over;
    failure->at_ms += over * REFILL_MS;
    return failure;
}

static void count(struct auth *auth, struct failure *failure, const char *address,
                  uint64_t now_ms)
{
    if (!failure) {
        struct list *oldest = list_first(&auth->order);

        if (oldest && auth->failures.count >= ADDRESSES_MAX)
            forget(auth, list_entry(oldest, struct failure, link));
        failure = xcalloc(1, sizeof(*failure) + strlen(address) + 1);
        strcpy(failure->address, address);
        failure->at_ms = now_ms;
        list_init(&failure->link);
        map_add(&auth->failures, failure->address, strlen(address), failure);
    }
    failure->count++;
    list_remove(&failure->link);
    list_add(&auth->order, &failure->link);
}

/* Digests are compared to the end, whatever is found. */
static bool find_who(const struct auth *auth, struct json_text token,
                     struct auth_who *who)
{
    const struct operator_entry *entry;

    *who = (struct auth_who){.role = ROLE_NONE};
    SHA256((const unsigned char *)token.base, token.len, who->digest);
    entry = operators_find(&auth->operators, who->digest);
    if (CRYPTO_memcmp(who->digest, auth->digest, sizeof(auth->digest)) == 0) {
        strcpy(who->name, "admin");
        who->role = ROLE_ADMIN;
        who->kind = AUTH_BY_SETTING;
    } else if (entry) {
        strcpy(who->name, entry->name);
        who->role = entry->role;
        who->kind = AUTH_BY_FILE;
        who->until_ms = entry->until_ms;
    }
    return who->role != ROLE_NONE;
}

/* The token behind `Bearer`; RFC 6750, section 2.1. */
static bool take_token(struct json_text header, struct json_text *token)
{
    static const char scheme[] = "bearer ";
    size_t skip = sizeof(scheme) - 1;

    if (header.len <= skip || strncasecmp(header.base, scheme, skip) != 0)
        return false;
    while (skip < header.len && header.base[skip] == ' ')
        skip++;
    *token = (struct json_text){header.base + skip, header.len - skip};
    return true;
}

/* Only what looks like one is asked for. */
static bool may_be_session(const struct auth *auth, struct json_text token)
{
    size_t len = sizeof(AUTH_SESSION_PREFIX) - 1;

    return auth->has_sessions && token.len == len + SESSION_RANDOM &&
           memcmp(token.base, AUTH_SESSION_PREFIX, len) == 0;
}

static enum auth_result count_failure(struct auth *auth,
                                      const struct auth_request *request)
{
    struct failure *failure = find(auth, request->address, request->now_ms);

    if (failure && failure->count >= auth->failures_max)
        return AUTH_THROTTLED;
    count(auth, failure, request->address, request->now_ms);
    return AUTH_WRONG;
}

/* A token that is over was no guess. */
static enum auth_result check(struct auth *auth, const struct auth_request *request,
                              struct auth_who *who)
{
    struct json_text token;

    *who = (struct auth_who){.role = ROLE_NONE};
    if (!request->header.base)
        return AUTH_MISSING;
    if (!take_token(request->header, &token))
        return count_failure(auth, request);
    if (!find_who(auth, token, who)) {
        who->kind = AUTH_BY_SESSION;
        return may_be_session(auth, token) ? AUTH_ASK : count_failure(auth, request);
    }
    return auth_holds(auth, who, request->wall_ms) ? AUTH_OK : AUTH_EXPIRED;
}

enum auth_result auth_check(struct auth *auth, const struct auth_request *request,
                            struct auth_who *who)
{
    enum auth_result result = check(auth, request, who);

    if (result != AUTH_OK && result != AUTH_ASK)
        auth->counts[who->role][result]++;
    return result;
}

enum auth_result auth_answer(struct auth *auth, const struct auth_request *request,
                             const struct auth_who *who, bool is_none)
{
    enum auth_result result = AUTH_EXPIRED;

    if (is_none)
        result = count_failure(auth, request);
    else if (auth_holds(auth, who, request->wall_ms))
        return AUTH_OK;
    auth->counts[is_none ? ROLE_NONE : who->role][result]++;
    return result;
}

enum auth_result auth_permit(struct auth *auth, const struct auth_who *who,
                             enum role need)
{
    enum auth_result result = who->role >= need ? AUTH_OK : AUTH_FORBIDDEN;

    auth->counts[who->role][result]++;
    return result;
}

bool auth_holds(const struct auth *auth, const struct auth_who *who, uint64_t wall_ms)
{
    const struct operator_entry *entry;

    if (who->kind == AUTH_BY_FILE) {
        entry = operators_find(&auth->operators, who->digest);
        if (!entry || entry->role != who->role)
            return false;
        return entry->until_ms == 0 || wall_ms < entry->until_ms;
    }
    return who->kind == AUTH_BY_SETTING || wall_ms < who->until_ms;
}

bool auth_names_are_proven(const struct auth *auth)
{
    return auth->operators.count > 0 || auth->has_sessions;
}

/* Which results a role can have: without a known token there is none. */
static bool can_have(enum role role, enum auth_result result)
{
    if (role == ROLE_NONE)
        return result == AUTH_MISSING || result == AUTH_WRONG ||
               result == AUTH_THROTTLED;
    return result == AUTH_OK || result == AUTH_EXPIRED ||
           (result == AUTH_FORBIDDEN && role != ROLE_ADMIN);
}

void auth_print_metrics(const struct auth *auth, struct strbuf *out)
{
    strbuf_add_text(out, "# HELP roomcast_admin_auth_total Requests of the API, by the "
                         "role of their token and what came of it\n"
                         "# TYPE roomcast_admin_auth_total counter\n");
    for (enum role role = ROLE_NONE; role < ROLES_COUNT; role++)
        for (enum auth_result result = AUTH_OK; result < AUTH_RESULTS_COUNT; result++)
            if (can_have(role, result))
                strbuf_add_format(
                    out,
                    "roomcast_admin_auth_total{role=\"%s\",result=\"%s\"} "
                    "%llu\n",
                    role_word(role), words[result],
                    (unsigned long long)auth->counts[role][result]);
}
