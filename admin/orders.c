/* orders.c - see orders.h. */
#include "admin/orders.h"

#include <stdlib.h>

#include "admin/api.h"
#include "common/xalloc.h"

struct order {
    struct fleet_wait wait; /* first */
    struct api *api;
    char *text;
};

static void tell(struct api *api, const char *node, const char *text)
{
    db_begin(&api->db, 0, command_publish());
    command_add_node_key(&api->db.cmd, 0, node, KEY_NODE_CANARY);
    redis_command_add_text(&api->db.cmd, text);
    db_send(&api->db, NULL, NULL);
}

/* Also nodes that are silent: they may have been stopped, and go on. */
static void on_fleet(struct fleet_wait *wait, bool ok)
{
    struct order *order = (struct order *)(void *)wait;
    const struct fleet_view *view = &order->api->fleet.view;

    for (size_t i = 0; ok && i < view->count; i++)
        tell(order->api, view->nodes[i].name, order->text);
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
