/* req_get_history.c - `get_history`: older messages, a page at a time. */
#include "gateway/history_read.h"
#include "gateway/requests.h"

static void on_history(void *data, const struct history *history)
{
    struct request *request = data;
    struct session *session = session_of_request(request);
    struct membership *m = membership_of_request(request);
    struct strbuf *out = &session->env->reply;

    if (!m) {
        session_send_error(session, request_id(request), PROTO_NOT_JOINED);
    } else if (!history) {
        session_send_error(session, request_id(request), PROTO_UNAVAILABLE);
    } else {
        bool more = history->count > 0 && history->has_older;

        strbuf_reset(out, PROTO_BATCH_BYTES);
        proto_begin(out, "history_batch", request_id(request));
        membership_add_batch(out, m->member.room, history->lines, history->count, more);
        session_send(session, out);
    }
    session_end_read(request);
}

static void start_history(struct slot_wait *wait)
{
    struct request *request = list_entry(wait, struct request, slot);
    const struct membership *m = session_begin_read(request);

    if (m) { /* else the request may be gone */
        const struct history_range range = {UINT64_MAX, request->before,
                                            request->limit};

        history_read(&shard_of_room(m->member.room)->store, m->member.room, &range,
                     on_history, request);
    }
}

enum proto_error req_get_history(const struct req *req, uint64_t *wait_ms)
{
    struct request *request =
        request_begin(&req->membership->turns, req->parsed, req->len);

    (void)wait_ms;
    if (!(req->parsed->fields & PROTO_F_BEFORE))
        request->before = (uint64_t)1 << 53;
    session_start_large(request, start_history);
    return PROTO_OK;
}
