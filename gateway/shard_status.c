/* shard_status.c - what clients are told by `status`, once for each change of a room (SPEC-SCALE S9).
 *
 *     one Redis, a list   down: the shard is      up: the shard is
 *     cluster             down: the shard is,     up: the shard is, and the room was compared with the master
 *                         or the room was            that has it
 *                         homeless for DOWN_MS
 *
 * A room of a cluster that is synced once more meanwhile stays as it was told.
 */
#include "gateway/shard.h"

enum { DOWN_MS = 1000 };

static bool is_homeless(const struct shard *shard, const struct room *room)
{
    uint64_t since_ms = room->cluster.homeless_ms;

    return since_ms > 0 && uv_now(shard->opts.loop) - since_ms >= DOWN_MS;
}

static bool is_down(const struct shard *shard, const struct room *room)
{
    if (!shard->is_up || !shard->opts.cluster)
        return !shard->is_up;
    return room->status.is_down ? !room_is_ready(room) : is_homeless(shard, room);
}

/* The one function that changes it. True: it has changed. */
static bool set_down(struct room *room, bool is_down)
{
    room->status.must_tell = room->status.is_down != is_down;
    room->status.is_down = is_down;
    return room->status.must_tell;
}

void shard_note_status(struct shard *shard)
{
    bool must_tell = false;
    struct room *room;
    uint32_t at = 0;

    shard->has_down = false;
    while ((room = map_next(&shard->rooms.map, &at))) {
        must_tell |= set_down(room, is_down(shard, room));
        shard->has_down |= room->status.is_down;
    }
    if (must_tell)
        shard->opts.hooks->on_status(shard);
}

void shard_tick_status(struct shard *shard)
{
    if (shard->opts.cluster && (shard->has_homeless || shard->has_down))
        shard_note_status(shard);
}
