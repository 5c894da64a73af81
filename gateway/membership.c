/* membership.c - see membership.h.
 *
 *     membership_join -> room_join -> on_joined -> catchup_start
 *
 *     catchup -> start_read -> slot_take -> history_cache_read -> on_history -> catchup
 *             -> give_ack: join_ack, give_batch: history_batch, deliver: messages
 *
 *     membership_drop -> room_leave -> the join is answered -> what was deferred runs
 */
#include "gateway/membership.h"

#include <string.h>

#include "common/grants.h"
#include "gateway/answer.h"
#include "gateway/pool.h"

/* A read of the history; outlives the membership if that is dropped meanwhile. */
struct membership_read {
    struct slot *slot;             /* that it has */
    struct membership *membership; /* NULL: dropped */
};

static const struct member_calls member_calls;

static uint64_t now_ms(const struct memberships *in)
{
    return uv_now(in->conn->env->loop);
}

void membership_env_init(struct membership_env *env, struct strbuf *reply)
{
    env->reply = reply;
    list_init(&env->dead);
}

void membership_end_turn(struct membership_env *env)
{
    struct list *link;

    while ((link = list_first(&env->dead))) {
        list_remove(link);
        pool_recycle(list_entry(link, struct membership, link),
                     sizeof(struct membership));
    }
}

/* ---- all of a connection ---- */

void memberships_init(struct memberships *in)
{
    list_init(&in->all);
    in->count = 0;
}

void memberships_go_on(struct memberships *in)
{
    list_each(link, &in->all) {
        catchup_go_on(&list_entry(link, struct membership, link)->member);
    }
}

void memberships_end(struct memberships *in)
{
    struct list *link;

    while ((link = list_first(&in->all))) {
        struct membership *m = list_entry(link, struct membership, link);

        membership_drop(m, request_waits_to_leave(&m->turns) ? LEAVE_ASKED
                                                             : LEAVE_SOCKET_CLOSED);
    }
}

struct membership *membership_find(struct memberships *in, struct json_text room)
{
    list_each(link, &in->all) {
        struct membership *m = list_entry(link, struct membership, link);
        struct room *r = m->member.room;

        if (r && r->name_len == room.len && memcmp(r->name, room.base, room.len) == 0)
            return m;
    }
    return NULL;
}

/* ---- the end ---- */

/* Answers the request with an error and ends it. */
static void refuse(struct memberships *in, struct request *request,
                   enum proto_error error, uint64_t wait_ms)
{
    const struct proto_refusal refusal = {.error = error, .retry_after_ms = wait_ms};

    answer_send_error(in->conn, in->env->reply, request_id(request), &refusal);
    request_end(request);
}

/* A join whose answer will find nobody is answered now. Other requests end by themselves. */
static void end_join(struct memberships *in, struct membership *m)
{
    struct request *request = request_join(&m->turns);

    if (!request)
        return;
    if (conn_is_open(in->conn))
        refuse(in, request, PROTO_NOT_JOINED, 0);
    else
        request_end(request);
}

static void forget(struct memberships *in, struct membership *m)
{
    request_close(&m->turns);
    if (m->read)
        m->read->membership = NULL;
    slot_stop_waiting(&m->slot);
    membership_drop_token(m);
    list_remove(&m->link);
    list_add(&in->env->dead, &m->link);
    m->in = NULL;
    in->count--;
}

static struct request_turns *last_turns(struct memberships *in)
{
    return &list_entry(in->all.prev, struct membership, link)->turns;
}

void membership_drop(struct membership *m, enum leave_reason reason)
{
    struct memberships *in = m->in;
    struct request *request;

    if (!in)
        return;
    if (m->member.room)
        room_leave(&m->member, reason, now_ms(in));
    end_join(in, m);
    forget(in, m);
    while ((request = request_first_deferred(&m->turns))) {
        uint32_t count = in->count;

        if (conn_is_open(in->conn))
            request_run(request);
        else
            request_end(request);
        /* It has joined again: what waited after that waits for this join now. It is not
         * dispatched, which for a client that joins and leaves all the time would be all of it
         * each time. */
        if (in->count > count)
            request_hand_over(&m->turns, last_turns(in));
    }
}

void membership_put_out(struct membership *m, const char *reason)
{
    struct strbuf *out = m->in->env->reply;

    strbuf_reset(out, 64 * 1024);
    room_begin_event(m->member.room, out, "kicked");
    proto_add_text(out, "reason", reason, strlen(reason));
    strbuf_add_char(out, '}');
    answer_send(m->in->conn, out);
    membership_drop(m, LEAVE_NO_RIGHT);
}

void membership_set_rights(struct membership *m, unsigned rights)
{
    m->rights = (unsigned char)rights;
    m->member.moderates = rights & RIGHT_MODERATE;
}

static void on_removed(struct member *member)
{
    membership_drop(membership_of_member(member), LEAVE_KICKED); /* it is out already */
}

/* ---- joining ---- */

static void on_slot(struct slot_wait *wait)
{
    struct membership *m = list_entry(wait, struct membership, slot);
    struct slot *slot = m->in->slot;

    m->has_slot = true;
    catchup_go_on(&m->member);
    if (!m->has_slot)
        return; /* a read has begun */
    m->has_slot = false;
    slot_leave(slot);
}

struct membership *membership_add(struct memberships *in)
{
    struct membership *m = pool_alloc(sizeof(*m));

    memset(m, 0, sizeof(*m));
    m->in = in;
    m->member.calls = &member_calls;
    request_turns_init(&m->turns, in->requests);
    slot_wait_init(&m->slot, on_slot);
    list_add(&in->all, &m->link);
    in->count++;
    return m;
}

static void fail_join(struct membership *m, enum proto_error error, uint64_t wait_ms)
{
    if (m->turns.busy)
        refuse(m->in, m->turns.busy, error, wait_ms);
    if (!m->member.has_ack)
        membership_drop(m, LEAVE_JOIN_FAILED);
    else
        request_go_on(&m->turns);
}

static void on_joined(struct member *member, enum proto_error error,
                      const struct room_joined *joined, uint64_t wait_ms)
{
    struct membership *m = membership_of_member(member);

    if (error != PROTO_OK) {
        fail_join(m, error, wait_ms);
        return;
    }
    m->members = joined->members;
    if (strcmp(m->since_epoch, joined->epoch) != 0 || m->since_seq > joined->seq)
        m->since_epoch[0] = '\0';
    catchup_start(member, m->since_epoch[0] ? m->since_seq : 0);
}

static void keep_since(struct membership *m, const struct proto_request *req)
{
    m->since_epoch[0] = '\0';
    m->since_seq = req->since_seq;
    if (!(req->fields & PROTO_F_SINCE) || req->since_epoch.len != PROTO_EPOCH_LEN)
        return;
    memcpy(m->since_epoch, req->since_epoch.base, PROTO_EPOCH_LEN);
    m->since_epoch[PROTO_EPOCH_LEN] = '\0';
}

void membership_join(struct membership *m, struct rooms *rooms,
                     const struct proto_request *req, size_t bytes)
{
    request_begin(&m->turns, req, bytes);
    keep_since(m, req);
    if (m->member.room)
        room_rejoin(&m->member, on_joined);
    else
        room_join(rooms, &m->member, req->room, req->user, on_joined);
}

/* ---- the history ---- */

void membership_add_batch(struct strbuf *out, const struct room *room,
                          const struct json_text *lines, size_t count, bool more)
{
    proto_add_text(out, "room", room->name, room->name_len);
    room_add_epoch(room, out);
    strbuf_add_text(out, ",\"messages\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add(out, lines[i].base, lines[i].len);
    }
    strbuf_add_text(out, more ? "],\"more\":true}" : "],\"more\":false}");
}

/* The room may have been recreated since its join, under another epoch. */
static bool is_resume(const struct membership *m, uint64_t oldest)
{
    return m->since_epoch[0] && m->since_seq + 1 >= oldest &&
           strcmp(m->since_epoch, room_log_epoch(&m->member.room->log)) == 0;
}

static void send_join_ack(struct membership *m, uint64_t until, bool recovered)
{
    struct strbuf *out = m->in->env->reply;
    const struct request *request = m->turns.busy;
    const struct room *room = m->member.room;
    const struct room_user *user = m->member.user;
    const char *can = grants_print_rights(m->rights);

    strbuf_reset(out, PROTO_BATCH_BYTES);
    proto_begin(out, "join_ack",
                request ? request_id(request) : (struct json_text){NULL, 0});
    proto_add_text(out, "room", room->name, room->name_len);
    proto_add_text(out, "user", user->name, user->name_len);
    room_add_epoch(room, out);
    proto_add_number(out, "seq", until);
    proto_add_number(out, "members", m->members);
    proto_add_raw(out, "recovered", recovered ? "true" : "false");
    proto_add_text(out, "can", can, strlen(can));
    proto_add_number(out, "rev", m->member.rev);
    strbuf_add_char(out, '}');
    answer_send(m->in->conn, out);
}

static bool give_ack(struct member *member, uint64_t until, uint64_t oldest)
{
    struct membership *m = membership_of_member(member);
    bool recovered = is_resume(m, oldest);

    send_join_ack(m, until, recovered);
    conn_want_ticks(m->in->conn, false); /* the first join is in time */
    conn_settle(m->in->conn);
    if (m->turns.busy)
        request_end(m->turns.busy);
    return recovered;
}

static void give_batch(struct member *member, const struct history_batch *batch)
{
    struct membership *m = membership_of_member(member);
    struct strbuf *out = m->in->env->reply;

    strbuf_reset(out, PROTO_BATCH_BYTES);
    proto_begin(out, "history_batch", (struct json_text){NULL, 0});
    membership_add_batch(out, member->room, batch->lines, batch->count, batch->more);
    answer_send(m->in->conn, out);
}

static void give_history(struct membership *m, const struct history *history)
{
    struct room *room = room_ref(m->member.room);

    m->read = NULL;
    if (history)
        catchup_on_history(&m->member, history);
    else if (!m->member.has_ack)
        fail_join(m, PROTO_UNAVAILABLE, 0);
    else
        catchup_on_failed(&m->member);
    room_unref(room);
    request_go_on(&m->turns);
}

static void on_history(void *data, const struct history *history)
{
    struct membership_read *read = data;
    struct membership *m = read->membership;
    struct slot *slot = read->slot;

    pool_recycle(read, sizeof(*read));
    if (m)
        give_history(m, history);
    slot_leave(slot);
}

static bool start_read(struct member *member, uint64_t after)
{
    struct membership *m = membership_of_member(member);
    struct memberships *in = m->in;
    const struct history_wish wish = {after, member->progress.until};

    if (!m->has_slot && !slot_take(in->slot, &m->slot))
        return false;
    m->has_slot = false;
    m->read = pool_alloc(sizeof(*m->read));
    *m->read = (struct membership_read){in->slot, m};
    history_cache_read(member->room->rooms->history_cache, member->room, &wish,
                       now_ms(in), on_history, m->read);
    return true;
}

static bool deliver(struct member *member, struct frame *frame, enum room_class class)
{
    static const enum sender_class classes[] = {
        [ROOM_MESSAGE] = SENDER_MESSAGE,
        [ROOM_PRESENCE] = SENDER_PRESENCE,
        [ROOM_SIGNAL] = SENDER_SIGNAL,
        [ROOM_ALWAYS] = SENDER_REPLY,
    };

    return conn_send(membership_of_member(member)->in->conn, frame, classes[class]);
}

static const struct member_calls member_calls = {
    .deliver = deliver,
    .read = start_read,
    .ack = give_ack,
    .batch = give_batch,
    .removed = on_removed,
};
