/* redis_errors.c - see redis_errors.h. */
#include "common/redis_errors.h"

#include <string.h>

#include "common/log.h"

enum { LOG_PAUSE_MS = 10000 };

static const char *const words[] = {
#define X(id, word) [id] = #word,
    REDIS_ERRORS(X)
#undef X
};

static const struct {
    const char *prefix;
    enum redis_error kind;
    bool restarts; /* another connection may reach a better Redis */
} refusals[] = {
    {"OOM", REDIS_OOM, false},           {"READONLY", REDIS_READONLY, true},
    {"LOADING", REDIS_LOADING, true},    {"BUSY", REDIS_BUSY, false},
    {"MISCONF", REDIS_MISCONF, false},   {"NOPERM", REDIS_NOPERM, false},
    {"NOAUTH", REDIS_NOPERM, false},     {"WRONGPASS", REDIS_NOPERM, false},
    {"MASTERDOWN", REDIS_LOADING, true}, {"NOREPLICAS", REDIS_READONLY, true},
};

void redis_errors_count_quietly(struct redis_errors *e, enum redis_error kind)
{
    metric_add(&e->metrics->redis_errors_total[kind], 1);
}

void redis_errors_count(struct redis_errors *e, enum redis_error kind, const char *text,
                        uint64_t now)
{
    redis_errors_count_quietly(e, kind);
    if (e->logged_at[kind] && now - e->logged_at[kind] < LOG_PAUSE_MS)
        return;
    e->logged_at[kind] = now ? now : 1;
    log_warn("redis_error", "link=%s kind=%s text=\"%.120s\"", e->link, words[kind],
             text);
}

/* Of a Redis Cluster: the call was not done, and may be elsewhere or later. */
static bool is_redirect(const char *text)
{
    static const char *const redirects[] = {"MOVED ", "ASK ", "TRYAGAIN",
                                            "CLUSTERDOWN"};

    for (size_t i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++)
        if (strncmp(text, redirects[i], strlen(redirects[i])) == 0)
            return true;
    return false;
}

/* A script hands an inner refusal on with its code in front, so the first word tells. */
bool redis_errors_take(struct redis_errors *e, const char *text, uint64_t now)
{
    if (strncmp(text, "NOSCRIPT", 8) == 0) {
        redis_errors_count_quietly(e, REDIS_NOSCRIPT);
        return false;
    }
    if (is_redirect(text))
        return false; /* who called counts it, and calls again */
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strncmp(text, refusals[i].prefix, strlen(refusals[i].prefix)) == 0) {
            redis_errors_count(e, refusals[i].kind, text, now);
            return refusals[i].restarts;
        }
    redis_errors_count(e, REDIS_OTHER, text, now);
    return false;
}
