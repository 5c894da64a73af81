/* redis_url.c - see redis_url.h.
 *
 *     redis_urls_parse -> cut at each comma before a scheme -> parse_one, each
 *     parse_one        -> the scheme -> parse_login -> parse_tcp, parse_unix, ...
 *
 * A password may hold any character percent-encoded, and people forget to: the last
 * '@' ends it, so that a raw '@', '/' or ',' in it does no harm.
 */
#include "common/redis_url.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/config_address.h"
#include "common/percent.h"
#include "common/xalloc.h"

enum { PATH_BYTES_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 };

static const struct {
    const char *scheme;
    enum redis_form form;
    bool is_tls;
} schemes[] = {
    {"redis://", REDIS_TCP, false},
    {"rediss://", REDIS_TCP, true},
    {"redis+unix://", REDIS_UNIX, false},
    {"redis+sentinel://", REDIS_SENTINEL, false},
    {"rediss+sentinel://", REDIS_SENTINEL, true},
    {"redis+cluster://", REDIS_CLUSTER, false},
    {"rediss+cluster://", REDIS_CLUSTER, true},
};

static const char not_a_db[] =
    "must end in the number of a database, as in redis://host:6379/0";

/* The number that is all of `text`: digits and nothing else. */
static bool parse_db(struct redis_url *url, const char *text)
{
    size_t len = strlen(text);
    long db;

    if (len == 0 || len > 10 || strspn(text, "0123456789") != len)
        return false;
    db = strtol(text, NULL, 10);
    url->db = (int)db;
    return db <= INT_MAX;
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

static const char *parse_login(struct redis_url *url, const char *login, size_t len)
{
    const char *colon = memchr(login, ':', len);

    if (!colon)
        return "has a user without a password (redis://:password@host for none but "
               "that)";
    if (colon > login) {
        url->user = decode(login, (size_t)(colon - login));
        if (!url->user)
            return "has a user that is not percent-encoded as it should be";
    }
    url->password = decode(colon + 1, len - (size_t)(colon + 1 - login));
    if (!url->password)
        return "has a password that is not percent-encoded as it should be";
    return url->password[0] ? NULL : "has an empty password";
}

/* `len` bytes of hosts with commas between them. */
static bool parse_hosts(struct redis_url *url, const char *text, size_t len,
                        const char *default_port)
{
    char *hosts = xmemdup(text, len), *at = hosts;
    int rc = 0;

    url->hosts = xcalloc(REDIS_HOSTS_MAX, sizeof(*url->hosts));
    while (at && rc == 0 && url->hosts_count < REDIS_HOSTS_MAX) {
        struct redis_host *host = &url->hosts[url->hosts_count];
        char *comma = strchr(at, ',');

        if (comma)
            *comma = '\0';
        rc = config_split_address(at, default_port, &host->host, &host->port);
        url->hosts_count += rc == 0;
        at = comma ? comma + 1 : NULL;
    }
    free(hosts);
    return rc == 0 && !at;
}

static const char *parse_tcp(struct redis_url *url, const char *text)
{
    size_t len = strcspn(text, "/");

    if (memchr(text, ',', len))
        return "names several hosts: in a list each has a scheme, as in "
               "redis://a,redis://b";
    if (!parse_hosts(url, text, len, "6379"))
        return "must name a host and a port from 1 to 65535, as in redis://host:6379";
    if (text[len] && text[len + 1] && !parse_db(url, text + len + 1))
        return not_a_db;
    return NULL;
}

static const char *parse_unix(struct redis_url *url, const char *text)
{
    size_t len = strcspn(text, "?");

    if (text[0] != '/' || len == 1)
        return "must name the path of a socket, as in redis+unix:///run/redis.sock";
    url->path = decode(text, len);
    if (!url->path)
        return "has a path that is not percent-encoded as it should be";
    if (strlen(url->path) > PATH_BYTES_MAX)
        return "has a path that is longer than that of a socket can be";
    if (text[len] &&
        (strncmp(text + len, "?db=", 4) != 0 || !parse_db(url, text + len + 4)))
        return "must end in ?db= and the number of a database, as in "
               "redis+unix:///run/redis.sock?db=0";
    return NULL;
}

static const char *parse_sentinel(struct redis_url *url, const char *text)
{
    size_t hosts_len = strcspn(text, "/"), name_len;
    const char *name = text + hosts_len + (text[hosts_len] == '/');

    if (!parse_hosts(url, text, hosts_len, "26379"))
        return "must name 1 to 64 Sentinels, as in "
               "redis+sentinel://a:26379,b:26379/mymaster";
    name_len = strcspn(name, "/");
    if (name_len == 0)
        return "must name the master behind the Sentinels, as in "
               "redis+sentinel://a:26379,b:26379/mymaster";
    url->name = decode(name, name_len);
    if (!url->name)
        return "has a master's name that is not percent-encoded as it should be";
    if (name[name_len] && name[name_len + 1] && !parse_db(url, name + name_len + 1))
        return not_a_db;
    return NULL;
}

static const char *parse_cluster(struct redis_url *url, const char *text)
{
    size_t len = strcspn(text, "/");

    if (!parse_hosts(url, text, len, "6379"))
        return "must name 1 to 64 hosts of the cluster, as in "
               "redis+cluster://a:6379,b:6379";
    return text[len] && strcmp(text + len, "/") != 0
               ? "must not name a database: a cluster has only one"
               : NULL;
}

/* One entry, which is all of `text`. */
static const char *parse_one(struct redis_url *url, const char *text)
{
    static const char *(*const parse[])(struct redis_url *, const char *) = {
        [REDIS_TCP] = parse_tcp,
        [REDIS_UNIX] = parse_unix,
        [REDIS_SENTINEL] = parse_sentinel,
        [REDIS_CLUSTER] = parse_cluster,
    };
    const char *rest = NULL, *at, *reason;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && !rest; i++)
        if (strncmp(text, schemes[i].scheme, strlen(schemes[i].scheme)) == 0) {
            rest = text + strlen(schemes[i].scheme);
            url->form = schemes[i].form;
            url->is_tls = schemes[i].is_tls;
        }
    if (!rest)
        return "must begin with redis://, rediss://, redis+unix://, redis+sentinel://, "
               "rediss+sentinel://, redis+cluster:// or rediss+cluster://";
    at = strrchr(rest, '@');
    reason = at ? parse_login(url, rest, (size_t)(at - rest)) : NULL;
    return reason ? reason : parse[url->form](url, at ? at + 1 : rest);
}

/* Whether something like a scheme is at `text`, known or not. */
static bool is_scheme(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+");

    return len > 0 && strncmp(text + len, "://", 3) == 0;
}

/* Where the entry that begins at `text` ends: at the end, or at the comma before a scheme. */
static const char *end_of(const char *text)
{
    const char *comma = strchr(text, ',');

    while (comma && !is_scheme(comma + 1))
        comma = strchr(comma + 1, ',');
    return comma ? comma : text + strlen(text);
}

static const char *refuse(struct redis_urls *urls, unsigned index, const char *reason)
{
    if (index == 0 && urls->count == 1)
        return reason;
    snprintf(urls->reason, sizeof(urls->reason), "%u of %u %s", index + 1, urls->count,
             reason);
    return urls->reason;
}

const char *redis_urls_parse(struct redis_urls *urls, const char *text)
{
    unsigned count = 1;

    for (const char *end = end_of(text); *end; end = end_of(end + 1))
        count++;
    if (count > REDIS_URLS_MAX)
        return "names more than 64 Redis";
    urls->urls = xcalloc(count, sizeof(*urls->urls));
    urls->count = count;
    for (unsigned i = 0; i < count; i++) {
        const char *end = end_of(text), *reason;
        char *one = xmemdup(text, (size_t)(end - text));

        reason = parse_one(&urls->urls[i], one);
        free(one);
        if (!reason && count > 1 && urls->urls[i].form == REDIS_CLUSTER)
            reason = "is a cluster, which must be alone";
        if (reason)
            return refuse(urls, i, reason);
        text = end + 1;
    }
    return NULL;
}

static void deinit_one(struct redis_url *url)
{
    for (unsigned i = 0; i < url->hosts_count; i++) {
        free(url->hosts[i].host);
        free(url->hosts[i].port);
    }
    free(url->hosts);
    free(url->user);
    free(url->password);
    free(url->path);
    free(url->name);
}

const struct redis_url *redis_urls_of_shard(const struct redis_urls *urls,
                                            unsigned number)
{
    return &urls->urls[number < urls->count ? number : 0];
}

void redis_url_of_master(struct redis_url *out, struct redis_host *host,
                         const struct redis_url *cluster, char *name, unsigned port)
{
    char digits[12];

    snprintf(digits, sizeof(digits), "%u", port);
    *host = (struct redis_host){name, xstrdup(digits)};
    *out = *cluster;
    out->hosts = host;
    out->hosts_count = 1;
}

void redis_urls_deinit(struct redis_urls *urls)
{
    for (unsigned i = 0; i < urls->count; i++)
        deinit_one(&urls->urls[i]);
    free(urls->urls);
    *urls = (struct redis_urls){0};
}
