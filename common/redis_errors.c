/* redis_errors.c - see redis_errors.h. */
#include "common/redis_errors.h"

#include <assert.h>
#include <string.h>

#include "common/log.h"

enum { LOG_PAUSE_MS = 10000 };

static const struct {
    const char *prefix, *kind;
    bool restarts; /* another connection may reach a better Redis */
} refusals[] = {
    {"OOM", "oom", false},           {"READONLY", "readonly", true},
    {"LOADING", "loading", true},    {"BUSY", "busy", false},
    {"MISCONF", "misconf", false},   {"NOPERM", "noperm", false},
    {"NOAUTH", "noperm", false},     {"WRONGPASS", "noperm", false},
    {"MASTERDOWN", "loading", true}, {"NOREPLICAS", "readonly", true},
};

void redis_errors_count_quietly(struct redis_errors *e, const char *kind)
{
    unsigned i = metric_label("redis_errors_total", kind);

    metric_add(&e->metrics->redis_errors_total[i], 1);
}

void redis_errors_count(struct redis_errors *e, const char *kind, const char *text,
                        uint64_t now)
{
    unsigned i = metric_label("redis_errors_total", kind);

    assert(i < REDIS_ERRORS_KINDS_MAX);
    redis_errors_count_quietly(e, kind);
    if (e->logged_at[i] && now - e->logged_at[i] < LOG_PAUSE_MS)
        return;
    e->logged_at[i] = now ? now : 1;
    log_warn("redis_error", "link=%s kind=%s text=\"%.120s\"", e->link, kind, text);
}

/* A script hands an inner refusal on with its code in front, so the first word tells. */
bool redis_errors_take(struct redis_errors *e, const char *text, uint64_t now)
{
    if (strncmp(text, "NOSCRIPT", 8) == 0) {
        redis_errors_count_quietly(e, "noscript");
        return false;
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strncmp(text, refusals[i].prefix, strlen(refusals[i].prefix)) == 0) {
            redis_errors_count(e, refusals[i].kind, text, now);
            return refusals[i].restarts;
        }
    redis_errors_count(e, "other", text, now);
    return false;
}
