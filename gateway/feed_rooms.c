/* feed_rooms.c - see feed_rooms.h. */
#include "gateway/feed_rooms.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

void feed_rooms_init(struct feed_rooms *rooms, unsigned workers)
{
    *rooms = (struct feed_rooms){.workers = workers, .mask_bytes = (workers + 7) / 8};
}

void feed_rooms_clear(struct feed_rooms *rooms)
{
    struct feed_room *room;
    uint32_t at = 0;

    while ((room = map_next(&rooms->map, &at)))
        free(room);
    map_deinit(&rooms->map);
}

struct json_text feed_rooms_name(const struct feed_rooms *rooms,
                                 const struct feed_room *room)
{
    return (struct json_text){(const char *)room->bytes + rooms->mask_bytes,
                              room->name_len};
}

struct feed_room *feed_rooms_find(const struct feed_rooms *rooms, struct json_text name)
{
    return map_find(&rooms->map, name.base, name.len);
}

struct feed_room *feed_rooms_get(struct feed_rooms *rooms, struct json_text name)
{
    struct feed_room *room = feed_rooms_find(rooms, name);

    if (room)
        return room;
    room = xcalloc(1, offsetof(struct feed_room, bytes) + rooms->mask_bytes + name.len);
    room->name_len = (unsigned char)name.len;
    memcpy(room->bytes + rooms->mask_bytes, name.base, name.len);
    map_add(&rooms->map, feed_rooms_name(rooms, room).base, name.len, room);
    return room;
}

void feed_rooms_free_if_done(struct feed_rooms *rooms, struct feed_room *room)
{
    struct json_text name = feed_rooms_name(rooms, room);

    if (room->pending > 0 || feed_rooms_is_wanted(rooms, room))
        return;
    map_remove(&rooms->map, name.base, name.len);
    free(room);
}

void feed_rooms_want(struct feed_room *room, unsigned worker, bool wants)
{
    unsigned char bit = (unsigned char)(1u << worker % 8);

    if (wants)
        room->bytes[worker / 8] |= bit;
    else
        room->bytes[worker / 8] &= (unsigned char)~bit;
}

bool feed_rooms_is_wanted_by(const struct feed_room *room, unsigned worker)
{
    return room->bytes[worker / 8] & 1u << worker % 8;
}

bool feed_rooms_is_wanted(const struct feed_rooms *rooms, const struct feed_room *room)
{
    return feed_rooms_next(rooms, room, 0) < rooms->workers;
}

unsigned feed_rooms_next(const struct feed_rooms *rooms, const struct feed_room *room,
                         unsigned from)
{
    while (from < rooms->workers && !feed_rooms_is_wanted_by(room, from))
        from = room->bytes[from / 8] ? from + 1 : (from / 8 + 1) * 8;
    return from < rooms->workers ? from : rooms->workers;
}

struct feed_room **feed_rooms_wanted_by(const struct feed_rooms *rooms, unsigned worker,
                                        unsigned *count)
{
    struct feed_room *room, **all;
    uint32_t at = 0;

    all = xcalloc(rooms->map.count + 1, sizeof(struct feed_room *));
    *count = 0;
    while ((room = map_next(&rooms->map, &at)))
        if (feed_rooms_is_wanted_by(room, worker))
            all[(*count)++] = room;
    return all;
}
