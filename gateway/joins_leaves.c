/* joins_leaves.c - see joins_leaves.h.
 *
 *     joins_leaves_join  -> joins  -> joins_leaves_flush -> start_joins  -> on_joins
 *     joins_leaves_leave -> leaves -> joins_leaves_flush -> start_leaves -> on_leaves
 *
 * A user is never in both lists, nor in one while the other's call is in flight: room.c
 * keeps back the one until the other is answered. Leaves go first, for a client that left as one
 * user and joins as another: that is the only order that a connection can ask for in one turn.
 */
#include "gateway/joins_leaves.h"

#include <string.h>

#include "common/grants.h"
#include "common/reply.h"
#include "gateway/args.h"
#include "gateway/pool.h"

enum { USERS_MAX = 100 }; /* a call */

/* In the place of what is left of a ban. */
static const long long ROOM_FULL = -2000000000000000, NO_ROOM = -3000000000000000;

struct batch {
    struct store *store;
    struct room *room; /* each of the list has a ref */
    struct list list;  /* of joins or of users */
};

void joins_leaves_init(struct joins_leaves *jl, struct store *store)
{
    jl->store = store;
    list_init(&jl->dirty);
}

static void mark_dirty(struct joins_leaves *jl, struct room *room)
{
    if (list_is_empty(&room->joins_leaves.dirty))
        list_add(&jl->dirty, &room->joins_leaves.dirty);
}

void joins_leaves_join(struct joins_leaves *jl, struct room *room, struct join *join)
{
    list_add(&room->joins_leaves.joins, &join->link);
    mark_dirty(jl, room);
}

void joins_leaves_leave(struct joins_leaves *jl, struct room *room,
                        struct room_user *user)
{
    list_add(&room->joins_leaves.leaves, &user->leave);
    mark_dirty(jl, room);
}

static struct batch *new_batch(struct joins_leaves *jl, struct room *room,
                               struct list *from)
{
    struct batch *batch = pool_alloc(sizeof(*batch));
    struct list *link;

    *batch = (struct batch){.store = jl->store, .room = room};
    list_init(&batch->list);
    for (int i = 0; i < USERS_MAX && (link = list_first(from)); i++) {
        list_remove(link);
        list_add(&batch->list, link);
    }
    return batch;
}

/* ---- joins ---- */

/* As join.lua tells it. */
static enum proto_error refusal_of(long long number, uint64_t *wait_ms)
{
    if (number == NO_ROOM)
        return PROTO_ROOM_NOT_FOUND;
    if (number == ROOM_FULL)
        return PROTO_ROOM_FULL;
    *wait_ms = (uint64_t)(-1 - number);
    return PROTO_BANNED;
}

/* How join `n` ended: `joined` comes as the room's state after all of them, and becomes
 * the one after this join. */
static enum proto_error outcome_of(const redisReply *reply, size_t n,
                                   struct room_joined *joined, uint64_t *wait_ms)
{
    long long later = 0;

    if (reply_take_number(reply, n + 9, &later) && later < 0)
        return refusal_of(later, wait_ms);
    joined->rev -= later < (long long)joined->rev ? (uint64_t)later : joined->rev;
    joined->members -=
        later < (long long)joined->members ? (uint64_t)later : joined->members;
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
    joined->token = reply_token(reply, 7);
    joined->changed = reply_number(reply, 8);
    return true;
}

static void on_joins(void *data, int status, const redisReply *reply)
{
    struct batch *batch = data;
    struct room_joined joined = {.epoch = ""};
    bool ok = status == 0 && take_state(&joined, reply);
    bool all_banned = status == 0 && !ok && reply_is_array(reply, 2) &&
                      reply_is_text(reply, 0, "banned");
    struct list *link;

    store_note_refusal(batch->store, batch->room, status, reply);
    if (ok)
        store_touched(batch->store, batch->room, reply_number(reply, 6) == 1);
    for (size_t n = 0; (link = list_first(&batch->list)); n++) {
        struct join *join = list_entry(link, struct join, link);
        enum proto_error error = PROTO_UNAVAILABLE;
        struct room_joined own = joined;
        uint64_t wait_ms = 0;
        long long number;

        list_remove(link);
        if (ok) {
            error = outcome_of(reply, n, &own, &wait_ms);
        } else if (all_banned && n + 1 < reply_count(reply)) {
            error = PROTO_BANNED;
            wait_ms = reply_number(reply, n + 1);
        } else if (reply_is_text(reply, 0, "refused") &&
                   reply_take_number(reply, n + 1, &number) && number < 0) {
            error = refusal_of(number, &wait_ms);
        }
        room_on_joined(join, error, error == PROTO_OK ? &own : NULL, wait_ms);
    }
    pool_recycle(batch, sizeof(*batch));
}

/* What the class asks for, if it does: how many may be in, whether anybody makes the room, and the numbers of
 * those whom neither concerns. */
static void add_limits(struct args *args, const struct room *room,
                       const struct list *joins)
{
    const struct class_rules *rules = room->rules;
    struct strbuf *text = &args->scratch;
    unsigned n = 0;

    if (rules->members_max == 0 && rules->create == RIGHT_READ) {
        redis_command_add_text(&args->cmd, "");
        return;
    }
    strbuf_reset(text, 4096);
    strbuf_add_format(text, "%u %d ,", rules->members_max, rules->create == RIGHT_READ);
    list_each(link, joins) {
        n++;
        if (list_entry(link, struct join, link)->moderates)
            strbuf_add_format(text, "%u,", n);
    }
    redis_command_add(&args->cmd, text->data, text->len);
}

static void start_joins(struct joins_leaves *jl, struct room *room)
{
    struct batch *batch = new_batch(jl, room, &room->joins_leaves.joins);
    struct args *args = &jl->store->args;

    scripts_begin(&args->cmd, SCRIPT_JOIN, 9);
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_MEMBERS);
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_BANS);
    args_add_key(args, room, KEY_EVENTS);
    args_add_key(args, room, KEY_KICKS);
    args_add_key(args, room, KEY_ROOM_NODES);
    args_add_key(args, room, KEY_CHANGED);
    args_add_new_epoch(args);
    args_add_keep_ms(args, room->rules);
    args_add_shard(args);
    args_add_events_max(args, room->rules);
    args_add_stamp(args);
    add_limits(args, room, &batch->list);
    list_each(link, &batch->list) {
        const struct room_user *user = list_entry(link, struct join, link)->user;

        redis_command_add(&args->cmd, user->name, user->name_len);
        args_add_percent(args, user->name, user->name_len);
        args_add_presence(args, "member_joined", room, user, NULL);
    }
    store_send_script(jl->store, SCRIPT_JOIN, on_joins, batch);
}

/* ---- leaves ---- */

/* It may have been done, or not. */
static bool is_unanswered(int status)
{
    return status < 0 && status != UV_EREMOTEIO;
}

static void on_leaves(void *data, int status, const redisReply *reply)
{
    struct batch *batch = data;
    bool ok = status == 0 && reply_is_array(reply, 2);
    struct list *link;

    store_note_refusal(batch->store, batch->room, status, reply);
    if (ok)
        store_touched(batch->store, batch->room, false);
    while ((link = list_first(&batch->list))) {
        struct room_user *user = list_entry(link, struct room_user, leave);

        list_remove(link);
        if (is_unanswered(status))
            room_on_leave_unanswered(batch->room, user);
        else
            room_on_left(batch->room, user, ok);
    }
    pool_recycle(batch, sizeof(*batch));
}

static void begin_leaves(struct args *args, const struct room *room)
{
    scripts_begin(&args->cmd, SCRIPT_LEAVE, 7);
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_MEMBERS);
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_EVENTS);
    args_add_key(args, room, KEY_ROOM_NODES);
    args_add_key(args, room, KEY_CHANGED);
    args_add_room_ttl(args, room->rules);
    args_add_events_max(args, room->rules);
    redis_command_add_text(&args->cmd, args->node);
}

static void add_leave(struct args *args, const struct room *room,
                      const struct room_user *user, enum leave_reason reason)
{
    redis_command_add(&args->cmd, user->name, user->name_len);
    args_add_percent(args, user->name, user->name_len);
    args_add_presence(args, "member_left", room, user, leave_reason_word(reason));
    redis_command_add_u64(&args->cmd, leave_reason_is_counted(reason));
}

static void start_leaves(struct joins_leaves *jl, struct room *room)
{
    struct batch *batch = new_batch(jl, room, &room->joins_leaves.leaves);
    struct args *args = &jl->store->args;

    begin_leaves(args, room);
    list_each(link, &batch->list) {
        const struct room_user *user = list_entry(link, struct room_user, leave);

        add_leave(args, room, user, user->reason);
    }
    store_send_script(jl->store, SCRIPT_LEAVE, on_leaves, batch);
}

void joins_leaves_send_ghost(struct store *store, const struct room *room,
                             const struct room_user *ghost)
{
    begin_leaves(&store->args, room);
    add_leave(&store->args, room, ghost, LEAVE_EXPIRED);
    store_send_script(store, SCRIPT_LEAVE, NULL, NULL);
}

/* ---- */

void joins_leaves_flush(struct joins_leaves *jl)
{
    struct list *link;

    while ((link = list_first(&jl->dirty))) {
        struct room *room = list_entry(link, struct room, joins_leaves.dirty);

        list_remove(link);
        while (!list_is_empty(&room->joins_leaves.leaves))
            start_leaves(jl, room);
        while (!list_is_empty(&room->joins_leaves.joins))
            start_joins(jl, room);
    }
}
