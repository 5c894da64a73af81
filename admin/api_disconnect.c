/* api_disconnect.c - `POST /api/users/{user}/disconnect`.
 *
 *     api_users_disconnect -> on_fleet -> tell -> on_told each -> all have heard, or on_pause
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/moderation.h"
#include "common/xalloc.h"

enum { PAUSE_MS = 50, PATIENCE_MS = 2000 };

/* A node that is told. */
struct told {
    struct order *order;
    bool has_heard;
};

struct order {
    struct fleet_wait wait; /* first */
    struct http_request *req;
    struct api *api;
    struct json_text user;
    struct strbuf text;
    struct audit_origin origin;
    uv_timer_t pause;
    uint64_t until_ms;
    char **nodes; /* that have not heard it */
    size_t count, total;
    struct told *told; /* of this round, a node each */
    size_t to_answer;  /* of them; in any order */
};

static void on_closed(uv_handle_t *handle)
{
    struct order *order = handle->data;

    strbuf_deinit(&order->text);
    free(order);
}

static void end_order(struct order *order)
{
    for (size_t i = 0; i < order->count; i++)
        free(order->nodes[i]);
    free(order->nodes);
    free(order->told);
    uv_close((uv_handle_t *)&order->pause, on_closed);
}

static void reply_told(struct order *order)
{
    struct strbuf *out = &order->api->out;

    audit_add(order->api, &order->origin,
              &(struct audit_entry){.what = AUDIT_DISCONNECT, .user = order->user});
    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"disconnected\":true");
    proto_add_number(out, "nodes", order->total - order->count);
    moderation_reply(order->req, order->nodes, order->count);
    end_order(order);
}

static void tell(struct order *order);

static void on_pause(uv_timer_t *timer)
{
    tell(timer->data);
}

/* Those that have not heard it stay. */
static void sort_out(struct order *order)
{
    size_t again = 0;

    for (size_t i = 0; i < order->count; i++)
        if (order->told[i].has_heard)
            free(order->nodes[i]);
        else
            order->nodes[again++] = order->nodes[i];
    order->count = again;
}

static void end_round(struct order *order)
{
    sort_out(order);
    if (order->count == 0 || order->api->is_closing ||
        uv_now(order->api->loop) + PAUSE_MS > order->until_ms)
        reply_told(order);
    else
        uv_timer_start(&order->pause, on_pause, PAUSE_MS, 0);
}

/* PUBLISH says how many heard it: none while a node's subscription is cut. */
static void on_told(void *data, int status, const redisReply *reply)
{
    struct told *told = data;

    told->has_heard = status == 0 && reply_value(reply) > 0;
    if (--told->order->to_answer == 0)
        end_round(told->order);
}

static void tell(struct order *order)
{
    struct api *api = order->api;
    size_t count = order->count;

    order->to_answer = count;
    for (size_t i = 0; i < count; i++) {
        order->told[i].order = order;
        db_begin(&api->db, 0, command_publish());
        command_add_node_key(&api->db.cmd, 0, order->nodes[i], KEY_NODE_CANARY);
        redis_command_add(&api->db.cmd, order->text.data, order->text.len);
        db_send(&api->db, on_told, &order->told[i]);
    }
}

/* Nodes that are silent have no connections to close. */
static void on_fleet(struct fleet_wait *wait, bool ok)
{
    struct order *order = (struct order *)(void *)wait;
    const struct fleet_view *view = &order->api->fleet.view;

    if (!ok) {
        api_unavailable(order->req);
        end_order(order);
        return;
    }
    order->nodes = xcalloc(view->count + 1, sizeof(char *));
    for (size_t i = 0; i < view->count; i++)
        if (view->nodes[i].address)
            order->nodes[order->count++] = xstrdup(view->nodes[i].name);
    order->total = order->count;
    order->told = xcalloc(order->count + 1, sizeof(*order->told));
    if (order->count == 0)
        reply_told(order);
    else
        tell(order);
}

void api_users_disconnect(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text user;
    struct order *order;

    if (!api_take_user(req, 0, &user) || !api_is_up(req))
        return;
    order = xcalloc(1, sizeof(*order));
    order->wait.on_view = on_fleet;
    order->req = req;
    order->api = api;
    order->user = user;
    order->until_ms = uv_now(api->loop) + PATIENCE_MS;
    audit_origin_of(&order->origin, req);
    strbuf_add_text(&order->text, "disconnect ");
    strbuf_add_percent(&order->text, user.base, user.len);
    uv_timer_init(api->loop, &order->pause);
    order->pause.data = order;
    fleet_get(&api->fleet, &order->wait);
}
