/* membership_stage.c - see membership_stage.h. The functions of conn.h and history_cache.h that
 * membership.c calls are defined here, in place of the real ones. */
#include "tests/unit/membership_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/grants.h"
#include "gateway/catchup.h"
#include "gateway/pool.h"

static struct metrics metrics;

int stage_set_up(void **state)
{
    (void)state;
    pool_init(&metrics);
    return 0;
}

int stage_tear_down(void **state)
{
    (void)state;
    pool_deinit();
    return 0;
}

/* ---- what is below: the socket ---- */

static struct stage *stage_of_conn(const struct conn *conn)
{
    return list_entry(conn, struct stage, conn);
}

static void stage_record(struct stage *s, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        strbuf_add_char(&s->sent, text[i] == '"' ? '\'' : text[i]);
    strbuf_add_char(&s->sent, '\n');
}

bool conn_is_open(const struct conn *conn)
{
    return !stage_of_conn(conn)->is_closed;
}

bool conn_send(struct conn *conn, struct frame *frame, enum sender_class class)
{
    struct stage *s = stage_of_conn(conn);
    const char *text;
    size_t len;

    if (s->is_full && class == SENDER_MESSAGE)
        return false;
    text = frame_text(frame, &len);
    stage_record(s, text, len);
    return true;
}

void conn_send_text(struct conn *conn, const char *text, size_t len)
{
    stage_record(stage_of_conn(conn), text, len);
}

void conn_settle(struct conn *conn)
{
    stage_of_conn(conn)->is_settled = true;
}

void conn_want_ticks(struct conn *conn, bool watched)
{
    stage_of_conn(conn)->is_watched = watched;
}

/* ---- what is below: the history ---- */

void history_cache_read(struct history_cache *cache, struct room *room,
                        const struct history_wish *wish, uint64_t now_ms,
                        history_read_fn on_done, void *data)
{
    struct stage *s = list_entry(cache, struct stage, history_cache);

    assert_ptr_equal(room, s->room);
    assert_int_equal(now_ms, 5000);
    assert_false(s->is_reading);
    s->is_reading = true;
    s->read_after = wish->after;
    s->on_read = on_done;
    s->read_data = data;
    room_ref(room); /* as history_read does */
}

/* Answers the read with the messages from `first` to `seq`, all that there are from `oldest`. */
static void give_epoch(struct stage *s, const char *epoch, uint64_t oldest,
                       uint64_t first, uint64_t seq)
{
    struct json_text lines[8];
    struct history history = {
        .epoch = epoch, .seq = seq, .oldest = oldest, .first = first, .lines = lines};
    struct room *room = s->room;
    char texts[8][8];

    assert_true(s->is_reading);
    for (uint64_t n = first; n <= seq; n++) {
        snprintf(texts[n - first], 8, "<%u>", (unsigned)n);
        lines[history.count++] =
            (struct json_text){texts[n - first], strlen(texts[n - first])};
    }
    s->is_reading = false;
    s->on_read(s->read_data, &history);
    room_unref(room);
}

void stage_give(struct stage *s, uint64_t oldest, uint64_t first, uint64_t seq)
{
    give_epoch(s, EPOCH, oldest, first, seq);
}

void stage_give_first(struct stage *s)
{
    const struct json_text line = {"<1>", 3};
    const struct history history = {
        .epoch = EPOCH, .seq = 2, .oldest = 1, .first = 1, .lines = &line, .count = 1};
    struct room *room = s->room;

    assert_true(s->is_reading);
    s->is_reading = false;
    s->on_read(s->read_data, &history);
    room_unref(room);
}

void stage_fail_read(struct stage *s)
{
    struct room *room = s->room;

    assert_true(s->is_reading);
    s->is_reading = false;
    s->on_read(s->read_data, NULL);
    room_unref(room);
}

/* ---- what is below: Redis ---- */

static struct stage *stage_of_room(const struct room *room)
{
    return list_entry(room->rooms, struct stage, rooms);
}

static void on_subscribe(struct room *room)
{
    struct stage *s = stage_of_room(room);

    s->room = room;
    s->is_subscribing = true;
}

static void on_unsubscribe(struct room *room)
{
    struct stage *s = stage_of_room(room);

    s->is_subscribing = false;
    s->room = NULL;
}

static void on_register(struct room *room)
{
    stage_of_room(room)->is_registering = true;
}

static void on_join(struct room *room, struct join *join)
{
    struct stage *s = stage_of_room(room);

    assert_null(s->join);
    s->join = join;
}

static void on_leave(struct room *room, struct room_user *user)
{
    struct stage *s = stage_of_room(room);

    s->leaving = user;
    s->leave_reason = user->reason;
}

static void on_sync(struct room *room)
{
    stage_of_room(room)->is_syncing = true;
    stage_of_room(room)->syncs++;
}

static void on_close(struct room *room)
{
    stage_of_room(room)->is_room_closing = true;
}

static void on_backfill(struct room *room, uint64_t after)
{
    (void)room;
    (void)after;
    fail();
}

static void ignore_state(struct room *room, const struct room_joined *state)
{
    (void)room;
    (void)state;
}

static void ignore_member(struct member *member)
{
    (void)member;
}

static void ignore_room(struct room *room)
{
    (void)room;
}

static bool take_flag(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

/* Answers all that is not a join or a read. */
void stage_settle(struct stage *s)
{
    const struct room_joined state = {.epoch = EPOCH, .members = 1};
    struct room_user *user;

    for (bool again = true; again;) {
        again = true;
        if (take_flag(&s->is_subscribing)) {
            room_on_subscribed(s->room);
        } else if (take_flag(&s->is_registering)) {
            room_on_registered(s->room, true);
        } else if (take_flag(&s->is_syncing)) {
            room_on_synced(s->room, true, &state);
        } else if (s->leaving) {
            user = s->leaving;
            s->leaving = NULL;
            room_on_left(s->room, user, true);
        } else if (take_flag(&s->is_room_closing)) {
            room_on_closed(s->room, true);
        } else {
            again = false;
        }
    }
}

void stage_answer_join(struct stage *s, enum proto_error error, uint64_t seq,
                       uint64_t wait_ms)
{
    const struct room_joined joined = {
        .epoch = EPOCH, .seq = seq, .rev = 7, .members = 3};
    struct join *join = s->join;

    assert_non_null(join);
    s->join = NULL;
    room_on_joined(join, error, error == PROTO_OK ? &joined : NULL, wait_ms);
}

/* ---- what is above: the session and its requests ---- */

struct membership *stage_find(struct stage *s)
{
    return membership_find(&s->in, (struct json_text){"r", 1});
}

static struct proto_request parse(const struct stage *s, const char *text)
{
    return (struct proto_request){
        .type = text[0] == 'j'   ? REQUEST_JOIN
                : text[0] == 'l' ? REQUEST_LEAVE
                : text[0] == 'm' ? REQUEST_MESSAGE
                                 : REQUEST_GET_HISTORY,
        .id = {text + 1, 1},
        .room = {"r", 1},
        .user = {"u", 1},
        .since_epoch = s->since_epoch,
        .since_seq = s->since_seq,
        .fields = s->since_epoch.base ? PROTO_F_SINCE : 0,
    };
}

static void run(struct stage *s, struct membership *m, const char *text)
{
    struct proto_request req = parse(s, text);
    char word[16];

    if (req.type == REQUEST_JOIN) {
        m = m ? m : membership_add(&s->in);
        m->rights = RIGHT_READ | RIGHT_WRITE;
        membership_join(m, &s->rooms, &req, 2);
        return;
    }
    snprintf(word, sizeof(word), m ? "%.2s runs" : "%.2s not in", text);
    stage_record(s, word, strlen(word));
    if (m && req.type == REQUEST_LEAVE)
        membership_drop(m, LEAVE_ASKED);
    else if (m)
        s->running[text[1] - '0'] = request_begin(&m->turns, &req, 2);
}

static void dispatch(struct stage *s, const char *text,
                     const struct request_turns *turn_of)
{
    struct proto_request req = parse(s, text);
    struct membership *m = stage_find(s);

    if (m && &m->turns != turn_of && request_must_wait(&m->turns, req.type))
        request_defer(&m->turns, &req, (struct json_text){text, 2});
    else
        run(s, m, text);
}

void stage_say(struct stage *s, const char *text)
{
    dispatch(s, text, NULL);
}

/* Redis answers one that is no join. */
void stage_answer(struct stage *s, int id)
{
    struct request *request = s->running[id];
    struct request_turns *turns = request->turns;

    s->running[id] = NULL;
    request_end(request);
    if (turns)
        request_go_on(turns);
}

static void on_turn(struct request *request)
{
    struct stage *s = list_entry(request->window, struct stage, requests);

    s->turns++;
    dispatch(s, request_text(request).base, request->turns);
}

static void ignore_window(struct request_window *window)
{
    (void)window;
}

static bool can_send(const struct slot *slot)
{
    const struct stage *s = list_entry(slot, struct stage, slot);

    return !s->is_closed && !s->is_choked;
}

static void ignore_slot(struct slot *slot)
{
    (void)slot;
}

static const struct slot_hooks slot_hooks = {can_send, ignore_slot};

void stage_drain(struct stage *s)
{
    s->is_choked = s->is_full = false;
    slot_give(&s->slot);
    memberships_go_on(&s->in);
}

void stage_end_socket(struct stage *s)
{
    s->is_closed = true;
    memberships_end(&s->in);
}

/* ---- the stage ---- */

struct stage *stage_new(void)
{
    struct stage *s = calloc(1, sizeof(*s));
    const struct room_hooks hooks = {.subscribe = on_subscribe,
                                     .unsubscribe = on_unsubscribe,
                                     .register_ = on_register,
                                     .join = on_join,
                                     .leave = on_leave,
                                     .sync = on_sync,
                                     .close = on_close,
                                     .backfill = on_backfill};

    s->loop.time = 5000;
    s->conn_env.loop = &s->loop;
    s->conn_env.metrics = &metrics;
    s->conn.env = &s->conn_env;
    s->config.history_limit = 100;
    s->config.history_max_bytes = 1 << 20;
    rooms_init(&s->rooms, &hooks, &metrics, &s->config);
    s->rooms.observer = (struct room_observer){.on_subscribed = ignore_room,
                                               .on_adopted = ignore_state,
                                               .on_synced = ignore_state,
                                               .on_acked = ignore_member,
                                               .on_member_gone = ignore_room,
                                               .on_freed = ignore_room};
    s->rooms.is_up = true;
    s->rooms.history_cache = &s->history_cache;
    s->rooms.metrics = &metrics;
    membership_env_init(&s->env, &s->reply);
    s->request_env = (struct request_env){.count_max = 1000,
                                          .bytes_max = 1000000,
                                          .on_bound = ignore_window,
                                          .on_empty = ignore_window,
                                          .on_turn = on_turn};
    request_window_init(&s->requests, &s->request_env);
    slot_init(&s->slot, &slot_hooks);
    s->in = (struct memberships){
        .env = &s->env, .conn = &s->conn, .requests = &s->requests, .slot = &s->slot};
    memberships_init(&s->in);
    s->is_watched = true;
    return s;
}

/* The socket ends, Redis answers all, and nothing may be left. */
void stage_free(struct stage *s)
{
    stage_end_socket(s);
    for (int id = 0; id < IDS; id++)
        if (s->running[id])
            stage_answer(s, id);
    if (s->join)
        stage_answer_join(s, PROTO_OK, 0, 0);
    if (s->is_reading)
        stage_fail_read(s);
    stage_settle(s);
    assert_int_equal(s->in.count, 0);
    assert_int_equal(s->requests.count, 0);
    assert_false(s->slot.is_taken);
    assert_null(slot_first(&s->slot));
    assert_null(s->room);
    membership_end_turn(&s->env);
    assert_true(list_is_empty(&s->env.dead));
    rooms_deinit(&s->rooms);
    strbuf_deinit(&s->reply);
    strbuf_deinit(&s->sent);
    free(s);
    assert_int_equal(metric_read(&metrics.pool_alloc_total),
                     metric_read(&metrics.pool_recycle_total));
}

void stage_expect(struct stage *s, const char *sent)
{
    strbuf_add_char(&s->sent, '\0');
    assert_string_equal(s->sent.data, sent);
    s->sent.len = 0;
}

enum member_state stage_state(struct stage *s)
{
    return stage_find(s)->member.state;
}
struct stage *stage_new_live(uint64_t seq)
{
    struct stage *s = stage_new();

    stage_say(s, "j1");
    stage_settle(s);
    stage_answer_join(s, PROTO_OK, seq, 0);
    stage_give(s, 1, 1, seq);
    assert_int_equal(stage_state(s), MEMBER_LIVE);
    s->sent.len = 0;
    return s;
}
void stage_append(struct stage *s, const char *text)
{
    room_log_append(&s->room->log, frame_new_text(text, strlen(text)),
                    catchup_needs_ring(s->room));
    catchup_all(s->room);
}

struct stage *stage_new_at(enum member_state state, bool is_choked)
{
    struct stage *s;

    if (state >= MEMBER_CATCHING_UP) {
        s = stage_new_live(1);
        if (state == MEMBER_CATCHING_UP) {
            s->is_full = true;
            s->is_choked = is_choked;
            catchup_fall_behind(&stage_find(s)->member);
            stage_append(s, "<2>");
            room_log_drop(&s->room->log);
            catchup_go_on(&stage_find(s)->member);
        }
    } else {
        s = stage_new();
        stage_say(s, "j1");
        if (state >= MEMBER_JOINING)
            stage_settle(s);
        s->is_choked = is_choked && state == MEMBER_FIRST_BATCH;
        if (state >= MEMBER_FIRST_BATCH)
            stage_answer_join(s, PROTO_OK, 2, 0);
        if (state == MEMBER_IN_HISTORY) {
            s->is_choked = true;
            stage_give_first(s);
            if (!is_choked)
                stage_drain(s);
        }
    }
    assert_int_equal(stage_state(s), state);
    s->sent.len = 0;
    return s;
}
