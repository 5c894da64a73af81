/* node_state.c - see node_state.h. */
#include "gateway/node_state.h"

#include <stddef.h>

int node_state_of_loss(enum redis_why why)
{
    return why == REDIS_WHY_NOT_KNOWN ? (int)NODE_NO_REDIS : (int)NODE_WHY + (int)why;
}

const char *node_state_text(int state)
{
    static const char *const texts[] = {
#define X(id, text) [id] = text,
        NODE_STATES(X)
#undef X
    };

    if (state >= NODE_WHY)
        return redis_why_text((enum redis_why)(state - NODE_WHY));
    return state == NODE_READY ? NULL : texts[state];
}
