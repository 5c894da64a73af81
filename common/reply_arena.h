/* reply_arena.h - memory for one reply of Redis at a time: hiredis' objects, one behind the
 * other, forgotten all at once. In steady state nothing reaches malloc.
 *
 * A reader made with reply_arena_functions and the arena as its privdata has at most one
 * reply in the arena; the caller resets it once it is done with that reply. The reader
 * itself never frees single objects.
 */
#ifndef COMMON_REPLY_ARENA_H
#define COMMON_REPLY_ARENA_H

#include <stddef.h>

#include <hiredis/hiredis.h>

struct reply_chunk;

struct reply_arena {
    struct reply_chunk *first, *last; /* the last one is taken from */
};

extern redisReplyObjectFunctions reply_arena_functions;

/* Forgets the reply; keeps one chunk for the next. */
void reply_arena_reset(struct reply_arena *arena);
void reply_arena_deinit(struct reply_arena *arena);

#endif
