/* api_moderate.c - bans and mutes: `POST` and `DELETE /api/rooms/{room}/ban/{user}` and
 * `/mute/{user}`.
 *
 *     start -> on_set -> (a ban) moderation_kick -> on_kicked_out
 *
 * They outlive the room and need none. */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/broken.h"
#include "admin/moderation.h"
#include "common/xalloc.h"

struct call {
    struct moderation_order order;
    enum audit_action action;
    uint64_t until;
};

static void free_call(struct call *call)
{
    moderation_order_deinit(&call->order);
    free(call);
}

static void reply_set(struct call *call, char *const *pending, size_t count)
{
    struct strbuf *out = &call->order.api->out;
    bool lifts = call->action == AUDIT_UNBAN || call->action == AUDIT_UNMUTE;

    strbuf_reset(out, 4096);
    if (lifts) {
        strbuf_add_text(out, "{\"lifted\":true");
    } else {
        strbuf_add_text(out, call->action == AUDIT_BAN ? "{\"banned\":true"
                                                       : "{\"muted\":true");
        proto_add_number(out, "until", call->until);
    }
    moderation_reply(call->order.req, pending, count);
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

    if (result == KICK_FAILED || result == KICK_BROKEN) {
        if (result == KICK_BROKEN)
            broken_or(call->order.req, api_unavailable);
        else
            api_unavailable(call->order.req);
        free_call(call);
        return;
    }
    reply_set(call, pending, count);
}

static void on_set(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct http_request *req = call->order.req;

    if (status == 0 && reply_is_text(reply, 0, "ok")) {
        call->until = reply_number(reply, 1);
        moderation_note(&call->order, call->action);
        if (call->action == AUDIT_BAN)
            moderation_kick(&call->order, on_kicked, on_kicked_out, call);
        else
            reply_set(call, NULL, 0);
        return;
    }
    if (status < 0)
        broken_failed(req, status, reply);
    else if (reply_is_text(reply, 0, "full"))
        http_reply_error(req, 409, "conflict", "the room has too many entries");
    else if (reply_is_text(reply, 0, "absent"))
        http_reply_error(req, 404, "not_found", "there is nothing to lift");
    else
        api_unavailable(req);
    free_call(call);
}

static void start(struct api *api, struct http_request *req, enum room_key which,
                  enum audit_action action, bool lifts)
{
    struct proto_request body = {.fields = 0};
    struct moderation_entry entry = {.which = which};
    struct call *call;

    if (!api_take_room(req, 0, &entry.room) || !api_take_user(req, 1, &entry.user))
        return;
    if (!lifts && !api_take_body(req, PROTO_F_SECS, PROTO_F_REASON, &body))
        return;
    if (!api_room_is_up(req, entry.room))
        return;
    call = xcalloc(1, sizeof(*call));
    moderation_order_init(&call->order, api, req, body.reason);
    call->order.room = entry.room;
    call->order.user = entry.user;
    call->action = action;
    entry.secs = lifts ? MODERATION_LIFT : (int64_t)body.secs;
    moderation_set(api, &entry, on_set, call);
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
