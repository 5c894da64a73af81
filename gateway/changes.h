/* changes.h - reading which messages of a room were deleted or edited, and what they are now
 * (lua/changes.lua, SPEC-PUBLIC P6).
 */
#ifndef GATEWAY_CHANGES_H
#define GATEWAY_CHANGES_H

#include "gateway/store.h"

/* Changes after this rev, of messages up to number `last`. */
struct changes_range {
    uint64_t after, last;
};

/* A message, and the event that tells of its latest change. */
struct change {
    uint64_t seq;
    struct json_text event;
};

/* A page of them in the order of their rev; all borrowed. */
struct changes {
    struct token token;
    uint64_t rev; /* up to this one all is told */
    bool has_more;
    bool is_cut; /* Redis may have forgotten some after `after` */
    const struct change *items;
    size_t count;
};

/* `changes` is NULL if it failed, or the room is gone. The room has a ref meanwhile. Never from inside the call. */
typedef void (*changes_read_fn)(void *data, const struct changes *changes);
void changes_read(struct store *store, struct room *room,
                  const struct changes_range *range, changes_read_fn on_done,
                  void *data);

#endif
