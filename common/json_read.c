/* json_read.c - see json_read.h. Everything here trusts that json_scan has looked first. */
#include "common/json_read.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/utf8.h"
#include "common/xalloc.h"

enum { FEW = 16 };

/* Names are hardly ever escaped, but for the slash, which some write with a backslash. An escape is
 * longer than what it stands for. */
static bool is_named(struct json_text key, const char *name, size_t len)
{
    struct strbuf text = {NULL, 0, 0};
    bool is;

    if (key.len <= len + 2)
        return key.len == len + 2 && memcmp(key.base + 1, name, len) == 0;
    if (!memchr(key.base, '\\', key.len))
        return false;
    json_read_text(&text, key);
    is = text.len == len && memcmp(text.data, name, len) == 0;
    strbuf_deinit(&text);
    return is;
}

struct json_text json_read_find(const struct json_members *members, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < members->count; i++)
        if (is_named(members->items[i].key, name, len))
            return members->items[i].value;
    return (struct json_text){"", 0};
}

uint64_t json_read_number(struct json_text token)
{
    uint64_t number = 0;

    for (size_t i = 0; i < token.len && token.base[i] >= '0' && token.base[i] <= '9';
         i++)
        number = number * 10 + (uint64_t)(token.base[i] - '0');
    return number;
}

bool json_read_is(struct json_text token, const char *text)
{
    size_t len = strlen(text);

    return token.len == len + 2 && memcmp(token.base + 1, text, len) == 0;
}

bool json_read_is_true(struct json_text token)
{
    return token.len > 0 && token.base[0] == 't';
}

bool json_read_is_string(struct json_text token)
{
    return token.len >= 2 && token.base[0] == '"';
}

void json_read_copy(char *out, size_t size, struct json_text token)
{
    size_t len = token.len < 2 ? 0 : token.len - 2;

    if (len >= size)
        len = size - 1;
    memcpy(out, token.base + (len > 0), len);
    out[len] = '\0';
}

/* What the escape at `at` (the backslash) stands for; returns the place behind it. */
static const char *add_escaped(struct strbuf *out, const char *at)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *name = strchr(names, at[1]);
    uint32_t c;

    if (at[1] != 'u') {
        strbuf_add_char(out, name ? values[name - names] : at[1]);
        return at + 2;
    }
    c = (uint32_t)digits_parse_hex(at + 2, 4);
    at += 6;
    if (c >= 0xd800 && c <= 0xdbff) { /* json_scan has seen the other half */
        c = 0x10000 + ((c - 0xd800) << 10) +
            ((uint32_t)digits_parse_hex(at + 2, 4) - 0xdc00);
        at += 6;
    }
    utf8_add(out, c);
    return at;
}

void json_read_text(struct strbuf *out, struct json_text token)
{
    const char *at = token.base + 1, *end = token.base + token.len - 1;

    if (!json_read_is_string(token))
        return;
    while (at < end) {
        const char *stop = memchr(at, '\\', (size_t)(end - at));

        strbuf_add(out, at, (size_t)((stop ? stop : end) - at));
        at = stop ? add_escaped(out, stop) : end;
    }
}

char *json_read_dup(struct json_text token)
{
    struct strbuf text = {NULL, 0, 0};

    json_read_text(&text, token);
    return text.data ? text.data : xstrdup("");
}

bool json_read_next(struct json_text array, size_t *at, struct json_text *out)
{
    size_t i = *at + 1, depth = 0;
    bool in_string = false;

    if (i + 1 >= array.len)
        return false;
    for (*at = i; *at < array.len; (*at)++) {
        char c = array.base[*at];

        if (in_string && c == '\\')
            (*at)++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && depth == 0 && (c == ',' || c == ']'))
            break;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
    }
    while (i < *at && strchr(" \t\r\n", array.base[i]))
        i++;
    *out = (struct json_text){array.base + i, *at - i};
    while (out->len > 0 && strchr(" \t\r\n", out->base[out->len - 1]))
        out->len--;
    return true;
}

/* ---- names that are there twice ---- */

static int compare(const void *left, const void *right)
{
    const struct json_text *a = left, *b = right;
    int order = memcmp(a->base, b->base, a->len < b->len ? a->len : b->len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static bool has_escapes(const struct json_members *members)
{
    for (size_t i = 0; i < members->count; i++)
        if (memchr(members->items[i].key.base, '\\', members->items[i].key.len))
            return true;
    return false;
}

/* Of a few names as they stand each is compared with each. */
static bool has_twice_of_few(const struct json_members *members)
{
    for (size_t i = 1; i < members->count; i++)
        for (size_t j = 0; j < i; j++)
            if (json_text_equals(members->items[i].key, members->items[j].key))
                return true;
    return false;
}

bool json_read_has_twice(const struct json_members *members)
{
    struct strbuf text = {NULL, 0, 0};
    size_t bytes = 1, same = 0;
    struct json_text *names;

    if (members->count <= FEW && !has_escapes(members))
        return has_twice_of_few(members);
    names = xcalloc(members->count, sizeof(*names));
    for (size_t i = 0; i < members->count; i++)
        bytes += members->items[i].key.len;
    strbuf_reserve(&text, bytes); /* so that it never moves */
    for (size_t i = 0; i < members->count; i++) {
        names[i].base = text.data + text.len;
        json_read_text(&text, members->items[i].key);
        names[i].len = text.len - (size_t)(names[i].base - text.data);
    }
    qsort(names, members->count, sizeof(*names), compare);
    for (size_t i = 1; i < members->count; i++)
        same += compare(&names[i - 1], &names[i]) == 0;
    strbuf_deinit(&text);
    free(names);
    return same > 0;
}
