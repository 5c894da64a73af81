/* req_signal.c - `signal`: to the members of now, never stored, no answer unless it fails.
 *
 * It counts as a request in flight all the same: a client must not send more of them than
 * Redis takes. */
#include "gateway/requests.h"

static void on_sent(void *data, int status, const redisReply *reply)
{
    struct request *request = data;

    (void)reply;
    if (status < 0)
        session_send_error(session_of_request(request), request_id(request),
                           PROTO_UNAVAILABLE);
    request_end(request);
}

enum proto_error req_signal(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    const struct room *room = req->membership->member.room;
    const struct room_user *user = req->membership->member.user;
    struct strbuf *event = &session->env->reply;
    struct json_text name = session_name(session);

    (void)wait_ms;
    strbuf_reset(event, 64 * 1024);
    proto_begin(event, "signal", (struct json_text){NULL, 0});
    proto_add_text(event, "room", room->name, room->name_len);
    proto_add_text(event, "user", user->name, user->name_len);
    if (name.base)
        proto_add_text(event, "name", name.base, name.len);
    strbuf_add_text(event, ",\"kind\":");
    strbuf_add(event, req->parsed->kind.base, req->parsed->kind.len);
    strbuf_add_text(event, ",\"data\":");
    if (req->parsed->fields & PROTO_F_DATA)
        strbuf_add(event, req->parsed->data.base, req->parsed->data.len);
    else
        strbuf_add_text(event, "null");
    strbuf_add_char(event, '}');
    store_signal(&shard_of_room(room)->store, room,
                 (struct json_text){user->name, user->name_len}, event, on_sent,
                 request_begin(&req->membership->turns, req->parsed, req->len));
    return PROTO_OK;
}
