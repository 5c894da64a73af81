/* req_get_members.c - `get_members`: a page of who is in the room, on all gateways (page.h). */
#include <stdlib.h>
#include <string.h>

#include "common/grants.h"
#include "common/page.h"
#include "common/xalloc.h"
#include "gateway/requests.h"

static void begin_list(struct strbuf *out, const struct request *request,
                       const struct room *room)
{
    strbuf_reset(out, 256 * 1024);
    proto_begin(out, "member_list", request_id(request));
    proto_add_text(out, "room", room->name, room->name_len);
    strbuf_add_text(out, ",\"members\":[");
}

static void end_list(struct strbuf *out, uint64_t count, const struct strbuf *next)
{
    strbuf_add_char(out, ']');
    proto_add_number(out, "count", count);
    if (next->len > 0)
        proto_add_text(out, "next", next->data, next->len);
    else
        proto_add_raw(out, "next", "null");
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

static void add_page(struct strbuf *out, const struct request *request,
                     const struct store_members *members)
{
    size_t total = members->names_count, from, count;
    struct page page = {
        .names = xcalloc(total + 1, sizeof(*page.names)),
        .stride = 1,
        .total = total,
        .cursor = {request->cursor, request->cursor ? strlen(request->cursor) : 0},
        .next = members->next,
        .limit = request->limit,
    };
    struct strbuf next = {NULL, 0, 0};

    if (total > 0)
        memcpy(page.names, members->names, total * sizeof(*page.names));
    count = page_cut(&page, &from, &next);
    add_names(out, page.names + from, count);
    end_list(out, members->count, &next);
    strbuf_deinit(&next);
    free(page.names);
}

static void on_members(void *data, const struct store_members *members)
{
    struct request *request = data;
    struct session *session = session_of_request(request);
    struct membership *m = membership_of_request(request);
    struct strbuf *out = &session->env->reply;

    if (!m) {
        session_send_error(session, request_id(request), PROTO_NOT_JOINED);
    } else if (members->count == UINT64_MAX) {
        session_send_error(session, request_id(request), PROTO_UNAVAILABLE);
    } else {
        begin_list(out, request, m->member.room);
        add_page(out, request, members);
        session_send(session, out);
    }
    session_end_read(request);
}

static void start_members(struct slot_wait *wait)
{
    struct request *request = list_entry(wait, struct request, slot);
    const struct membership *m = session_begin_read(request);

    if (m) { /* else the request may be gone */
        struct json_text cursor = {request->cursor,
                                   request->cursor ? strlen(request->cursor) : 0};
        char *scan = page_scan_of(cursor);
        const struct store_page page = {scan, request->limit, PAGE_EXACT_MAX};

        store_members(&shard_of_room(m->member.room)->store, m->member.room, &page,
                      on_members, request);
        free(scan);
    }
}

enum proto_error req_get_members(const struct req *req, uint64_t *wait_ms)
{
    const struct proto_request *parsed = req->parsed;
    struct request *request;

    (void)wait_ms;
    if (!req->membership->member.room->rules->presence &&
        !(req->membership->rights & RIGHT_MODERATE))
        return PROTO_FORBIDDEN;
    if ((parsed->fields & PROTO_F_CURSOR) && !page_is_cursor(parsed->cursor)) {
        session_send_refusal(req->session, parsed->id,
                             &(struct proto_refusal){.error = PROTO_BAD_REQUEST,
                                                     .text = "no such cursor"});
        return PROTO_OK;
    }
    request = request_begin(&req->membership->turns, parsed, req->len);
    if (parsed->fields & PROTO_F_CURSOR)
        request->cursor = xmemdup(parsed->cursor.base, parsed->cursor.len);
    session_start_large(request, start_members);
    return PROTO_OK;
}
