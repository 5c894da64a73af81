/* op_message.c - `message`: into the outbox, acked once Redis has it.
 *
 * The JSON behind the sequence number is made here, once: what Redis stores, what the
 * notice carries and what clients get are these bytes. */
#include "common/wall.h"
#include "gateway/ops.h"

static void send_ack(struct request *request, const struct room *room, uint64_t seq,
                     const char *epoch)
{
    struct session *session = request->session;
    struct strbuf *out = &session->env->reply;

    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "message_ack", session_id(request));
    proto_add_text(out, "room", room->name, room->name_len);
    proto_add_number(out, "seq", seq);
    proto_add_text(out, "epoch", epoch, PROTO_EPOCH_LEN);
    strbuf_add_char(out, '}');
    session_send(session, out);
}

static void on_published(void *data, const struct room *room,
                         const struct publish_result *result, const char *epoch)
{
    struct request *request = data;
    struct session *session = request->session;
    struct membership *m = request->membership;
    struct metrics *metrics = session->env->conn.metrics;

    if (result->error == PROTO_OK) {
        metric_add(&metrics->messages_published_total, 1);
        metric_observe_ns(&metrics->publish_seconds, uv_hrtime() - request->started_ns);
    }
    if (result->error != PROTO_OK)
        session_send_error(session, session_id(request), result->error, NULL,
                           result->wait_ms);
    else
        send_ack(request, room, result->seq, epoch);
    conn_end_work(&session->conn, request->bytes);
    session_end(request);
    if (!m)
        return;
    m->messages--;
    session_go_on(m);
}

enum proto_error op_message(const struct op *op, uint64_t *wait_ms)
{
    struct session *session = op->session;
    struct membership *m = op->membership;
    const struct room_user *user = m->member.user;
    struct strbuf *tail = &session->env->reply;
    struct request *request = session_begin(session, m, op->req, op->len);

    (void)wait_ms;
    conn_begin_work(&session->conn, request->bytes);
    strbuf_reset(tail, 64 * 1024);
    proto_add_message_tail(tail, (struct json_text){user->name, user->name_len},
                           op->req->text, wall_ms(), op->req->data);
    m->messages++;
    outbox_add(&session->env->outbox, m->member.room,
               (struct json_text){user->name, user->name_len}, op->req->key, tail,
               uv_now(session->env->conn.loop), on_published, request);
    return PROTO_OK;
}
