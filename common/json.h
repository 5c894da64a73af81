/* json.h - a strict look at JSON text (RFC 8259) before anything is believed of it.
 *
 * Finds the members of an object without building a tree, refuses what cJSON would let
 * pass (trailing bytes, raw control characters, `01`, NUL, lone surrogates, deep nesting),
 * and copies a value without the white space between its tokens. Nothing is allocated
 * for values: they point into the text.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/strbuf.h"

enum { JSON_DEPTH_MAX = 32 };

/* A token as it stands in the text, strings with their quotes. base NULL: none. */
struct json_text {
    const char *base;
    size_t len;
};

/* Whether it is this word; in the second also with other small and capital letters. */
static inline bool json_text_is(struct json_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.base, word, text.len) == 0;
}

static inline bool json_text_equals(struct json_text a, struct json_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

static inline bool json_text_is_caseless(struct json_text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.base, word, text.len) == 0;
}

struct json_member {
    struct json_text key, value;
};

/* Members found by json_scan; zeroed is empty, may be used again and again. */
struct json_members {
    struct json_member *items;
    size_t count, cap;
    size_t refused; /* members whose value is none, or none that is let pass */
};

void json_members_deinit(struct json_members *members);

/* Checks that `bytes` are exactly one JSON object in UTF-8 and lists its members in
 * order. UTF-8 is checked inside strings. 0 or UV_EINVAL: then the members are those that
 * could be read, so that an answer can carry a request's id; none where the text is no object. */
int json_scan(const char *bytes, size_t len, struct json_members *out)
    __attribute__((warn_unused_result));

/* Whether it is exactly one JSON object in UTF-8, without raw control characters. */
bool json_is_line(struct json_text line);

/* Takes the next member of such an object: `before` is what must stand before it, `{` or `,`.
 * False: there is none, or it is none; json_is_end tells which. */
bool json_take_member(struct json_text *rest, char before, struct json_member *member);

/* Whether nothing but the closing brace is left. */
bool json_is_end(struct json_text rest);

/* Adds `value` (checked by json_scan) without white space between tokens; control
 * characters (also U+007F to U+009F, U+2028, U+2029) in strings are escaped, all
 * else stays as written. */
void json_add_compact(struct strbuf *out, struct json_text value);

/* Whether `bytes` are UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool json_is_utf8(const char *bytes, size_t len);

#endif
