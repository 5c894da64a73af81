/* moves.c - see moves.h.
 *
 *     moves_join  -> room->joins  -> moves_flush -> start_joins  -> on_joins
 *     moves_leave -> room->leaves -> moves_flush -> start_leaves -> on_leaves
 *
 * A user is never in both lists, nor in one while the other's call is in flight: room.c
 * holds back the one until the other is answered. Leaves go first, for who left as one user
 * and joins as another: that is the only order that a connection can ask for in one turn.
 */
#include "gateway/moves.h"

#include <string.h>

#include "common/reply.h"
#include "gateway/args.h"
#include "gateway/pool.h"

enum { MOVES_MAX = 100 }; /* users a call */

struct batch {
    struct store *store;
    struct room *room; /* held by each of the list */
    struct list list;  /* of joins or of users */
};

void moves_init(struct moves *moves, struct store *store)
{
    moves->store = store;
    list_init(&moves->dirty);
}

static void mark_dirty(struct moves *moves, struct room *room)
{
    if (list_is_empty(&room->moves))
        list_add(&moves->dirty, &room->moves);
}

void moves_join(struct moves *moves, struct room *room, struct join *join)
{
    list_add(&room->joins, &join->link);
    mark_dirty(moves, room);
}

void moves_leave(struct moves *moves, struct room *room, struct room_user *user)
{
    list_add(&room->leaves, &user->leave);
    mark_dirty(moves, room);
}

static struct batch *new_batch(struct moves *moves, struct room *room,
                               struct list *from)
{
    struct batch *batch = pool_alloc(sizeof(*batch));
    struct list *link;

    *batch = (struct batch){.store = moves->store, .room = room};
    list_init(&batch->list);
    for (int i = 0; i < MOVES_MAX && (link = list_first(from)); i++) {
        list_remove(link);
        list_add(&batch->list, link);
    }
    return batch;
}

/* ---- joins ---- */

/* How join `n` ended: `joined` comes as the room's state behind all of them, and becomes
 * the one behind this join. */
static enum proto_error outcome_of(const redisReply *reply, size_t n,
                                   struct room_joined *joined, uint64_t *wait_ms)
{
    long long behind = 0;

    if (reply_take_number(reply, n + 7, &behind) && behind < 0) {
        *wait_ms = (uint64_t)(-1 - behind);
        return PROTO_BANNED;
    }
    joined->rev -= behind < (long long)joined->rev ? (uint64_t)behind : joined->rev;
    joined->members -=
        behind < (long long)joined->members ? (uint64_t)behind : joined->members;
    return PROTO_OK;
}

static bool take_state(struct room_joined *joined, const redisReply *reply)
{
    if (!reply_is_array(reply, 7) || !reply_is_text(reply, 0, "ok") ||
        !reply_take_epoch(joined->epoch, reply, 1))
        return false;
    joined->seq = reply_number(reply, 2);
    joined->rev = reply_number(reply, 3);
    joined->members = reply_number(reply, 4);
    return true;
}

static void on_joins(void *data, int status, const redisReply *reply)
{
    struct batch *batch = data;
    struct room_joined joined = {"", 0, 0, 0};
    bool ok = status == 0 && take_state(&joined, reply);
    bool all_banned = status == 0 && !ok && reply_is_array(reply, 2) &&
                      reply_is_text(reply, 0, "banned");
    struct list *link;

    store_note_refusal(batch->store, batch->room, status, reply);
    if (ok)
        store_touched(batch->store, batch->room);
    for (size_t n = 0; (link = list_first(&batch->list)); n++) {
        struct join *join = list_entry(link, struct join, link);
        enum proto_error error = PROTO_UNAVAILABLE;
        struct room_joined own = joined;
        uint64_t wait_ms = 0;

        list_remove(link);
        if (ok) {
            error = outcome_of(reply, n, &own, &wait_ms);
        } else if (all_banned && n + 1 < reply_count(reply)) {
            error = PROTO_BANNED;
            wait_ms = reply_number(reply, n + 1);
        }
        room_on_joined(join, error, error == PROTO_OK ? &own : NULL, wait_ms);
    }
    pool_recycle(batch, sizeof(*batch));
}

static void start_joins(struct moves *moves, struct room *room)
{
    struct batch *batch = new_batch(moves, room, &room->joins);
    struct args *args = &moves->store->args;

    scripts_begin(&args->cmd, SCRIPT_JOIN, 6);
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_MEMBERS);
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_BANS);
    args_add_key(args, room, KEY_EVENTS);
    args_add_new_epoch(args);
    redis_command_add_u64(&args->cmd, store_keep_ms(moves->store->config));
    args_add_shard(args, room);
    args_add_events_max(args);
    list_each(link, &batch->list) {
        const struct room_user *user = list_entry(link, struct join, link)->user;

        redis_command_add(&args->cmd, user->name, user->name_len);
        args_add_percent(args, user->name, user->name_len);
        args_add_presence(args, "member_joined", room, user, NULL);
    }
    store_send_script(moves->store, SCRIPT_JOIN, on_joins, batch);
}

/* ---- leaves ---- */

static void on_leaves(void *data, int status, const redisReply *reply)
{
    struct batch *batch = data;
    bool ok = status == 0 && reply_is_array(reply, 2);
    struct list *link;

    store_note_refusal(batch->store, batch->room, status, reply);
    if (ok)
        store_touched(batch->store, batch->room);
    while ((link = list_first(&batch->list))) {
        list_remove(link);
        room_on_left(batch->room, list_entry(link, struct room_user, leave), ok);
    }
    pool_recycle(batch, sizeof(*batch));
}

static void begin_leaves(struct args *args, const struct room *room)
{
    scripts_begin(&args->cmd, SCRIPT_LEAVE, 5);
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_MEMBERS);
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_EVENTS);
    args_add_room_ttl(args);
    args_add_events_max(args);
}

static void add_leave(struct args *args, const struct room *room,
                      const struct room_user *user, const char *reason)
{
    redis_command_add(&args->cmd, user->name, user->name_len);
    args_add_percent(args, user->name, user->name_len);
    args_add_presence(args, "member_left", room, user, reason);
    redis_command_add_u64(&args->cmd, strcmp(reason, "kicked") != 0);
}

static void start_leaves(struct moves *moves, struct room *room)
{
    struct batch *batch = new_batch(moves, room, &room->leaves);
    struct args *args = &moves->store->args;

    begin_leaves(args, room);
    list_each(link, &batch->list) {
        const struct room_user *user = list_entry(link, struct room_user, leave);

        add_leave(args, room, user, user->reason);
    }
    store_send_script(moves->store, SCRIPT_LEAVE, on_leaves, batch);
}

void moves_send_ghost(struct store *store, const struct room *room,
                      const struct room_user *ghost)
{
    begin_leaves(&store->args, room);
    add_leave(&store->args, room, ghost, "expired");
    store_send_script(store, SCRIPT_LEAVE, NULL, NULL);
}

/* ---- */

void moves_flush(struct moves *moves)
{
    struct list *link;

    while ((link = list_first(&moves->dirty))) {
        struct room *room = list_entry(link, struct room, moves);

        list_remove(link);
        while (!list_is_empty(&room->leaves))
            start_leaves(moves, room);
        while (!list_is_empty(&room->joins))
            start_joins(moves, room);
    }
}
