/* revocations.h - the tokens that are accepted no more although they are good ones (SPEC-PUBLIC P3): of a
 * user, or the one with a jti, those that were issued before a moment. What gateways and the admin service
 * have a copy of; rc:revoked has the same under the same names. Knows neither Redis nor clocks.
 *
 * Entries are merged: of two for one name the later moment and the later end count, so it does not matter in
 * which order they come.
 */
#ifndef COMMON_REVOCATIONS_H
#define COMMON_REVOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/list.h"
#include "common/map.h"
#include "common/strbuf.h"

/* Of numbers that stand in Redis: exact in Lua. */
#define REVOCATION_NUMBER_MAX UINT64_C(999999999999999)

enum {
    REVOCATIONS_MAX = 100000,
    REVOCATION_NAME_MAX = 160, /* `user:` or `jti:`, and the longest of those */
};

struct revocation {
    uint64_t issued_before; /* seconds since 1970 */
    uint64_t until_ms;      /* how long it is kept */
};

struct revocation_entry {
    struct list link;
    struct revocation is;
    uint32_t seen;   /* for revoked_copy.h */
    bool is_missing; /* the same: Redis lacks it, or has less of it */
    uint32_t name_len;
    char name[];
};

/* Zeroed and initialized: empty. */
struct revocations {
    struct map map;
    struct list all; /* revocation_entry */
};

void revocations_init(struct revocations *all);
void revocations_deinit(struct revocations *all);

/* Makes the name of a user's entry, or of a token's. */
void revocations_print_user(struct strbuf *out, struct json_text user);
void revocations_print_jti(struct strbuf *out, struct json_text jti);

/* Whether it can be the name of an entry. */
bool revocations_is_name(struct json_text name);

/* `<issued before> <kept until>`, as it stands in Redis. False: it is no such. */
bool revocation_parse(struct json_text text, struct revocation *out);

/* The entry of this name, new or merged; NULL: there are REVOCATIONS_MAX others. `has_changed` may be
 * NULL. */
struct revocation_entry *revocations_add(struct revocations *all, struct json_text name,
                                         const struct revocation *is,
                                         bool *has_changed);

/* Whether a token of this user with this jti (len 0: none) that was issued then is revoked. */
bool revocations_has(const struct revocations *all, struct json_text user,
                     struct json_text jti, uint64_t issued_s);

/* Whether the entry of this name is about such a token. */
bool revocations_is_about(struct json_text name, struct json_text user,
                          struct json_text jti);

/* Drops the entries whose time is over. */
void revocations_drop_old(struct revocations *all, uint64_t now_ms);

static inline uint32_t revocations_count(const struct revocations *all)
{
    return all->map.count;
}

#endif
