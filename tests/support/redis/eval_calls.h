/* eval_calls.h - each script of lua/ in each of its ways, with what there is before the call: for tests
 * of what all scripts have in common. All is about the room `lobby` of eval_room_begin, and the
 * nodes `me` and `dead`.
 *
 *     eval_room_begin(&room, &redis);
 *     eval_calls[i].prepare(&room);
 *     eval_calls[i].run(&room);
 */
#ifndef TESTS_SUPPORT_REDIS_EVAL_CALLS_H
#define TESTS_SUPPORT_REDIS_EVAL_CALLS_H

#include "tests/support/redis/eval_room.h"

struct eval_call {
    const char *name;
    void (*prepare)(struct eval_room *room);
    const char *(*run)(struct eval_room *room); /* as eval_run */
    /* When memory is full, publishing, new members and new rooms are refused. What frees some, or
     * only reads or prolongs, goes on, and so does what operators do and what keeps the fleet
     * together: its size is bounded. */
    bool takes_memory;
};

extern const struct eval_call eval_calls[];
extern const size_t eval_calls_count;

#endif
