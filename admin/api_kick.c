/* api_kick.c - `POST /api/rooms/{room}/kick/{user}` with {reason, ban_secs}.
 *
 *     api_kick -> [on_member -> on_banned] -> start_kick -> on_kicked -> on_done
 *
 * With `ban_secs` the ban comes before the kick, so that nobody slips back in between; but
 * nobody is banned who is not a member. */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/moderation.h"
#include "common/xalloc.h"

struct call {
    struct http_request *req;
    struct api *api;
    struct json_text room, user;
    char *reason;
    size_t reason_len;
    uint64_t ban_secs;
    bool has_ban;
    struct audit_origin origin;
};

static void free_call(struct call *call)
{
    free(call->reason);
    free(call);
}

static void on_kicked(void *data)
{
    struct call *call = data;

    audit_add(call->api, &call->origin,
              &(struct audit_entry){
                  .what = AUDIT_KICK,
                  .room = call->room,
                  .user = call->user,
                  .detail = {call->reason_len ? call->reason : NULL, call->reason_len},
              });
}

static void on_done(void *data, enum moderation_kick result, char *const *pending,
                    size_t count)
{
    struct call *call = data;
    struct strbuf *out = &call->api->out;

    if (result == KICK_FAILED) {
        api_unavailable(call->req);
    } else if (result == KICK_ABSENT && !call->has_ban) {
        http_reply_error(call->req, 404, "not_found", "not a member of this room");
    } else {
        strbuf_reset(out, 4096);
        strbuf_add_text(out, "{\"kicked\":true");
        moderation_add_pending(out, pending, count);
        strbuf_add_char(out, '}');
        api_reply(call->req, count > 0 ? 202 : 200, out);
    }
    free_call(call);
}

static void start_kick(struct call *call)
{
    moderation_kick(call->api, &(struct moderation_kick_opts){
                                   .room = call->room,
                                   .user = call->user,
                                   .reason = {call->reason, call->reason_len},
                                   .on_kicked = on_kicked,
                                   .on_done = on_done,
                                   .data = call,
                               });
}

static void on_banned(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_text(reply, 0, "ok")) {
        audit_add(call->api, &call->origin,
                  &(struct audit_entry){
                      .what = AUDIT_BAN, .room = call->room, .user = call->user});
        start_kick(call);
        return;
    }
    if (status == 0)
        http_reply_error(call->req, 409, "conflict", "the room has too many bans");
    else
        api_unavailable(call->req);
    free_call(call);
}

static void on_member(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1) {
        moderation_set(call->api, KEY_BANS, call->room, call->user,
                       (int64_t)call->ban_secs, on_banned, call);
        return;
    }
    if (status == 0)
        http_reply_error(call->req, 404, "not_found", "not a member of this room");
    else
        api_unavailable(call->req);
    free_call(call);
}

static void start_member(struct call *call)
{
    db_begin(&call->api->db, "HEXISTS");
    command_add_room_key(&call->api->db.cmd, call->room, KEY_MEMBERS);
    command_add(&call->api->db.cmd, call->user);
    db_send(&call->api->db, on_member, call);
}

void api_kick(void *owner, struct http_request *req)
{
    struct proto_request body;
    struct json_text room, user;
    struct call *call;

    if (!api_take_room(req, 0, &room) || !api_take_user(req, 1, &user) ||
        !api_take_body(req, 0, PROTO_F_REASON | PROTO_F_BAN_SECS, &body) ||
        !api_is_up(req))
        return;
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = owner;
    call->room = room;
    call->user = user;
    call->reason = xmemdup(body.reason.base ? body.reason.base : "", body.reason.len);
    call->reason_len = body.reason.len;
    call->has_ban = body.fields & PROTO_F_BAN_SECS;
    call->ban_secs = body.ban_secs;
    audit_origin_of(&call->origin, req);
    if (call->has_ban)
        start_member(call);
    else
        start_kick(call);
}
