/* req_change.c - what `edit` and `delete` have in common. */
#include "gateway/requests.h"

bool req_change_may(const struct req *req, bool is_any, struct change_wish *wish)
{
    const struct member *member = &req->membership->member;
    unsigned edit_secs = member->room->rules->edit_secs;

    *wish = (struct change_wish){
        .seq = req->parsed->seq,
        .user = is_any ? NULL : member->user,
        .life_ms = 1000 * (uint64_t)edit_secs,
        .by = member->user,
    };
    return is_any || edit_secs > 0;
}

struct request *req_change_begin(const struct req *req)
{
    struct request *request =
        request_begin(&req->membership->turns, req->parsed, req->len);

    conn_take_message(&req->session->conn);
    conn_begin_work(&req->session->conn, request->bytes);
    return request;
}

static void send_ack(struct request *request, const struct room *room)
{
    struct session *session = session_of_request(request);
    struct strbuf *out = &session->env->reply;

    strbuf_reset(out, 64 * 1024);
    proto_begin(out, request->type == REQUEST_EDIT ? "edit_ack" : "delete_ack",
                request_id(request));
    proto_add_text(out, "room", room->name, room->name_len);
    proto_add_number(out, "seq", request->seq);
    strbuf_add_char(out, '}');
    session_send(session, out);
}

void req_change_done(void *data, const struct change_result *result)
{
    struct request *request = data;
    struct session *session = session_of_request(request);
    struct request_turns *turns = request->turns;

    if (result->error == PROTO_OK) {
        metric_add(&session->env->conn.metrics->edits_total, 1);
        send_ack(request, result->room);
    } else {
        session_send_error(session, request_id(request), result->error);
    }
    conn_end_work(&session->conn, request->bytes);
    request_end(request);
    if (turns)
        request_go_on(turns);
}
