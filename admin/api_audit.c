/* api_audit.c - `GET /api/audit`: what operators did, newest first. A cursor is the id of the
 * last entry. */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/intake.h"
#include "common/xalloc.h"

struct call {
    struct http_request *req;
    unsigned limit;
};

static const char *const fields[] = {"who", "what",   "room", "user",
                                     "seq", "detail", "from"};

/* As Redis makes them: digits, a dash, digits; never 0-0. */
static bool is_id(const char *text)
{
    size_t ms = strspn(text, "0123456789"), rest;

    if (ms < 1 || ms > API_DIGITS_MAX || text[ms] != '-')
        return false;
    rest = strspn(text + ms + 1, "0123456789");
    return rest > 0 && rest <= API_DIGITS_MAX && text[ms + 1 + rest] == '\0' &&
           strtoull(text, NULL, 10) > 0;
}

static struct json_text find_field(const redisReply *entry, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(entry); i += 2)
        if (reply_is_text(entry, i, name))
            return reply_text(entry, i + 1);
    return (struct json_text){NULL, 0};
}

/* `reply`: id, and a list of fields and values. */
static void add_entry(struct strbuf *out, const redisReply *reply)
{
    struct json_text id = reply_text(reply, 0);

    strbuf_add_text(out, "{\"id\":");
    strbuf_add_json(out, id.base, id.len);
    proto_add_number(out, "ts", strtoull(id.base, NULL, 10));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct json_text value = find_field(reply_at(reply, 1), fields[i]);

        if (!value.base)
            proto_add_raw(out, fields[i], "null");
        else if (strcmp(fields[i], "seq") == 0)
            proto_add_number(out, "seq", reply_decimal(value));
        else
            proto_add_text(out, fields[i], value.base, value.len);
    }
    strbuf_add_char(out, '}');
}

/* Who writes there by hand may write anything. */
static bool is_printable(struct api *api, const redisReply *entry)
{
    const redisReply *list = reply_at(entry, 1);

    for (size_t i = 0; i < reply_count(list); i++) {
        struct json_text text = reply_text(list, i);

        if (text.len > 0 && !proto_is_plain(text.base, text.len, text.len)) {
            intake_refuse(api->metrics, INTAKE_HISTORY, "audit", reply_text(entry, 0));
            return false;
        }
    }
    return reply_count(list) > 0;
}

static void on_entries(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct strbuf *out = &api_of(call->req)->out;
    struct json_text last = {NULL, 0};

    if (status < 0 || !reply_is_array(reply, 0)) {
        api_unavailable(call->req);
        free(call);
        return;
    }
    strbuf_reset(out, 256 * 1024);
    strbuf_add_text(out, "{\"entries\":[");
    for (size_t i = 0; i < reply_count(reply); i++) {
        const redisReply *entry = reply_at(reply, i);

        if (!is_id(reply_text(entry, 0).base))
            continue;
        last = reply_text(entry, 0);
        if (!is_printable(api_of(call->req), entry))
            continue;
        if (out->data[out->len - 1] != '[')
            strbuf_add_char(out, ',');
        add_entry(out, entry);
    }
    if (reply_count(reply) < call->limit)
        last.base = NULL;
    strbuf_add_text(out, "],");
    api_add_next(out, last.base, last.len);
    strbuf_add_char(out, '}');
    api_reply(call->req, 200, out);
    free(call);
}

static void start(struct call *call, const char *cursor)
{
    struct api *api = api_of(call->req);

    db_begin(&api->db, 0, "XREVRANGE");
    command_add_fleet_key(&api->db.cmd, 0, KEY_AUDIT);
    strbuf_reset(&api->out, 4096);
    strbuf_add_text(&api->out, cursor ? "(" : "+");
    strbuf_add_text(&api->out, cursor ? cursor : "");
    redis_command_add(&api->db.cmd, api->out.data, api->out.len);
    redis_command_add_text(&api->db.cmd, "-");
    redis_command_add_text(&api->db.cmd, "COUNT");
    redis_command_add_u64(&api->db.cmd, call->limit);
    db_send(&api->db, on_entries, call);
}

void api_audit(void *owner, struct http_request *req)
{
    struct call *call;
    unsigned limit;
    char *cursor;

    (void)owner;
    if (!api_take_limit(req, &limit) || !api_take_cursor(req, &cursor))
        return;
    if (cursor && !is_id(cursor)) {
        api_bad_request(req, "not a cursor that was given here");
    } else if (api_is_up(req)) {
        call = xcalloc(1, sizeof(*call));
        call->req = req;
        call->limit = limit;
        start(call, cursor);
    }
    free(cursor);
}
