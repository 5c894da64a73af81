/* move_copy.h - takes keys from one side of a move (move.h) to the other.
 *
 *     TYPE, PTTL, MEMORY USAGE -> [as many at once as have 16 MiB together]
 *         DUMP -> RESTORE, or in parts where a key is large (move_parts.h)
 *         -> compared: length, expiry, of a room its numbers
 *         -> of a room: settle.lua, the indexes
 *         -> UNLINK at the source
 *
 * Until the last step the source has all, and what was copied before is replaced: so a move that breaks
 * off at any point is gone on with by doing all of it again.
 */
#ifndef ADMIN_MOVE_COPY_H
#define ADMIN_MOVE_COPY_H

#include "admin/move_item.h"

enum {
    MOVE_COPY_MAX = 100, /* keys in a call */
    MOVE_COPY_BYTES_MAX =
        16 * 1024 * 1024, /* that are on their way at once, or one key */
    MOVE_COPY_DUMP_BYTES_MAX = 8 * 1024 * 1024, /* a larger key goes in parts */
};

struct move_copy {
    struct move_links *links;
    uint64_t rooms, keys, removed, bytes;
};

/* At most MOVE_COPY_MAX. False: the calls have failed, or what was copied is not the same. */
bool move_copy_items(struct move_copy *copy, struct move_item *items, size_t count);

#endif
