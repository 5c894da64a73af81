/* api_messages.c - a room's history, messages of the server, and their deletion. */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/broken.h"
#include "admin/fleet_classes.h"
#include "admin/room_index.h"
#include "common/clock.h"
#include "common/digits.h"
#include "common/intake.h"
#include "common/lines.h"
#include "common/xalloc.h"

enum { BATCH_ENVELOPE_BYTES = 1024, READS_MAX = 100 };

/* ---- GET ---- */

/* A page of a room's history. */
struct page {
    struct http_request *req;
    struct json_text room;
    unsigned limit, reads;
};

static void start_page(struct page *page, uint64_t before);

enum { FIRST_LINE = 6 }; /* in history.lua's answer */

/* The lines that are messages of the room with their numbers, the first `first`; how many. */
static size_t add_lines(struct strbuf *out, const struct page *page, uint64_t first,
                        const redisReply *reply)
{
    struct metrics *metrics = api_of(page->req)->metrics;
    struct strbuf head = {NULL, 0, 0};
    size_t count = 0;

    lines_add_head(&head, page->room);
    strbuf_reset(out, PROTO_BATCH_BYTES);
    strbuf_add_text(out, "{\"messages\":[");
    for (size_t i = FIRST_LINE; i < reply_count(reply); i++) {
        struct json_text line = reply_text(reply, i);

        if (!lines_is_message((struct json_text){head.data, head.len},
                              first + i - FIRST_LINE, line)) {
            intake_refuse(metrics, INTAKE_HISTORY, "history",
                          (struct json_text){"", 0});
            continue;
        }
        if (count++ > 0)
            strbuf_add_char(out, ',');
        strbuf_add(out, line.base, line.len);
    }
    strbuf_deinit(&head);
    return count;
}

/* Nothing of the page can be shown: the one before it is, so that paging gets past it. */
static void on_history(void *data, int status, const redisReply *reply)
{
    struct page *page = data;
    struct strbuf *out = &api_of(page->req)->out;
    uint64_t oldest = reply_number(reply, 2), first = reply_number(reply, 3);
    bool has_older = reply_count(reply) > FIRST_LINE && first > oldest;

    if (status < 0) {
        broken_failed(page->req, status, reply);
    } else if (!reply_is_array(reply, FIRST_LINE)) {
        broken_or(page->req, api_room_not_found);
    } else if (add_lines(out, page, first, reply) == 0 && has_older &&
               ++page->reads < READS_MAX) {
        start_page(page, first);
        return;
    } else {
        strbuf_add_text(out, has_older ? "],\"more\":true}" : "],\"more\":false}");
        api_reply(page->req, 200, out);
    }
    free(page);
}

static void start_page(struct page *page, uint64_t before)
{
    struct db *db = &api_of(page->req)->db;

    db_begin_room_script(db, page->room, SCRIPT_HISTORY, 2);
    command_add_room_key(&db->cmd, page->room, KEY_META);
    command_add_room_key(&db->cmd, page->room, KEY_HISTORY);
    redis_command_add_text(&db->cmd, "");
    redis_command_add_u64(&db->cmd, before);
    redis_command_add_u64(&db->cmd, page->limit);
    redis_command_add_u64(&db->cmd, PROTO_BATCH_BYTES - BATCH_ENVELOPE_BYTES);
    db_send_script(db, SCRIPT_HISTORY, on_history, page);
}

void api_messages(void *owner, struct http_request *req)
{
    struct json_text room;
    struct page *page;
    uint64_t before;
    unsigned limit;

    (void)owner;
    if (!api_take_room(req, 0, &room) || !api_take_limit(req, &limit) ||
        !api_take_number(req, "before", 0, (uint64_t)1 << 53, (uint64_t)1 << 53,
                         &before) ||
        !api_room_is_up(req, room))
        return;
    page = xcalloc(1, sizeof(*page));
    *page = (struct page){.req = req, .room = room, .limit = limit};
    start_page(page, before);
}

/* ---- POST: as the server, which need not be a member ---- */

struct call {
    struct http_request *req;
    struct api *api;
    struct json_text room;
    char *user; /* of a message */
    size_t user_len;
    uint64_t seq; /* of a deletion */
    struct audit_origin origin;
};

static struct call *new_call(struct api *api, struct http_request *req,
                             struct json_text room)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->req = req;
    call->api = api;
    call->room = room;
    audit_origin_of(&call->origin, req);
    return call;
}

static void free_call(struct call *call)
{
    free(call->user);
    free(call);
}

static void reply_published(struct call *call, uint64_t seq, const char *epoch)
{
    struct strbuf *out = &call->api->out;

    audit_add(call->api, &call->origin,
              &(struct audit_entry){.what = AUDIT_PUBLISH,
                                    .room = call->room,
                                    .user = {call->user, call->user_len},
                                    .seq = seq});
    room_index_touch(call->api, call->room);
    strbuf_reset(out, 4096);
    strbuf_add_format(out, "{\"seq\":%llu", (unsigned long long)seq);
    proto_add_text(out, "epoch", epoch, PROTO_EPOCH_LEN);
    strbuf_add_char(out, '}');
    api_reply(call->req, 201, out);
}

static void on_published(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    char epoch[PROTO_EPOCH_LEN + 1];

    if (status < 0 || (reply_count(reply) > 0 && reply_number(reply, 3) == 0))
        broken_failed(call->req, status, reply);
    else if (!reply_take_epoch(epoch, reply, 0))
        broken_or(call->req, api_room_not_found);
    else
        reply_published(call, reply_number(reply, 3), epoch);
    free_call(call);
}

static void start_publish(struct call *call, const struct proto_request *body)
{
    struct api *api = call->api;
    struct strbuf *out = &api->out;
    struct json_text user = {call->user, call->user_len};
    bool has_key = body->fields & PROTO_F_KEY;
    char field[KEYS_MAX_BYTES];

    db_begin_room_script(&api->db, call->room, SCRIPT_PUBLISH, has_key ? 7 : 5);
    command_add_room_key(&api->db.cmd, call->room, KEY_META);
    command_add_room_key(&api->db.cmd, call->room, KEY_HISTORY);
    command_add_room_key(&api->db.cmd, call->room, KEY_EVENTS);
    command_add_on_key(&api->db.cmd, call->room,
                       ""); /* of no node: it is not looked at */
    command_add_room_key(&api->db.cmd, call->room, KEY_MUTES);
    if (has_key) {
        command_add_room_key(&api->db.cmd, call->room, KEY_KEYS);
        command_add_room_key(&api->db.cmd, call->room, KEY_KEYS_OLD);
    }
    command_add_history_limits(&api->db.cmd, api->config,
                               fleet_classes_rules(api->classes, call->room));
    strbuf_reset(out, 64 * 1024);
    lines_add_head(out, call->room);
    redis_command_add(&api->db.cmd, out->data, out->len);
    redis_command_add_u64(&api->db.cmd, 1);   /* run of messages, */
    redis_command_add_text(&api->db.cmd, ""); /* the server's, */
    redis_command_add_u64(&api->db.cmd, 1);   /* of one */
    redis_command_add_u64(&api->db.cmd, has_key);
    if (has_key) {
        command_add_key_limits(&api->db.cmd, api->config);
        redis_command_add_u64(&api->db.cmd, 0); /* none comes twice */
        redis_command_add_u64(&api->db.cmd, 1);
        redis_command_add(
            &api->db.cmd, field,
            keys_field(field, user.base, user.len, body->key.base, body->key.len));
    }
    strbuf_reset(out, 64 * 1024);
    proto_add_message_tail(out, &(struct proto_message){.user = user,
                                                        .text = body->text,
                                                        .data = body->data,
                                                        .ts = clock_ms()});
    redis_command_add(&api->db.cmd, out->data, out->len);
    db_send_script(&api->db, SCRIPT_PUBLISH, on_published, call);
}

void api_messages_publish(void *owner, struct http_request *req)
{
    struct proto_request body;
    struct json_text room;
    struct call *call;

    if (!api_take_room(req, 0, &room) ||
        !api_take_body(req, PROTO_F_TEXT, PROTO_F_USER | PROTO_F_DATA | PROTO_F_KEY,
                       &body) ||
        !api_room_is_up(req, room))
        return;
    call = new_call(owner, req, room);
    if (!(body.fields & PROTO_F_USER))
        body.user = (struct json_text){"server", 6};
    call->user = xmemdup(body.user.base, body.user.len);
    call->user_len = body.user.len;
    start_publish(call, &body);
}

/* ---- DELETE ---- */

static void reply_deleted(struct call *call)
{
    struct strbuf *out = &call->api->out;

    audit_add(call->api, &call->origin,
              &(struct audit_entry){
                  .what = AUDIT_DELETE, .room = call->room, .seq = call->seq});
    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"deleted\":true");
    proto_add_number(out, "seq", call->seq);
    strbuf_add_char(out, '}');
    api_reply(call->req, 200, out);
}

static void on_deleted(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_text(reply, 0, "no_room"))
        broken_or(call->req, api_room_not_found);
    else if (status == 0 && reply_is_text(reply, 0, "no_message"))
        http_reply_error(call->req, 404, "not_found", "not in the history");
    else if (status == 0 && reply_is_text(reply, 0, "ok"))
        reply_deleted(call);
    else
        broken_failed(call->req, status, reply);
    free_call(call);
}

/* From 1 to 2^53, without a zero in front. */
static bool take_seq(struct http_request *req, uint64_t *seq)
{
    struct json_text text = http_param(req, 1);

    if (digits_parse(text.base, text.len, (uint64_t)1 << 53, seq) &&
        text.base[0] != '0')
        return true;
    api_bad_request(req, "a message's number is a whole number from 1 on");
    return false;
}

static void start_delete(struct call *call)
{
    struct api *api = call->api;
    struct strbuf *out = &api->out;

    db_begin_room_script(&api->db, call->room, SCRIPT_DELETE, 4);
    command_add_room_key(&api->db.cmd, call->room, KEY_META);
    command_add_room_key(&api->db.cmd, call->room, KEY_HISTORY);
    command_add_room_key(&api->db.cmd, call->room, KEY_EVENTS);
    command_add_room_key(&api->db.cmd, call->room, KEY_CHANGED);
    redis_command_add_u64(&api->db.cmd, call->seq);
    strbuf_reset(out, 4096);
    lines_add_head(out, call->room);
    redis_command_add(&api->db.cmd, out->data, out->len);
    strbuf_reset(out, 4096);
    proto_begin(out, "message_deleted", (struct json_text){NULL, 0});
    proto_add_text(out, "room", call->room.base, call->room.len);
    proto_add_number(out, "seq", call->seq);
    strbuf_add_text(out, ",\"rev\":");
    redis_command_add(&api->db.cmd, out->data, out->len);
    command_add_changes_max(&api->db.cmd,
                            fleet_classes_rules(api->classes, call->room));
    db_send_script(&api->db, SCRIPT_DELETE, on_deleted, call);
}

void api_messages_delete(void *owner, struct http_request *req)
{
    struct json_text room;
    struct call *call;
    uint64_t seq;

    if (!api_take_room(req, 0, &room) || !take_seq(req, &seq) ||
        !api_room_is_up(req, room))
        return;
    call = new_call(owner, req, room);
    call->seq = seq;
    start_delete(call);
}
