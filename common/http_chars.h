/* http_chars.h - what a character of an HTTP message may be (RFC 9110, sections 5.6.2 and 5.5), for
 * both who read one: http_message.h and the gateway's handshake.
 */
#ifndef COMMON_HTTP_CHARS_H
#define COMMON_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool http_is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Of a method or a field's name. */
static inline bool http_is_token_char(char c)
{
    return http_is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Of a field's value. */
static inline bool http_is_value_char(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

static inline bool http_has_only(const char *text, size_t len, bool (*is_allowed)(char))
{
    for (size_t i = 0; i < len; i++)
        if (!is_allowed(text[i]))
            return false;
    return true;
}

#endif
