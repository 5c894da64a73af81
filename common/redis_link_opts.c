/* redis_link_opts.c - what the settings say about a link (redis_link.h). */
#include "common/redis_link.h"

enum {
    SILENCE_MS = 3000,
    RETRY_MIN_MS = 50,
    RETRY_MAX_MS = 2000,
};

/* Of a list; else 0. */
static unsigned shard_of_url(const struct redis_urls *urls, const struct redis_url *url)
{
    for (unsigned i = 0; i < urls->count; i++)
        if (&urls->urls[i] == url)
            return i;
    return 0;
}

struct redis_link_opts redis_link_opts_of(const struct config *config,
                                          const struct redis_url *url, const char *name)
{
    return (struct redis_link_opts){
        .config = config,
        .url = url,
        .name = name,
        .shard = shard_of_url(&config->redis, url),
        .deadline_ms = (uint64_t)config->redis_deadline_ms,
        .silence_ms = SILENCE_MS,
        .retry_min_ms = RETRY_MIN_MS,
        .retry_max_ms = RETRY_MAX_MS,
    };
}
