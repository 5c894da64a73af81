/* announce.h - what goes by `rev` and not by number: who came and went, kicks, closings, deleted
 * and edited messages; and signals, which have neither. Each member is told once, in order, of what came
 * after its own join.
 */
#ifndef GATEWAY_ANNOUNCE_H
#define GATEWAY_ANNOUNCE_H

#include "common/notice.h"
#include "gateway/room.h"

/* A notice of any kind but `message`. `now_ms`: for the leaves of those it puts out. False: it
 * is malformed, and nothing was done. May free the room. */
bool announce_notice(struct room *room, const struct notice *notice, uint64_t now_ms);

/* A kick, a closing, or a message that was deleted or edited, that was not heard but found by a sync; the
 * last perhaps was heard, too. `event` is what members are told. */
void announce_kick(struct room *room, struct json_text user, struct json_text reason,
                   uint64_t now_ms);
void announce_closing(struct room *room, struct json_text reason, uint64_t now_ms);
void announce_changed(struct room *room, uint64_t seq, struct json_text event);

/* To every member that has its ack; for what the gateway itself has to tell. */
void announce_event(struct room *room, const struct strbuf *event,
                    enum room_class class);

/* The member has its ack now: it is given the announcements that waited for it, and may be put out. */
void announce_to_acked(struct member *member);

/* The room is known to stand at `rev`. */
void announce_start(struct room *room, uint64_t rev);

/* A sync has found what was missed up to `rev`. */
void announce_synced(struct room *room, uint64_t rev);

/* The room was recreated and stands at `rev`: announcements from before are dropped. */
void announce_reset(struct room *room, uint64_t rev);

/* Drops the announcements if all members have their ack. */
void announce_drop_idle(struct room *room);

/* The rev of the last change that live members were told of. */
static inline uint64_t announce_rev(const struct room *room)
{
    return room->announce.rev;
}

/* Up to this rev they were told of every one: what is beyond it may have been missed, also where
 * a later one was heard. */
static inline uint64_t announce_told(const struct room *room)
{
    return room->announce.told;
}

#endif
