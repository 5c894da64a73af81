/* deliver.h - notices from Redis to the members of a room: messages in order, presence,
 * kicks and closings; and what the gateway itself has to tell them.
 */
#ifndef GATEWAY_DELIVER_H
#define GATEWAY_DELIVER_H

#include "gateway/follow.h"
#include "gateway/room.h"

/* What kind of notice a line from Redis is: X(id, word in the header) */
#define ROOM_NOTICES(X)                                                                \
    X(ROOM_NOTICE_MESSAGE, message)                                                    \
    X(ROOM_NOTICE_DELETED, deleted)                                                    \
    X(ROOM_NOTICE_SIGNAL, signal)                                                      \
    X(ROOM_NOTICE_JOINED, joined)                                                      \
    X(ROOM_NOTICE_LEFT, left)                                                          \
    X(ROOM_NOTICE_KICKED, kicked)                                                      \
    X(ROOM_NOTICE_CLOSED, closed)

enum room_notice_kind {
#define X(id, word) id,
    ROOM_NOTICES(X)
#undef X
        ROOM_NOTICE_KINDS
};

/* A notice as it came; all borrowed. `users` is percent-encoded, commas between, "-" if
 * the kind has none; `lines` are JSON events, one a line. */
struct room_notice {
    struct json_text epoch;
    uint64_t rev, first, last;
    enum room_notice_kind kind;
    struct json_text users, lines;
};

/* A notice came. `now_ms` for the leaves of those it puts out. May free the room. */
void deliver_notice(struct room *room, const struct room_notice *notice,
                    uint64_t now_ms);

/* Where Redis says that the room is: what is missing is read from the history. */
void deliver_position(struct room *room, const char *epoch, uint64_t seq);

/* The end of a hooks.backfill; NULL: it failed. */
void deliver_backfill(struct room *room, const struct follow_history *history);

/* A kick, a closing or a deletion that was not heard but found by a sync; the last perhaps was. */
void deliver_kick(struct room *room, struct json_text user, struct json_text reason,
                  uint64_t now_ms);
void deliver_closing(struct room *room, struct json_text reason, uint64_t now_ms);
void deliver_deleted(struct room *room, uint64_t seq);

/* Joins the rooms to this module and follow.h; once, after rooms_init. */
void deliver_init(struct rooms *rooms);

#endif
