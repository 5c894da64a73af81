/* shard_rooms.c - what the rooms of a shard ask for, and who of the shard does it. */
#include "gateway/shard.h"

#include "gateway/history_read.h"
#include "gateway/sync.h"

static void subscribe(struct room *room)
{
    shard_on_new_room(shard_of_room(room), room);
    bus_subscribe(&shard_of_room(room)->bus, room);
}

static void unsubscribe(struct room *room)
{
    bus_unsubscribe(&shard_of_room(room)->bus, room);
}

static void register_room(struct room *room)
{
    struct shard *shard = shard_of_room(room);

    node_keep(&shard->node, room);
    store_register(&shard->store, room);
}

static void join_room(struct room *room, struct join *join)
{
    joins_leaves_join(&shard_of_room(room)->joins_leaves, room, join);
}

static void leave_room(struct room *room, struct room_user *user)
{
    joins_leaves_leave(&shard_of_room(room)->joins_leaves, room, user);
}

static void sync_room(struct room *room)
{
    sync_start(&shard_of_room(room)->store, room);
}

static void close_room(struct room *room)
{
    store_close(&shard_of_room(room)->store, room);
}

static void backfill_room(struct room *room, uint64_t after)
{
    history_read_backfill(&shard_of_room(room)->store, room, after);
}

const struct room_hooks shard_room_hooks = {
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .register_ = register_room,
    .join = join_room,
    .leave = leave_room,
    .sync = sync_room,
    .close = close_room,
    .backfill = backfill_room,
};
