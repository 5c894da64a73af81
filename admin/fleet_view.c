/* fleet_view.c - see fleet_view.h. */
#include "admin/fleet_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/proto.h"
#include "common/xalloc.h"

enum { BETWEEN_MS = 1000 };

const char *const fleet_view_fields[FLEET_VIEW_FIELDS] = {
    "address", "version", "started_at", "connections", "rooms", "members", "draining"};

void fleet_view_deinit(struct fleet_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        free(view->nodes[i].name);
        free(view->nodes[i].address);
        free(view->nodes[i].version);
    }
    free(view->nodes);
    *view = (struct fleet_view){0};
}

/* ---- out of answers ---- */

/* What cannot be printed is as good as nothing. */
static char *copy_text(const redisReply *reply, size_t i)
{
    struct json_text text = reply_text(reply, i);

    return xmemdup(text.base, json_is_utf8(text.base, text.len) ? text.len : 0);
}

static uint64_t number_in(const redisReply *reply, size_t i)
{
    return reply_decimal(reply_text(reply, i));
}

static int compare_nodes(const void *left, const void *right)
{
    const struct fleet_node *a = left, *b = right;

    return strcmp(a->name, b->name);
}

/* A stamp in the future was written before Redis's clock was set back: it does not tell when. One
 * that is hardly ahead was written between TIME and ZRANGE. */
static uint64_t age_of(uint64_t heard_ms, uint64_t now_ms)
{
    if (heard_ms <= now_ms)
        return now_ms - heard_ms;
    return heard_ms - now_ms <= BETWEEN_MS ? 0 : FLEET_VIEW_AGE_UNKNOWN_MS;
}

void fleet_view_take_names(struct fleet_view *view, struct metrics *metrics,
                           const redisReply *reply, uint64_t now_ms)
{
    view->nodes = xcalloc(reply_count(reply) / 2 + 1, sizeof(*view->nodes));
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        struct fleet_node *node = &view->nodes[view->count];

        if (!intake_node(metrics, "nodes", reply_text(reply, i)))
            continue;
        view->count++;
        node->name = copy_text(reply, i);
        node->heartbeat_age_ms = age_of(number_in(reply, i + 1), now_ms);
    }
    qsort(view->nodes, view->count, sizeof(*view->nodes), compare_nodes);
}

void fleet_view_take_node(struct fleet_view *view, size_t i, const redisReply *reply)
{
    struct fleet_node *node = &view->nodes[i];

    if (!reply_has_text(reply, 0))
        return;
    node->address = copy_text(reply, 0);
    node->version = copy_text(reply, 1);
    node->started_at = number_in(reply, 2);
    node->connections = number_in(reply, 3);
    node->rooms = number_in(reply, 4);
    node->members = number_in(reply, 5);
    node->draining = number_in(reply, 6) > 0;
    view->connections += node->connections;
    view->members += node->members;
    view->gateways++;
}

/* ---- as JSON ---- */

void fleet_view_add_totals(const struct fleet_view *v, struct strbuf *out)
{
    proto_add_number(out, "connections", v->connections);
    proto_add_number(out, "members", v->members);
    proto_add_number(out, "rooms", v->rooms);
    proto_add_number(out, "gateways", v->gateways);
    proto_add_number(out, "messages_total", v->messages_total);
    strbuf_add_char(out, '}');
}

static void add_known(struct strbuf *out, const struct fleet_node *node)
{
    proto_add_text(out, "address", node->address, strlen(node->address));
    proto_add_text(out, "version", node->version, strlen(node->version));
    proto_add_number(out, "started_at", node->started_at);
    proto_add_number(out, "connections", node->connections);
    proto_add_number(out, "rooms", node->rooms);
    proto_add_number(out, "members", node->members);
    proto_add_raw(out, "draining", node->draining ? "true" : "false");
}

void fleet_view_add_nodes(const struct fleet_view *view, struct strbuf *out)
{
    strbuf_add_char(out, '[');
    for (size_t i = 0; i < view->count; i++) {
        const struct fleet_node *node = &view->nodes[i];

        strbuf_add_text(out, i > 0 ? ",{\"node\":" : "{\"node\":");
        strbuf_add_json(out, node->name, strlen(node->name));
        if (node->address)
            add_known(out, node);
        else
            strbuf_add_text(out, ",\"address\":null,\"version\":null,"
                                 "\"started_at\":null,\"connections\":null,"
                                 "\"rooms\":null,\"members\":null,\"draining\":null");
        proto_add_number(out, "heartbeat_age_ms", node->heartbeat_age_ms);
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ']');
}
