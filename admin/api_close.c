/* api_close.c - `POST /api/rooms/{room}/close` with {reason}.
 *
 *     api_close -> on_view -> on_closed -> await_nodes_start -> on_obeyed
 *
 * The room is taken off the indexes in the same write as it is closed, so that nobody takes
 * it for one that has expired. */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/await_nodes.h"
#include "admin/moderation.h"
#include "common/xalloc.h"

struct call {
    struct fleet_wait wait; /* first */
    struct moderation_order order;
    char **nodes;
    size_t count;
    uint64_t members;
};

static void free_call(struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        free(call->nodes[i]);
    free(call->nodes);
    moderation_order_deinit(&call->order);
    free(call);
}

static void on_obeyed(void *data, char *const *pending, size_t count)
{
    struct call *call = data;
    struct strbuf *out = &call->order.api->out;

    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"closed\":true");
    proto_add_number(out, "members", call->members);
    moderation_reply(call->order.req, pending, count);
    free_call(call);
}

static void start_settling(struct call *call, const redisReply *reply)
{
    struct await_nodes_opts opts = {
        .room = call->order.room,
        .field = {"", 0},
        .mark = reply_text(reply, 1).base,
        .nodes = xcalloc(call->count + 1, sizeof(char *)),
        .on_done = on_obeyed,
        .data = call,
    };

    for (size_t i = 2; i < reply_count(reply); i++) {
        uint64_t number = reply_number(reply, i);

        if (number < 1 || number > call->count || !call->nodes[number - 1])
            continue;
        opts.nodes[opts.count++] = call->nodes[number - 1];
        call->nodes[number - 1] = NULL;
    }
    await_nodes_start(call->order.api, &opts);
}

static void on_closed(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_array(reply, 2)) {
        call->members = reply_number(reply, 0);
        moderation_note(&call->order, AUDIT_CLOSE);
        start_settling(call, reply);
        return;
    }
    if (status == 0)
        api_room_not_found(call->order.req);
    else
        api_unavailable(call->order.req);
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
    static const enum room_key keys[] = {
        KEY_META,     KEY_MEMBERS, KEY_HISTORY, KEY_KICKS,  KEY_KEYS,
        KEY_KEYS_OLD, KEY_BANS,    KEY_MUTES,   KEY_CLOSED, KEY_EVENTS};
    const unsigned count = sizeof(keys) / sizeof(keys[0]);
    struct json_text room = call->order.room, reason = call->order.reason;
    struct api *api = call->order.api;
    struct strbuf *out = &api->out;

    call->nodes = fleet_copy_names(&api->fleet, &call->count);
    db_begin_script(&api->db, SCRIPT_CLOSE, count + (unsigned)call->count);
    for (size_t i = 0; i < count; i++)
        command_add_room_key(&api->db.cmd, room, keys[i]);
    for (size_t i = 0; i < call->count; i++)
        command_add_on_key(&api->db.cmd, room, call->nodes[i]);
    command_add(&api->db.cmd, reason);
    strbuf_reset(out, 4096);
    proto_begin(out, "room_closed", (struct json_text){NULL, 0});
    proto_add_text(out, "room", room.base, room.len);
    proto_add_text(out, "reason", reason.base, reason.len);
    strbuf_add_char(out, '}');
    redis_command_add(&api->db.cmd, out->data, out->len);
    db_send_script(&api->db, SCRIPT_CLOSE, on_closed, call);
}

static void on_view(struct fleet_wait *wait, bool ok)
{
    struct call *call = (struct call *)(void *)wait;
    struct api *api = call->order.api;
    char *room;
    size_t len = call->order.room.len;

    if (!ok) {
        api_unavailable(call->order.req);
        free_call(call);
        return;
    }
    room = xmemdup(call->order.room.base, len); /* the call may be over at once */
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
    moderation_order_init(&call->order, owner, req, body.reason);
    call->order.room = room;
    fleet_get(&call->order.api->fleet, &call->wait);
}
