/* req_message.c - `message`: into the outbox, acked once Redis has it.
 *
 * The JSON behind the sequence number is made here, once: what Redis stores, what the
 * notice carries and what clients get are these bytes. */
#include "common/clock.h"
#include "gateway/requests.h"

static void send_ack(struct request *request, const struct room *room, uint64_t seq,
                     const char *epoch)
{
    struct session *session = session_of_request(request);
    struct strbuf *out = &session->env->reply;

    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "message_ack", request_id(request));
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
    struct session *session = session_of_request(request);
    struct request_turns *turns = request->turns;
    struct metrics *metrics = session->env->conn.metrics;

    if (result->error == PROTO_OK) {
        metric_add(&metrics->messages_published_total, 1);
        metric_observe_ns(&metrics->publish_seconds, uv_hrtime() - request->started_ns);
    }
    if (result->error != PROTO_OK)
        session_send_refusal(session, request_id(request),
                             &(struct proto_refusal){
                                 .error = result->error,
                                 .retry_after_ms = result->wait_ms,
                             });
    else
        send_ack(request, room, result->seq, epoch);
    conn_end_work(&session->conn, request->bytes);
    request_end(request);
    if (turns)
        request_go_on(turns);
}

enum proto_error req_message(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    struct membership *m = req->membership;
    const struct room_user *user = m->member.user;
    struct strbuf *tail = &session->env->reply;
    struct request *request = request_begin(&m->turns, req->parsed, req->len);
    struct publish_message message = {.user = {user->name, user->name_len},
                                      .key = req->parsed->key,
                                      .is_spared = m->member.moderates};

    (void)wait_ms;
    request->started_ns = uv_hrtime();
    conn_take_message(&session->conn);
    conn_begin_work(&session->conn, request->bytes);
    strbuf_reset(tail, 64 * 1024);
    proto_add_message_tail(tail, &(struct proto_message){.user = message.user,
                                                         .name = session_name(session),
                                                         .text = req->parsed->text,
                                                         .data = req->parsed->data,
                                                         .ts = clock_ms()});
    message.tail = (struct json_text){tail->data, tail->len};
    outbox_add(&shard_of_room(m->member.room)->outbox, m->member.room, &message,
               uv_now(session->env->conn.loop), on_published, request);
    return PROTO_OK;
}
