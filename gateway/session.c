/* session.c - see session.h.
 *
 *     conn on_message -> env->dispatch (ops.c) -> op_*.c -> session_begin
 *                                                              | Redis answers
 *                            session_go_on <- session_end <----+
 *
 *     a join, once Redis has taken it:
 *     session_on_joined -> catchup_start -> start_read -> take_slot -> history_cache_read
 *                             ^                                           |
 *                             +---------- on_history <--------------------+
 *                             -> give_ack: join_ack, give_batch: history_batch
 *
 * Nothing is freed inside its own callbacks: memberships and sessions that died go in
 * session_end_turn, when the turn of the loop ends.
 */
#include "gateway/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "gateway/deliver.h"
#include "gateway/pool.h"

enum {
    IN_FLIGHT_MESSAGES = 4, /* times the largest message may be in flight */
    RETRY_AFTER_MS = 1000,  /* what a client is told when Redis is away */
    READS_MAX = 8,          /* of 256 KiB, a worker; other calls wait behind them */
};

struct history_read {
    struct session *session;
    struct membership *membership; /* NULL: gone */
};

static struct session *session_of(struct conn *conn)
{
    return (struct session *)(void *)conn;
}

static struct membership *membership_of(struct member *member)
{
    return (struct membership *)(void *)member;
}

static uint64_t now_ms(const struct session *session)
{
    return uv_now(session->env->conn.loop);
}

/* ---- answers ---- */

void session_send(struct session *session, const struct strbuf *json)
{
    conn_send_text(&session->conn, json->data, json->len);
}

void session_send_error(struct session *session, struct json_text id,
                        enum proto_error error, const char *text, uint64_t wait_ms)
{
    struct strbuf *out = &session->env->reply;
    struct metrics *m = session->env->conn.metrics;

    metric_add(&m->errors_total[error - 1], 1); /* the table has the same order */
    if (error == PROTO_UNAVAILABLE && wait_ms == 0)
        wait_ms = RETRY_AFTER_MS;
    strbuf_reset(out, 64 * 1024);
    proto_print_error(out, id, error, text, wait_ms);
    session_send(session, out);
}

/* ---- requests in flight ---- */

static void bound_requests(struct session *session)
{
    const struct config *config = session->env->conn.config;
    uint64_t bytes_max = IN_FLIGHT_MESSAGES * (uint64_t)config->max_message_bytes;
    bool over = session->in_flight >= config->requests_in_flight ||
                session->in_flight_bytes >= bytes_max;

    if (over == session->is_over)
        return;
    session->is_over = over;
    if (over)
        conn_pause(&session->conn);
    else if (list_is_empty(&session->resuming)) /* not from inside a request's end */
        list_add(&session->env->resuming, &session->resuming);
}

static void free_if_done(struct session *session)
{
    if (session->is_gone && session->in_flight == 0 && !session->slot_taken &&
        list_is_empty(&session->dead))
        list_add(&session->env->dead_sessions, &session->dead);
}

static struct request *new_request(struct session *session,
                                   struct membership *membership,
                                   const struct proto_request *req, size_t bytes,
                                   size_t text_len)
{
    size_t size = sizeof(struct request) + req->id.len + text_len;
    struct request *request = pool_alloc(size);

    *request = (struct request){
        .session = session,
        .membership = membership,
        .started_ns = uv_hrtime(),
        .before = req->before,
        .limit = req->limit,
        .type = req->type,
        .size = (uint32_t)size,
        .bytes = (uint32_t)bytes,
        .text_len = (uint32_t)text_len,
        .id_len = (uint16_t)req->id.len,
    };
    list_init(&request->slot.link);
    if (req->id.len > 0)
        memcpy(request->data, req->id.base, req->id.len);
    session->in_flight++;
    session->in_flight_bytes += request->bytes;
    bound_requests(session);
    return request;
}

struct request *session_begin(struct session *session, struct membership *membership,
                              const struct proto_request *req, size_t bytes)
{
    struct request *request = new_request(session, membership, req, bytes, 0);

    list_add(&session->pending, &request->link);
    return request;
}

void session_end(struct request *request)
{
    struct session *session = request->session;

    list_remove(&request->link);
    list_remove(&request->slot.link);
    session->in_flight--;
    session->in_flight_bytes -= request->bytes;
    free(request->cursor);
    pool_recycle(request, request->size);
    bound_requests(session);
    free_if_done(session);
}

struct json_text session_id(const struct request *request)
{
    return (struct json_text){request->data, request->id_len};
}

static bool can_start(const struct membership *m, enum request_type type)
{
    return !m->busy && (type == REQUEST_MESSAGE || m->messages == 0);
}

bool session_must_wait(const struct membership *m, enum request_type type)
{
    return !list_is_empty(&m->deferred) || !can_start(m, type);
}

void session_defer(struct membership *m, const struct proto_request *req,
                   const char *text, size_t len)
{
    struct request *request = new_request(m->session, m, req, len, len);

    memcpy(request->data + request->id_len, text, len);
    list_add(&m->deferred, &request->link);
}

static void run_deferred(struct session *session, struct membership *m,
                         struct request *request)
{
    list_remove(&request->link);
    list_add(&session->pending, &request->link);
    session->env->dispatch(session, request->data + request->id_len, request->text_len,
                           m);
    session_end(request);
}

void session_go_on(struct membership *m)
{
    struct list *link;

    while (m->session && (link = list_first(&m->deferred))) {
        struct request *request = list_entry(link, struct request, link);

        if (!can_start(m, request->type))
            return;
        run_deferred(m->session, m, request);
    }
}

/* ---- the slot for large answers ---- */

static void give_slot(struct session *session)
{
    struct list *link = list_first(&session->slot_waiting);
    struct slot_wait *wait;

    if (!link || session->slot_taken || !conn_is_drained(&session->conn))
        return;
    wait = list_entry(link, struct slot_wait, link);
    list_remove(link);
    session->slot_taken = true;
    wait->go(wait);
}

bool session_take_slot(struct session *session, struct slot_wait *wait)
{
    if (!session->slot_taken && conn_is_drained(&session->conn) &&
        list_is_empty(&session->slot_waiting)) {
        session->slot_taken = true;
        return true;
    }
    if (list_is_empty(&wait->link))
        list_add(&session->slot_waiting, &wait->link);
    return false;
}

void session_leave_slot(struct session *session)
{
    session->slot_taken = false;
    if (conn_is_open(&session->conn))
        give_slot(session);
    free_if_done(session);
}

/* A request that had the slot. */
static void end_large(struct request *request)
{
    struct session *session = request->session;
    struct membership *m = request->membership;

    session_end(request);
    session_leave_slot(session);
    if (!m)
        return;
    m->busy = NULL;
    session_go_on(m);
}

bool session_is_still_in(struct request *request)
{
    if (request->membership)
        return true;
    session_send_error(request->session, session_id(request), PROTO_NOT_JOINED, NULL,
                       0);
    end_large(request);
    return false;
}

bool session_begin_read(struct request *request)
{
    struct session_env *env = request->session->env;

    if (env->reads < READS_MAX) {
        env->reads++;
        return true;
    }
    list_add(&env->reads_waiting, &request->slot.link);
    return false;
}

void session_end_read(struct request *request)
{
    struct session_env *env = request->session->env;
    struct list *link;

    env->reads--;
    end_large(request);
    while (env->reads < READS_MAX && (link = list_first(&env->reads_waiting))) {
        struct slot_wait *wait = list_entry(link, struct slot_wait, link);

        list_remove(link);
        wait->go(wait);
    }
}

/* ---- memberships ---- */

static const struct member_calls member_calls;

struct membership *session_find(struct session *session, struct json_text room)
{
    list_each(link, &session->memberships) {
        struct membership *m = list_entry(link, struct membership, link);
        struct room *r = m->member.room;

        if (r && r->name_len == room.len && memcmp(r->name, room.base, room.len) == 0)
            return m;
    }
    return NULL;
}

static void on_slot(struct slot_wait *wait)
{
    struct membership *m = list_entry(wait, struct membership, slot);
    struct session *session = m->session;

    m->has_slot = true;
    catchup_go_on(&m->member);
    if (!m->has_slot)
        return; /* a read has begun */
    m->has_slot = false;
    session_leave_slot(session);
}

struct membership *session_add_membership(struct session *session)
{
    struct membership *m = pool_alloc(sizeof(*m));

    memset(m, 0, sizeof(*m));
    m->session = session;
    m->member.calls = &member_calls;
    m->slot.go = on_slot;
    list_init(&m->slot.link);
    list_init(&m->deferred);
    list_add(&session->memberships, &m->link);
    session->rooms_count++;
    return m;
}

/* Takes the join that is answered now. */
static struct request *take_busy(struct membership *m)
{
    struct request *request = m->busy;

    m->busy = NULL;
    return request;
}

/* A join whose answer will find nobody is answered now. Other requests end by themselves. */
static void end_join(struct session *session, struct membership *m)
{
    struct request *request;

    if (!m->busy || m->busy->type != REQUEST_JOIN)
        return;
    request = take_busy(m);
    if (conn_is_open(&session->conn))
        session_send_error(session, session_id(request), PROTO_NOT_JOINED, NULL, 0);
    session_end(request);
}

static void forget_membership(struct session *session, struct membership *m)
{
    list_each(link, &session->pending) {
        struct request *request = list_entry(link, struct request, link);

        if (request->membership == m)
            request->membership = NULL;
    }
    if (m->read)
        m->read->membership = NULL;
    list_remove(&m->slot.link);
    list_remove(&m->link);
    list_add(&session->env->dead_memberships, &m->link);
    m->session = NULL;
    session->rooms_count--;
}

/* It has joined anew: what waited behind that waits for it now. It is not dispatched, which
 * for a client that joins and leaves all the time would be all of it each time. */
static void hand_over(struct membership *from, struct membership *to)
{
    struct list *link;

    while ((link = list_first(&from->deferred))) {
        list_remove(link);
        list_add(&to->deferred, link);
        list_entry(link, struct request, link)->membership = to;
    }
    session_go_on(to);
}

void session_drop_membership(struct membership *m, enum leave_reason reason)
{
    struct session *session = m->session;
    struct list *link;

    if (!session)
        return;
    if (m->member.room)
        room_leave(&m->member, reason, now_ms(session));
    end_join(session, m);
    forget_membership(session, m);
    while ((link = list_first(&m->deferred))) {
        struct request *request = list_entry(link, struct request, link);
        uint32_t rooms_count = session->rooms_count;

        if (conn_is_open(&session->conn))
            run_deferred(session, m, request);
        else
            session_end(request);
        if (session->rooms_count > rooms_count)
            hand_over(m,
                      list_entry(session->memberships.prev, struct membership, link));
    }
}

static void on_removed(struct member *member)
{
    session_drop_membership(membership_of(member),
                            LEAVE_KICKED); /* it is out already */
}

/* ---- joining ---- */

static void fail_join(struct membership *m, enum proto_error error, uint64_t wait_ms)
{
    struct session *session = m->session;
    struct request *request = take_busy(m);

    if (request) {
        session_send_error(session, session_id(request), error, NULL, wait_ms);
        session_end(request);
    }
    if (!m->member.has_ack)
        session_drop_membership(m, LEAVE_JOIN_FAILED);
    else
        session_go_on(m);
}

void session_on_joined(struct member *member, enum proto_error error,
                       const struct room_joined *joined, uint64_t wait_ms)
{
    struct membership *m = membership_of(member);

    if (error != PROTO_OK) {
        fail_join(m, error, wait_ms);
        return;
    }
    m->members = joined->members;
    if (strcmp(m->since_epoch, joined->epoch) != 0 || m->since_seq > joined->seq)
        m->since_epoch[0] = '\0';
    catchup_start(member, m->since_epoch[0] ? m->since_seq : 0);
}

void session_add_batch(struct strbuf *out, const struct room *room,
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

/* The room may have been made anew since its join, under another epoch. */
static bool is_resume(const struct membership *m, uint64_t oldest)
{
    return m->since_epoch[0] && m->since_seq + 1 >= oldest &&
           strcmp(m->since_epoch, room_log_epoch(&m->member.room->log)) == 0;
}

static void send_join_ack(struct membership *m, uint64_t until, bool recovered)
{
    struct session *session = m->session;
    struct strbuf *out = &session->env->reply;
    const struct room *room = m->member.room;
    const struct room_user *user = m->member.user;

    strbuf_reset(out, PROTO_BATCH_BYTES);
    proto_begin(out, "join_ack",
                m->busy ? session_id(m->busy) : (struct json_text){NULL, 0});
    proto_add_text(out, "room", room->name, room->name_len);
    proto_add_text(out, "user", user->name, user->name_len);
    room_add_epoch(room, out);
    proto_add_number(out, "seq", until);
    proto_add_number(out, "members", m->members);
    proto_add_raw(out, "recovered", recovered ? "true" : "false");
    strbuf_add_char(out, '}');
    session_send(session, out);
}

static bool give_ack(struct member *member, uint64_t until, uint64_t oldest)
{
    struct membership *m = membership_of(member);
    bool recovered = is_resume(m, oldest);
    struct request *request;

    send_join_ack(m, until, recovered);
    conn_watch(&m->session->conn, false); /* the first join is in time */
    request = take_busy(m);
    if (request)
        session_end(request);
    return recovered;
}

static void give_batch(struct member *member, const struct history_batch *batch)
{
    struct membership *m = membership_of(member);
    struct strbuf *out = &m->session->env->reply;

    strbuf_reset(out, PROTO_BATCH_BYTES);
    proto_begin(out, "history_batch", (struct json_text){NULL, 0});
    session_add_batch(out, member->room, batch->lines, batch->count, batch->more);
    session_send(m->session, out);
}

static void on_history(void *data, const struct history *history)
{
    struct history_read *read = data;
    struct session *session = read->session;
    struct membership *m = read->membership;

    pool_recycle(read, sizeof(*read));
    if (m) {
        struct room *room = m->member.room;

        m->read = NULL;
        room_ref(room);
        if (history)
            catchup_on_history(&m->member, history);
        else if (!m->member.has_ack)
            fail_join(m, PROTO_UNAVAILABLE, 0);
        else
            catchup_on_failed(&m->member);
        room_unref(room);
        session_go_on(m);
    }
    session_leave_slot(session);
}

static bool start_read(struct member *member, uint64_t after)
{
    struct membership *m = membership_of(member);
    struct session *session = m->session;
    struct history_read *read;

    if (!m->has_slot && !session_take_slot(session, &m->slot))
        return false;
    m->has_slot = false;
    read = pool_alloc(sizeof(*read));
    *read = (struct history_read){session, m};
    m->read = read;
    history_cache_read(&session->env->history_cache, member->room, after,
                       now_ms(session), on_history, read);
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

    return conn_send(&membership_of(member)->session->conn, frame, classes[class]);
}

static const struct member_calls member_calls = {
    .deliver = deliver,
    .read = start_read,
    .ack = give_ack,
    .batch = give_batch,
    .removed = on_removed,
};

/* ---- the socket's events ---- */

static void on_open(struct conn *conn)
{
    conn_watch(conn, true);
}

static void on_message(struct conn *conn, const char *text, size_t len)
{
    struct session *session = session_of(conn);

    session->env->dispatch(session, text, len, NULL);
}

static void on_drained(struct conn *conn)
{
    struct session *session = session_of(conn);

    give_slot(session);
    list_each(link, &session->memberships) {
        catchup_go_on(&list_entry(link, struct membership, link)->member);
    }
}

static void on_tick(struct conn *conn)
{
    struct conn_env *env = conn->env;

    if (env->wheel.now - conn->opened_s > (uint32_t)env->config->first_join_secs)
        conn_close(conn, CONN_END_IDLE);
}

/* Whether the last of what waits for its turn, of joins and leaves, is a leave: whoever asked
 * for it and ended the connection has left. */
static bool waits_to_leave(const struct membership *m)
{
    bool is_leave = false;

    for (const struct list *link = m->deferred.next; link != &m->deferred;
         link = link->next) {
        enum request_type type = list_entry(link, struct request, link)->type;

        if (type == REQUEST_LEAVE || type == REQUEST_JOIN)
            is_leave = type == REQUEST_LEAVE;
    }
    return is_leave;
}

static void on_end(struct conn *conn)
{
    struct session *session = session_of(conn);
    struct list *link;

    while ((link = list_first(&session->memberships))) {
        struct membership *m = list_entry(link, struct membership, link);

        session_drop_membership(m,
                                waits_to_leave(m) ? LEAVE_ASKED : LEAVE_SOCKET_CLOSED);
    }
    /* What still waits for the slot are requests: nobody is there for the answer. */
    while ((link = list_first(&session->slot_waiting))) {
        struct slot_wait *wait = list_entry(link, struct slot_wait, link);

        session_end(list_entry(wait, struct request, slot));
    }
}

static void on_gone(struct conn *conn)
{
    struct session *session = session_of(conn);

    session->is_gone = true;
    free_if_done(session);
}

const struct conn_events session_events = {
    .on_open = on_open,
    .on_message = on_message,
    .on_drained = on_drained,
    .on_tick = on_tick,
    .on_end = on_end,
    .on_gone = on_gone,
};

void session_accept(struct session_env *env, uv_stream_t *listener)
{
    struct session *session = xcalloc(1, sizeof(*session));

    session->env = env;
    list_init(&session->memberships);
    list_init(&session->pending);
    list_init(&session->slot_waiting);
    list_init(&session->dead);
    list_init(&session->resuming);
    env->sessions++;
    if (conn_accept(&session->conn, &env->conn, listener) < 0)
        return; /* on_gone frees it */
}

void session_env_init(struct session_env *env)
{
    list_init(&env->dead_memberships);
    list_init(&env->dead_sessions);
    list_init(&env->resuming);
    list_init(&env->reads_waiting);
}

void session_end_turn(struct session_env *env)
{
    struct list now, *link;

    list_take_all(&now,
                  &env->resuming); /* sessions that are over again come next turn */
    while ((link = list_first(&now))) {
        struct session *session = list_entry(link, struct session, resuming);

        list_remove(link);
        if (!session->is_over)
            conn_resume(&session->conn);
    }
    while ((link = list_first(&env->dead_memberships))) {
        list_remove(link);
        pool_recycle(list_entry(link, struct membership, link),
                     sizeof(struct membership));
    }
    while ((link = list_first(&env->dead_sessions))) {
        list_remove(link);
        list_remove(&list_entry(link, struct session, dead)->resuming);
        free(list_entry(link, struct session, dead));
        env->sessions--;
    }
}
