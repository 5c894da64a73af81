/* revocations.c - see revocations.h. */
#include "common/revocations.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/jwt_claims.h"
#include "common/xalloc.h"

#define USER "user:"
#define JTI "jti:"

void revocations_init(struct revocations *all)
{
    *all = (struct revocations){0};
    list_init(&all->all);
}

static void drop(struct revocations *all, struct revocation_entry *entry)
{
    map_remove(&all->map, entry->name, entry->name_len);
    list_remove(&entry->link);
    free(entry);
}

void revocations_deinit(struct revocations *all)
{
    struct list *link;

    while ((link = list_first(&all->all)))
        drop(all, list_entry(link, struct revocation_entry, link));
    map_deinit(&all->map);
}

/* ---- names ---- */

void revocations_print_user(struct strbuf *out, struct json_text user)
{
    strbuf_add_text(out, USER);
    strbuf_add(out, user.base, user.len);
}

void revocations_print_jti(struct strbuf *out, struct json_text jti)
{
    strbuf_add_text(out, JTI);
    strbuf_add(out, jti.base, jti.len);
}

/* What follows the kind; base NULL: it is of another kind. */
static struct json_text rest_of(struct json_text name, const char *kind)
{
    size_t len = strlen(kind);

    if (name.len <= len || memcmp(name.base, kind, len) != 0)
        return (struct json_text){NULL, 0};
    return (struct json_text){name.base + len, name.len - len};
}

bool revocations_is_name(struct json_text name)
{
    struct json_text user = rest_of(name, USER), jti = rest_of(name, JTI);

    return (user.base && proto_is_name(user.base, user.len, PROTO_USER_MAX)) ||
           (jti.base && proto_is_plain(jti.base, jti.len, JWT_JTI_MAX));
}

bool revocations_is_about(struct json_text name, struct json_text user,
                          struct json_text jti)
{
    struct json_text of_user = rest_of(name, USER), of_jti = rest_of(name, JTI);

    return (of_user.base && json_text_equals(of_user, user)) ||
           (of_jti.base && json_text_equals(of_jti, jti));
}

/* ---- entries ---- */

bool revocation_parse(struct json_text text, struct revocation *out)
{
    const char *space = text.len > 0 ? memchr(text.base, ' ', text.len) : NULL;
    size_t at = space ? (size_t)(space - text.base) : 0;

    return space &&
           digits_parse(text.base, at, REVOCATION_NUMBER_MAX, &out->issued_before) &&
           digits_parse(space + 1, text.len - at - 1, REVOCATION_NUMBER_MAX,
                        &out->until_ms);
}

static struct revocation_entry *find(const struct revocations *all,
                                     struct json_text name)
{
    return map_find(&all->map, name.base, name.len);
}

static struct revocation_entry *make(struct revocations *all, struct json_text name)
{
    struct revocation_entry *entry = xcalloc(1, sizeof(*entry) + name.len);

    entry->name_len = (uint32_t)name.len;
    memcpy(entry->name, name.base, name.len);
    list_add(&all->all, &entry->link);
    map_add(&all->map, entry->name, entry->name_len, entry);
    return entry;
}

static bool raise_to(uint64_t *number, uint64_t to)
{
    if (*number >= to)
        return false;
    *number = to;
    return true;
}

struct revocation_entry *revocations_add(struct revocations *all, struct json_text name,
                                         const struct revocation *is, bool *has_changed)
{
    struct revocation_entry *entry = find(all, name);
    bool is_later, is_longer;

    if (!entry && all->map.count >= REVOCATIONS_MAX)
        return NULL;
    if (!entry)
        entry = make(all, name);
    is_later = raise_to(&entry->is.issued_before, is->issued_before);
    is_longer = raise_to(&entry->is.until_ms, is->until_ms);
    if (has_changed)
        *has_changed = is_later || is_longer;
    return entry;
}

static bool has(const struct revocations *all, const char *kind, struct json_text text,
                uint64_t issued_s)
{
    char name[REVOCATION_NAME_MAX];
    size_t len = strlen(kind);
    const struct revocation_entry *entry;

    if (text.len == 0 || len + text.len > sizeof(name))
        return false;
    memcpy(name, kind, len);
    memcpy(name + len, text.base, text.len);
    entry = find(all, (struct json_text){name, len + text.len});
    return entry && issued_s < entry->is.issued_before;
}

bool revocations_has(const struct revocations *all, struct json_text user,
                     struct json_text jti, uint64_t issued_s)
{
    return all->map.count > 0 &&
           (has(all, USER, user, issued_s) || has(all, JTI, jti, issued_s));
}

void revocations_drop_old(struct revocations *all, uint64_t now_ms)
{
    list_each(link, &all->all) {
        struct revocation_entry *entry =
            list_entry(link, struct revocation_entry, link);

        if (entry->is.until_ms <= now_ms)
            drop(all, entry);
    }
}
