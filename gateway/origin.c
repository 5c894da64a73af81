/* origin.c - see origin.h. */
#include "gateway/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

/* The host of an origin over http or https; empty: it is another, or none. */
static struct http_text host_of_origin(struct http_text origin)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t skip = strlen(schemes[i]);

        if (origin.len > skip && strncasecmp(origin.base, schemes[i], skip) == 0)
            return (struct http_text){origin.base + skip, origin.len - skip};
    }
    return (struct http_text){"", 0};
}

static struct http_text without_port(struct http_text host)
{
    const char *end = host.base + host.len;
    const char *from = host.len > 0 && host.base[0] == '['
                           ? memchr(host.base, ']', host.len)
                           : host.base;
    const char *colon = from ? memchr(from, ':', (size_t)(end - from)) : NULL;

    return (struct http_text){host.base, (size_t)((colon ? colon : end) - host.base)};
}

/* `host` without a port: localhost and names below it (RFC 6761, section 6.3), 127.0.0.0/8,
 * [::1]. */
static bool is_loopback(struct http_text host)
{
    static const char name[] = ".localhost";
    size_t len = sizeof(name) - 1;
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (http_text_is_word(host, http_text_from("localhost")) ||
        http_text_is(host, http_text_from("[::1]")) ||
        (host.len > len && strncasecmp(host.base + host.len - len, name, len) == 0))
        return true;
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.base, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 &&
           ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool is_same_host(struct http_text origin, struct http_text host)
{
    struct http_text page = without_port(host_of_origin(origin));
    struct http_text asked = without_port(host);

    return page.len > 0 && (http_text_is_word(page, asked) ||
                            (is_loopback(page) && is_loopback(asked)));
}

bool origin_is_allowed(struct http_text origin, struct http_text host,
                       const char *allowed)
{
    struct http_text list = http_text_from(allowed);
    struct http_text same_host = http_text_from("same-host");

    if (!origin.base || http_text_has(list, http_text_from("*")))
        return true;
    if (http_text_has(list, same_host) && is_same_host(origin, host))
        return true;
    return origin.len > 0 && !http_text_is_word(origin, same_host) &&
           http_text_has_word(list, origin);
}
