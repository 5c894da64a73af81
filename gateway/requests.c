/* requests.c - see requests.h.
 *
 *     requests_dispatch -> proto_parse -> the room's turn -> the row's handler
 *
 * Whatever is wrong is answered here, in one place.
 */
#include "gateway/requests.h"

#include <stdio.h>

static const struct {
    enum proto_error (*run)(const struct req *req, uint64_t *wait_ms);
    unsigned needs; /* enum proto_need */
} rows[REQUEST_TYPES] = {
#define X(id, word, required, read, needs) [id] = {req_##word, needs},
    PROTO_REQUESTS(X)
#undef X
};

static enum proto_error run(struct req *req, struct json_text text,
                            const struct request_turns *turn_of, uint64_t *wait_ms)
{
    enum request_type type = req->parsed->type;
    unsigned needs = rows[type].needs;
    struct membership *m = NULL;

    if (!(needs & PROTO_NEEDS_NOBODY) && session_is_nobody(req->session))
        return PROTO_UNAUTHORIZED;
    if (needs & PROTO_NEEDS_TURN)
        m = membership_find(&req->session->memberships, req->parsed->room);
    if (m && &m->turns != turn_of && request_must_wait(&m->turns, type)) {
        request_defer(&m->turns, req->parsed, text);
        return PROTO_OK;
    }
    if ((needs & PROTO_NEEDS_MEMBERSHIP) && !m)
        return PROTO_NOT_JOINED;
    if ((needs & PROTO_NEEDS_WRITE) && !(m->rights & RIGHT_WRITE))
        return PROTO_FORBIDDEN;
    if ((needs & PROTO_NEEDS_REDIS) &&
        !shards_find(req->session->env->shards, req->parsed->room)->is_up)
        return PROTO_UNAVAILABLE;
    req->membership = m;
    return rows[type].run(req, wait_ms);
}

/* A request that may not be asked is not looked at, but for its type. */
static bool needs_identity(const struct proto_request *parsed, enum proto_error error)
{
    return error == PROTO_UNKNOWN_TYPE ||
           (parsed->type != REQUEST_UNKNOWN &&
            !(rows[parsed->type].needs & PROTO_NEEDS_NOBODY));
}

static void refuse(struct session *session, const struct proto_request *parsed,
                   enum proto_error error, uint64_t wait_ms)
{
    struct proto_refusal refusal = {.error = error, .retry_after_ms = wait_ms};
    char named[128];

    if (parsed->wrong && error != PROTO_UNAUTHORIZED) {
        snprintf(named, sizeof(named), "%s: %s", proto_error_text(error),
                 parsed->wrong);
        refusal.text = named;
    }
    session_send_refusal(session, parsed->id, &refusal);
}

void requests_dispatch(struct session *session, struct json_text text,
                       const struct request_turns *turn_of)
{
    struct metrics *m = session->env->conn.metrics;
    struct proto_request parsed;
    struct req req = {.session = session, .parsed = &parsed, .len = text.len};
    enum proto_error error = proto_parse(text.base, text.len, &parsed);
    uint64_t wait_ms = 0;

    if (!turn_of)
        metric_add(&m->requests_total[parsed.type], 1);
    if (error == PROTO_OK)
        error = run(&req, text, turn_of, &wait_ms);
    else if (needs_identity(&parsed, error) && session_is_nobody(session))
        error = PROTO_UNAUTHORIZED;
    if (error != PROTO_OK)
        refuse(session, &parsed, error, wait_ms);
}
