/* op_signal.c - `signal`: to who is there now, never stored, no answer unless it fails. */
#include "gateway/ops.h"

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
    proto_add_text(event, "kind", op->req->kind.base, op->req->kind.len);
    strbuf_add_text(event, ",\"data\":");
    if (op->req->fields & PROTO_F_DATA)
        strbuf_add(event, op->req->data.base, op->req->data.len);
    else
        strbuf_add_text(event, "null");
    strbuf_add_char(event, '}');
    return store_signal(&session->env->store, room, user->name, user->name_len, event) <
                   0
               ? PROTO_UNAVAILABLE
               : PROTO_OK;
}
