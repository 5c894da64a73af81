/* moderation.c - see moderation.h.
 *
 *     moderation_kick -> on_view -> start_kick -> on_answer -> await_nodes_start -> on_obeyed
 *                           ^                         | a node that we did not know of
 *                           +-------------------------+ (three times at most)
 */
#include "admin/moderation.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/await_nodes.h"
#include "admin/broken.h"
#include "common/intake.h"
#include "common/xalloc.h"

enum { ENTRIES_MAX = 10000, TRIES_MAX = 3 };

struct kick {
    struct fleet_wait wait;               /* first */
    const struct moderation_order *order; /* borrowed */
    moderation_kicked_fn on_kicked;
    moderation_done_fn on_done;
    void *data;
    char **nodes; /* of the call in flight, in its order */
    size_t count;
    unsigned tries;
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

void moderation_set(struct api *api, enum room_key which, struct json_text room,
                    struct json_text user, int64_t secs, redis_reply_fn on_reply,
                    void *data)
{
    db_begin_script(&api->db, SCRIPT_MODERATE, 2);
    command_add_room_key(&api->db.cmd, room, which);
    command_add_room_key(&api->db.cmd, room, KEY_META);
    command_add(&api->db.cmd, user);
    if (secs == MODERATION_LIFT)
        redis_command_add_text(&api->db.cmd, "");
    else
        redis_command_add_u64(&api->db.cmd, (uint64_t)secs);
    redis_command_add_u64(&api->db.cmd, ENTRIES_MAX);
    db_send_script(&api->db, SCRIPT_MODERATE, on_reply, data);
}

/* ---- kicks ---- */

static void free_nodes(char **nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(nodes[i]);
    free(nodes);
}

static void end(struct kick *kick, enum moderation_kick result, char *const *pending,
                size_t count)
{
    free_nodes(kick->nodes, kick->count);
    kick->on_done(kick->data, result, pending, count);
    free(kick);
}

static void on_obeyed(void *data, char *const *pending, size_t count)
{
    end(data, KICK_DONE, pending, count);
}

/* The script told by number who has the user; the strings go to await_nodes. */
static void start_settling(struct kick *kick, const redisReply *reply)
{
    struct await_nodes_opts opts = {
        .room = kick->order->room,
        .field = kick->order->user,
        .mark = reply_text(reply, 1).base,
        .nodes = xcalloc(kick->count + 1, sizeof(char *)),
        .on_done = on_obeyed,
        .data = kick,
    };

    for (size_t i = 2; i < reply_count(reply); i++) {
        uint64_t number = reply_number(reply, i);

        if (number < 1 || number > kick->count || !kick->nodes[number - 1])
            continue;
        opts.nodes[opts.count++] = kick->nodes[number - 1];
        kick->nodes[number - 1] = NULL;
    }
    await_nodes_start(kick->order->api, &opts);
}

static void on_answer(void *data, int status, const redisReply *reply)
{
    struct kick *kick = data;

    if (status < 0) {
        end(kick, broken_is_cause(status, reply) ? KICK_BROKEN : KICK_FAILED, NULL, 0);
    } else if (reply_is_text(reply, 0, "absent")) {
        end(kick, KICK_ABSENT, NULL, 0);
    } else if (reply_is_text(reply, 0, "again") && kick->tries < TRIES_MAX) {
        free_nodes(kick->nodes, kick->count);
        kick->nodes = NULL;
        kick->count = 0;
        fleet_get_next(&kick->order->api->fleet, &kick->wait);
    } else if (!reply_is_text(reply, 0, "ok")) {
        intake_refuse(kick->order->api->metrics, INTAKE_REPLY, "kick",
                      (struct json_text){"", 0});
        end(kick, KICK_FAILED, NULL, 0);
    } else {
        kick->on_kicked(kick->data);
        start_settling(kick, reply);
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
    static const enum room_key keys[] = {KEY_META, KEY_MEMBERS, KEY_HISTORY, KEY_KICKS,
                                         KEY_EVENTS};
    const struct moderation_order *order = kick->order;
    struct api *api = kick->order->api;

    kick->nodes = fleet_copy_names(&api->fleet, &kick->count);
    db_begin_script(&api->db, SCRIPT_KICK, 5 + (unsigned)kick->count);
    for (size_t i = 0; i < 5; i++)
        command_add_room_key(&api->db.cmd, order->room, keys[i]);
    for (size_t i = 0; i < kick->count; i++)
        command_add_on_key(&api->db.cmd, order->room, kick->nodes[i]);
    command_add(&api->db.cmd, order->user);
    command_add_percent(&api->db.cmd, order->user);
    command_add(&api->db.cmd, order->reason);
    add_events(kick);
    redis_command_add_u64(&api->db.cmd, (uint64_t)api->config->presence_events_max);
    redis_command_add_u64(&api->db.cmd, (uint64_t)api->config->room_ttl_ms);
    redis_command_add_u64(&api->db.cmd, ++kick->tries >= TRIES_MAX);
    db_send_script(&api->db, SCRIPT_KICK, on_answer, kick);
}

static void on_view(struct fleet_wait *wait, bool ok)
{
    struct kick *kick = (struct kick *)(void *)wait;

    if (ok)
        start_kick(kick);
    else
        end(kick, KICK_FAILED, NULL, 0);
}

void moderation_kick(const struct moderation_order *order,
                     moderation_kicked_fn on_kicked, moderation_done_fn on_done,
                     void *data)
{
    struct kick *kick = xcalloc(1, sizeof(*kick));

    kick->wait.on_view = on_view;
    kick->order = order;
    kick->on_kicked = on_kicked;
    kick->on_done = on_done;
    kick->data = data;
    fleet_get(&kick->order->api->fleet, &kick->wait);
}
