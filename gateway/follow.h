/* follow.h - how a member comes from the history to the live messages, without a hole or
 * an overlap.
 *
 * A member is a cursor on the room's log: the number of the last message it was given.
 * Behind the room it reads the history and takes the messages that came meanwhile from
 * the room's ring; once it has all the room has, it is LIVE and the cursor is the room's.
 * The same path serves a join, a resume, and a slow client that has caught up.
 */
#ifndef GATEWAY_FOLLOW_H
#define GATEWAY_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/room_log.h"

struct member;
struct room;

/* What a client is sent as one history_batch. */
struct follow_batch {
    const struct json_text *lines;
    size_t count;
    bool more;
};

/* Begins behind `after`: the first batch decides how far the history goes. */
void follow_start(struct member *member, uint64_t after);

/* Goes on as far as possible. Call when the client can take more. */
void follow_again(struct member *member);

/* Ends of a read that calls->read started. `epoch` NULL: no such room. */
void follow_on_history(struct member *member, const struct history *history);
void follow_on_failed(struct member *member);

/* To the client: the messages from `from` to `to` will not come. */
void follow_gap(struct member *member, uint64_t from, uint64_t to);

/* Everybody who follows goes on: the room has another message, or was synced. */
void follow_all(struct room *room);

/* Message `seq` is deleted: whoever has not been given it yet must get the tombstone. */
void follow_on_deleted(struct room *room, uint64_t seq);

/* The room was recreated, and its log stands elsewhere: every member stands there, too. */
void follow_on_reset(struct room *room);

/* Whether the room's next message must go into the log's ring: somebody follows, or the ring
 * is kept anyway. */
bool follow_needs_ring(const struct room *room);

/* Empties the ring if it is not needed. */
void follow_drop_idle_ring(struct room *room);

/* Keeps a ring of the room's messages from now on although nobody follows, or not any
 * more. */
void follow_keep_ring(struct room *room, bool keep);

#endif
