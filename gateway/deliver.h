/* deliver.h - notices from Redis to the members of a room: messages in order, presence,
 * kicks and closings; and what the gateway itself has to tell them.
 */
#ifndef GATEWAY_DELIVER_H
#define GATEWAY_DELIVER_H

#include "gateway/follow.h"
#include "gateway/room.h"

/* Whom a notice is about. */
enum room_notice_users {
    ROOM_NOTICE_OF_NONE,
    ROOM_NOTICE_OF_ONE,
    ROOM_NOTICE_OF_EACH, /* line i is about user i */
};

/* What kind of notice it is: X(id, word in the header, whom it is about, type of its lines).
 * Whether there are users follows from this, never from what stands in their place. */
#define ROOM_NOTICES(X)                                                                \
    X(ROOM_NOTICE_MESSAGE, message, ROOM_NOTICE_OF_NONE, "message")                    \
    X(ROOM_NOTICE_DELETED, deleted, ROOM_NOTICE_OF_NONE, "message_deleted")            \
    X(ROOM_NOTICE_SIGNAL, signal, ROOM_NOTICE_OF_ONE, "signal")                        \
    X(ROOM_NOTICE_JOINED, joined, ROOM_NOTICE_OF_EACH, "member_joined")                \
    X(ROOM_NOTICE_LEFT, left, ROOM_NOTICE_OF_EACH, "member_left")                      \
    X(ROOM_NOTICE_KICKED, kicked, ROOM_NOTICE_OF_ONE, "kicked")                        \
    X(ROOM_NOTICE_CLOSED, closed, ROOM_NOTICE_OF_NONE, "room_closed")

enum room_notice_kind {
#define X(id, word, users, type) id,
    ROOM_NOTICES(X)
#undef X
        ROOM_NOTICE_KINDS
};

/* A notice as it came; all borrowed. `users` are percent-encoded, with commas between, and mean
 * nothing where the kind has none; `lines` are JSON events, one a line. */
struct room_notice {
    struct json_text epoch;
    uint64_t rev, first, last;
    enum room_notice_kind kind;
    struct json_text users, lines;
};

/* A notice came. `now_ms` for the leaves of those it puts out. May free the room. */
void deliver_notice(struct room *room, const struct room_notice *notice,
                    uint64_t now_ms);

/* One came that cannot be read: what it may have told is looked for in the history. */
void deliver_malformed(struct room *room, const char *where);

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
