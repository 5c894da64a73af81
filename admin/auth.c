/* auth.c - see auth.h.
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

enum { REFILL_MS = 6000, ADDRESSES_MAX = 10000 };

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

static bool is_right(const struct auth *auth, struct json_text token)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)token.base, token.len, digest);
    return CRYPTO_memcmp(digest, auth->digest, sizeof(digest)) == 0;
}

/* Whether the header is `Bearer` and the token; RFC 6750, section 2.1. */
static bool has_token(const struct auth *auth, struct json_text header)
{
    static const char scheme[] = "bearer ";
    size_t skip = sizeof(scheme) - 1;

    if (header.len <= skip || strncasecmp(header.base, scheme, skip) != 0)
        return false;
    while (skip < header.len && header.base[skip] == ' ')
        skip++;
    return is_right(auth, (struct json_text){header.base + skip, header.len - skip});
}

enum auth_result auth_check(struct auth *auth, struct json_text header,
                            const char *address, uint64_t now_ms)
{
    struct failure *failure;

    if (!header.base)
        return AUTH_MISSING;
    if (has_token(auth, header))
        return AUTH_OK;
    failure = find(auth, address, now_ms);
    if (failure && failure->count >= auth->failures_max)
        return AUTH_THROTTLED;
    count(auth, failure, address, now_ms);
    return AUTH_WRONG;
}
