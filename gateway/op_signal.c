/* op_signal.c - `signal`: to who is there now, never stored, no answer unless it fails.
 *
 * It counts as a request in flight all the same: a client must not send more of them than
 * Redis takes. */
#include "gateway/ops.h"

static void on_sent(void *data, int status, const redisReply *reply)
{
    struct request *request = data;

    (void)reply;
    if (status < 0)
        session_send_error(request->session, session_id(request), PROTO_UNAVAILABLE,
                           NULL, 0);
    session_end(request);
}

enum proto_error op_signal(const struct op *op, uint64_t *wait_ms)
{
    struct session *session = op->session;
    const struct room *room = op->membership->member.room;
    const struct room_user *user = op->membership->member.user;
    struct strbuf *event = &session->env->reply;

    (void)wait_ms;
    strbuf_reset(event, 64 * 1024);
    proto_begin(event, "signal", (struct json_text){NULL, 0});
    proto_add_text(event, "room", room->name, room->name_len);
    proto_add_text(event, "user", user->name, user->name_len);
    strbuf_add_text(event, ",\"kind\":");
    strbuf_add(event, op->req->kind.base, op->req->kind.len);
    strbuf_add_text(event, ",\"data\":");
    if (op->req->fields & PROTO_F_DATA)
        strbuf_add(event, op->req->data.base, op->req->data.len);
    else
        strbuf_add_text(event, "null");
    strbuf_add_char(event, '}');
    store_signal(&session->env->store, room, user->name, user->name_len, event, on_sent,
                 session_begin(session, op->membership, op->req, op->len));
    return PROTO_OK;
}
