/* https_url.c - see https_url.h. */
#include "common/https_url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

static bool begins(struct json_text text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && strncasecmp(text.base, with, len) == 0;
}

/* Printable ASCII that means the same to every reader of URLs. */
static bool is_plain(struct json_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.base[i] <= ' ' || text.base[i] > '~' ||
            strchr("\"\\<>^`{|}@", text.base[i]))
            return false;
    return true;
}

/* `text` is what comes behind the host. */
static bool is_port(const char *text)
{
    size_t digits = text[0] == ':' ? strspn(text + 1, "0123456789") : 0;

    return text[0] == '\0' || (digits > 0 && text[1 + digits] == '\0');
}

/* Takes the port off; false: it is no host with or without one. */
static bool cut_port(char *host)
{
    char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");

    if (!end || end == host)
        return false;
    end += *end == ']';
    if (!is_port(end))
        return false;
    *end = '\0';
    return true;
}

static bool is_loopback(const char *host)
{
    struct in_addr address;

    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 &&
           ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool https_url_is_plain(struct json_text url)
{
    return begins(url, "http://");
}

bool https_url_is(struct json_text url)
{
    bool is_http = https_url_is_plain(url);
    size_t at = is_http ? strlen("http://") : strlen("https://"), len = 0;
    char host[HOST_MAX + 1];

    if ((!is_http && !begins(url, "https://")) || !is_plain(url))
        return false;
    while (at + len < url.len && !strchr("/?#", url.base[at + len]))
        len++;
    if (len == 0 || len > HOST_MAX)
        return false;
    memcpy(host, url.base + at, len);
    host[len] = '\0';
    return cut_port(host) && (!is_http || is_loopback(host));
}
