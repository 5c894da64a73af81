/* changes.h - messages of a room that are deleted or edited (lua/delete.lua, lua/edit.lua), and which they
 * were, and what they are now (lua/changes.lua; SPEC-PUBLIC P6).
 */
#ifndef GATEWAY_CHANGES_H
#define GATEWAY_CHANGES_H

#include "gateway/store.h"

/* ---- changing ---- */

/* Which message. `user` NULL: anybody's, of any age, which only a deletion may be. */
struct change_wish {
    uint64_t seq;
    const struct room_user *user; /* whose it must be, */
    uint64_t life_ms;             /* and how old at most */
    const struct room_user *by;   /* who changes it */
};

/* PROTO_OK once Redis has it. The room has a ref meanwhile. Never from inside the call. */
struct change_result {
    const struct room *room;
    struct json_text by;
    enum proto_error error;
};
typedef void (*change_done_fn)(void *data, const struct change_result *result);

void changes_delete(struct store *store, struct room *room,
                    const struct change_wish *wish, change_done_fn on_done, void *data);

/* `message` has what is said now; its time does not count. */
void changes_edit(struct store *store, struct room *room,
                  const struct change_wish *wish, const struct proto_message *message,
                  change_done_fn on_done, void *data);

/* ---- reading ---- */

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
