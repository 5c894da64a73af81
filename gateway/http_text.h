/* http_text.h - values of HTTP headers: compared, and looked for in comma separated lists. Pure. */
#ifndef GATEWAY_HTTP_TEXT_H
#define GATEWAY_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Borrowed. base NULL: there is none. */
struct http_text {
    const char *base;
    size_t len;
};

struct http_text http_text_from(const char *literal);

/* Without the spaces and tabs around it. */
struct http_text http_text_trimmed(struct http_text text);

/* The second without case. */
bool http_text_is(struct http_text a, struct http_text b);
bool http_text_is_word(struct http_text a, struct http_text b);

/* Whether the comma separated `list` has the element `wanted`; the second without case. */
bool http_text_has(struct http_text list, struct http_text wanted);
bool http_text_has_word(struct http_text list, struct http_text wanted);

#endif
