/* roll.h - who is in which room, as Redis has it, against the sockets that are open.
 *
 * Redis must hold, for each room, each user with the right count of nodes, under the nodes of each
 * gateway exactly the users whose sockets it has, and nothing of nodes that are dead.
 */
#ifndef TESTS_SUPPORT_FLEET_ROLL_H
#define TESTS_SUPPORT_FLEET_ROLL_H

#include <stdbool.h>

/* A socket that is open and in a room. */
struct roll_entry {
    const char *room, *user;
    unsigned gateway;
};

/* All borrowed. pids[i]: of gateway i as it names itself in Redis, 0: it does not run. */
struct roll {
    int redis_port;
    bool is_cluster;
    const int *pids;
    unsigned pids_count;
    unsigned workers; /* of each gateway */
    const struct roll_entry *entries;
    unsigned entries_count;
};

/* What is not as it should be, or NULL. The text lives until the next call. */
const char *roll_why_not(const struct roll *roll);

#endif
