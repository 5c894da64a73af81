/* http_route.c - see http_route.h. Segments are compared before anything is decoded, so
 * `%2F` never separates and `..` is never more than a name. */
#include "common/http_route.h"

#include <string.h>

/* Cuts the text up to `separator` off the front of `rest`. */
static struct json_text take(struct json_text *rest, char separator)
{
    const char *stop = memchr(rest->base, separator, rest->len);
    struct json_text part = {rest->base,
                             stop ? (size_t)(stop - rest->base) : rest->len};
    size_t used = stop ? part.len + 1 : part.len;

    rest->base += used;
    rest->len -= used;
    return part;
}

/* Slashes between segments: one more segment than these. */
static size_t count_slashes(struct json_text text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.base[i] == '/';
    return count;
}

bool http_route_fits(const char *pattern, struct json_text path,
                     struct json_text *params)
{
    struct json_text wanted = {pattern, strlen(pattern)};
    size_t segments = count_slashes(path), taken = 0;

    if (path.len == 0)
        return false;

    if (count_slashes(wanted) != segments)
        return false;
    for (size_t i = 0; i <= segments; i++) {
        struct json_text want = take(&wanted, '/'), have = take(&path, '/');

        if (want.len > 0 && want.base[0] == '{') {
            if (have.len == 0)
                return false;
            params[taken++] = have;
        } else if (want.len != have.len ||
                   memcmp(want.base, have.base, want.len) != 0) {
            return false;
        }
    }
    return true;
}

struct json_text http_route_query(struct json_text query, const char *name)
{
    size_t len = strlen(name);

    while (query.len > 0) {
        struct json_text value = take(&query, '&'), key = take(&value, '=');

        if (key.len == len && memcmp(key.base, name, len) == 0)
            return value;
    }
    return (struct json_text){NULL, 0};
}
