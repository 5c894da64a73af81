/* http_text.c - see http_text.h. */
#include "gateway/http_text.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

struct http_text http_text_from(const char *literal)
{
    return (struct http_text){literal, strlen(literal)};
}

bool http_text_is(struct http_text a, struct http_text b)
{
    return a.len == b.len && memcmp(a.base, b.base, a.len) == 0;
}

bool http_text_is_word(struct http_text a, struct http_text b)
{
    return a.len == b.len && strncasecmp(a.base, b.base, a.len) == 0;
}

struct http_text http_text_trimmed(struct http_text text)
{
    while (text.len > 0 && is_space(text.base[0])) {
        text.base++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.base[text.len - 1]))
        text.len--;
    return text;
}

static bool has_element(struct http_text list, struct http_text wanted,
                        bool (*is_equal)(struct http_text, struct http_text))
{
    const char *end = list.base + list.len;

    for (const char *at = list.base; at <= end; at++) {
        struct http_text element = {at, 0};

        while (at < end && *at != ',')
            at++;
        element.len = (size_t)(at - element.base);
        if (is_equal(http_text_trimmed(element), wanted))
            return true;
    }
    return false;
}

bool http_text_has(struct http_text list, struct http_text wanted)
{
    return has_element(list, wanted, http_text_is);
}

bool http_text_has_word(struct http_text list, struct http_text wanted)
{
    return has_element(list, wanted, http_text_is_word);
}
