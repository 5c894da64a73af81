/* api_disconnect.c - `POST /api/users/{user}/disconnect`. */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/moderation.h"
#include "admin/orders.h"
#include "common/xalloc.h"

struct call {
    struct http_request *req;
    struct api *api;
    struct json_text user;
    struct audit_origin origin;
};

static void on_told(void *data, const struct orders_told *told)
{
    struct call *call = data;
    struct strbuf *out = &call->api->out;

    if (told->is_known) {
        audit_add(call->api, &call->origin,
                  &(struct audit_entry){.what = AUDIT_DISCONNECT, .user = call->user});
        strbuf_reset(out, 4096);
        strbuf_add_text(out, "{\"disconnected\":true");
        proto_add_number(out, "nodes", told->heard);
        moderation_reply(call->req, told->pending, told->pending_count);
    } else {
        api_unavailable(call->req);
    }
    free(call);
}

void api_users_disconnect(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct strbuf order = {NULL, 0, 0};
    struct json_text user;
    struct call *call;

    if (!api_take_user(req, 0, &user) || !api_is_up(req))
        return;
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = api;
    call->user = user;
    audit_origin_of(&call->origin, req);
    strbuf_add_text(&order, "disconnect ");
    strbuf_add_percent(&order, user.base, user.len);
    orders_tell(api, order.data, on_told, call);
    strbuf_deinit(&order);
}
