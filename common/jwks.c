/* jwks.c - see jwks.h. */
#include "common/jwks.h"

#include <stdlib.h>
#include <string.h>

#include "common/fnv.h"
#include "common/json_read.h"
#include "common/xalloc.h"

/* `keys` must be an array. */
static void read_keys(struct json_text keys, struct jwks_issuer *out)
{
    struct json_text each;
    size_t at = 0;

    while (json_read_next(keys, &at, &each)) {
        struct jwk key;

        if (each.len == 0)
            break; /* of an empty array */
        if (!jwk_parse(each, &key)) {
            out->left_out++;
            continue;
        }
        out->keys = xrealloc(out->keys, (out->count + 1) * sizeof(*out->keys));
        out->keys[out->count++] = key;
    }
}

bool jwks_parse_set(struct json_text set, struct jwks_issuer *out)
{
    struct json_members in = {NULL, 0, 0, 0};
    struct json_text keys = {"", 0};

    if (json_scan(set.base, set.len, &in) == 0)
        keys = json_read_find(&in, "keys");
    if (keys.len > 0 && keys.base[0] == '[')
        read_keys(keys, out);
    json_members_deinit(&in);
    return out->count > 0;
}

static bool add_issuer(struct jwks *jwks, const struct json_member *member)
{
    struct jwks_issuer *issuer = &jwks->issuers[jwks->count];
    char *name = json_read_dup(member->key);

    if (jwks_find(jwks, (struct json_text){name, strlen(name)})) {
        free(name);
        return false;
    }
    if (!jwks_parse_set(member->value, issuer))
        issuer->count = 0;
    for (size_t i = 0; i < issuer->count; i++) /* two may have the same key */
        issuer->keys[i].print = fnv64_add(issuer->keys[i].print, name, strlen(name));
    issuer->name = name;
    jwks->count++;
    return true;
}

bool jwks_parse(struct json_text text, struct jwks *out)
{
    struct json_members in = {NULL, 0, 0, 0};
    bool is_right = json_scan(text.base, text.len, &in) == 0;

    *out = (struct jwks){0};
    if (is_right)
        out->issuers = xcalloc(in.count + 1, sizeof(*out->issuers));
    for (size_t i = 0; is_right && i < in.count; i++)
        is_right = add_issuer(out, &in.items[i]);
    json_members_deinit(&in);
    if (!is_right)
        jwks_deinit(out);
    return is_right;
}

const struct jwks_issuer *jwks_find(const struct jwks *jwks, struct json_text issuer)
{
    for (size_t i = 0; i < jwks->count; i++)
        if (strlen(jwks->issuers[i].name) == issuer.len &&
            memcmp(jwks->issuers[i].name, issuer.base, issuer.len) == 0)
            return &jwks->issuers[i];
    return NULL;
}

bool jwks_has(const struct jwks *jwks, uint64_t print)
{
    for (size_t i = 0; i < jwks->count; i++)
        for (size_t k = 0; k < jwks->issuers[i].count; k++)
            if (jwks->issuers[i].keys[k].print == print)
                return true;
    return false;
}

void jwks_deinit_issuer(struct jwks_issuer *issuer)
{
    for (size_t i = 0; i < issuer->count; i++)
        jwk_deinit(&issuer->keys[i]);
    free(issuer->keys);
    free(issuer->name);
    *issuer = (struct jwks_issuer){0};
}

void jwks_deinit(struct jwks *jwks)
{
    for (size_t i = 0; i < jwks->count; i++)
        jwks_deinit_issuer(&jwks->issuers[i]);
    free(jwks->issuers);
    *jwks = (struct jwks){0};
}
