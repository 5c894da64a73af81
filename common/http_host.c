/* http_host.c - see http_host.h. */
#include "common/http_host.h"

#include <string.h>

#include "common/digits.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=", c));
}

/* An address in brackets, of version 6 or later. */
static bool is_address_char(char c)
{
    return is_name_char(c) || c == ':' || c == '%';
}

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && len - i > 2 && digits_parse_hex(text + i + 1, 2) >= 0)
            i += 2;
        else if (!is_name_char(text[i]))
            return false;
    }
    return true;
}

static bool is_address(const char *text, size_t len)
{
    if (len < 3 || text[len - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < len; i++)
        if (!is_address_char(text[i]))
            return false;
    return true;
}

bool http_host_is(const char *text, size_t len)
{
    bool in_brackets = len > 0 && text[0] == '[';
    const char *close = in_brackets ? memchr(text, ']', len) : text;
    const char *colon = close ? memchr(close, ':', len - (size_t)(close - text)) : NULL;
    size_t host_len = colon ? (size_t)(colon - text) : len;
    size_t port_len = colon ? len - host_len - 1 : 0;
    uint64_t port;

    if (port_len > 0 && !digits_parse(colon + 1, port_len, 65535, &port))
        return false;
    return in_brackets ? is_address(text, host_len) : is_name(text, host_len);
}
