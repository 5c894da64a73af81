/* cluster_error.h - what an error reply of a Redis Cluster means for the call that it answers
 * (SPEC-SCALE S6): whether it was done, and where or when to go with it.
 */
#ifndef COMMON_CLUSTER_ERROR_H
#define COMMON_CLUSTER_ERROR_H

#include "common/cluster_map.h"

enum cluster_error {
    CLUSTER_MOVED, /* not done: another master has the slot, and the answer names it */
    CLUSTER_ASK,   /* not done: the slot is on its way, and so is what was asked for */
    CLUSTER_TRYAGAIN, /* not done: the slot is on its way */
    CLUSTER_DOWN,     /* not done: the cluster or this Redis is not fit for it now */
    CLUSTER_NOSCRIPT, /* not done: to be sent with the source */
    CLUSTER_HALFWAY,  /* a script broke off: what it did before stays */
    CLUSTER_OTHER,    /* refused for a reason that has nothing to do with the cluster */
};

/* `text`: of the error reply, without the minus sign. */
enum cluster_error cluster_error_of(const char *text);

/* The slot and the master that MOVED and ASK name. `asked` as for cluster_map_parse. False: it names
 * none. */
bool cluster_error_owner(const char *text, const struct cluster_host *asked,
                         unsigned *slot, struct cluster_host *owner);

#endif
