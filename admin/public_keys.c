/* public_keys.c - see public_keys.h. */
#include "admin/public_keys.h"

#include <string.h>

#include "common/json_read.h"
#include "common/jwk.h"

/* What jwk_parse looks at; the halves that are private have other names. */
static const char *const members[] = {"kty", "use", "key_ops", "alg", "kid",
                                      "crv", "x",   "y",       "n",   "e"};

static void add_member(struct strbuf *out, const char *name, struct json_text value)
{
    if (value.len == 0)
        return;
    strbuf_add_text(out, out->data[out->len - 1] == '{' ? "\"" : ",\"");
    strbuf_add_text(out, name);
    strbuf_add_text(out, "\":");
    json_add_compact(out, value);
}

static void add_public_half(struct strbuf *out, struct json_text key)
{
    struct json_members in = {NULL, 0, 0, 0};

    strbuf_add_char(out, '{');
    if (json_scan(key.base, key.len, &in) == 0)
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
            add_member(out, members[i], json_read_find(&in, members[i]));
    strbuf_add_char(out, '}');
    json_members_deinit(&in);
}

/* The array of a set; of length 0 where it is none. `in` has what is read. */
static struct json_text find_keys(struct json_text set, struct json_members *in)
{
    struct json_text keys = {"", 0};

    if (json_scan(set.base, set.len, in) == 0)
        keys = json_read_find(in, "keys");
    return keys.len > 0 && keys.base[0] == '[' ? keys : (struct json_text){"", 0};
}

static bool is_usable(struct json_text key)
{
    struct jwk jwk;
    bool is_good = jwk_parse(key, &jwk);

    if (is_good)
        jwk_deinit(&jwk);
    return is_good;
}

/* How many there are. */
static size_t add_usable(struct strbuf *out, struct json_text keys, size_t *left_out)
{
    struct json_text key;
    size_t at = 0, count = 0;

    *left_out = 0;
    while (json_read_next(keys, &at, &key) && key.len > 0) {
        if (!is_usable(key)) {
            ++*left_out;
            continue;
        }
        strbuf_add_text(out, count++ > 0 ? "," : "");
        add_public_half(out, key);
    }
    return count;
}

enum public_keys_result public_keys_add(struct strbuf *out, struct json_text set,
                                        size_t *left_out)
{
    struct json_members in = {NULL, 0, 0, 0};
    struct json_text keys = find_keys(set, &in);
    size_t start = out->len;
    enum public_keys_result result = PUBLIC_KEYS_NO_SET;

    if (keys.len > 0) {
        strbuf_add_text(out, "{\"keys\":[");
        result =
            add_usable(out, keys, left_out) > 0 ? PUBLIC_KEYS_OK : PUBLIC_KEYS_NONE;
        strbuf_add_text(out, "]}");
    }
    if (result == PUBLIC_KEYS_NONE)
        out->len = start;
    json_members_deinit(&in);
    return result;
}

static void add_kid(struct strbuf *out, struct json_text key)
{
    struct json_members in = {NULL, 0, 0, 0};
    struct json_text kid = {"", 0};

    if (json_scan(key.base, key.len, &in) == 0)
        kid = json_read_find(&in, "kid");
    if (json_read_is_string(kid))
        json_add_compact(out, kid);
    else
        strbuf_add_text(out, "null");
    json_members_deinit(&in);
}

void public_keys_add_kids(struct strbuf *out, struct json_text set)
{
    struct json_members in = {NULL, 0, 0, 0};
    struct json_text keys = find_keys(set, &in), key;
    size_t at = 0, count = 0;

    strbuf_add_char(out, '[');
    while (keys.len > 0 && json_read_next(keys, &at, &key) && key.len > 0) {
        strbuf_add_text(out, count++ > 0 ? "," : "");
        add_kid(out, key);
    }
    strbuf_add_char(out, ']');
    json_members_deinit(&in);
}
