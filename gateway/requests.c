/* requests.c - see requests.h.
 *
 *     requests_dispatch -> proto_parse -> the room's turn -> the row's handler
 *
 * Whatever is wrong is answered here, in one place.
 */
#include "gateway/requests.h"

#include <stdio.h>

enum {
    OF_A_ROOM = 1, /* waits for its turn in the room, if the client is in it */
    NEEDS_MEMBERSHIP = 2,
    NEEDS_REDIS = 4,
};

/* Their words and fields stand in PROTO_REQUESTS. */
static const struct {
    enum proto_error (*run)(const struct req *req, uint64_t *wait_ms);
    unsigned flags;
} rows[REQUEST_TYPES] = {
    [REQUEST_JOIN] = {req_join, OF_A_ROOM | NEEDS_REDIS},
    [REQUEST_LEAVE] = {req_leave, OF_A_ROOM | NEEDS_MEMBERSHIP},
    [REQUEST_MESSAGE] = {req_message, OF_A_ROOM | NEEDS_MEMBERSHIP | NEEDS_REDIS},
    [REQUEST_GET_MEMBERS] = {req_members, OF_A_ROOM | NEEDS_MEMBERSHIP | NEEDS_REDIS},
    [REQUEST_GET_HISTORY] = {req_history, OF_A_ROOM | NEEDS_MEMBERSHIP | NEEDS_REDIS},
    [REQUEST_SIGNAL] = {req_signal, OF_A_ROOM | NEEDS_MEMBERSHIP | NEEDS_REDIS},
    [REQUEST_PING] = {req_ping, 0},
};

static enum proto_error run(struct req *req, struct json_text text,
                            const struct request_turns *turn_of, uint64_t *wait_ms)
{
    enum request_type type = req->parsed->type;
    unsigned flags = rows[type].flags;
    struct membership *m = NULL;

    if (flags & OF_A_ROOM)
        m = membership_find(&req->session->memberships, req->parsed->room);
    if (m && &m->turns != turn_of && request_must_wait(&m->turns, type)) {
        request_defer(&m->turns, req->parsed, text);
        return PROTO_OK;
    }
    if ((flags & NEEDS_MEMBERSHIP) && !m)
        return PROTO_NOT_JOINED;
    if ((flags & NEEDS_REDIS) && !req->session->env->shard->is_up)
        return PROTO_UNAVAILABLE;
    req->membership = m;
    return rows[type].run(req, wait_ms);
}

static void refuse(struct session *session, const struct proto_request *parsed,
                   enum proto_error error, uint64_t wait_ms)
{
    const char *text = proto_error_text(error);
    char named[128];

    if (parsed->wrong) {
        snprintf(named, sizeof(named), "%s: %s", text, parsed->wrong);
        text = named;
    }
    session_send_error(session, parsed->id, error, text, wait_ms);
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
        metric_add(&m->requests_total[parsed.type],
                   1); /* the table has the same order */
    if (error == PROTO_OK)
        error = run(&req, text, turn_of, &wait_ms);
    if (error != PROTO_OK)
        refuse(session, &parsed, error, wait_ms);
}
