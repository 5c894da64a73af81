/* json.c - see json.h.
 *
 * A recursive descent over the grammar of RFC 8259, depth bounded. Each parse_ function
 * takes the place where its token starts and returns the place behind it, or NULL.
 */
#include "common/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "common/digits.h"
#include "common/xalloc.h"

static const char *parse_value(const char *at, const char *end, int depth);

void json_members_deinit(struct json_members *members)
{
    free(members->items);
    *members = (struct json_members){0};
}

static void add_member(struct json_members *out, struct json_text key,
                       struct json_text value)
{
    if (out->count == out->cap) {
        out->cap = out->cap ? 2 * out->cap : 16;
        out->items = xrealloc(out->items, out->cap * sizeof(*out->items));
    }
    out->items[out->count++] = (struct json_member){key, value};
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* The length of the UTF-8 character at `at` (not ASCII), 0 if it is none. */
static size_t utf8_len(const char *at, const char *end)
{
    unsigned char a = (unsigned char)at[0];
    unsigned char b = end - at > 1 ? (unsigned char)at[1] : 0;
    size_t len = a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;

    if (a < 0xc2 || a > 0xf4 || (size_t)(end - at) < len || (b & 0xc0) != 0x80)
        return 0;
    if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
        (a == 0xf4 && b > 0x8f))
        return 0;
    for (size_t i = 2; i < len; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool json_is_utf8(const char *bytes, size_t len)
{
    const char *end = bytes + len;

    while (bytes < end) {
        size_t n = (unsigned char)*bytes < 0x80 ? 1 : utf8_len(bytes, end);

        if (n == 0)
            return false;
        bytes += n;
    }
    return true;
}

/* The four hex digits of \uXXXX, or -1. */
static int hex4(const char *at, const char *end)
{
    return end - at < 4 ? -1 : digits_parse_hex(at, 4);
}

/* `at` is behind the backslash. */
static const char *parse_escape(const char *at, const char *end)
{
    int unit;

    if (at == end)
        return NULL;
    if (*at != 'u')
        return memchr("\"\\/bfnrt", *at, 8) ? at + 1 : NULL;
    unit = hex4(at + 1, end);
    at += 5;
    if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff)) /* not hex, NUL, or lone */
        return NULL;
    if (unit < 0xd800 || unit > 0xdbff)
        return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    unit = hex4(at + 2, end);
    return unit >= 0xdc00 && unit <= 0xdfff ? at + 6 : NULL;
}

/* Characters beyond ASCII. */
static const char *parse_utf8(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at >= 0x80) {
        size_t len = utf8_len(at, end);

        if (len == 0)
            return NULL;
        at += len;
    }
    return at;
}

static const char *parse_string(const char *at, const char *end)
{
    at++; /* the quote */
    while (at && (at += strbuf_plain_len(at, (size_t)(end - at))) < end) {
        unsigned char c = (unsigned char)*at;

        if (c == '"')
            return at + 1;
        if (c < 0x20)
            return NULL;
        if (c == '\\')
            at = parse_escape(at + 1, end);
        else
            at = c == 0x7f ? at + 1 : parse_utf8(at, end);
    }
    return NULL;
}

static const char *parse_digits(const char *at, const char *end)
{
    const char *first = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > first ? at : NULL;
}

static const char *parse_number(const char *at, const char *end)
{
    if (at < end && *at == '-')
        at++;
    if (at < end && *at == '0')
        at++;
    else
        at = parse_digits(at, end);
    if (at && at < end && *at == '.')
        at = parse_digits(at + 1, end);
    if (at && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        at = parse_digits(at, end);
    }
    return at;
}

static const char *parse_word(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

static const char *parse_array(const char *at, const char *end, int depth)
{
    at = skip_space(at + 1, end);
    if (at < end && *at == ']')
        return at + 1;
    for (;;) {
        at = parse_value(at, end, depth);
        if (!at)
            return NULL;
        at = skip_space(at, end);
        if (at == end || (*at != ',' && *at != ']'))
            return NULL;
        if (*at++ == ']')
            return at;
        at = skip_space(at, end);
    }
}

/* Behind a value that was refused, as far as its strings and brackets tell; NULL where the text
 * ends in it. */
static const char *skip_refused(const char *at, const char *end)
{
    unsigned depth = 0;
    bool in_string = false;

    for (; at < end; at++) {
        if (in_string && *at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            in_string = !in_string;
        else if (in_string)
            continue;
        else if (depth == 0 && (*at == ',' || *at == '}'))
            return at;
        else if (*at == '[' || *at == '{')
            depth++;
        else if ((*at == ']' || *at == '}') && depth > 0)
            depth--;
    }
    return NULL;
}

/* `out` is NULL but for the outermost object, where a value that is refused is only counted. */
static const char *parse_object(const char *at, const char *end, int depth,
                                struct json_members *out)
{
    at = skip_space(at + 1, end);
    if (at < end && *at == '}')
        return at + 1;
    for (;;) {
        const char *key = at, *value;
        struct json_text name;

        if (at == end || *at != '"' || !(at = parse_string(at, end)))
            return NULL;
        name = (struct json_text){key, (size_t)(at - key)};
        at = skip_space(at, end);
        if (at == end || *at != ':')
            return NULL;
        value = skip_space(at + 1, end);
        at = parse_value(value, end, depth);
        if (at && out)
            add_member(out, name, (struct json_text){value, (size_t)(at - value)});
        if (!at && out) {
            out->refused++;
            at = skip_refused(value, end);
        }
        if (!at)
            return NULL;
        at = skip_space(at, end);
        if (at == end || (*at != ',' && *at != '}'))
            return NULL;
        if (*at++ == '}')
            return at;
        at = skip_space(at, end);
    }
}

static const char *parse_value(const char *at, const char *end, int depth)
{
    if (at == end)
        return NULL;
    switch (*at) {
    case '{':
        return depth < JSON_DEPTH_MAX ? parse_object(at, end, depth + 1, NULL) : NULL;
    case '[':
        return depth < JSON_DEPTH_MAX ? parse_array(at, end, depth + 1) : NULL;
    case '"':
        return parse_string(at, end);
    case 't':
        return parse_word(at, end, "true");
    case 'f':
        return parse_word(at, end, "false");
    case 'n':
        return parse_word(at, end, "null");
    default:
        return parse_number(at, end);
    }
}

int json_scan(const char *bytes, size_t len, struct json_members *out)
{
    const char *end = bytes + len;
    const char *at = skip_space(bytes, end);

    out->count = out->refused = 0;
    at = at < end && *at == '{' ? parse_object(at, end, 1, out) : NULL;
    if (!at || skip_space(at, end) != end) {
        out->count = 0;
        return UV_EINVAL;
    }
    return out->refused > 0 ? UV_EINVAL : 0;
}

/* What white space may be but a space; in strings it is refused anyway. */
static bool has_control(const char *at, const char *end)
{
    size_t len = (size_t)(end - at);

    return memchr(at, '\n', len) || memchr(at, '\r', len) || memchr(at, '\t', len);
}

bool json_is_line(struct json_text line)
{
    const char *end = line.base + line.len;

    return line.len > 0 && line.base[0] == '{' && !has_control(line.base, end) &&
           parse_object(line.base, end, 1, NULL) == end;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

bool json_take_member(struct json_text *rest, char before, struct json_member *member)
{
    const char *end = rest->base + rest->len;
    const char *at = before == '{' ? rest->base : skip_blanks(rest->base, end);
    const char *key, *value;

    if (at == end || *at != before)
        return false;
    key = at = skip_blanks(at + 1, end);
    if (at == end || *at != '"' || !(at = parse_string(at, end)))
        return false;
    member->key = (struct json_text){key, (size_t)(at - key)};
    at = skip_blanks(at, end);
    if (at == end || *at != ':')
        return false;
    value = skip_blanks(at + 1, end);
    at = parse_value(value, end, 1);
    if (!at || ((*value == '{' || *value == '[') && has_control(value, at)))
        return false;
    member->value = (struct json_text){value, (size_t)(at - value)};
    *rest = (struct json_text){at, (size_t)(end - at)};
    return true;
}

bool json_is_end(struct json_text rest)
{
    const char *end = rest.base + rest.len, *at = skip_blanks(rest.base, end);

    return end - at == 1 && *at == '}';
}

/* The code point at `at` if it is a control character that may stand in a JSON string
 * but must not reach a terminal or split a line; 0 if not. */
static unsigned control_at(const char *at, const char *end, size_t *len)
{
    unsigned char a = (unsigned char)at[0];
    unsigned char b = end - at > 1 ? (unsigned char)at[1] : 0;

    *len = 1;
    if (a == 0x7f)
        return 0x7f;
    *len = 2;
    if (a == 0xc2 && b >= 0x80 && b <= 0x9f)
        return b;
    *len = 3;
    if (a == 0xe2 && b == 0x80 && end - at > 2 &&
        ((unsigned char)at[2] == 0xa8 || (unsigned char)at[2] == 0xa9))
        return 0x2000u + ((unsigned char)at[2] & 0x3fu);
    return 0;
}

static const char *add_string(struct strbuf *out, const char *at, const char *end)
{
    const char *plain = at; /* what is not yet copied */

    at++;
    for (; *(at += strbuf_plain_len(at, (size_t)(end - at))) != '"'; at++) {
        unsigned char c = (unsigned char)*at;
        unsigned control;
        size_t len;

        if (c == '\\')
            at++;
        if (c < 0x7f || (c != 0x7f && c != 0xc2 && c != 0xe2))
            continue;
        control = control_at(at, end, &len);
        if (control == 0)
            continue;
        strbuf_add(out, plain, (size_t)(at - plain));
        strbuf_add_format(out, "\\u%04x", control);
        at += len - 1;
        plain = at + 1;
    }
    strbuf_add(out, plain, (size_t)(at + 1 - plain));
    return at + 1;
}

void json_add_compact(struct strbuf *out, struct json_text value)
{
    const char *at = value.base, *end = value.base + value.len;

    while (at < end) {
        const char *first = at;

        while (at < end && *at != '"' && *at != ' ' && *at != '\t' && *at != '\n' &&
               *at != '\r')
            at++;
        strbuf_add(out, first, (size_t)(at - first));
        at = skip_space(at, end);
        if (at < end && *at == '"')
            at = add_string(out, at, end);
    }
}
