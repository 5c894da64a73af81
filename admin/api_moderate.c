/* api_moderate.c - bans and mutes: `POST` and `DELETE /api/rooms/{room}/ban/{user}` and
 * `/mute/{user}`.
 *
 *     start -> on_set -> (a ban) moderation_kick -> on_kicked_out
 *
 * They outlive the room and need none. */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/moderation.h"
#include "common/xalloc.h"

struct call {
    struct http_request *req;
    struct api *api;
    struct json_text room, user;
    enum room_key which;
    enum audit_action action;
    char *reason;
    size_t reason_len;
    uint64_t until;
    struct audit_origin origin;
};

static void free_call(struct call *call)
{
    free(call->reason);
    free(call);
}

static void note(struct call *call)
{
    audit_add(call->api, &call->origin,
              &(struct audit_entry){
                  .what = call->action,
                  .room = call->room,
                  .user = call->user,
                  .detail = {call->reason_len ? call->reason : NULL, call->reason_len},
              });
}

static void reply_set(struct call *call, char *const *pending, size_t count)
{
    struct strbuf *out = &call->api->out;
    bool lifts = call->action == AUDIT_UNBAN || call->action == AUDIT_UNMUTE;

    strbuf_reset(out, 4096);
    if (lifts) {
        strbuf_add_text(out, "{\"lifted\":true}");
    } else {
        strbuf_add_text(out, call->action == AUDIT_BAN ? "{\"banned\":true"
                                                       : "{\"muted\":true");
        proto_add_number(out, "until", call->until);
        moderation_add_pending(out, pending, count);
        strbuf_add_char(out, '}');
    }
    api_reply(call->req, count > 0 ? 202 : 200, out);
    free_call(call);
}

static void on_kicked(void *data)
{
    (void)data; /* the ban is what was noted */
}

static void on_kicked_out(void *data, enum moderation_kick result, char *const *pending,
                          size_t count)
{
    struct call *call = data;

    if (result == KICK_FAILED) {
        api_unavailable(call->req);
        free_call(call);
        return;
    }
    reply_set(call, pending, count);
}

static void put_out(struct call *call)
{
    moderation_kick(call->api, &(struct moderation_kick_opts){
                                   .room = call->room,
                                   .user = call->user,
                                   .reason = {call->reason, call->reason_len},
                                   .on_kicked = on_kicked,
                                   .on_done = on_kicked_out,
                                   .data = call,
                               });
}

static void on_set(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_text(reply, 0, "ok")) {
        call->until = reply_number(reply, 1);
        note(call);
        if (call->action == AUDIT_BAN)
            put_out(call);
        else
            reply_set(call, NULL, 0);
        return;
    }
    if (status < 0)
        api_unavailable(call->req);
    else if (reply_is_text(reply, 0, "full"))
        http_reply_error(call->req, 409, "conflict", "the room has too many entries");
    else
        http_reply_error(call->req, 404, "not_found", "there is nothing to lift");
    free_call(call);
}

static void start(struct api *api, struct http_request *req, enum room_key which,
                  enum audit_action action, bool lifts)
{
    struct proto_request body = {.fields = 0};
    struct json_text room, user;
    struct call *call;

    if (!api_take_room(req, 0, &room) || !api_take_user(req, 1, &user))
        return;
    if (!lifts && !api_take_body(req, PROTO_F_SECS, PROTO_F_REASON, &body))
        return;
    if (!api_is_up(req))
        return;
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = api;
    call->room = room;
    call->user = user;
    call->which = which;
    call->action = action;
    call->reason = xmemdup(body.reason.base ? body.reason.base : "", body.reason.len);
    call->reason_len = body.reason.len;
    audit_origin_of(&call->origin, req);
    moderation_set(api, which, room, user, lifts ? MODERATION_LIFT : (int64_t)body.secs,
                   on_set, call);
}

void api_moderate_ban(void *owner, struct http_request *req)
{
    start(owner, req, KEY_BANS, AUDIT_BAN, false);
}

void api_moderate_unban(void *owner, struct http_request *req)
{
    start(owner, req, KEY_BANS, AUDIT_UNBAN, true);
}

void api_moderate_mute(void *owner, struct http_request *req)
{
    start(owner, req, KEY_MUTES, AUDIT_MUTE, false);
}

void api_moderate_unmute(void *owner, struct http_request *req)
{
    start(owner, req, KEY_MUTES, AUDIT_UNMUTE, true);
}
