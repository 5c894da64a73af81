/* deliver.h - notices from Redis to the members of a room: messages, in the order of their
 * numbers; all others by announce.h.
 */
#ifndef GATEWAY_DELIVER_H
#define GATEWAY_DELIVER_H

#include "common/notice.h"
#include "gateway/room.h"

/* A notice came. `now_ms` for the leaves of those it puts out. May free the room. */
void deliver_notice(struct room *room, const struct notice *notice, uint64_t now_ms);

/* One came that cannot be read: what it may have told is looked for in the history. */
void deliver_malformed(struct room *room, const char *where);

/* Where Redis says that the room is: what is missing is read from the history. */
void deliver_position(struct room *room, const char *epoch, struct token token,
                      uint64_t seq);

/* Whether every notice under this token is withheld here, for it is another than the room's: none
 * need be looked for. */
bool deliver_withholds_all(const struct room *room, struct token token);

/* The end of a hooks.backfill; NULL: it failed. */
void deliver_backfill(struct room *room, const struct history *history);

/* Sets the rooms' observer, for this module, announce.h and catchup.h; once, after rooms_init. */
void deliver_init(struct rooms *rooms);

#endif
