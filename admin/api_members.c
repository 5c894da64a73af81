/* api_members.c - who is in a room, banned or muted: three hashes of one shape (user ->
 * number), read a page at a time (page.h).
 *
 *     start -> on_page -> add_exact or add_step -> finish
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/broken.h"
#include "common/clock.h"
#include "common/intake.h"
#include "common/page.h"
#include "common/xalloc.h"

struct call {
    struct http_request *req;
    struct api *api;
    enum room_key which;
    char *cursor;
    unsigned limit;
    struct strbuf out;
    size_t count;
};

static void free_call(struct call *call)
{
    free(call->cursor);
    strbuf_deinit(&call->out);
    free(call);
}

/* A ban or mute whose time is over is none. */
static void add_entry(struct call *call, struct json_text user, struct json_text value)
{
    uint64_t number = reply_decimal(value);
    bool is_member = call->which == KEY_MEMBERS;

    if (!is_member && number > 0 && number <= clock_ms())
        return;
    strbuf_add_text(&call->out, call->count++ > 0 ? ",{\"user\":" : "{\"user\":");
    strbuf_add_json(&call->out, user.base, user.len);
    proto_add_number(&call->out, is_member ? "nodes" : "until", number);
    strbuf_add_char(&call->out, '}');
}

static void finish(struct call *call, const redisReply *reply, char kind,
                   struct json_text next)
{
    struct strbuf cursor = {NULL, 0, 0};

    if (next.base) {
        strbuf_add_char(&cursor, kind);
        strbuf_add(&cursor, next.base, next.len);
    }
    strbuf_add_text(&call->out, "],");
    api_add_next(&call->out, cursor.data, cursor.len);
    if (call->which == KEY_MEMBERS)
        proto_add_number(&call->out, "count", reply_number(reply, 0));
    strbuf_add_char(&call->out, '}');
    api_reply(call->req, 200, &call->out);
    strbuf_deinit(&cursor);
}

static bool is_user(const struct call *call, struct json_text name)
{
    return intake_user(call->api->metrics,
                       call->which == KEY_MEMBERS ? "members"
                       : call->which == KEY_BANS  ? "bans"
                                                  : "mutes",
                       name);
}

/* The whole hash is here: the page is cut out of it. */
static void add_exact(struct call *call, const redisReply *reply)
{
    size_t total = 0, from, count;
    struct json_text *pairs = xcalloc(reply_count(reply), sizeof(*pairs));
    struct json_text last = {NULL, 0};
    struct json_text cursor = {call->cursor, call->cursor ? strlen(call->cursor) : 0};

    for (size_t i = 2; i + 1 < reply_count(reply); i += 2) {
        if (!is_user(call, reply_text(reply, i)))
            continue;
        pairs[2 * total] = reply_text(reply, i);
        pairs[2 * total++ + 1] = reply_text(reply, i + 1);
    }
    count = page_cut(pairs, 2, total, cursor, call->limit, &from);
    for (size_t i = from; i < from + count; i++)
        add_entry(call, pairs[2 * i], pairs[2 * i + 1]);
    if (from + count < total)
        last = pairs[2 * (from + count - 1)];
    finish(call, reply, 'n', last);
    free(pairs);
}

static void add_step(struct call *call, const redisReply *reply)
{
    char scan[REPLY_CURSOR_BYTES];
    struct json_text next = reply_text(reply, 1);

    for (size_t i = 2; i + 1 < reply_count(reply); i += 2)
        if (is_user(call, reply_text(reply, i)))
            add_entry(call, reply_text(reply, i), reply_text(reply, i + 1));
    if (reply_is_text(reply, 1, "0") || !reply_take_cursor(scan, reply, 1))
        next.base = NULL;
    finish(call, reply, 's', next);
}

static void on_page(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status < 0 || !reply_is_array(reply, 2))
        broken_failed(call->req, status, reply);
    else if (reply_is_text(reply, 1, "all"))
        add_exact(call, reply);
    else
        add_step(call, reply);
    free_call(call);
}

static void start_page(struct call *call)
{
    struct api *api = call->api;
    struct json_text cursor = {call->cursor, call->cursor ? strlen(call->cursor) : 0};
    char *scan = page_scan_of(cursor);

    db_begin_room_script(&api->db, http_param(call->req, 0), SCRIPT_MEMBERS, 1);
    command_add_room_key(&api->db.cmd, http_param(call->req, 0), call->which);
    redis_command_add_text(&api->db.cmd, scan ? scan : "");
    redis_command_add_u64(&api->db.cmd, call->limit);
    redis_command_add_u64(&api->db.cmd, PAGE_EXACT_MAX);
    redis_command_add_u64(&api->db.cmd, 1); /* with the numbers */
    free(scan);
    db_send_script(&api->db, SCRIPT_MEMBERS, on_page, call);
}

/* Members are those of a room; bans and mutes outlive it. */
static void on_room(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_value(reply, 1)) {
        start_page(call);
        return;
    }
    if (status == 0)
        api_room_not_found(call->req);
    else
        api_unavailable(call->req);
    free_call(call);
}

static void start_room(struct call *call)
{
    db_begin_room(&call->api->db, http_param(call->req, 0), "EXISTS");
    command_add_room_key(&call->api->db.cmd, http_param(call->req, 0), KEY_META);
    db_send(&call->api->db, on_room, call);
}

static void start(struct api *api, struct http_request *req, enum room_key which)
{
    struct json_text room;
    struct call *call;
    unsigned limit;
    char *cursor;

    if (!api_take_room(req, 0, &room) || !api_take_limit(req, &limit) ||
        !api_take_cursor(req, &cursor))
        return;
    if (cursor && !page_is_cursor((struct json_text){cursor, strlen(cursor)})) {
        free(cursor);
        api_bad_request(req, "not a cursor that was given here");
        return;
    }
    if (!api_room_is_up(req, room)) {
        free(cursor);
        return;
    }
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = api;
    call->which = which;
    call->limit = limit;
    call->cursor = cursor;
    strbuf_add_text(&call->out,
                    which == KEY_MEMBERS ? "{\"members\":[" : "{\"entries\":[");
    if (which == KEY_MEMBERS)
        start_room(call);
    else
        start_page(call);
}

void api_members(void *owner, struct http_request *req)
{
    start(owner, req, KEY_MEMBERS);
}

void api_members_bans(void *owner, struct http_request *req)
{
    start(owner, req, KEY_BANS);
}

void api_members_mutes(void *owner, struct http_request *req)
{
    start(owner, req, KEY_MUTES);
}
