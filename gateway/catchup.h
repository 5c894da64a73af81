/* catchup.h - how a member comes from the history to the live messages, without a hole or
 * an overlap.
 *
 * A member is a cursor on the room's log: the number of the last message it was given.
 * While it is behind the log it reads the history and takes the messages that came meanwhile
 * from the log's ring; once it has all the room has, it is LIVE and the cursor is the room's.
 * The same path serves a join, a resume, and a slow client that has caught up.
 */
#ifndef GATEWAY_CATCHUP_H
#define GATEWAY_CATCHUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/room_log.h"

struct member;
struct room;

/* What a client is sent as one history_batch. */
struct history_batch {
    const struct json_text *lines;
    size_t count;
    bool more;
};

/* Begins after message `after`: the first batch decides how far the history goes. */
void catchup_start(struct member *member, uint64_t after);

/* A live member's queue is full: from the log's last message on it reads the history as its
 * socket drains. */
void catchup_fall_behind(struct member *member);

/* Goes on as far as possible. Call when the client can take more. */
void catchup_go_on(struct member *member);

/* Ends of a read that calls->read started. `epoch` NULL: no such room. */
void catchup_on_history(struct member *member, const struct history *history);
void catchup_on_failed(struct member *member);

/* To the client: the messages from `from` to `to` will not come. */
void catchup_gap(struct member *member, uint64_t from, uint64_t to);

/* Every member that is behind goes on: the room has another message, or was synced. */
void catchup_all(struct room *room);

/* Message `seq` is deleted or edited: members that have not been given it yet must get what is there
 * now. */
void catchup_on_changed(struct room *room, uint64_t seq);

/* The room was recreated, and its log stands elsewhere: so does every member. */
void catchup_on_reset(struct room *room);

/* Whether the room's next message must go into the log's ring: some member is behind, or the
 * ring is kept anyway. */
bool catchup_needs_ring(const struct room *room);

/* Empties the ring if it is not needed. */
void catchup_drop_idle_ring(struct room *room);

/* Keeps a ring of the room's messages from now on although no member is behind, or not any
 * more. */
void catchup_keep_ring(struct room *room, bool keep);

#endif
