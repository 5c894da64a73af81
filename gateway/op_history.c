/* op_history.c - `get_history`: older messages, a page at a time. */
#include "gateway/ops.h"

static void on_history(void *data, const struct history *history)
{
    struct request *request = data;
    struct session *session = request->session;
    struct membership *m = request->membership;
    struct strbuf *out = &session->env->reply;

    if (!m) {
        session_send_error(session, session_id(request), PROTO_NOT_JOINED, NULL, 0);
    } else if (!history) {
        session_send_error(session, session_id(request), PROTO_UNAVAILABLE, NULL, 0);
    } else {
        bool more = history->count > 0 && history->has_older;

        strbuf_reset(out, PROTO_BATCH_BYTES);
        proto_begin(out, "history_batch", session_id(request));
        session_add_batch(out, m->member.room, history->lines, history->count, more);
        session_send(session, out);
    }
    session_end_read(request);
}

static void start_history(struct slot_wait *wait)
{
    struct request *request = list_entry(wait, struct request, slot);
    struct session *session = request->session;

    if (!session_is_still_in(request) || !session_begin_read(request))
        return;
    store_history(&session->env->store, request->membership->member.room, UINT64_MAX,
                  request->before, request->limit, on_history, request);
}

enum proto_error op_history(const struct op *op, uint64_t *wait_ms)
{
    struct request *request =
        session_begin(op->session, op->membership, op->req, op->len);

    (void)wait_ms;
    if (!(op->req->fields & PROTO_F_BEFORE))
        request->before = (uint64_t)1 << 53;
    op->membership->busy = request;
    request->slot.go = start_history;
    if (session_take_slot(op->session, &request->slot))
        start_history(&request->slot);
    return PROTO_OK;
}
