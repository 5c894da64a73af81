/* api_kick.c - `POST /api/rooms/{room}/kick/{user}` with {reason, ban_secs}.
 *
 *     api_kick -> [on_member -> on_banned] -> start_kick -> on_kicked -> on_done
 *
 * With `ban_secs` the ban comes before the kick, so that nobody slips back in between; but
 * nobody is banned who is not a member. */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/broken.h"
#include "admin/moderation.h"
#include "common/xalloc.h"

struct call {
    struct moderation_order order;
    uint64_t ban_secs;
    bool has_ban;
};

static void free_call(struct call *call)
{
    moderation_order_deinit(&call->order);
    free(call);
}

static void on_kicked(void *data)
{
    struct call *call = data;

    moderation_note(&call->order, AUDIT_KICK);
}

static void reply_absent(struct http_request *req)
{
    http_reply_error(req, 404, "not_found", "not a member of this room");
}

static void on_done(void *data, enum moderation_kick result, char *const *pending,
                    size_t count)
{
    struct call *call = data;
    struct http_request *req = call->order.req;
    struct strbuf *out = &call->order.api->out;

    if (result == KICK_FAILED) {
        api_unavailable(req);
    } else if (result == KICK_BROKEN) {
        broken_or(req, api_unavailable);
    } else if (result == KICK_ABSENT && !call->has_ban) {
        broken_or(req, reply_absent);
    } else {
        strbuf_reset(out, 4096);
        strbuf_add_text(out, "{\"kicked\":true");
        moderation_reply(req, pending, count);
    }
    free_call(call);
}

static void start_kick(struct call *call)
{
    moderation_kick(&call->order, on_kicked, on_done, call);
}

static void on_banned(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct moderation_order *order = &call->order;

    if (status == 0 && reply_is_text(reply, 0, "ok")) {
        audit_add(order->api, &order->origin, /* the reason is the kick's */
                  &(struct audit_entry){
                      .what = AUDIT_BAN, .room = order->room, .user = order->user});
        start_kick(call);
        return;
    }
    if (status == 0 && reply_is_text(reply, 0, "full"))
        http_reply_error(order->req, 409, "conflict", "the room has too many bans");
    else
        broken_failed(order->req, status, reply);
    free_call(call);
}

static void on_member(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct moderation_order *order = &call->order;

    if (status == 0 && reply_is_value(reply, 1)) {
        const struct moderation_entry ban = {
            .which = KEY_BANS,
            .room = order->room,
            .user = order->user,
            .secs = (int64_t)call->ban_secs,
        };

        moderation_set(order->api, &ban, on_banned, call);
        return;
    }
    if (status == 0 && reply_is_value(reply, 0))
        reply_absent(order->req);
    else
        broken_failed(order->req, status, reply);
    free_call(call);
}

static void start_member(struct call *call)
{
    struct db *db = &call->order.api->db;

    db_begin_room(db, call->order.room, "HEXISTS");
    command_add_room_key(&db->cmd, call->order.room, KEY_MEMBERS);
    command_add(&db->cmd, call->order.user);
    db_send(db, on_member, call);
}

void api_kick(void *owner, struct http_request *req)
{
    struct proto_request body;
    struct json_text room, user;
    struct call *call;

    if (!api_take_room(req, 0, &room) || !api_take_user(req, 1, &user) ||
        !api_take_body(req, 0, PROTO_F_REASON | PROTO_F_BAN_SECS, &body) ||
        !api_room_is_up(req, room))
        return;
    call = xcalloc(1, sizeof(*call));
    moderation_order_init(&call->order, owner, req, body.reason);
    call->order.room = room;
    call->order.user = user;
    call->has_ban = body.fields & PROTO_F_BAN_SECS;
    call->ban_secs = body.ban_secs;
    if (call->has_ban)
        start_member(call);
    else
        start_kick(call);
}
