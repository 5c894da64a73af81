/* op_leave.c - `leave`: out of a room, at once.
 *
 * Answered without waiting for Redis: the member is out here and now, and that Redis
 * learns it is the room's matter, also if it is away. */
#include "gateway/ops.h"

enum proto_error op_leave(const struct op *op, uint64_t *wait_ms)
{
    struct session *session = op->session;
    struct strbuf *out = &session->env->reply;

    (void)wait_ms;
    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "leave_ack", op->req->id);
    proto_add_text(out, "room", op->req->room.base, op->req->room.len);
    strbuf_add_char(out, '}');
    session_send(session, out);
    session_drop_membership(op->membership, LEAVE_ASKED); /* what waited goes on */
    return PROTO_OK;
}
