/* move_fleet.h - what belongs to the fleet and to no room, in a move (move.h).
 *
 * The audit trail and the statistics are of the first shard, and go to the new first one. What the old fleet
 * knew of its nodes and rooms is removed where no shard is left; where one is, rooms that have gone are
 * taken off its indexes, and the gateways reap the nodes as after every stop.
 */
#ifndef ADMIN_MOVE_FLEET_H
#define ADMIN_MOVE_FLEET_H

#include "admin/move_copy.h"

/* False: the calls have failed. */
bool move_fleet_copy(struct move_copy *copy);
bool move_fleet_tidy(struct move_links *links);

/* Whether the audit trail and the statistics go to another Redis. */
bool move_fleet_goes(const struct move_links *links);

#endif
