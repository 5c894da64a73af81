/* test_session.c - what a session does to its socket and to its large answers, and when its memory
 * goes. The functions of conn.h that session.c calls are defined here, in place of the real ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "gateway/pool.h"
#include "gateway/session.h"
#include "tests/support/unit/quotes.h"

enum { IN_FLIGHT = 3, SESSIONS = SLOT_READS_MAX + 2 };

struct stage {
    struct session_env env;
    struct shards shards;
    struct shard shard[2];
    struct config config;
    struct session *sessions[SESSIONS];
    unsigned accepted, errors, starts, dispatched;
    bool is_closed, is_choked, is_paused; /* of every socket */
    unsigned resumes, closes, tells;
    char told[64]; /* the last event */
};

static struct metrics metrics;

static int set_up(void **state)
{
    (void)state;
    pool_init(&metrics);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_deinit();
    return 0;
}

/* ---- what is below ---- */

static struct stage *stage_of(const struct conn *conn)
{
    return (struct stage *)(void *)list_entry(conn->env, struct session_env, conn);
}

int conn_accept(struct conn *conn, struct conn_env *env, uv_stream_t *listener)
{
    (void)listener;
    conn->env = env;
    stage_of(conn)->sessions[stage_of(conn)->accepted++] = session_of_conn(conn);
    return 0;
}

bool conn_is_open(const struct conn *conn)
{
    return !stage_of(conn)->is_closed;
}

bool conn_is_drained(const struct conn *conn)
{
    return !stage_of(conn)->is_choked;
}

bool conn_send(struct conn *conn, struct frame *frame, enum sender_class class)
{
    struct stage *s = stage_of(conn);
    size_t len;
    const char *text = frame_text(frame, &len);

    assert_int_equal(class, SENDER_REPLY);
    assert_true(len < sizeof(s->told));
    memcpy(s->told, text, len);
    s->told[len] = '\0';
    s->tells++;
    return true;
}

void conn_send_text(struct conn *conn, const char *text, size_t len)
{
    assert_non_null(memmem(text, len, "not_joined", 10));
    stage_of(conn)->errors++;
}

void conn_pause(struct conn *conn)
{
    stage_of(conn)->is_paused = true;
}

void conn_resume(struct conn *conn)
{
    stage_of(conn)->is_paused = false;
    stage_of(conn)->resumes++;
}

void conn_limit_messages(struct conn *conn, bool to_small)
{
    (void)conn;
    (void)to_small;
}

struct shard *shards_find(const struct shards *shards, struct json_text room)
{
    (void)shards;
    fail_msg("%.*s", (int)room.len, room.base);
    return NULL;
}

void shards_set_classes(struct shards *shards, const struct classes *classes)
{
    (void)shards;
    (void)classes;
}

void conn_settle(struct conn *conn)
{
    (void)conn;
}

void conn_want_ticks(struct conn *conn, bool wants_ticks)
{
    (void)conn;
    (void)wants_ticks;
}

void conn_close(struct conn *conn, enum conn_end end)
{
    assert_int_equal(end, CONN_END_IDLE);
    stage_of(conn)->closes++;
}

/* ---- the stage ---- */

static void on_dispatch(struct session *session, struct json_text text,
                        const struct request_turns *turn_of)
{
    assert_non_null(turn_of);
    assert_memory_equal(text.base, "later", text.len);
    stage_of(&session->conn)->dispatched++;
}

static struct stage *stage_new(void)
{
    struct stage *s = calloc(1, sizeof(*s));

    s->config.requests_in_flight = IN_FLIGHT;
    s->config.max_message_bytes = 1000;
    s->config.first_join_secs = 5;
    s->env.conn.config = &s->config;
    s->env.conn.metrics = &metrics;
    list_init(&s->env.conn.all);
    s->shards = (struct shards){.all = s->shard, .count = 1, .spread = 1};
    session_env_init(&s->env, &s->shards, &s->config);
    s->env.dispatch = on_dispatch;
    session_accept(&s->env, NULL);
    return s;
}

/* All is answered: nothing may stay once the sockets are gone. */
static void stage_free(struct stage *s)
{
    session_end_turn(&s->env);
    assert_int_equal(s->env.count, 0);
    assert_int_equal(s->env.reads.count, 0);
    strbuf_deinit(&s->env.reply);
    free(s);
    assert_int_equal(metric_read(&metrics.pool_alloc_total),
                     metric_read(&metrics.pool_recycle_total));
}

static void end_sockets(struct stage *s)
{
    s->is_closed = true;
    for (unsigned i = 0; i < s->accepted; i++) {
        session_events.on_end(&s->sessions[i]->conn);
        session_events.on_gone(&s->sessions[i]->conn);
    }
}

static struct request *begin(struct session *session, enum request_type type)
{
    struct proto_request req = {.type = type};

    return request_begin(&membership_add(&session->memberships)->turns, &req, 10);
}

static void on_start(struct slot_wait *wait)
{
    struct request *request = list_entry(wait, struct request, slot);

    if (session_begin_read(request))
        stage_of(&session_of_request(request)->conn)->starts++;
}

/* A large answer is asked for, of a room of its own. */
static struct request *ask(struct session *session)
{
    struct request *request = begin(session, REQUEST_GET_HISTORY);

    session_start_large(request, on_start);
    return request;
}

/* ---- reading ---- */

static void a_client_with_too_many_requests_is_not_read(void **state)
{
    struct stage *s = stage_new();
    struct request *requests[IN_FLIGHT];

    (void)state;
    for (int i = 0; i < IN_FLIGHT; i++) {
        assert_false(s->is_paused);
        requests[i] = begin(s->sessions[0], REQUEST_MESSAGE);
    }
    assert_true(s->is_paused);
    request_end(requests[0]);
    assert_true(s->is_paused); /* until the turn ends */
    session_end_turn(&s->env);
    assert_false(s->is_paused);
    session_end_turn(&s->env);
    assert_int_equal(s->resumes, 1);
    end_sockets(s);
    request_end(requests[1]);
    request_end(requests[2]);
    stage_free(s);
}

static void one_that_is_over_again_is_still_not_read(void **state)
{
    struct stage *s = stage_new();
    struct request *requests[IN_FLIGHT];

    (void)state;
    for (int i = 0; i < IN_FLIGHT; i++)
        requests[i] = begin(s->sessions[0], REQUEST_MESSAGE);
    request_end(requests[0]);
    requests[0] = begin(s->sessions[0], REQUEST_MESSAGE);
    session_end_turn(&s->env);
    assert_int_equal(s->resumes, 0);
    end_sockets(s);
    for (int i = 0; i < IN_FLIGHT; i++)
        request_end(requests[i]);
    stage_free(s);
}

static void four_of_the_largest_messages_may_be_in_flight(void **state)
{
    struct stage *s = stage_new();
    struct membership *m = membership_add(&s->sessions[0]->memberships);
    struct proto_request req = {.type = REQUEST_MESSAGE};
    struct request *first, *second;

    (void)state;
    first = request_begin(&m->turns, &req, 3999);
    assert_false(s->is_paused);
    second = request_begin(&m->turns, &req, 1);
    assert_true(s->is_paused);
    end_sockets(s);
    request_end(first);
    request_end(second);
    stage_free(s);
}

static void one_that_joins_nothing_is_sent_away(void **state)
{
    struct stage *s = stage_new();

    (void)state;
    s->env.conn.wheel.now = 5;
    session_events.on_tick(&s->sessions[0]->conn);
    assert_int_equal(s->closes, 0);
    s->env.conn.wheel.now = 6;
    session_events.on_tick(&s->sessions[0]->conn);
    assert_int_equal(s->closes, 1);
    end_sockets(s);
    stage_free(s);
}

/* ---- large answers ---- */

static void large_answers_come_one_at_a_time_as_the_socket_drains(void **state)
{
    struct stage *s = stage_new();
    struct request *first, *second;

    (void)state;
    s->is_choked = true;
    first = ask(s->sessions[0]);
    second = ask(s->sessions[0]);
    assert_int_equal(s->starts, 0);
    s->is_choked = false;
    session_events.on_drained(&s->sessions[0]->conn);
    assert_int_equal(s->starts, 1);
    session_end_read(first);
    assert_int_equal(s->starts, 2);
    session_end_read(second);
    end_sockets(s);
    stage_free(s);
}

static void a_worker_reads_so_many_at_a_time(void **state)
{
    struct stage *s = stage_new();
    struct request *requests[SESSIONS];

    (void)state;
    for (int i = 0; i < SESSIONS; i++) {
        if (i > 0)
            session_accept(&s->env, NULL);
        requests[i] = ask(s->sessions[i]);
    }
    assert_int_equal(s->starts, SLOT_READS_MAX);
    session_end_read(requests[0]);
    assert_int_equal(s->starts, SLOT_READS_MAX + 1);
    for (int i = 1; i < SESSIONS; i++)
        session_end_read(requests[i]);
    assert_int_equal(s->starts, SESSIONS);
    end_sockets(s);
    stage_free(s);
}

static void one_that_left_meanwhile_is_not_read_for(void **state)
{
    struct stage *s = stage_new();
    struct request *first = ask(s->sessions[0]), *second = ask(s->sessions[0]);

    (void)state;
    membership_drop(membership_of_request(second), LEAVE_ASKED);
    session_end_read(first);
    assert_int_equal(s->errors, 1);
    assert_int_equal(s->starts, 1);
    assert_int_equal(s->sessions[0]->requests.count, 0);
    assert_false(s->sessions[0]->slot.is_taken);
    end_sockets(s);
    stage_free(s);
}

static void what_waits_for_its_room_goes_on_after_a_large_answer(void **state)
{
    struct stage *s = stage_new();
    struct request *request = ask(s->sessions[0]);
    struct proto_request req = {.type = REQUEST_MESSAGE};

    (void)state;
    request_defer(request->turns, &req, (struct json_text){"later", 5});
    assert_int_equal(s->dispatched, 0);
    session_end_read(request);
    assert_int_equal(s->dispatched, 1);
    end_sockets(s);
    stage_free(s);
}

/* ---- the end ---- */

static struct room *room_new(struct shard *shard, const char *name)
{
    struct room *room = xcalloc(1, sizeof(*room) + strlen(name) + 1);

    room->rooms = &shard->rooms;
    room->name_len = (unsigned char)strlen(name);
    memcpy(room->name, name, room->name_len);
    room->status.must_tell = room->status.is_down = true;
    return room;
}

static struct membership *enter(struct stage *s, unsigned session, struct room *room)
{
    struct membership *m = membership_add(&s->sessions[session]->memberships);

    m->member.room = room;
    return m;
}

static void those_that_are_in_a_room_are_told_whether_redis_is_up(void **state)
{
    struct stage *s = stage_new();
    struct room *room = room_new(&s->shard[0], "a");
    struct membership *m;

    (void)state;
    session_accept(&s->env, NULL);
    m = enter(s, 1, room);
    for (unsigned i = 0; i < s->accepted; i++)
        list_add(&s->env.conn.all, &s->sessions[i]->conn.all);
    session_tell_status(&s->env, s->shard);
    assert_int_equal(s->tells, 1);
    assert_string_equal(s->told, q("{'type':'status','redis':'down'}"));
    room->status.is_down = false;
    session_tell_status(&s->env, s->shard);
    assert_int_equal(s->tells, 2);
    assert_string_equal(s->told, q("{'type':'status','redis':'up'}"));
    room->status.must_tell = false;
    session_tell_status(&s->env, s->shard);
    assert_int_equal(s->tells, 2);
    m->member.room = NULL;
    free(room);
    end_sockets(s);
    stage_free(s);
}

static void those_with_rooms_in_a_shard_are_told_which(void **state)
{
    struct stage *s = stage_new();
    struct room *here = room_new(&s->shard[1], "a\""),
                *told = room_new(&s->shard[1], "b");
    struct membership *m = enter(s, 0, here), *other = enter(s, 0, told);

    (void)state;
    s->shards.count = 2;
    told->status.must_tell = false;
    list_add(&s->env.conn.all, &s->sessions[0]->conn.all);
    session_tell_status(&s->env, &s->shard[0]);
    assert_int_equal(s->tells, 0);
    session_tell_status(&s->env, &s->shard[1]);
    assert_int_equal(s->tells, 1);
    assert_string_equal(
        s->told, "{\"type\":\"status\",\"redis\":\"down\",\"rooms\":[\"a\\\"\"]}");
    m->member.room = other->member.room = NULL;
    free(here);
    free(told);
    end_sockets(s);
    stage_free(s);
}

static void a_session_lives_until_its_last_answer(void **state)
{
    struct stage *s = stage_new();
    struct request *request = begin(s->sessions[0], REQUEST_MESSAGE);

    (void)state;
    end_sockets(s);
    session_end_turn(&s->env);
    assert_int_equal(s->env.count, 1);
    request_end(request);
    assert_int_equal(s->env.count, 1); /* not inside a callback of its own */
    session_end_turn(&s->env);
    assert_int_equal(s->env.count, 0);
    stage_free(s);
}

static void a_session_lives_until_its_slot_is_left(void **state)
{
    struct stage *s = stage_new();
    struct membership *m = membership_add(&s->sessions[0]->memberships);
    struct slot *slot = &s->sessions[0]->slot;

    (void)state;
    assert_true(slot_take(slot, &m->slot));
    end_sockets(s);
    session_end_turn(&s->env);
    assert_int_equal(s->env.count, 1);
    slot_leave(slot);
    session_end_turn(&s->env);
    assert_int_equal(s->env.count, 0);
    stage_free(s);
}

static void requests_that_wait_for_the_slot_end_with_the_socket(void **state)
{
    struct stage *s = stage_new();
    struct request *first = ask(s->sessions[0]);

    (void)state;
    ask(s->sessions[0]);
    ask(s->sessions[0]);
    end_sockets(s);
    assert_int_equal(s->sessions[0]->requests.count, 1);
    session_end_read(first);
    assert_int_equal(s->errors, 0);
    assert_int_equal(s->starts, 1);
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_with_too_many_requests_is_not_read),
        cmocka_unit_test(one_that_is_over_again_is_still_not_read),
        cmocka_unit_test(four_of_the_largest_messages_may_be_in_flight),
        cmocka_unit_test(one_that_joins_nothing_is_sent_away),
        cmocka_unit_test(large_answers_come_one_at_a_time_as_the_socket_drains),
        cmocka_unit_test(a_worker_reads_so_many_at_a_time),
        cmocka_unit_test(one_that_left_meanwhile_is_not_read_for),
        cmocka_unit_test(what_waits_for_its_room_goes_on_after_a_large_answer),
        cmocka_unit_test(those_that_are_in_a_room_are_told_whether_redis_is_up),
        cmocka_unit_test(those_with_rooms_in_a_shard_are_told_which),
        cmocka_unit_test(a_session_lives_until_its_last_answer),
        cmocka_unit_test(a_session_lives_until_its_slot_is_left),
        cmocka_unit_test(requests_that_wait_for_the_slot_end_with_the_socket),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
