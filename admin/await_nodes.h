/* await_nodes.h - waits until the gateways have obeyed a kick or a closing.
 *
 * lua/kick.lua and lua/close.lua leave a mark on each node that has somebody to put out; the
 * node takes it away when it has. This asks until no mark is left, or two seconds are over.
 */
#ifndef ADMIN_AWAIT_NODES_H
#define ADMIN_AWAIT_NODES_H

#include "common/json.h"

struct api;

/* `pending`: the nodes that had not obeyed; borrowed. */
typedef void (*await_nodes_fn)(void *data, char *const *pending, size_t count);

struct await_nodes_opts {
    struct json_text room;  /* borrowed until on_done */
    struct json_text field; /* where the mark stands: the user, or empty */
    const char *mark;       /* copied */
    char **nodes;           /* taken, with the strings */
    size_t count;
    await_nodes_fn on_done; /* in any case, also when the service closes */
    void *data;
};

void await_nodes_start(struct api *api, const struct await_nodes_opts *opts);

#endif
