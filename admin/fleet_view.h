/* fleet_view.h - the nodes of the fleet and its totals as they stood in Redis at one moment: out of
 * Redis's answers, and as JSON.
 */
#ifndef ADMIN_FLEET_VIEW_H
#define ADMIN_FLEET_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/reply.h"
#include "common/strbuf.h"

enum {
    FLEET_VIEW_AGE_UNKNOWN_MS = 3600001, /* older than the longest lease */
    FLEET_VIEW_FIELDS = 7,
};

struct fleet_node {
    char *name;
    char *address, *version; /* NULL: the node is silent, and nothing is known of it */
    uint64_t started_at, connections, rooms, members;
    /* By Redis's clock; FLEET_VIEW_AGE_UNKNOWN_MS where that heartbeat is in the future. */
    uint64_t heartbeat_age_ms;
    bool draining;
};

/* Zeroed is empty. */
struct fleet_view {
    struct fleet_node
        *nodes; /* by name, so that the list only changes when the fleet does */
    size_t count;
    uint64_t connections, members, rooms, gateways, messages_total;
    uint64_t missing; /* shards whose rooms are not in it, as bits */
};

/* Empties it. */
void fleet_view_deinit(struct fleet_view *view);

/* The nodes of an empty view, of ZRANGE rc:nodes WITHSCORES: names and when they were heard. */
void fleet_view_take_names(struct fleet_view *view, struct metrics *metrics,
                           const redisReply *reply, uint64_t now_ms);

/* Node `i`, of HMGET with these fields; nothing where its lease is over. */
extern const char *const fleet_view_fields[FLEET_VIEW_FIELDS];
void fleet_view_take_node(struct fleet_view *view, size_t i, const redisReply *reply);

/* The members of the totals, and the closing brace. */
void fleet_view_add_totals(const struct fleet_view *view, struct strbuf *out);

/* The array of /api/gateways. */
void fleet_view_add_nodes(const struct fleet_view *view, struct strbuf *out);

#endif
