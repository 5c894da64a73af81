/* config_address.c - see config_address.h. */
#include "common/config_address.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "common/xalloc.h"

/* Digits and nothing else, from `min` to `max`. */
static bool parse_number(const char *text, long min, long max, long *out)
{
    size_t len = strlen(text);

    if (len == 0 || len > 9 || strspn(text, "0123456789") != len)
        return false;
    *out = strtol(text, NULL, 10);
    return *out >= min && *out <= max;
}

/* Whether `len` bytes can be a host: printable ASCII, and no sign of the URL around. */
static bool is_host(const char *host, size_t len, bool in_brackets)
{
    for (size_t i = 0; i < len; i++)
        if (host[i] <= ' ' || host[i] > '~' || strchr("@/?#[],\"\\", host[i]) ||
            (host[i] == ':' && !in_brackets))
            return false;
    return len > 0;
}

int config_split_address(const char *address, const char *default_port, char **host,
                         char **port)
{
    bool in_brackets = address[0] == '[';
    const char *start = address + (in_brackets ? 1 : 0);
    const char *end = strpbrk(start, in_brackets ? "]" : ":");
    const char *rest, *digits;
    long number;

    if (!end && in_brackets)
        return UV_EINVAL;
    if (!end)
        end = start + strlen(start);
    rest = end + (in_brackets ? 1 : 0);
    digits = rest[0] == ':' ? rest + 1 : default_port;
    if ((rest[0] != ':' && rest[0] != '\0') || !digits ||
        !parse_number(digits, 1, 65535, &number) ||
        !is_host(start, (size_t)(end - start), in_brackets))
        return UV_EINVAL;
    *host = xmemdup(start, (size_t)(end - start));
    *port = xstrdup(digits);
    return 0;
}
