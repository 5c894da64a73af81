/* intake.c - see intake.h. */
#include "common/intake.h"

#include <uv.h>

#include "common/log.h"
#include "common/proto.h"

enum { LOG_PAUSE_MS = 60000 };

static const char *const words[] = {
#define X(id, word) [id] = #word,
    INTAKE_KINDS(X)
#undef X
};

/* Of the whole process: what floods one worker floods all of them. */
static bool may_log(enum intake_kind kind)
{
    static _Atomic uint64_t next_ms[INTAKE_KINDS_COUNT];
    uint64_t now_ms = uv_hrtime() / 1000000;
    uint64_t next = atomic_load_explicit(&next_ms[kind], memory_order_relaxed);

    return now_ms >= next &&
           atomic_compare_exchange_strong(&next_ms[kind], &next, now_ms + LOG_PAUSE_MS);
}

void intake_refuse(struct metrics *metrics, enum intake_kind kind, const char *where,
                   struct json_text name)
{
    metric_add(&metrics->malformed_total[kind], 1);
    if (may_log(kind))
        log_warn("malformed", "from=%s where=%s bytes=%zu name=%s", words[kind], where,
                 name.len, log_name(name.base, name.len));
}

static bool is_name(struct metrics *metrics, const char *where, struct json_text name,
                    size_t max)
{
    if (proto_is_name(name.base, name.len, max))
        return true;
    intake_refuse(metrics, INTAKE_NAME, where, name);
    return false;
}

bool intake_room(struct metrics *metrics, const char *where, struct json_text name)
{
    return is_name(metrics, where, name, PROTO_ROOM_MAX);
}

bool intake_user(struct metrics *metrics, const char *where, struct json_text name)
{
    return is_name(metrics, where, name, PROTO_USER_MAX);
}

bool intake_node(struct metrics *metrics, const char *where, struct json_text name)
{
    if (proto_is_node(name.base, name.len))
        return true;
    intake_refuse(metrics, INTAKE_NAME, where, name);
    return false;
}
