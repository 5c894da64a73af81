/* room_user.c - the users of a room as this worker has them: from the first member to the leave.
 *
 *     room_user_get -> members, joins in flight -> room_user_leave_if_alone
 *         not in Redis      -> freed
 *         no grace          -> start_leave
 *         start_grace -> a member again: out of it
 *                     -> rooms_end_grace -> start_leave -> hooks.leave -> room_user_left -> freed,
 *                                                             unless somebody joined meanwhile
 *
 * A leave without an answer (the slot of a Redis Cluster is on its way, a link was lost) goes out again once
 * the room is ready, and says the same reason; the sync before it does not tell Redis of the user.
 *
 * While nobody can come back, no grace ends, and each that is under way begins again once they can.
 */
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "gateway/room.h"

void room_user_free(struct room_user *user)
{
    map_remove(&user->room->users, user->name, user->name_len);
    metric_sub(&user->room->rooms->metrics->members, 1);
    list_remove(&user->grace);
    list_remove(&user->leave);
    free(user);
}

struct room_user *room_user_get(struct room *room, struct json_text name)
{
    struct room_user *user = map_find(&room->users, name.base, name.len);

    if (user)
        return user;
    user = xcalloc(1, sizeof(*user) + name.len + 1);
    user->room = room;
    user->name_len = (unsigned char)name.len;
    memcpy(user->name, name.base, name.len);
    list_init(&user->grace);
    list_init(&user->leave);
    map_add(&room->users, user->name, name.len, user);
    metric_add(&room->rooms->metrics->members, 1);
    return user;
}

static void start_grace(struct room_user *user, uint64_t now_ms)
{
    struct rooms *rooms = user->room->rooms;

    user->restarts_grace = false;
    user->grace_until_ms = now_ms + rooms->grace_ms;
    list_remove(&user->grace);
    list_add(&rooms->grace, &user->grace);
}

/* Whether Redis may count a kicked user again: through another connection, or because a sync that
 * is under way has put it back into the room's next life. */
static bool may_be_in_since_kick(const struct room_user *user)
{
    return user->rev > user->kicked_rev || user->is_unsure || user->room->is_calling;
}

/* The room of a Redis Cluster is nowhere at home: it takes no joins. */
static bool is_locked_out(const struct room_user *user)
{
    return user->room->cluster.homeless_ms > 0;
}

static void start_leave(struct room_user *user)
{
    struct room *room = user->room;

    if (user->reason == LEAVE_KICKED && may_be_in_since_kick(user))
        user->reason = LEAVE_KICKED_BEFORE;
    list_remove(&user->grace);
    user->is_leaving = true;
    room->rooms->hooks.leave(room_ref(room), user);
}

static bool is_alone(const struct room_user *user)
{
    return user->members == 0 && user->joins_in_flight == 0;
}

void room_user_leave_if_alone(struct room_user *user, uint64_t now_ms)
{
    if (!is_alone(user) || user->is_leaving)
        return;
    if (!user->is_in)
        room_user_free(user);
    else if (!leave_reason_has_grace(user->reason) || user->room->rooms->grace_ms == 0)
        start_leave(user);
    else
        start_grace(user, now_ms);
}

void room_user_left(struct room_user *user)
{
    user->is_leaving = user->is_in = false;
    if (is_alone(user))
        room_user_free(user);
}

uint64_t rooms_end_grace(struct rooms *rooms, uint64_t now_ms, bool all)
{
    struct list *link;

    while ((link = list_first(&rooms->grace))) {
        struct room_user *user = list_entry(link, struct room_user, grace);

        if (user->restarts_grace && !all)
            start_grace(user, now_ms);
        else if (!all && user->grace_until_ms > now_ms)
            return user->grace_until_ms - now_ms;
        else if (!all && is_locked_out(user))
            start_grace(user, now_ms);
        else
            start_leave(user);
    }
    return 0;
}

void room_restart_grace(struct room *room)
{
    struct room_user *user;
    uint32_t at = 0;

    while ((user = map_next(&room->users, &at)))
        user->restarts_grace = true;
}

void room_end_grace(struct room_user *user, enum leave_reason reason)
{
    if (list_is_empty(&user->grace))
        return;
    user->reason = reason;
    start_leave(user);
}

void room_forget_users(struct room *room)
{
    struct room_user *user;
    uint32_t at = 0;

    while ((user = map_next(&room->users, &at)))
        user->is_in = false;
    list_each(link, &room->unanswered) {
        user = list_entry(link, struct room_user, leave);
        list_remove(link);
        room_user_left(user);
    }
    list_each(link, &room->rooms->grace) {
        user = list_entry(link, struct room_user, grace);
        if (user->room == room && !user->is_leaving)
            room_user_free(user);
    }
}
