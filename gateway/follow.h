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

#include "common/json.h"

struct frame;
struct member;
struct room;

/* A piece of the history, as Redis gave it; all borrowed. */
struct follow_history {
    const char *epoch;
    uint64_t seq;    /* the room's last message */
    uint64_t oldest; /* the oldest message held */
    uint64_t first;  /* number of lines[0] */
    const struct json_text *lines;
    size_t count;
    bool is_cut; /* beside it stands what is no message */
};

/* What a client is sent as one history_batch. */
struct follow_batch {
    const struct json_text *lines;
    size_t count;
    uint64_t until;  /* the last number of the history that follows the join */
    uint64_t oldest; /* the oldest message that Redis holds */
    bool is_first;   /* answers the join */
    bool more;
};

/* Begins behind `after`: the first batch decides how far the history goes. */
void follow_start(struct member *member, uint64_t after);

/* Goes on as far as possible. Call when the client can take more. */
void follow_again(struct member *member);

/* Ends of a read that calls->read started. `epoch` NULL: no such room. */
void follow_on_history(struct member *member, const struct follow_history *history);
void follow_on_failed(struct member *member);

/* To the client: the messages from `from` to `to` will not come. */
void follow_gap(struct member *member, uint64_t from, uint64_t to);

/* The room's next message: into the ring if somebody follows, and to who follows. The
 * caller has given it to the live members. */
void follow_on_message(struct room *room, struct frame *frame);
void follow_all(struct room *room);

/* Message `seq` is deleted: whoever has not been given it yet must get the tombstone. */
void follow_on_deleted(struct room *room, uint64_t seq);

/* The room was made anew: everybody is where it is now. */
void follow_on_reset(struct room *room);

/* Empties and frees the ring; or only if nobody needs it. */
void follow_drop_ring(struct room *room);
void follow_drop_idle_ring(struct room *room);

/* Keeps a ring of the room's messages from now on although nobody follows, or not any
 * more. */
void follow_keep_ring(struct room *room, bool keep);

/* Puts what was read of the history in front of what the ring holds. */
void follow_fill_ring(struct room *room, const struct follow_history *history);

/* What a read of the history behind `after` would give, from the ring; false: it does not
 * tell. `lines` has room for PROTO_BATCH_MESSAGES; NULL: none are given. */
bool follow_read_ring(const struct room *room, uint64_t after, struct json_text *lines,
                      struct follow_history *out);

#endif
