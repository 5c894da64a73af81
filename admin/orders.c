/* orders.c - see orders.h.
 *
 *     orders_send -> on_fleet -> publish each
 *     orders_tell -> on_fleet_known -> tell -> on_told each -> end_round -> end, or on_pause -> tell
 */
#include "admin/orders.h"

#include <stdlib.h>

#include "admin/api.h"
#include "common/xalloc.h"

enum { PAUSE_MS = 50, PATIENCE_MS = 2000 };

static void publish(struct api *api, const char *node, const char *text,
                    redis_reply_fn on_reply, void *data)
{
    db_begin(&api->db, 0, command_publish());
    command_add_node_key(&api->db.cmd, 0, node, KEY_NODE_CANARY);
    redis_command_add_text(&api->db.cmd, text);
    db_send(&api->db, on_reply, data);
}

/* ---- once ---- */

struct order {
    struct fleet_wait wait; /* first */
    struct api *api;
    char *text;
};

/* Also nodes that are silent: they may have been stopped, and go on. */
static void on_fleet(struct fleet_wait *wait, bool ok)
{
    struct order *order = (struct order *)(void *)wait;
    const struct fleet_view *view = &order->api->fleet.view;

    for (size_t i = 0; ok && i < view->count; i++)
        publish(order->api, view->nodes[i].name, order->text, NULL, NULL);
    free(order->text);
    free(order);
}

void orders_send(struct api *api, const char *text)
{
    struct order *order = xcalloc(1, sizeof(*order));

    order->wait.on_view = on_fleet;
    order->api = api;
    order->text = xstrdup(text);
    fleet_get(&api->fleet, &order->wait);
}

/* ---- until it was heard ---- */

/* A node that is told. */
struct listener {
    struct telling *telling;
    bool has_heard;
};

struct telling {
    struct fleet_wait wait; /* first */
    struct api *api;
    char *text;
    orders_told_fn on_told;
    void *data;
    uv_timer_t pause;
    uint64_t until_ms;
    char **nodes; /* that have not heard it */
    size_t count, total;
    struct listener *listeners; /* of this round, a node each */
    size_t to_answer;           /* of them; in any order */
};

static void on_closed(uv_handle_t *handle)
{
    struct telling *telling = handle->data;

    free(telling->text);
    free(telling);
}

static void end(struct telling *telling, bool is_known)
{
    telling->on_told(telling->data, &(struct orders_told){
                                        .is_known = is_known,
                                        .heard = telling->total - telling->count,
                                        .pending = telling->nodes,
                                        .pending_count = telling->count,
                                    });
    for (size_t i = 0; i < telling->count; i++)
        free(telling->nodes[i]);
    free(telling->nodes);
    free(telling->listeners);
    uv_close((uv_handle_t *)&telling->pause, on_closed);
}

static void tell(struct telling *telling);

static void on_pause(uv_timer_t *timer)
{
    tell(timer->data);
}

/* Those that have not heard it stay. */
static void sort_out(struct telling *telling)
{
    size_t again = 0;

    for (size_t i = 0; i < telling->count; i++)
        if (telling->listeners[i].has_heard)
            free(telling->nodes[i]);
        else
            telling->nodes[again++] = telling->nodes[i];
    telling->count = again;
}

static void end_round(struct telling *telling)
{
    sort_out(telling);
    if (telling->count == 0 || telling->api->is_closing ||
        uv_now(telling->api->loop) + PAUSE_MS > telling->until_ms)
        end(telling, true);
    else
        uv_timer_start(&telling->pause, on_pause, PAUSE_MS, 0);
}

/* PUBLISH says how many heard it: none while a node's subscription is cut. */
static void on_heard(void *data, int status, const redisReply *reply)
{
    struct listener *listener = data;

    listener->has_heard = status == 0 && reply_value(reply) > 0;
    if (--listener->telling->to_answer == 0)
        end_round(listener->telling);
}

static void tell(struct telling *telling)
{
    size_t count = telling->count;

    telling->to_answer = count;
    for (size_t i = 0; i < count; i++) {
        telling->listeners[i].telling = telling;
        publish(telling->api, telling->nodes[i], telling->text, on_heard,
                &telling->listeners[i]);
    }
}

/* Nodes that are silent have no connections. */
static void on_fleet_known(struct fleet_wait *wait, bool ok)
{
    struct telling *telling = (struct telling *)(void *)wait;
    const struct fleet_view *view = &telling->api->fleet.view;

    telling->nodes = xcalloc(view->count + 1, sizeof(char *));
    for (size_t i = 0; ok && i < view->count; i++)
        if (view->nodes[i].address)
            telling->nodes[telling->count++] = xstrdup(view->nodes[i].name);
    telling->total = telling->count;
    telling->listeners = xcalloc(telling->count + 1, sizeof(*telling->listeners));
    if (telling->count == 0)
        end(telling, ok);
    else
        tell(telling);
}

void orders_tell(struct api *api, const char *text, orders_told_fn on_told, void *data)
{
    struct telling *telling = xcalloc(1, sizeof(*telling));

    telling->wait.on_view = on_fleet_known;
    telling->api = api;
    telling->text = xstrdup(text);
    telling->on_told = on_told;
    telling->data = data;
    telling->until_ms = uv_now(api->loop) + PATIENCE_MS;
    uv_timer_init(api->loop, &telling->pause);
    telling->pause.data = telling;
    fleet_get(&api->fleet, &telling->wait);
}
