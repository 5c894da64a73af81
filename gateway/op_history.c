/* op_history.c - `get_history`: older messages, a page at a time. */
#include "gateway/ops.h"

/* What is no message in the list, between what is given and what was asked for. */
static void tell_gap(struct request *request, const struct history *h)
{
    uint64_t next = h->count > 0 ? h->first + h->count : h->oldest > 0 ? h->oldest : 1;
    uint64_t last = request->before - 1 < h->seq ? request->before - 1 : h->seq;

    if (h->is_cut && next <= last && request->before > 0)
        follow_gap(&request->membership->member, next, last);
}

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
        bool more = history->count > 0 && history->first > history->oldest;

        strbuf_reset(out, PROTO_BATCH_BYTES);
        proto_begin(out, "history_batch", session_id(request));
        session_add_batch(out, m->member.room, history->lines, history->count, more);
        session_send(session, out);
        tell_gap(request, history);
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
