/* expiring.h - many rooms expire together: how many scripts the fleet sends about each, as every Redis of it
 * sees them. The gateways have ROOMCAST_ROOM_TTL_SECS=1 and no grace.
 */
#ifndef TESTS_SUPPORT_FLEET_EXPIRING_H
#define TESTS_SUPPORT_FLEET_EXPIRING_H

#include "tests/support/unit/wait.h"

enum { EXPIRING_ROOMS = 500, EXPIRING_PORTS_MAX = 8 };

struct expiring {
    int ports[EXPIRING_PORTS_MAX]; /* of each Redis, or master */
    unsigned ports_count;
    int gateway_port;              /* of the one that the rooms' only client is on */
    wait_condition_fn is_unlisted; /* no room is on the fleet's lists any more */
};

/* Makes the rooms, leaves them, and waits until they are off the lists; each must have been named by 1 to 3
 * scripts. */
void expiring_expect_few_scripts(const struct expiring *expiring);

#endif
