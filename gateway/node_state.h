/* node_state.h - how a node stands with its Redis, as a number that another thread may read, and in
 * the words of /readyz.
 */
#ifndef GATEWAY_NODE_STATE_H
#define GATEWAY_NODE_STATE_H

#include "common/redis_loss.h"

/* Why /readyz says no; X(id, text) */
#define NODE_STATES(X)                                                                 \
    X(NODE_STARTING, "starting")                                                       \
    X(NODE_NO_REDIS, "no connection to Redis")                                         \
    X(NODE_HELD, "not all Redis of the list are known to be the right ones")           \
    X(NODE_NO_INFO, "Redis refuses INFO: the right +info is needed")                   \
    X(NODE_NO_WRITE, "Redis does not take the heartbeat")                              \
    X(NODE_MOVING,                                                                     \
      "the slot of its registry is on its way between two masters (TRYAGAIN): "        \
      "redis-cli --cluster fix")                                                       \
    X(NODE_DEAF, "own notices do not come back")                                       \
    X(NODE_DRAINING, "draining")                                                       \
    X(NODE_READY, "ready")

enum node_state {
#define X(id, text) id,
    NODE_STATES(X)
#undef X
        NODE_WHY /* and above: plus enum redis_why, which says more than NODE_NO_REDIS */
};

/* Why there is no connection, as far as it is known. */
int node_state_of_loss(enum redis_why why);

/* NULL: it is ready. A literal. */
const char *node_state_text(int state);

#endif
