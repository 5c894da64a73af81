/* move.h - roomcast-admin --move-rooms: takes the rooms from the Redis of ROOMCAST_MOVE_FROM to those of
 * ROOMCAST_MOVE_TO, of whatever form (SPEC-SCALE S11). Gateways are stopped meanwhile.
 *
 *     move_links    both sides, and calls to them
 *     move_live     no gateway works with them: looked at before, and each second
 *     move_marks    no gateway of either list starts until all has come to its end
 *     move_plan     which rooms go where
 *     move_walk, move_copy    bans and mutes, then all else of the rooms that go
 *     move_fleet    the audit trail, statistics, registries
 *
 * Members stay behind: they were those of gateways that are gone, and clients come back by themselves. So
 * a room arrives empty, with the time that it has left. All else comes with it: its numbers and its epoch
 * go on. Whatever happens on the way, the same command goes on where it ended.
 */
#ifndef ADMIN_MOVE_H
#define ADMIN_MOVE_H

#include "common/config.h"

enum move_exit {
    MOVE_EXIT_DONE = 0,
    MOVE_EXIT_BROKE_OFF = 1, /* to be run again */
    MOVE_EXIT_REFUSED = 3    /* nothing was changed, or no more than before */
};

/* Says on stderr how far it is, and on stdout at the end what was done. */
enum move_exit move_run(const struct config *config);

#endif
