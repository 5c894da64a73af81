/* reply_arena.h - memory for one reply of Redis at a time: hiredis' objects, packed
 * together and forgotten all at once. In steady state nothing reaches malloc.
 *
 * A reader made with reply_arena_functions and the arena as its privdata has at most one
 * reply in the arena; the caller resets it once it is done with that reply. The reader
 * itself never frees single objects.
 */
#ifndef COMMON_REPLY_ARENA_H
#define COMMON_REPLY_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

struct reply_chunk;

enum {
    /* Of one string: a notice, as long as Redis lets one be for a subscriber that does not read
     * (32 MiB); a message of the largest ROOMCAST_MAX_MESSAGE_BYTES, each byte of it escaped, is
     * below that. */
    REPLY_BULK_MAX = 32 * 1024 * 1024,
    /* Of one array: no command asks for more than a day of samples (8,640) or the scores of
     * 4,096 nodes; a hash that is small enough for Redis comes whole. */
    REPLY_ARRAY_MAX = 65536,
    /* Of all that one reply takes here: twice the largest string. */
    REPLY_BYTES_MAX = 2 * REPLY_BULK_MAX,
};

struct reply_arena {
    struct reply_chunk *first, *last; /* the last one is taken from */
    size_t bytes;                     /* in chunks */
};

/* What is beyond the bounds above ends the reader with REDIS_ERR_OOM. */
extern redisReplyObjectFunctions reply_arena_functions;

/* Whether what the reader has not finished is a string that is announced, or has grown, beyond
 * its bound. Call after each read that completed no reply: the reader itself would keep all
 * that comes. */
bool reply_arena_is_overrun(const redisReader *reader);

/* Forgets the reply; keeps one chunk for the next. */
void reply_arena_reset(struct reply_arena *arena);
void reply_arena_deinit(struct reply_arena *arena);

#endif
