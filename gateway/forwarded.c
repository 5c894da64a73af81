/* forwarded.c - see forwarded.h.
 *
 * From left to right, though what counts is at the right: the last entry that decides has the last word. */
#include "gateway/forwarded.h"

#include <string.h>

static struct http_text until(const char *at, const char *end, char stop)
{
    const char *found = memchr(at, stop, (size_t)(end - at));

    return (struct http_text){at, (size_t)((found ? found : end) - at)};
}

/* An empty element of a list is none (RFC 9110, section 5.6.1). */
static void take_entry(struct http_text entry, const struct networks *trusted,
                       struct address *out, bool *has_found)
{
    struct address address;

    if (entry.len == 0)
        return;
    if (!address_parse(&address, entry.base, entry.len)) {
        *has_found = false;
    } else if (!networks_have(trusted, &address)) {
        *has_found = true;
        *out = address;
    }
}

static void take_value(struct http_text value, const struct networks *trusted,
                       struct address *out, bool *has_found)
{
    const char *at = value.base, *end = value.base + value.len;

    while (at <= end) {
        struct http_text entry = until(at, end, ',');

        at += entry.len + 1;
        take_entry(http_text_trimmed(entry), trusted, out, has_found);
    }
}

/* The value of a line with this header, or none. */
static struct http_text value_of(struct http_text line)
{
    struct http_text name = until(line.base, line.base + line.len, ':');

    if (!http_text_is_word(name, http_text_from("X-Forwarded-For")) ||
        name.len == line.len)
        return (struct http_text){line.base, 0};
    return (struct http_text){name.base + name.len + 1, line.len - name.len - 1};
}

bool forwarded_find(struct http_text lines, const struct networks *trusted,
                    struct address *out)
{
    const char *at = lines.base, *end = lines.base + lines.len;
    bool has_found = false;

    while (at < end) {
        struct http_text line = until(at, end, '\r');

        take_value(at == lines.base ? line : value_of(line), trusted, out, &has_found);
        at += line.len + 2;
    }
    return has_found;
}
