/* move_plan.h - which rooms of a move (move.h) go where, and how many there are. */
#ifndef ADMIN_MOVE_PLAN_H
#define ADMIN_MOVE_PLAN_H

#include "admin/move_walk.h"
#include "common/shard_of.h"

enum move_verdict {
    MOVE_GOES,
    MOVE_STAYS,   /* its new shard is on the same Redis */
    MOVE_IS_STRAY /* neither list has the room here: no gateway finds it, and it stays */
};

/* Of a room on a Redis of MOVE_FROM; `to`: where it is to be. */
enum move_verdict move_plan_verdict(const struct move_links *links,
                                    const struct move_place *place,
                                    struct json_text room, struct move_at *to);

/* The Redis of the other side that is this one, or NULL. */
const struct move_place *move_plan_same(const struct move_links *links,
                                        const struct move_place *place);

struct move_count {
    uint64_t rooms, keys;
};

struct move_plan {
    struct move_links *links;
    struct move_count goes, stays, strays;
    struct move_count ways[SHARD_OF_MAX]
                          [SHARD_OF_MAX]; /* by shards, of those that go */
    char stray[PROTO_ROOM_MAX + 1];       /* one of them */
    bool is_first; /* nothing was moved yet: what is in the way is refused */
    char refusal[400];
};

/* Whether the two sides can be moved between at all; if not, `refusal` says why. */
bool move_plan_is_possible(struct move_plan *plan);

/* Counts, and looks at what is where rooms are to be. False: the calls have failed, or `refusal` says
 * what is in the way. */
bool move_plan_survey(struct move_plan *plan);

#endif
