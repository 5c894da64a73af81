/* room.c - see room.h.
 *
 * A room here is only the part of it that this worker sees: the members whose
 * sockets end in this loop. Who else is in the room is known to Redis alone.
 *
 *     first user   -> hooks.subscribe, hooks.register_ -> ready
 *     member       -> waiting -> hooks.join -> joining -> behind -> live
 *     last member of a user -> grace -> hooks.leave
 *     last user    -> hooks.close -> hooks.unsubscribe, freed
 *     link lost    -> not registered, needs_sync -> registered -> hooks.sync -> ready
 *
 * room_next_step says what is missing, and room_pump sends it; everything that may have changed
 * the answer calls room_pump. One call a room is in flight but for joins and leaves; for one user
 * joins wait until a leave is answered, so that they cannot overtake each other when
 * a script must be sent twice.
 *
 * Each call that will come back with a pointer to the room has a ref, so a room is
 * freed only when nobody is in it and nothing comes back.
 *
 * Users and their grace are in room_user.c, the states and what may follow what in room_state.c,
 * what is done to all rooms in rooms.c.
 * Not here: what members are told (deliver.c, announce.c, catchup.c), rights (req_*.c, lua/).
 * Over 400 lines: members, what goes out for them and what is answered change each other.
 */
#include "gateway/room.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster_slot.h"
#include "common/lines.h"
#include "common/xalloc.h"

static void detach(struct member *member);

void rooms_init(struct rooms *rooms, const struct room_hooks *hooks,
                struct metrics *metrics, const struct config *config)
{
    struct class_rules rules;

    class_rules_of_settings(&rules, config);
    classes_init(&rooms->no_classes, &rules);
    rooms->classes = &rooms->no_classes;
    rooms->hooks = *hooks;
    rooms->metrics = metrics;
    rooms->grace_ms = (uint64_t)config->presence_grace_ms;
    rooms->logs.history_max_bytes = (uint64_t)config->history_max_bytes;
    list_init(&rooms->grace);
    list_init(&rooms->doubted);
    list_init(&rooms->deaf);
    rooms->doubts_left = ROOM_DOUBTS;
}

struct room *room_find(struct rooms *rooms, const char *name, size_t len)
{
    return map_find(&rooms->map, name, len);
}

void room_set_class(struct room *room)
{
    room->rules = classes_rules(room->rooms->classes, room_name_of(room));
    room_log_limit(&room->log, room->rules->history);
}

static struct room *new_room(struct rooms *rooms, struct json_text name)
{
    struct room *room = xcalloc(1, sizeof(*room) + name.len + 1);

    room->rooms = rooms;
    room->name_len = (unsigned char)name.len;
    memcpy(room->name, name.base, name.len);
    room_log_init(&room->log, &rooms->logs);
    room_set_class(room);
    list_init(&room->waiting);
    list_init(&room->joining);
    list_init(&room->behind);
    list_init(&room->live);
    list_init(&room->unanswered);
    list_init(&room->doubted);
    list_init(&room->deaf);
    withheld_init(&room->deliver.withheld);
    list_init(&room->announce.announcements);
    list_init(&room->outbox.messages);
    list_init(&room->outbox.dirty);
    list_init(&room->joins_leaves.joins);
    list_init(&room->joins_leaves.leaves);
    list_init(&room->joins_leaves.dirty);
    list_init(&room->renewal.link);
    list_init(&room->cluster.turn.calls);
    room->slot = (unsigned short)cluster_slot_of_room(room->name, room->name_len);
    lines_add_head(&room->message_head, (struct json_text){room->name, room->name_len});
    map_add(&rooms->map, room->name, room->name_len, room);
    metric_add(&rooms->metrics->rooms, 1);
    rooms->hooks.subscribe(room);
    return room;
}

static void free_room(struct room *room)
{
    const struct room_observer *observer = &room->rooms->observer;

    map_remove(&room->rooms->map, room->name, room->name_len);
    metric_sub(&room->rooms->metrics->rooms, 1);
    room->rooms->hooks.unsubscribe(room);
    list_remove(&room->doubted);
    list_remove(&room->deaf);
    list_remove(&room->renewal.link);
    list_remove(&room->outbox.dirty);
    list_remove(&room->joins_leaves.dirty);
    if (observer->on_uncached)
        observer->on_uncached(room);
    observer->on_freed(room);
    room_log_deinit(&room->log);
    map_deinit(&room->users);
    strbuf_deinit(&room->message_head);
    free(room);
}

static void free_if_done(struct room *room)
{
    if (room->users.count == 0 && room->refs == 0 && !room->may_be_known)
        free_room(room);
}

void room_unref(struct room *room)
{
    room->refs--;
    room_pump(room);
    free_if_done(room);
}

void rooms_deinit(struct rooms *rooms)
{
    uint32_t at = 0;
    struct room *room;

    while ((room = map_next(&rooms->map, &at))) {
        uint32_t user_at = 0;
        struct room_user *user;

        assert(room->refs == 0);
        while ((user = map_next(&room->users, &user_at))) {
            assert(user->members == 0);
            room_user_free(user);
            user_at = 0;
        }
        free_room(room);
        at = 0;
    }
    map_deinit(&rooms->map);
}

void room_begin_event(const struct room *room, struct strbuf *out, const char *type)
{
    proto_begin(out, type, (struct json_text){NULL, 0});
    proto_add_text(out, "room", room->name, room->name_len);
}

void room_add_epoch(const struct room *room, struct strbuf *out)
{
    const char *epoch = room_log_epoch(&room->log);

    proto_add_text(out, "epoch", epoch, strlen(epoch));
}

/* ---- what goes out ---- */

static void start_join(struct member *member, room_joined_fn on_done)
{
    struct room *room = member->room;
    struct join *join = xmalloc(sizeof(*join));

    *join = (struct join){.room = room_ref(room),
                          .user = member->user,
                          .member = member,
                          .on_done = on_done,
                          .moderates = member->moderates};
    list_init(&join->link);
    member->join = join;
    member->user->joins_in_flight++;
    room->may_be_known = true;
    room->rooms->hooks.join(room, join);
}

/* A member waits with its on_done in a join that is not yet in flight. */
static void start_waiting_joins(struct room *room)
{
    struct list now;

    list_take_all(&now, &room->waiting); /* a join that fails at once may wait again */
    for (struct list *link = list_first(&now); link; link = list_first(&now)) {
        struct member *member = list_entry(link, struct member, link);

        if (member->user->is_leaving || !room_is_ready(room)) {
            list_remove(link);
            list_add(&room->waiting, link);
            continue;
        }
        member_set_state(member, MEMBER_JOINING);
        start_join(member, member->on_joined);
    }
}

static void leave_again(struct room *room)
{
    struct list *link;

    while ((link = list_first(&room->unanswered))) {
        struct room_user *user = list_entry(link, struct room_user, leave);

        list_remove(link);
        room->rooms->hooks.leave(room_ref(room), user);
    }
}

/* The one call that puts the room right with Redis. */
static void call(struct room *room, void (*hook)(struct room *room))
{
    room->is_calling = true;
    hook(room_ref(room));
}

void room_pump(struct room *room)
{
    const struct room_hooks *hooks = &room->rooms->hooks;

    switch (room_next_step(room)) {
    case ROOM_STEP_WAIT:
    case ROOM_STEP_STUCK:
        break;
    case ROOM_STEP_CLOSE:
        call(room, hooks->close);
        break;
    case ROOM_STEP_REGISTER:
        call(room, hooks->register_);
        break;
    case ROOM_STEP_SYNC:
        room->needs_sync = false;
        call(room, hooks->sync);
        break;
    case ROOM_STEP_JOIN:
        room->needs_sync = false; /* nobody is in: there is nothing to compare */
        room->cluster.synced = room->cluster.home;
        leave_again(room);
        start_waiting_joins(room);
        break;
    }
}

void room_doubt(struct room *room)
{
    if (room->cluster.home && !room->needs_sync)
        metric_add(&room->rooms->metrics->redis_homes_lost_total[HOME_DOUBT], 1);
    room->needs_sync = true;
    room->is_registered = false; /* a Redis that lost the room lost that too */
}

void room_needs_sync(struct room *room)
{
    room_doubt(room);
    room_pump(room);
}

void room_on_subscribed(struct room *room)
{
    room->is_subscribed = true;
    room->rooms->observer.on_subscribed(room);
    room_pump(room);
}

void room_fail_waiting(struct room *room)
{
    struct list *link;

    while ((link = list_first(&room->waiting))) {
        struct member *member = list_entry(link, struct member, link);
        struct room_user *user = member->user;

        detach(member);
        user->members--;
        room_user_leave_if_alone(user, 0);
        member->on_joined(member, PROTO_UNAVAILABLE, NULL, 0);
    }
}

/* A call of room_pump's came back. What failed with Redis there is tried again with the
 * next heartbeat, not at once: it may be refusing. */
static void on_called(struct room *room, bool ok)
{
    room->is_calling = false;
    if (!ok) {
        room->is_stuck = room->rooms->has_stuck = true;
        room_fail_waiting(room);
    }
    room_unref(room);
}

void room_on_registered(struct room *room, bool ok)
{
    room->is_registered = ok;
    room->may_be_known = true;
    on_called(room, ok);
}

void room_on_closed(struct room *room, bool ok)
{
    if (ok)
        room->may_be_known = room->is_registered = false;
    on_called(room, ok);
}

/* ---- members ---- */

static void detach(struct member *member)
{
    list_remove(&member->link);
    if (member->join)
        member->join->member = NULL;
    member->join = NULL;
    member->room = NULL;
    member->state = MEMBER_WAITING;
}

void room_on_left(struct room *room, struct room_user *user, bool ok)
{
    room_user_left(user);
    if (!ok)
        room_doubt(room);
    room_unref(room);
}

void room_on_leave_unanswered(struct room *room, struct room_user *user)
{
    list_add(&room->unanswered, &user->leave);
    room_doubt(room);
    room_unref(room);
}

void room_join(struct rooms *rooms, struct member *member, struct json_text name,
               struct json_text user, room_joined_fn on_done)
{
    struct room *room = room_find(rooms, name.base, name.len);

    if (!room)
        room = new_room(rooms, name);
    member->room = room;
    member->user = room_user_get(room, user);
    member->user->members++;
    member->on_joined = on_done;
    list_remove(&member->user->grace);
    list_init(&member->link);
    member_set_state(member, MEMBER_WAITING);
    if (room->is_stuck) { /* Redis refused a moment ago */
        room_ref(room);
        room_fail_waiting(room);
        room_unref(room);
    } else {
        room_pump(room);
    }
}

void room_join_again(struct member *member)
{
    member_set_state(member, MEMBER_WAITING);
}

void room_rejoin(struct member *member, room_joined_fn on_done)
{
    start_join(member, on_done);
}

void room_leave(struct member *member, enum leave_reason reason, uint64_t now_ms)
{
    struct room *room = room_ref(member->room);
    struct room_user *user = member->user;

    detach(member);
    user->members--;
    user->reason = reason;
    room_user_leave_if_alone(user, now_ms);
    room->rooms->observer.on_member_gone(room);
    room_unref(room);
}

/* ---- Redis answers ---- */

/* The room's epoch is known now: kicks were of its life before, if there was one. */
static void adopt(struct room *room, const struct room_joined *joined)
{
    struct room_user *user;
    uint32_t at = 0;

    while ((user = map_next(&room->users, &at)))
        user->kicked_rev = 0;
    room_log_start(&room->log, joined->epoch, joined->seq);
    room->is_told = true;
    room->rooms->observer.on_adopted(room, joined);
}

static bool is_of_log(const struct room *room, const struct room_joined *joined)
{
    return strcmp(room_log_epoch(&room->log), joined->epoch) == 0;
}

/* What the answer means for the member that asked. True: it counts. */
static bool note_answer(struct room *room, struct member *member,
                        enum proto_error error, const struct room_joined *joined)
{
    if (error == PROTO_OK &&
        (!is_of_log(room, joined) || !terms_is_current(&room->terms, joined->token))) {
        /* The room was recreated, or another server has its log: first those that are in must
         * learn what that means. */
        room_doubt(room);
        if (member && !member->has_ack) {
            room_join_again(member);
            return false;
        }
    }
    if (error == PROTO_OK)
        terms_see(&room->terms, joined->token, joined->seq, joined->rev);
    if (error == PROTO_OK && is_of_log(room, joined))
        room_log_note_change(&room->log, joined->changed, joined->rev);
    if (error == PROTO_OK && member)
        member->rev = joined->rev;
    return true;
}

void room_on_joined(struct join *join, enum proto_error error,
                    const struct room_joined *joined, uint64_t wait_ms)
{
    struct room *room = join->room;
    struct room_user *user = join->user;
    struct member *member = join->member;
    room_joined_fn on_done = join->on_done;
    bool counts;

    free(join);
    user->joins_in_flight--;
    if (error == PROTO_OK || error == PROTO_UNAVAILABLE)
        user->is_in = true; /* unknown: it may be, so a leave must be sent */
    user->is_unsure = error == PROTO_UNAVAILABLE;
    if (error == PROTO_OK && !room_log_is_known(&room->log)) {
        adopt(room, joined);
        if (room_log_has_given_up(&room->log, joined->epoch))
            room_doubt(room); /* Redis has gone back to it: the sync gives it another */
    }
    if (error ==
        PROTO_OK) /* in the room's next life: later than all kicks of this one */
        user->rev = is_of_log(room, joined) ? joined->rev : UINT64_MAX;
    if (member)
        member->join = NULL;
    counts = note_answer(room, member, error, joined);
    if (member && error != PROTO_OK && !member->has_ack) {
        detach(member);
        user->members--;
        user->reason = LEAVE_JOIN_FAILED;
    }
    room_user_leave_if_alone(user, 0);
    if (member && !member->room)
        room->rooms->observer.on_member_gone(room);
    if (member && counts)
        on_done(member, error, joined, wait_ms);
    room_unref(room);
}

void room_on_synced(struct room *room, bool ok, const struct room_joined *state)
{
    if (!ok) {
        room_doubt(room);
        on_called(room, false);
        return;
    }
    metric_add(&room->rooms->metrics->syncs_total, 1);
    room->is_told = true;
    if (!room->needs_sync) /* else it may have another home since the sync was sent */
        room->cluster.synced = room->cluster.home;
    room->rooms->observer.on_synced(room, state);
    if (!room->needs_sync && list_is_empty(&room->deaf))
        room->was_deaf = false; /* else it may have become so since the sync was sent */
    on_called(room, true);
}
