/* op_members.c - `get_members`: a page of who is in the room, on all gateways (page.h). */
#include <stdlib.h>
#include <string.h>

#include "common/page.h"
#include "common/xalloc.h"
#include "gateway/ops.h"

static void begin_list(struct strbuf *out, const struct request *request,
                       const struct room *room)
{
    strbuf_reset(out, 256 * 1024);
    proto_begin(out, "member_list", session_id(request));
    proto_add_text(out, "room", room->name, room->name_len);
    strbuf_add_text(out, ",\"members\":[");
}

static void end_list(struct strbuf *out, uint64_t count, char kind, const char *next,
                     size_t len)
{
    struct strbuf cursor = {NULL, 0, 0};

    strbuf_add_char(out, ']');
    proto_add_number(out, "count", count);
    if (next) {
        strbuf_add_char(&cursor, kind);
        strbuf_add(&cursor, next, len);
        proto_add_text(out, "next", cursor.data, cursor.len);
        strbuf_deinit(&cursor);
    } else {
        proto_add_raw(out, "next", "null");
    }
    strbuf_add_char(out, '}');
}

static void add_names(struct strbuf *out, const struct json_text *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add_json(out, names[i].base, names[i].len);
    }
}

/* All members are here: the page is cut out of them. */
static void add_exact(struct strbuf *out, const struct request *request,
                      const struct store_members *members)
{
    size_t total = members->names_count, from, count;
    struct json_text *sorted = xcalloc(total + 1, sizeof(*sorted));
    struct json_text last = {NULL, 0};
    struct json_text cursor = {request->cursor,
                               request->cursor ? strlen(request->cursor) : 0};

    if (total > 0)
        memcpy(sorted, members->names, total * sizeof(*sorted));
    count = page_cut(sorted, 1, total, cursor, request->limit, &from);
    add_names(out, sorted + from, count);
    if (from + count < total)
        last = sorted[from + count - 1];
    end_list(out, members->count, 'n', last.base, last.len);
    free(sorted);
}

static void on_members(void *data, const struct store_members *members)
{
    struct request *request = data;
    struct session *session = request->session;
    struct membership *m = request->membership;
    struct strbuf *out = &session->env->reply;

    if (!m) {
        session_send_error(session, session_id(request), PROTO_NOT_JOINED, NULL, 0);
    } else if (members->count == UINT64_MAX) {
        session_send_error(session, session_id(request), PROTO_UNAVAILABLE, NULL, 0);
    } else {
        bool is_end = !members->next || strcmp(members->next, "0") == 0;

        begin_list(out, request, m->member.room);
        if (members->next) {
            add_names(out, members->names, members->names_count);
            end_list(out, members->count, 's', is_end ? NULL : members->next,
                     strlen(members->next));
        } else {
            add_exact(out, request, members);
        }
        session_send(session, out);
    }
    session_end_read(request);
}

static void start_members(struct slot_wait *wait)
{
    struct request *request = list_entry(wait, struct request, slot);
    struct session *session = request->session;
    bool scans = request->cursor && request->cursor[0] == 's';

    if (!session_is_still_in(request) || !session_begin_read(request))
        return;
    store_members(&session->env->store, request->membership->member.room,
                  scans ? request->cursor + 1 : NULL, request->limit, PAGE_EXACT_MAX,
                  on_members, request);
}

enum proto_error op_members(const struct op *op, uint64_t *wait_ms)
{
    const struct proto_request *req = op->req;
    struct request *request;

    (void)wait_ms;
    if ((req->fields & PROTO_F_CURSOR) && !page_is_cursor(req->cursor)) {
        session_send_error(op->session, req->id, PROTO_BAD_REQUEST, "no such cursor",
                           0);
        return PROTO_OK;
    }
    request = session_begin(op->session, op->membership, req, op->len);
    if (req->fields & PROTO_F_CURSOR)
        request->cursor = xmemdup(req->cursor.base, req->cursor.len);
    op->membership->busy = request;
    request->slot.go = start_members;
    if (session_take_slot(op->session, &request->slot))
        start_members(&request->slot);
    return PROTO_OK;
}
