/* http_request_line.c - see http_request_line.h. */
#include "common/http_request_line.h"

#include <string.h>
#include <strings.h>

#include "common/http_chars.h"
#include "common/http_host.h"

/* No fragment (RFC 3986, section 3.5), and nothing that would have to be percent-encoded. */
static bool is_target_char(char c)
{
    return c > ' ' && c < 0x7f && c != '#';
}

static bool refuse(struct http_request_line *l, int status, const char *why)
{
    l->status = status;
    l->why = why;
    return false;
}

/* A method, a target and a version, with a blank between. */
static bool split(struct json_text line, struct http_request_line *l,
                  struct json_text *version)
{
    const char *end = line.base + line.len, *first, *second;

    first = memchr(line.base, ' ', line.len);
    second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return false;
    l->method = (struct json_text){line.base, (size_t)(first - line.base)};
    l->target = (struct json_text){first + 1, (size_t)(second - first - 1)};
    *version = (struct json_text){second + 1, (size_t)(end - second - 1)};
    return l->method.len > 0 &&
           http_has_only(l->method.base, l->method.len, http_is_token_char);
}

static bool take_version(struct http_request_line *l, struct json_text version)
{
    if (version.len != 8 || memcmp(version.base, "HTTP/", 5) != 0 ||
        version.base[6] != '.' || version.base[5] < '0' || version.base[5] > '9' ||
        version.base[7] < '0' || version.base[7] > '9')
        return refuse(l, 400, "the request line does not end in a version of HTTP");
    if (version.base[5] != '1')
        return refuse(l, 505, "the version of HTTP must be 1.1 or 1.0");
    l->is_version_0 = version.base[7] == '0';
    return true;
}

/* A target in absolute form (section 3.2.2) becomes a host and one in origin form. False: its
 * host is none. */
static bool take_host(struct http_request_line *l)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t skip = strlen(schemes[i]);
        const char *end = l->target.base + l->target.len;
        struct json_text host = {l->target.base + skip, 0};

        if (l->target.len < skip || strncasecmp(l->target.base, schemes[i], skip) != 0)
            continue;
        while (host.base + host.len < end && host.base[host.len] != '/' &&
               host.base[host.len] != '?')
            host.len++;
        if (host.len == 0 || !http_host_is(host.base, host.len))
            return false;
        l->host = host;
        l->target.base = host.base + host.len;
        l->target.len = (size_t)(end - l->target.base);
        return true;
    }
    return true;
}

static bool take_target(struct http_request_line *l)
{
    if (json_text_is_caseless(l->target, "*") &&
        json_text_is_caseless(l->method, "OPTIONS")) {
        l->target.len = 0;
        return true;
    }
    return take_host(l) &&
           http_has_only(l->target.base, l->target.len, is_target_char) &&
           (l->host.base || (l->target.len > 0 && l->target.base[0] == '/'));
}

bool http_request_line_parse(struct json_text line, struct http_request_line *l)
{
    struct json_text version;

    *l = (struct http_request_line){0};
    if (!split(line, l, &version))
        return refuse(l, 400,
                      "the request line is not a method, a target and a version");
    if (!take_version(l, version))
        return false;
    if (!take_target(l))
        return refuse(l, 400, "the target must be a path, or an address of http");
    return true;
}
