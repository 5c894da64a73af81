/* api_close.c - `POST /api/rooms/{room}/close` with {reason}.
 *
 *     api_close -> on_view -> on_closed -> settle_start -> on_settled
 *
 * The room is taken off the indexes in the same write as it is closed, so that nobody takes
 * it for one that has expired. */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/moderation.h"
#include "admin/settle.h"
#include "common/xalloc.h"

struct call {
    struct fleet_wait wait; /* first */
    struct http_request *req;
    struct api *api;
    struct json_text room;
    char *reason;
    size_t reason_len;
    char **nodes;
    size_t count;
    uint64_t members;
    struct audit_origin origin;
};

static void free_call(struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        free(call->nodes[i]);
    free(call->nodes);
    free(call->reason);
    free(call);
}

static void on_settled(void *data, char *const *pending, size_t count)
{
    struct call *call = data;
    struct strbuf *out = &call->api->out;

    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"closed\":true");
    proto_add_number(out, "members", call->members);
    moderation_add_pending(out, pending, count);
    strbuf_add_char(out, '}');
    api_reply(call->req, count > 0 ? 202 : 200, out);
    free_call(call);
}

static void start_settling(struct call *call, const redisReply *reply)
{
    struct settle_opts opts = {
        .room = call->room,
        .field = {"", 0},
        .mark = reply_text(reply, 1).base,
        .nodes = xcalloc(reply->elements, sizeof(char *)),
        .on_done = on_settled,
        .data = call,
    };

    for (size_t i = 2; i < reply->elements; i++) {
        uint64_t number = reply_number(reply, i);

        if (number >= 1 && number <= call->count)
            opts.nodes[opts.count++] = xstrdup(call->nodes[number - 1]);
    }
    settle_start(call->api, &opts);
}

static void on_closed(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_array(reply, 2)) {
        call->members = reply_number(reply, 0);
        audit_add(
            call->api, &call->origin,
            &(struct audit_entry){
                .what = AUDIT_CLOSE,
                .room = call->room,
                .detail = {call->reason_len ? call->reason : NULL, call->reason_len},
            });
        start_settling(call, reply);
        return;
    }
    if (status == 0)
        api_room_not_found(call->req);
    else
        api_unavailable(call->req);
    free_call(call);
}

static void unindex(struct api *api, struct json_text room)
{
    db_begin_script(&api->db, SCRIPT_UNINDEX, 4);
    command_add_fleet_key(&api->db.cmd, KEY_ROOMS);
    command_add_fleet_key(&api->db.cmd, KEY_ROOMS_MEMBERS);
    command_add_fleet_key(&api->db.cmd, KEY_FLEET_EVENTS);
    command_add_room_key(&api->db.cmd, room, KEY_META);
    redis_command_add_text(&api->db.cmd, "room_closed");
    command_add(&api->db.cmd, room);
    db_send_script(&api->db, SCRIPT_UNINDEX, NULL, NULL);
}

static void start_close(struct call *call)
{
    static const enum room_key keys[] = {KEY_META,  KEY_MEMBERS, KEY_HISTORY,
                                         KEY_KICKS, KEY_CLOSED,  KEY_EVENTS};
    struct api *api = call->api;
    struct json_text room = call->room;
    struct strbuf *out = &api->out;

    call->nodes = fleet_copy_names(&api->fleet, &call->count);
    db_begin_script(&api->db, SCRIPT_CLOSE, 6 + (unsigned)call->count);
    for (size_t i = 0; i < 6; i++)
        command_add_room_key(&api->db.cmd, room, keys[i]);
    for (size_t i = 0; i < call->count; i++)
        command_add_on_key(&api->db.cmd, room, call->nodes[i]);
    redis_command_add(&api->db.cmd, call->reason, call->reason_len);
    strbuf_reset(out, 4096);
    proto_begin(out, "room_closed", (struct json_text){NULL, 0});
    proto_add_text(out, "room", room.base, room.len);
    proto_add_text(out, "reason", call->reason, call->reason_len);
    strbuf_add_char(out, '}');
    redis_command_add(&api->db.cmd, out->data, out->len);
    db_send_script(&api->db, SCRIPT_CLOSE, on_closed, call);
}

static void on_view(struct fleet_wait *wait, bool ok)
{
    struct call *call = (struct call *)(void *)wait;
    struct api *api = call->api;
    char *room;
    size_t len = call->room.len;

    if (!ok) {
        api_unavailable(call->req);
        free_call(call);
        return;
    }
    room = xmemdup(call->room.base, len); /* the call may be over at once */
    start_close(call);
    unindex(api, (struct json_text){room, len});
    free(room);
}

void api_close(void *owner, struct http_request *req)
{
    struct proto_request body;
    struct json_text room;
    struct call *call;

    if (!api_take_room(req, 0, &room) ||
        !api_take_body(req, 0, PROTO_F_REASON, &body) || !api_is_up(req))
        return;
    call = xcalloc(1, sizeof(*call));
    call->wait.on_view = on_view;
    call->req = req;
    call->api = owner;
    call->room = room;
    call->reason = xmemdup(body.reason.base ? body.reason.base : "", body.reason.len);
    call->reason_len = body.reason.len;
    audit_origin_of(&call->origin, req);
    fleet_get(&call->api->fleet, &call->wait);
}
