/* api_close.c - `POST /api/rooms/{room}/close` with {reason}.
 *
 *     api_close -> start_close -> on_closed -> on_score -> on_exists -> await_nodes_start -> on_obeyed
 *                     ^              |                        +-> unindex.lua, in the same write
 *                     +--------------+ with the names of nodes: room_nodes.h
 *
 * The room is taken off the indexes as soon as it is closed, so that nobody takes it for one that
 * has expired. */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/await_nodes.h"
#include "admin/moderation.h"
#include "admin/room_nodes.h"
#include "common/xalloc.h"

struct call {
    struct moderation_order order;
    struct room_nodes nodes;
    uint64_t members;
    char *score; /* in rc:rooms, once the room was closed; NULL: none */
    struct await_nodes_opts to_obey; /* its mark is `mark` */
    char *mark;
};

static void free_call(struct call *call)
{
    room_nodes_deinit(&call->nodes);
    moderation_order_deinit(&call->order);
    free(call->score);
    free(call->mark);
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

/* ---- off the indexes ---- */

static void take_off(struct call *call)
{
    struct db *db = &call->order.api->db;
    unsigned shard = db_shard_of(db, call->order.room);

    db_begin_script(db, shard, SCRIPT_UNINDEX, 3);
    command_add_fleet_key(&db->cmd, shard, KEY_ROOMS);
    command_add_fleet_key(&db->cmd, shard, KEY_ROOMS_MEMBERS);
    command_add_fleet_key(&db->cmd, shard, KEY_FLEET_EVENTS);
    redis_command_add_text(&db->cmd, "room_closed");
    command_add(&db->cmd, call->order.room);
    redis_command_add_text(&db->cmd, call->score ? call->score : "");
    db_send_script(db, SCRIPT_UNINDEX, NULL, NULL);
}

/* A room that was made again meanwhile stays. */
static void on_exists(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_value(reply, 0))
        take_off(call);
    await_nodes_start(call->order.api, &call->to_obey);
}

static void on_score(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct json_text score = reply_string(reply);
    struct db *db = &call->order.api->db;

    if (status == 0 && score.len > 0)
        call->score = xmemdup(score.base, score.len + 1);
    db_begin_room(db, call->order.room, "EXISTS");
    command_add_room_key(&db->cmd, call->order.room, KEY_META);
    db_send(db, on_exists, call);
}

static void unindex(struct call *call)
{
    struct db *db = &call->order.api->db;
    unsigned shard = db_shard_of(db, call->order.room);

    db_begin(db, shard, "ZSCORE");
    command_add_fleet_key(&db->cmd, shard, KEY_ROOMS);
    command_add(&db->cmd, call->order.room);
    db_send(db, on_score, call);
}

/* ---- the closing ---- */

static void start_close(struct call *call);

static void on_closed(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && room_nodes_add(&call->nodes, call->order.api->metrics, reply)) {
        start_close(call);
    } else if (status == 0 && reply_is_array(reply, 2)) {
        call->members = reply_number(reply, 0);
        call->mark = xstrdup(reply_text(reply, 1).base);
        call->to_obey = (struct await_nodes_opts){
            .room = call->order.room,
            .field = {"", 0},
            .mark = call->mark,
            .on_done = on_obeyed,
            .data = call,
        };
        call->to_obey.nodes =
            room_nodes_take(&call->nodes, reply, 2, &call->to_obey.count);
        moderation_note(&call->order, AUDIT_CLOSE);
        unindex(call);
    } else {
        if (status == 0)
            api_room_not_found(call->order.req);
        else
            api_unavailable(call->order.req);
        free_call(call);
    }
}

static void start_close(struct call *call)
{
    static const enum room_key keys[] = {
        KEY_META, KEY_MEMBERS, KEY_HISTORY, KEY_KICKS,  KEY_KEYS,       KEY_KEYS_OLD,
        KEY_BANS, KEY_MUTES,   KEY_CLOSED,  KEY_EVENTS, KEY_ROOM_NODES, KEY_CHANGED};
    const unsigned count = sizeof(keys) / sizeof(keys[0]);
    struct json_text room = call->order.room, reason = call->order.reason;
    struct api *api = call->order.api;
    struct strbuf *out = &api->out;

    db_begin_room_script(&api->db, room, SCRIPT_CLOSE,
                         count + (unsigned)call->nodes.count);
    for (size_t i = 0; i < count; i++)
        command_add_room_key(&api->db.cmd, room, keys[i]);
    room_nodes_add_keys(&call->nodes, &api->db.cmd, room);
    command_add(&api->db.cmd, reason);
    strbuf_reset(out, 4096);
    proto_begin(out, "room_closed", (struct json_text){NULL, 0});
    proto_add_text(out, "room", room.base, room.len);
    proto_add_text(out, "reason", reason.base, reason.len);
    strbuf_add_char(out, '}');
    redis_command_add(&api->db.cmd, out->data, out->len);
    db_send_script(&api->db, SCRIPT_CLOSE, on_closed, call);
}

void api_close(void *owner, struct http_request *req)
{
    struct proto_request body;
    struct json_text room;
    struct call *call;

    if (!api_take_room(req, 0, &room) ||
        !api_take_body(req, 0, PROTO_F_REASON, &body) || !api_room_is_up(req, room))
        return;
    call = xcalloc(1, sizeof(*call));
    moderation_order_init(&call->order, owner, req, body.reason);
    call->order.room = room;
    start_close(call);
}
