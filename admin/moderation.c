/* moderation.c - see moderation.h.
 *
 *     moderation_kick -> start_kick -> on_answer -> await_nodes_start -> on_obeyed
 *                           ^             | with the names of nodes: room_nodes.h
 *                           +-------------+
 */
#include "admin/moderation.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/await_nodes.h"
#include "admin/broken.h"
#include "admin/fleet_classes.h"
#include "admin/room_nodes.h"
#include "common/intake.h"
#include "common/xalloc.h"

enum { ENTRIES_MAX = 10000 };

struct kick {
    const struct moderation_order *order; /* borrowed */
    moderation_kicked_fn on_kicked;
    moderation_done_fn on_done;
    void *data;
    struct room_nodes nodes; /* of the call in flight, in its order */
};

/* ---- any order ---- */

void moderation_order_init(struct moderation_order *order, struct api *api,
                           struct http_request *req, struct json_text reason)
{
    *order = (struct moderation_order){.req = req, .api = api};
    order->reason.base = xmemdup(reason.base ? reason.base : "", reason.len);
    order->reason.len = reason.len;
    audit_origin_of(&order->origin, req);
}

void moderation_order_deinit(struct moderation_order *order)
{
    free((char *)order->reason.base);
    order->reason = (struct json_text){NULL, 0};
}

void moderation_note(const struct moderation_order *order, enum audit_action what)
{
    struct audit_entry entry = {.what = what, .room = order->room, .user = order->user};

    if (order->reason.len > 0)
        entry.detail = order->reason;
    audit_add(order->api, &order->origin, &entry);
}

void moderation_reply(struct http_request *req, char *const *pending, size_t count)
{
    struct strbuf *out = &api_of(req)->out;

    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i == 0 ? ",\"pending\":[" : ",");
        strbuf_add_json(out, pending[i], strlen(pending[i]));
    }
    strbuf_add_text(out, count > 0 ? "]}" : "}");
    api_reply(req, count > 0 ? 202 : 200, out);
}

/* ---- bans and mutes ---- */

void moderation_set(struct api *api, const struct moderation_entry *entry,
                    redis_reply_fn on_reply, void *data)
{
    db_begin_room_script(&api->db, entry->room, SCRIPT_MODERATE, 3);
    command_add_room_key(&api->db.cmd, entry->room, entry->which);
    command_add_room_key(&api->db.cmd, entry->room, KEY_META);
    command_add_room_key(&api->db.cmd, entry->room, KEY_EVENTS);
    command_add(&api->db.cmd, entry->user);
    if (entry->secs == MODERATION_LIFT)
        redis_command_add_text(&api->db.cmd, "");
    else
        redis_command_add_u64(&api->db.cmd, (uint64_t)entry->secs);
    redis_command_add_u64(&api->db.cmd, ENTRIES_MAX);
    db_send_script(&api->db, SCRIPT_MODERATE, on_reply, data);
}

/* ---- kicks ---- */

static void end(struct kick *kick, enum moderation_kick result, char *const *pending,
                size_t count)
{
    room_nodes_deinit(&kick->nodes);
    kick->on_done(kick->data, result, pending, count);
    free(kick);
}

static void on_obeyed(void *data, char *const *pending, size_t count)
{
    end(data, KICK_DONE, pending, count);
}

/* The script told by number who has the user. */
static void await_marked(struct kick *kick, const redisReply *reply)
{
    struct await_nodes_opts opts = {
        .room = kick->order->room,
        .field = kick->order->user,
        .mark = reply_text(reply, 1).base,
        .on_done = on_obeyed,
        .data = kick,
    };

    opts.nodes = room_nodes_take(&kick->nodes, reply, 2, &opts.count);
    await_nodes_start(kick->order->api, &opts);
}

static void start_kick(struct kick *kick);

static void on_answer(void *data, int status, const redisReply *reply)
{
    struct kick *kick = data;

    if (status < 0) {
        end(kick, broken_is_cause(status, reply) ? KICK_BROKEN : KICK_FAILED, NULL, 0);
    } else if (reply_is_text(reply, 0, "absent")) {
        end(kick, KICK_ABSENT, NULL, 0);
    } else if (room_nodes_add(&kick->nodes, kick->order->api->metrics, reply)) {
        start_kick(kick);
    } else if (!reply_is_text(reply, 0, "ok")) {
        intake_refuse(kick->order->api->metrics, INTAKE_REPLY, "kick",
                      (struct json_text){"", 0});
        end(kick, KICK_FAILED, NULL, 0);
    } else {
        kick->on_kicked(kick->data);
        await_marked(kick, reply);
    }
}

static void add_event(struct strbuf *out, const struct kick *kick, const char *type)
{
    strbuf_reset(out, 4096);
    proto_begin(out, type, (struct json_text){NULL, 0});
    proto_add_text(out, "room", kick->order->room.base, kick->order->room.len);
}

static void add_events(struct kick *kick)
{
    const struct moderation_order *order = kick->order;
    struct api *api = kick->order->api;
    struct strbuf *out = &api->out;

    add_event(out, kick, "kicked");
    proto_add_text(out, "reason", order->reason.base, order->reason.len);
    strbuf_add_char(out, '}');
    redis_command_add(&api->db.cmd, out->data, out->len);
    add_event(out, kick, "member_left");
    proto_add_text(out, "reason", "kicked", 6);
    proto_add_text(out, "user", order->user.base, order->user.len);
    strbuf_add_text(out, ",\"members\":");
    redis_command_add(&api->db.cmd, out->data, out->len);
}

static void start_kick(struct kick *kick)
{
    static const enum room_key keys[] = {KEY_META,   KEY_MEMBERS, KEY_HISTORY,
                                         KEY_KICKS,  KEY_EVENTS,  KEY_ROOM_NODES,
                                         KEY_CHANGED};
    const unsigned count = sizeof(keys) / sizeof(keys[0]);
    const struct moderation_order *order = kick->order;
    struct api *api = kick->order->api;
    const struct class_rules *rules = fleet_classes_rules(api->classes, order->room);

    db_begin_room_script(&api->db, order->room, SCRIPT_KICK,
                         count + (unsigned)kick->nodes.count);
    for (size_t i = 0; i < count; i++)
        command_add_room_key(&api->db.cmd, order->room, keys[i]);
    room_nodes_add_keys(&kick->nodes, &api->db.cmd, order->room);
    command_add(&api->db.cmd, order->user);
    command_add_percent(&api->db.cmd, order->user);
    command_add(&api->db.cmd, order->reason);
    add_events(kick);
    command_add_events_max(&api->db.cmd, api->config, rules);
    redis_command_add_u64(&api->db.cmd, rules->ttl_ms);
    db_send_script(&api->db, SCRIPT_KICK, on_answer, kick);
}

void moderation_kick(const struct moderation_order *order,
                     moderation_kicked_fn on_kicked, moderation_done_fn on_done,
                     void *data)
{
    struct kick *kick = xcalloc(1, sizeof(*kick));

    kick->order = order;
    kick->on_kicked = on_kicked;
    kick->on_done = on_done;
    kick->data = data;
    start_kick(kick);
}
