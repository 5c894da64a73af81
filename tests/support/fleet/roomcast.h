/* roomcast.h - how a test starts the terminal client: for sh, against the gateways of a fleet.
 */
#ifndef TESTS_SUPPORT_FLEET_ROOMCAST_H
#define TESTS_SUPPORT_FLEET_ROOMCAST_H

#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/tmux.h"

/* "…/roomcast --user USER --url … ARGUMENTS", with all gateways of the fleet, `first` first; to be
 * freed. */
char *roomcast_command(const struct fleet *fleet, unsigned first, const char *user,
                       const char *arguments);

/* Opens a window named as the user with the client in it, and waits until it is connected. */
void roomcast_open(struct tmux *tmux, const struct fleet *fleet, unsigned first,
                   const char *user, int columns, int rows, const char *rooms);

/* Runs a line of sh in which $ROOMCAST is the command above, and returns its status; what it
 * prints to stdout is in *out, and to stderr in *err, both to be freed. */
int roomcast_run(const struct fleet *fleet, const char *user, const char *script,
                 char **out, char **err);

#endif
