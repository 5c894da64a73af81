/* rooms.c - what is done to all rooms of a worker: Redis comes or goes, this node takes another
 * name, or another server has the logs.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "gateway/room.h"

static void on_lost(struct room *room)
{
    room->was_deaf = true;
    room_doubt(room);
    room_fail_waiting(room);
}

static void on_renamed(struct room *room)
{
    room->may_be_known = room->is_told = false;
    room_doubt(room);
}

static void unstick(struct room *room)
{
    room->is_stuck = false; /* rooms_each pumps it */
}

void rooms_each(struct rooms *rooms, void (*what)(struct room *room))
{
    uint32_t count = rooms->map.count, at = 0;
    struct room **all = xcalloc(count + 1, sizeof(*all));

    for (uint32_t i = 0; i < count; i++) {
        all[i] = room_ref(map_next(&rooms->map, &at));
    }
    for (uint32_t i = 0; i < count; i++) {
        what(all[i]);
        room_unref(all[i]);
    }
    free(all);
}

void rooms_set_classes(struct rooms *rooms, const struct classes *classes)
{
    rooms->classes = classes;
    rooms_each(rooms, room_set_class);
}

void rooms_pump(struct rooms *rooms)
{
    rooms->has_stuck = false;
    rooms_each(rooms, unstick);
}

static void restart_grace(struct rooms *rooms)
{
    list_each(link, &rooms->grace) {
        list_entry(link, struct room_user, grace)->restarts_grace = true;
    }
}

void rooms_doubt_all(struct rooms *rooms)
{
    rooms_each(rooms, room_doubt);
}

void rooms_set_up(struct rooms *rooms, bool is_up)
{
    if (rooms->is_up == is_up)
        return;
    rooms->is_up = is_up;
    if (is_up) {
        restart_grace(rooms); /* nobody could come back meanwhile */
        rooms_pump(rooms);
    } else {
        rooms_each(rooms, on_lost);
    }
}

bool rooms_are_synced(const struct rooms *rooms)
{
    const struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&rooms->map, &at)))
        if (room->users.count > 0 && !room->is_stuck && !room_is_ready(room))
            return false;
    return true;
}

void rooms_on_renamed(struct rooms *rooms)
{
    rooms_each(rooms, on_renamed);
}

/* ---- doubts that have their turn ---- */

static struct room *next_doubted(struct rooms *rooms)
{
    struct list *doubted = list_first(&rooms->doubted),
                *deaf = list_first(&rooms->deaf);

    return doubted ? list_entry(doubted, struct room, doubted)
           : deaf  ? list_entry(deaf, struct room, deaf)
                   : NULL;
}

static void sync_doubted(struct rooms *rooms)
{
    struct room *room;

    while (rooms->doubts_left > 0 && (room = next_doubted(rooms))) {
        list_remove(&room->doubted);
        list_remove(&room->deaf);
        rooms->doubts_left--;
        room_needs_sync(room);
    }
}

void room_doubt_token(struct room *room, struct token token)
{
    if (!terms_take_doubt(&room->terms, token) || !list_is_empty(&room->doubted))
        return;
    list_add(&room->rooms->doubted, &room->doubted);
    sync_doubted(room->rooms);
}

void rooms_on_dropped(struct rooms *rooms)
{
    struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&rooms->map, &at))) {
        room->was_deaf = true;
        if (list_is_empty(&room->deaf))
            list_add(&rooms->deaf, &room->deaf);
    }
    sync_doubted(rooms);
}

void rooms_doubt_more(struct rooms *rooms)
{
    rooms->doubts_left = ROOM_DOUBTS;
    sync_doubted(rooms);
}
