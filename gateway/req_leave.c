/* req_leave.c - `leave`: out of a room, at once.
 *
 * Answered without waiting for Redis: the member is out here and now, and that Redis
 * learns it is the room's matter, also if it is away. */
#include "gateway/requests.h"

enum proto_error req_leave(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    struct strbuf *out = &session->env->reply;

    (void)wait_ms;
    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "leave_ack", req->parsed->id);
    proto_add_text(out, "room", req->parsed->room.base, req->parsed->room.len);
    strbuf_add_char(out, '}');
    session_send(session, out);
    membership_drop(req->membership, LEAVE_ASKED); /* what waited goes on */
    return PROTO_OK;
}
