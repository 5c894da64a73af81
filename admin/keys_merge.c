/* keys_merge.c - see keys_merge.h. */
#include "admin/keys_merge.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_read.h"

static void add_member(struct strbuf *out, size_t start, struct json_text name,
                       struct json_text set)
{
    strbuf_add_text(out, out->len > start + 1 ? "," : "");
    strbuf_add(out, name.base, name.len);
    strbuf_add_char(out, ':');
    strbuf_add(out, set.base, set.len);
}

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* NULL: it is none of this replica. */
static struct issuer *find(struct issuers *issuers, struct json_text token)
{
    char *name = json_read_dup(token);
    struct issuer *issuer = issuers_find(issuers, text_of(name));

    free(name);
    return issuer;
}

static void add_those_there(struct strbuf *out, size_t start,
                            const struct json_members *in, struct issuers *issuers,
                            bool may_choose)
{
    for (size_t i = 0; i < in->count; i++) {
        const struct issuer *issuer = find(issuers, in->items[i].key);
        struct json_text set = in->items[i].value;

        if (!issuer && may_choose)
            continue;
        if (issuer && issuer->is_fresh)
            set = text_of(issuer->keys);
        add_member(out, start, in->items[i].key, set);
    }
}

static bool is_in(const struct json_members *in, struct issuers *issuers,
                  const struct issuer *issuer)
{
    for (size_t i = 0; i < in->count; i++)
        if (find(issuers, in->items[i].key) == issuer)
            return true;
    return false;
}

static void add_the_others(struct strbuf *out, size_t start,
                           const struct json_members *in, struct issuers *issuers)
{
    struct strbuf name = {NULL, 0, 0};

    for (size_t i = 0; i < issuers->count; i++) {
        const struct issuer *issuer = &issuers->all[i];

        if (!issuer->keys || is_in(in, issuers, issuer))
            continue;
        strbuf_reset(&name, 4096);
        strbuf_add_json(&name, issuer->source->name, strlen(issuer->source->name));
        add_member(out, start, (struct json_text){name.data, name.len},
                   text_of(issuer->keys));
    }
    strbuf_deinit(&name);
}

void keys_merge(struct strbuf *out, struct json_text base, struct issuers *issuers,
                bool may_choose)
{
    struct json_members in = {NULL, 0, 0, 0};
    size_t start = out->len;

    if (json_scan(base.base, base.len, &in) < 0 || json_read_has_twice(&in))
        in.count = 0;
    strbuf_add_char(out, '{');
    add_those_there(out, start, &in, issuers, may_choose);
    if (may_choose)
        add_the_others(out, start, &in, issuers);
    strbuf_add_char(out, '}');
    json_members_deinit(&in);
}

struct json_text keys_merge_find(struct json_text text, struct json_text issuer,
                                 struct json_members *in)
{
    struct json_text found = {"", 0};

    if (json_scan(text.base, text.len, in) < 0)
        return found;
    for (size_t i = 0; i < in->count && found.len == 0; i++) {
        char *name = json_read_dup(in->items[i].key);

        if (strlen(name) == issuer.len && memcmp(name, issuer.base, issuer.len) == 0)
            found = in->items[i].value;
        free(name);
    }
    return found;
}
