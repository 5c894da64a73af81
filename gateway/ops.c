/* ops.c - see ops.h.
 *
 *     ops_dispatch -> proto_parse -> the room's turn -> the row's handler
 *
 * Whatever is wrong is answered here, in one place.
 */
#include "gateway/ops.h"

#include <assert.h>
#include <stdio.h>

/* In the order of enum request_type. */
static const struct {
    enum proto_error (*run)(const struct op *op, uint64_t *wait_ms);
    bool needs_membership;
    bool needs_redis;
} ops[REQUEST_TYPES] = {
    [REQUEST_JOIN] = {op_join, false, true},
    [REQUEST_LEAVE] = {op_leave, true, false},
    [REQUEST_MESSAGE] = {op_message, true, true},
    [REQUEST_GET_MEMBERS] = {op_members, true, true},
    [REQUEST_GET_HISTORY] = {op_history, true, true},
    [REQUEST_SIGNAL] = {op_signal, true, true},
};

static void pong(struct session *session, const struct proto_request *req)
{
    struct strbuf *out = &session->env->reply;

    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "pong", req->id);
    strbuf_add_char(out, '}');
    session_send(session, out);
}

static enum proto_error run(struct op *op, const char *text,
                            const struct membership *turn_of, uint64_t *wait_ms)
{
    enum request_type type = op->req->type;

    op->membership = session_find(op->session, op->req->room);
    if (op->membership && op->membership != turn_of &&
        session_must_wait(op->membership, type)) {
        session_defer(op->membership, op->req, text, op->len);
        return PROTO_OK;
    }
    if (ops[type].needs_membership && !op->membership)
        return PROTO_NOT_JOINED;
    if (ops[type].needs_redis && !op->session->env->is_up)
        return PROTO_UNAVAILABLE;
    return ops[type].run(op, wait_ms);
}

static void refuse(struct session *session, const struct proto_request *req,
                   enum proto_error error, uint64_t wait_ms)
{
    const char *text = proto_error_text(error);
    char named[128];

    if (req->wrong) {
        snprintf(named, sizeof(named), "%s: %s", text, req->wrong);
        text = named;
    }
    session_send_error(session, req->id, error, text, wait_ms);
}

void ops_dispatch(struct session *session, const char *text, size_t len,
                  const struct membership *turn_of)
{
    struct metrics *m = session->env->conn.metrics;
    struct proto_request req;
    struct op op = {.session = session, .req = &req, .len = len};
    enum proto_error error = proto_parse(text, len, &req);
    uint64_t wait_ms = 0;

    if (!turn_of)
        metric_add(&m->requests_total[req.type], 1); /* the table has the same order */
    if (req.type == REQUEST_PING && error == PROTO_OK) {
        pong(session, &req);
        return;
    }
    if (error == PROTO_OK)
        error = run(&op, text, turn_of, &wait_ms);
    if (error != PROTO_OK)
        refuse(session, &req, error, wait_ms);
}
