/* room_state.c - the states of room.h: the steps of a room, the states of a member, and
 * what may come after what. It sends nothing and calls nobody.
 */
#include <assert.h>

#include "gateway/room.h"

/* ---- what a room needs next ---- */

const char *room_step_word(enum room_step step)
{
    static const char *const words[] = {
#define X(id, word) [id] = word,
        ROOM_STEPS(X)
#undef X
    };

    return words[step];
}

static bool has_anybody_in(const struct room *room)
{
    return room_log_is_known(&room->log) && room->users.count > 0;
}

enum room_step room_next_step(const struct room *room)
{
    if (!room->rooms->is_up || !room->is_subscribed || room->is_calling)
        return ROOM_STEP_WAIT;
    if (room->is_stuck)
        return ROOM_STEP_STUCK;
    if (room->users.count == 0 && room->refs == 0)
        return room->may_be_known ? ROOM_STEP_CLOSE : ROOM_STEP_WAIT;
    if (!room->is_registered)
        return room->users.count > 0 ? ROOM_STEP_REGISTER : ROOM_STEP_WAIT;
    if (room->needs_sync && has_anybody_in(room))
        return ROOM_STEP_SYNC;
    return ROOM_STEP_JOIN;
}

bool room_is_ready(const struct room *room)
{
    return room_next_step(room) == ROOM_STEP_JOIN;
}

/* ---- a member's way ---- */

static struct list *list_of(struct room *room, enum member_state state)
{
    return state == MEMBER_WAITING   ? &room->waiting
           : state == MEMBER_JOINING ? &room->joining
           : state == MEMBER_LIVE    ? &room->live
                                     : &room->behind;
}

void member_set_state(struct member *member, enum member_state state)
{
    /* A member that is in may join again, and is recreated with its room. */
    static const unsigned may_follow[] = {
        [MEMBER_WAITING] = 1 << MEMBER_WAITING | 1 << MEMBER_JOINING |
                           1 << MEMBER_FIRST_BATCH | 1 << MEMBER_IN_HISTORY |
                           1 << MEMBER_CATCHING_UP,
        [MEMBER_JOINING] = 1 << MEMBER_WAITING,
        [MEMBER_FIRST_BATCH] = 1 << MEMBER_WAITING | 1 << MEMBER_JOINING |
                               1 << MEMBER_FIRST_BATCH | 1 << MEMBER_IN_HISTORY |
                               1 << MEMBER_CATCHING_UP | 1 << MEMBER_LIVE,
        [MEMBER_IN_HISTORY] = 1 << MEMBER_FIRST_BATCH,
        [MEMBER_CATCHING_UP] = 1 << MEMBER_IN_HISTORY | 1 << MEMBER_LIVE,
        [MEMBER_LIVE] = 1 << MEMBER_CATCHING_UP,
    };

    assert(may_follow[state] & 1u << member->state);
    list_remove(&member->link);
    list_add(list_of(member->room, state), &member->link);
    member->state = state;
}

bool member_is_behind(const struct member *member)
{
    return member->state >= MEMBER_FIRST_BATCH && member->state < MEMBER_LIVE;
}
