/* deliver.h - notices from Redis to the members of a room: messages in order, presence,
 * kicks and closings; and what the gateway itself has to tell them.
 */
#ifndef GATEWAY_DELIVER_H
#define GATEWAY_DELIVER_H

#include "gateway/follow.h"
#include "common/notice.h"
#include "gateway/room.h"

/* A notice came. `now_ms` for the leaves of those it puts out. May free the room. */
void deliver_notice(struct room *room, const struct notice *notice, uint64_t now_ms);

/* One came that cannot be read: what it may have told is looked for in the history. */
void deliver_malformed(struct room *room, const char *where);

/* Where Redis says that the room is: what is missing is read from the history. */
void deliver_position(struct room *room, const char *epoch, uint64_t seq);

/* The end of a hooks.backfill; NULL: it failed. */
void deliver_backfill(struct room *room, const struct history *history);

/* A kick, a closing or a deletion that was not heard but found by a sync; the last perhaps was. */
void deliver_kick(struct room *room, struct json_text user, struct json_text reason,
                  uint64_t now_ms);
void deliver_closing(struct room *room, struct json_text reason, uint64_t now_ms);
void deliver_deleted(struct room *room, uint64_t seq);

/* Joins the rooms to this module and follow.h; once, after rooms_init. */
void deliver_init(struct rooms *rooms);

#endif
