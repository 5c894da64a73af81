/* move_live.h - whether a gateway works with one of the Redis of a move (move.h). */
#ifndef ADMIN_MOVE_LIVE_H
#define ADMIN_MOVE_LIVE_H

#include "admin/move_links.h"

struct move_live {
    struct move_links *links;
    unsigned found;
    char node[PROTO_NODE_MAX + 1]; /* one that is alive; empty: none */
    char address[128];             /* as it calls itself */
    enum move_which which;
};

/* Looks at the registries of both sides. False: the calls have failed. */
bool move_live_look(struct move_live *live, struct move_links *links);

#endif
