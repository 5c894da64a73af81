/* session.c - see session.h.
 *
 *     conn on_message -> env->dispatch (requests.c) -> req_*.c -> request_begin
 *                              ^                                     | Redis answers
 *                           on_turn <- request_go_on <- request_end -+
 *
 *     a large answer, in req_get_history.c and req_get_members.c:
 *     session_start_large -> start -> session_begin_read -> Redis -> session_end_read
 *
 * Nothing is freed inside its own callbacks: memberships and sessions that died go in
 * session_end_turn, when the turn of the loop ends.
 */
#include "gateway/session.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "gateway/answer.h"

enum { IN_FLIGHT_MESSAGES = 4 }; /* times the largest message may be in flight */

/* ---- answers ---- */

void session_send(struct session *session, const struct strbuf *json)
{
    answer_send(&session->conn, json);
}

void session_send_refusal(struct session *session, struct json_text id,
                          const struct proto_refusal *refusal)
{
    answer_send_error(&session->conn, &session->env->reply, id, refusal);
}

void session_send_error(struct session *session, struct json_text id,
                        enum proto_error error)
{
    session_send_refusal(session, id, &(struct proto_refusal){.error = error});
}

/* ---- the end ---- */

static void free_if_done(struct session *session)
{
    if (!session->is_gone || session->requests.count > 0 || session->slot.is_taken)
        return;
    list_remove(&session->turn);
    list_add(&session->env->dead, &session->turn);
}

/* ---- requests ---- */

static struct session *session_of_window(struct request_window *window)
{
    return list_entry(window, struct session, requests);
}

static void on_bound(struct request_window *window)
{
    struct session *session = session_of_window(window);

    if (window->is_over)
        conn_pause(&session->conn);
    else if (list_is_empty(&session->turn)) /* not from inside a request's end */
        list_add(&session->env->resuming, &session->turn);
}

static void on_empty(struct request_window *window)
{
    free_if_done(session_of_window(window));
}

static void on_turn(struct request *request)
{
    struct session *session = session_of_request(request);

    session->env->dispatch(session, request_text(request), request->turns);
}

/* ---- large answers ---- */

static struct session *session_of_slot(const struct slot *slot)
{
    return list_entry(slot, struct session, slot);
}

static bool can_send(const struct slot *slot)
{
    const struct conn *conn = &session_of_slot(slot)->conn;

    return conn_is_open(conn) && conn_is_drained(conn);
}

static void on_left(struct slot *slot)
{
    free_if_done(session_of_slot(slot));
}

static const struct slot_hooks slot_hooks = {can_send, on_left};

void session_start_large(struct request *request, void (*start)(struct slot_wait *wait))
{
    request->slot.go = start;
    if (slot_take(&session_of_request(request)->slot, &request->slot))
        start(&request->slot);
}

/* A request that had the slot. */
static void end_large(struct request *request)
{
    struct request_turns *turns = request->turns;
    struct slot *slot = &session_of_request(request)->slot;

    request_end(request);
    slot_leave(slot);
    if (turns)
        request_go_on(turns);
}

struct membership *session_begin_read(struct request *request)
{
    struct session *session = session_of_request(request);
    struct membership *m = membership_of_request(request);

    if (!m) {
        session_send_error(session, request_id(request), PROTO_NOT_JOINED);
        end_large(request);
        return NULL;
    }
    return slot_begin_read(&session->env->reads, &request->slot) ? m : NULL;
}

void session_end_read(struct request *request)
{
    struct session_env *env = session_of_request(request)->env;

    slot_end_read(&env->reads);
    end_large(request);
    slot_next_reads(&env->reads);
}

/* ---- the socket's events ---- */

/* One that has brought its token along is told who it is before anything else. */
static void on_open(struct conn *conn)
{
    struct session *session = session_of_conn(conn);

    conn_want_ticks(conn, true);
    if (session->identity)
        session_send_auth_ack(session, (struct json_text){NULL, 0});
}

static void on_message(struct conn *conn, const char *text, size_t len)
{
    struct session *session = session_of_conn(conn);

    session->env->dispatch(session, (struct json_text){text, len}, NULL);
}

static void on_drained(struct conn *conn)
{
    struct session *session = session_of_conn(conn);

    slot_give(&session->slot);
    memberships_go_on(&session->memberships);
}

static void on_tick(struct conn *conn)
{
    const struct config *config = conn->env->config;
    uint32_t open_s = conn->env->wheel.now - conn->opened_s;

    if (session_is_nobody(session_of_conn(conn)) &&
        open_s > (uint32_t)config->handshake_secs)
        conn_close(conn, CONN_END_UNAUTHORIZED);
    else if (open_s > (uint32_t)config->first_join_secs)
        conn_close(conn, CONN_END_IDLE);
}

static void on_end(struct conn *conn)
{
    struct session *session = session_of_conn(conn);
    struct slot_wait *wait;

    memberships_end(&session->memberships);
    session_drop_identity(session);
    /* What still waits for the slot are requests: nobody is there for the answer. */
    while ((wait = slot_first(&session->slot)))
        request_end(list_entry(wait, struct request, slot));
}

static void on_gone(struct conn *conn)
{
    struct session *session = session_of_conn(conn);

    session->is_gone = true;
    session_drop_identity(session); /* of one that never opened */
    free_if_done(session);
}

const struct conn_events session_events = {
    .on_upgrade = session_on_upgrade,
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
    request_window_init(&session->requests, &env->requests);
    slot_init(&session->slot, &slot_hooks);
    session->memberships = (struct memberships){
        .env = &env->memberships,
        .conn = &session->conn,
        .requests = &session->requests,
        .slot = &session->slot,
    };
    memberships_init(&session->memberships);
    list_init(&session->turn);
    env->count++;
    if (conn_accept(&session->conn, &env->conn, listener) < 0)
        return; /* on_gone frees it */
}

/* ---- all of a worker ---- */

static struct store *find_store(void *owner, struct json_text user)
{
    struct shard *shard = shards_find(owner, user);

    return shard->is_up ? &shard->store : NULL;
}

void session_env_init(struct session_env *env, struct shards *shards,
                      const struct config *config)
{
    env->shards = shards;
    env->users.find_store = find_store;
    env->users.owner = shards;
    user_limit_init(&env->users, config);
    env->requests = (struct request_env){
        .count_max = (uint32_t)config->requests_in_flight,
        .bytes_max = IN_FLIGHT_MESSAGES * (uint64_t)config->max_message_bytes,
        .on_bound = on_bound,
        .on_empty = on_empty,
        .on_turn = on_turn,
    };
    membership_env_init(&env->memberships, &env->reply);
    slot_reads_init(&env->reads);
    list_init(&env->dead);
    list_init(&env->resuming);
}

/* Adds the names of the rooms that are to be told of; false: there are none. */
static bool add_rooms(struct strbuf *out, const struct memberships *in,
                      const struct shard *shard, bool is_down)
{
    bool has_some = false;

    list_each(link, &in->all) {
        const struct room *room =
            list_entry(link, struct membership, link)->member.room;

        if (!room || shard_of_room(room) != shard || !room->status.must_tell ||
            room->status.is_down != is_down)
            continue;
        strbuf_add_text(out, has_some ? "," : ",\"rooms\":[");
        strbuf_add_json(out, room->name, room->name_len);
        has_some = true;
    }
    strbuf_add_text(out, has_some ? "]" : "");
    return has_some;
}

static void tell(struct session_env *env, const struct shard *shard, bool is_down)
{
    struct strbuf event = {NULL, 0, 0},
                  rooms = {NULL, 0, 0}; /* env->reply may be in use */
    const char *redis = is_down ? "down" : "up";
    struct frame *frame;

    list_each(link, &env->conn.all) {
        struct session *session = session_of_conn(list_entry(link, struct conn, all));

        strbuf_reset(&rooms, 4096);
        if (!add_rooms(&rooms, &session->memberships, shard, is_down))
            continue;
        strbuf_reset(&event, 4096);
        proto_begin(&event, "status", (struct json_text){NULL, 0});
        proto_add_text(&event, "redis", redis, strlen(redis));
        if (env->shards->count > 1)
            strbuf_add(&event, rooms.data, rooms.len);
        strbuf_add_char(&event, '}');
        frame = frame_new_text(event.data, event.len);
        conn_send(&session->conn, frame, SENDER_REPLY);
        frame_unref(frame);
    }
    strbuf_deinit(&rooms);
    strbuf_deinit(&event);
}

void session_tell_status(struct session_env *env, const struct shard *shard)
{
    tell(env, shard, true);
    tell(env, shard, false);
}

void session_end_turn(struct session_env *env)
{
    struct list now, *link;

    list_take_all(&now,
                  &env->resuming); /* sessions that are over again come next turn */
    while ((link = list_first(&now))) {
        struct session *session = list_entry(link, struct session, turn);

        list_remove(link);
        if (!session->requests.is_over)
            conn_resume(&session->conn);
    }
    membership_end_turn(&env->memberships);
    while ((link = list_first(&env->dead))) {
        list_remove(link);
        free(list_entry(link, struct session, turn));
        env->count--;
    }
}
