/* redis_url.h - ROOMCAST_REDIS_URL taken apart: where Redis is, in which form, and who we are there.
 * Text in, parts out; nothing is resolved and nothing is asked.
 *
 *     redis://[user:password@]host[:port][/db]                       rediss:// the same over TLS
 *     redis+unix://[user:password@]/path[?db=N]
 *     redis+sentinel://[user:password@]host[:port],…/name[/db]       rediss+sentinel://
 *     redis+cluster://[user:password@]host[:port],…                  rediss+cluster://
 *
 * Several of the first four, with a comma between them, are a list: isolated shards, whose order
 * counts. A cluster is alone. User, password, path and name may be percent-encoded.
 */
#ifndef COMMON_REDIS_URL_H
#define COMMON_REDIS_URL_H

#include <stdbool.h>

enum { REDIS_URLS_MAX = 64, REDIS_HOSTS_MAX = 64 };

enum redis_form { REDIS_TCP, REDIS_UNIX, REDIS_SENTINEL, REDIS_CLUSTER };

struct redis_host {
    char *host, *port;
};

struct redis_url {
    enum redis_form form;
    bool is_tls;
    char *user, *password;    /* NULL: none */
    struct redis_host *hosts; /* TCP: one; the Sentinels; where a cluster begins */
    unsigned hosts_count;     /* UNIX: 0 */
    char *path;               /* of the socket, UNIX; else NULL */
    char *name;               /* of the master, SENTINEL; else NULL */
    int db;
};

struct redis_urls {
    struct redis_url *urls; /* one a shard of a list */
    unsigned count;
    char reason[160]; /* why parse refused; has nothing of the text */
};

/* Takes `text` apart into `urls` (zeroed by the caller). Returns NULL, or the reason why it cannot,
 * which is valid as long as `urls` and without anything of `text`, which may hold a password. */
const char *redis_urls_parse(struct redis_urls *urls, const char *text)
    __attribute__((warn_unused_result));

/* Whether it is a cluster; one is alone. */
static inline bool redis_urls_is_cluster(const struct redis_urls *urls)
{
    return urls->urls[0].form == REDIS_CLUSTER;
}

/* Where shard `number` is: a cluster has one entry for all of them. */
const struct redis_url *redis_urls_of_shard(const struct redis_urls *urls,
                                            unsigned number);

/* One master of `cluster` as a URL with this host alone, whose port is the caller's to free; the rest is
 * borrowed. */
void redis_url_of_master(struct redis_url *out, struct redis_host *host,
                         const struct redis_url *cluster, char *name, unsigned port);

/* Frees what parse made, also after it failed; may be called twice. */
void redis_urls_deinit(struct redis_urls *urls);

#endif
