/* config_address.c - see config_address.h.
 *
 * A password may hold any character percent-encoded, and people forget to: the last
 * '@' ends it, so that a raw '@' or '/' in it does no harm.
 */
#include "common/config_address.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "common/percent.h"
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

/* `fallback` is the port where none is given, NULL: then it must be. */
static int split(const char *address, const char *fallback, char **host, char **port)
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
    digits = rest[0] == ':' ? rest + 1 : fallback;
    if ((rest[0] != ':' && rest[0] != '\0') || !digits ||
        !parse_number(digits, 1, 65535, &number) ||
        !is_host(start, (size_t)(end - start), in_brackets))
        return UV_EINVAL;
    *host = xmemdup(start, (size_t)(end - start));
    *port = xstrdup(digits);
    return 0;
}

int config_split_address(const char *address, char **host, char **port)
{
    return split(address, NULL, host, port);
}

/* Decodes `len` bytes into a new string; NULL where the encoding is wrong. */
static char *decode(const char *text, size_t len)
{
    char *out = xmemdup(text, len);
    size_t out_len;

    if (percent_decode(out, len, &out_len) < 0 || memchr(out, '\0', out_len)) {
        free(out);
        return NULL;
    }
    out[out_len] = '\0';
    return out;
}

static const char *parse_login(struct config_redis *redis, const char *login,
                               size_t len)
{
    const char *colon = memchr(login, ':', len);

    if (!colon)
        return "has a user without a password (redis://:password@host for none but "
               "that)";
    if (colon > login) {
        redis->user = decode(login, (size_t)(colon - login));
        if (!redis->user)
            return "has a user that is not percent-encoded as it should be";
    }
    redis->password = decode(colon + 1, len - (size_t)(colon + 1 - login));
    if (!redis->password)
        return "has a password that is not percent-encoded as it should be";
    return redis->password[0] ? NULL : "has an empty password";
}

static const char *parse_place(struct config_redis *redis, const char *text)
{
    const char *slash = strchr(text, '/');
    char *address = xmemdup(text, slash ? (size_t)(slash - text) : strlen(text));
    int rc = split(address, "6379", &redis->host, &redis->port);
    long db = 0;

    free(address);
    if (rc < 0)
        return "must name a host and a port from 1 to 65535, as in redis://host:6379";
    if (slash && slash[1] && !parse_number(slash + 1, 0, INT_MAX, &db))
        return "must end in the number of a database, as in redis://host:6379/0";
    redis->db = (int)db;
    return NULL;
}

const char *config_parse_redis(struct config_redis *redis, const char *url)
{
    static const char scheme[] = "redis://";
    const char *rest = url + sizeof(scheme) - 1, *at, *reason;

    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return "must begin with redis://";
    at = strrchr(rest, '@');
    if (strstr(rest, ",redis://") || strchr(at ? at : rest, ','))
        return "several Redis are not in this build yet";
    if (at) {
        reason = parse_login(redis, rest, (size_t)(at - rest));
        if (reason)
            return reason;
    }
    return parse_place(redis, at ? at + 1 : rest);
}

void config_deinit_redis(struct config_redis *redis)
{
    free(redis->host);
    free(redis->port);
    free(redis->user);
    free(redis->password);
    *redis = (struct config_redis){0};
}
