/* enter_on.h - clients of one worker of a gateway that has several. The kernel spreads connections over
 * workers as it likes, so they are opened until one has come to the right one.
 */
#ifndef TESTS_SUPPORT_FLEET_ENTER_ON_H
#define TESTS_SUPPORT_FLEET_ENTER_ON_H

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"

/* Opens and joins; the user must be in the room by nobody else. */
struct chat *enter_on(const struct fleet *fleet, unsigned gateway, int worker,
                      const char *room, const char *user);

#endif
