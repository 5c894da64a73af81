/* conn.c - see conn.h.
 *
 * In:   receiver -> on_head (HANDSHAKE) -> handshake_take -> open_socket, or refuse
 *                -> on_message (OPEN) -> events
 *                -> on_close_frame, on_read_end
 * Out:  conn_send -> sender
 * End:  conn_close -> the sender's last bytes -> on_ended -> the peer's FIN, or its time is over
 *                  -> conn_abort -> on_closed -> on_gone
 *
 * A client that sends but does not read is not read either while its sender is choked. Timers
 * are one wheel of seconds: a conn stands in the slot of the next second it must be looked at.
 *
 * Over 400 lines because here what the sender, the receiver, the handshake and the timers of one
 * socket say becomes a state, and each state tells all of them: it is a table of short functions.
 */
#include "gateway/conn.h"

#include <assert.h>

enum {
    LINGER_SECS = 2,
    ECHO_MAX_BYTES = 16 * 1024 * 1024,
    EXCUSED_TIMES = 10, /* ROOMCAST_SLOW_SECS, for the sake of pacing */
};

static const int close_codes[] = {
#define X(id, word, code) [id] = code,
    CONN_ENDS(X)
#undef X
};

static void conn_set_state(struct conn *conn, enum conn_state state);
static void close_with(struct conn *conn, enum conn_end end, int code);

static struct conn *conn_of_sender(struct sender *sender)
{
    return list_entry(sender, struct conn, sender);
}

static struct conn *conn_of_receiver(struct receiver *receiver)
{
    return list_entry(receiver, struct conn, receiver);
}

static uint32_t now_s(const struct conn *conn)
{
    return conn->env->wheel.now;
}

static uint32_t ping_interval_s(const struct conn *conn)
{
    return (uint32_t)conn->env->config->ping_interval_secs;
}

static void wake_next(struct conn *conn)
{
    bool each_second =
        conn->wants_ticks || sender_is_slow(&conn->sender) || conn->state != CONN_OPEN;

    wheel_set(&conn->env->wheel, &conn->timer,
              each_second ? now_s(conn) + 1 : conn->pulse.ping_at_s);
}

/* ---- what is sent ---- */

bool conn_send(struct conn *conn, struct frame *frame, enum sender_class class)
{
    return sender_send(&conn->sender, frame, class);
}

/* Takes over the caller's reference. */
static void reply(struct conn *conn, struct frame *frame)
{
    conn_send(conn, frame, SENDER_REPLY);
    frame_unref(frame);
}

void conn_send_text(struct conn *conn, const char *text, size_t len)
{
    reply(conn, frame_new_text(text, len));
}

bool conn_is_open(const struct conn *conn)
{
    return conn->state == CONN_OPEN;
}

bool conn_is_drained(const struct conn *conn)
{
    return sender_is_drained(&conn->sender);
}

static void on_choked(struct sender *sender)
{
    receiver_pause(&conn_of_sender(sender)->receiver, RECEIVER_CHOKED);
}

static void on_slow(struct sender *sender)
{
    wake_next(conn_of_sender(sender));
}

static void on_drained(struct sender *sender)
{
    struct conn *conn = conn_of_sender(sender);

    receiver_resume(&conn->receiver, RECEIVER_CHOKED);
    if (conn->state == CONN_OPEN)
        conn->env->events->on_drained(conn);
}

static void on_ended(struct sender *sender)
{
    struct conn *conn = conn_of_sender(sender);

    if (receiver_has_eof(&conn->receiver)) {
        conn_abort(conn, conn->end);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    sender_shut(sender);
}

static void on_failed(struct sender *sender)
{
    conn_abort(conn_of_sender(sender), CONN_END_CLIENT);
}

static void on_too_long(struct sender *sender)
{
    conn_close(conn_of_sender(sender), CONN_END_SLOW);
}

static const struct sender_events sender_events = {
    .on_choked = on_choked,
    .on_slow = on_slow,
    .on_drained = on_drained,
    .on_ended = on_ended,
    .on_failed = on_failed,
    .on_too_long = on_too_long,
};

/* ---- the handshake ---- */

static void send_raw(struct conn *conn, struct strbuf *bytes)
{
    sender_push(&conn->sender, frame_new_raw(bytes->data, bytes->len));
    strbuf_deinit(bytes);
}

/* `req`: NULL, or what the client asked. */
static void refuse(struct conn *conn, int status, const struct upgrade_request *req)
{
    struct strbuf answer = {NULL, 0, 0};

    handshake_print_refusal(&answer, status, req, conn->env->metrics);
    send_raw(conn, &answer);
    conn->end = CONN_END_HANDSHAKE;
    receiver_deafen(&conn->receiver);
    conn_set_state(conn, CONN_CLOSING);
}

static void open_socket(struct conn *conn, const struct upgrade_request *req)
{
    struct strbuf answer = {NULL, 0, 0};

    upgrade_print_accept(&answer, req);
    send_raw(conn, &answer);
    conn_set_state(conn, CONN_OPEN);
    conn->env->events->on_open(conn);
}

static void on_head(struct receiver *receiver, const char *bytes, size_t len)
{
    struct conn *conn = conn_of_receiver(receiver);
    bool is_full = conn->over_limit || conn->env->draining;
    struct handshake_verdict verdict =
        handshake_take(&conn->handshake, bytes, len, conn->env->config, is_full);
    struct handshake done = conn->handshake; /* the verdict points into it */

    verdict.status =
        arrival_check(&conn->arrival, &conn->env->arrivals, &conn->tcp, &verdict);
    if (verdict.status == 0)
        return;
    conn->handshake.head = NULL;
    if (verdict.status == 101)
        verdict.status = conn->env->events->on_upgrade(conn, &verdict.req);
    if (verdict.status == 101)
        open_socket(conn, &verdict.req);
    else if (verdict.status == HANDSHAKE_DROPPED)
        conn_abort(conn, CONN_END_HANDSHAKE);
    else
        refuse(conn, verdict.status, &verdict.req);
    if (conn->state == CONN_OPEN && verdict.rest_len > 0)
        receiver_take(receiver, verdict.rest, verdict.rest_len);
    handshake_deinit(&done);
}

/* ---- what the client says ---- */

static void on_message(struct receiver *receiver, bool is_text, const char *bytes,
                       size_t len)
{
    struct conn *conn = conn_of_receiver(receiver);

    if (conn->state != CONN_OPEN)
        return;
    if (conn->env->config->echo)
        reply(conn, frame_new(is_text ? FRAME_TEXT : FRAME_BINARY, bytes, len));
    else
        conn->env->events->on_message(conn, bytes, len);
}

static void on_answer(struct receiver *receiver, const void *bytes, size_t len)
{
    reply(conn_of_receiver(receiver), frame_new_raw(bytes, len));
}

/* The peer will say nothing more. */
static void note_eof(struct conn *conn)
{
    if (conn->state == CONN_LINGERING)
        conn_abort(conn, conn->end);
    else
        receiver_note_eof(&conn->receiver); /* our last bytes may be on their way */
}

static void on_close_frame(struct receiver *receiver, int code, bool is_peers)
{
    struct conn *conn = conn_of_receiver(receiver);
    enum conn_end end = code == 1009 ? CONN_END_TOO_LARGE : CONN_END_PROTOCOL;

    if (conn->state == CONN_OPEN)
        close_with(conn, is_peers ? CONN_END_CLIENT : end, code);
    else if (is_peers && conn->state != CONN_GONE)
        note_eof(conn);
}

static void on_read_end(struct receiver *receiver, int status)
{
    struct conn *conn = conn_of_receiver(receiver);

    if (conn->handshake.head) /* half of one has come */
        arrival_give_up(&conn->arrival, &conn->env->arrivals);
    if (status == UV_EOF && conn->state == CONN_CLOSING)
        note_eof(conn);
    else
        conn_abort(conn, conn->state == CONN_HANDSHAKE ? CONN_END_HANDSHAKE
                                                       : CONN_END_CLIENT);
}

static const struct receiver_events receiver_events = {
    .on_head = on_head,
    .on_message = on_message,
    .on_answer = on_answer,
    .on_close_frame = on_close_frame,
    .on_read_end = on_read_end,
};

void conn_pause(struct conn *conn)
{
    if (conn->state == CONN_OPEN)
        receiver_pause(&conn->receiver, RECEIVER_PAUSED);
}

void conn_resume(struct conn *conn)
{
    receiver_resume(&conn->receiver, RECEIVER_PAUSED);
}

void conn_limit_messages(struct conn *conn, bool to_small)
{
    receiver_limit(&conn->receiver, to_small);
}

void conn_take_message(struct conn *conn)
{
    receiver_take_message(&conn->receiver);
}

void conn_begin_work(struct conn *conn, uint32_t bytes)
{
    receiver_begin_work(&conn->receiver, bytes);
}

void conn_end_work(struct conn *conn, uint32_t bytes)
{
    receiver_end_work(&conn->receiver, bytes);
}

/* ---- states ---- */

static void tell_state(struct conn *conn)
{
    if (conn->state == CONN_OPEN) {
        sender_open(&conn->sender);
        receiver_open(&conn->receiver);
    } else if (conn->state == CONN_GONE) {
        sender_stop(&conn->sender);
        receiver_stop(&conn->receiver);
    } else {
        if (conn->state == CONN_CLOSING) /* LINGERING: it is stopped */
            sender_end(&conn->sender);
        receiver_end(&conn->receiver);
    }
}

/* The one function that changes the state. */
static void conn_set_state(struct conn *conn, enum conn_state state)
{
    struct metrics *m = conn->env->metrics;
    enum conn_state was = (enum conn_state)conn->state;
    unsigned end = was == CONN_OPEN ? conn->end : CONN_END_HANDSHAKE;

    assert(state > was);
    conn->state = (unsigned char)state;
    tell_state(conn);
    if (state == CONN_OPEN) {
        pulse_start(&conn->pulse, now_s(conn), ping_interval_s(conn));
        metric_add(&m->connections, 1);
        metric_add(&m->connects_total, 1);
    } else {
        conn->opened_s = now_s(conn); /* the time of this state */
    }
    if (was <= CONN_OPEN && state != CONN_OPEN)
        metric_add(&m->disconnects_total[end], 1);
    if (was == CONN_OPEN) {
        metric_sub(&m->connections, 1);
        conn->env->events->on_end(conn);
    }
    if (state != CONN_GONE)
        wake_next(conn);
}

static void close_with(struct conn *conn, enum conn_end end, int code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};

    if (conn->state != CONN_OPEN)
        return;
    if (end == CONN_END_SLOW)
        sender_drop_unsent(&conn->sender);
    sender_push(&conn->sender,
                frame_new(FRAME_CLOSE, payload, code ? sizeof(payload) : 0));
    conn->end = (unsigned char)end;
    conn_set_state(conn, CONN_CLOSING);
}

void conn_close(struct conn *conn, enum conn_end end)
{
    close_with(conn, end, close_codes[end]);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = list_entry(handle, struct conn, tcp);

    sender_deinit(&conn->sender);
    receiver_deinit(&conn->receiver);
    handshake_deinit(&conn->handshake);
    arrival_end(&conn->arrival, &conn->env->arrivals);
    list_remove(&conn->all);
    atomic_fetch_sub_explicit(conn->env->open_count, 1, memory_order_relaxed);
    conn->env->events->on_gone(conn);
}

void conn_abort(struct conn *conn, enum conn_end end)
{
    if (conn->state == CONN_GONE)
        return;
    conn->end = (unsigned char)end;
    conn_set_state(conn, CONN_GONE);
    wheel_remove(&conn->timer);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void conn_settle(struct conn *conn)
{
    arrival_settle(&conn->arrival, &conn->env->arrivals);
}

void conn_want_ticks(struct conn *conn, bool wants_ticks)
{
    if (conn->wants_ticks == wants_ticks)
        return;
    conn->wants_ticks = wants_ticks;
    if (conn->state != CONN_GONE)
        wake_next(conn);
}

/* ---- timers ---- */

static void ping_if_due(struct conn *conn)
{
    struct pulse_signs signs = {.is_choked = sender_is_choked(&conn->sender),
                                .is_read = receiver_is_read(&conn->receiver)};

    if (!pulse_is_due(&conn->pulse, now_s(conn), ping_interval_s(conn)))
        return;
    signs.was_heard = receiver_was_heard(&conn->receiver);
    switch (pulse_check(&conn->pulse, &signs)) {
    case PULSE_PING:
        reply(conn, frame_new(FRAME_PING, NULL, 0));
        break;
    case PULSE_WAIT:
        break;
    case PULSE_NEVER_READS:
        conn_close(conn, CONN_END_SLOW);
        break;
    case PULSE_NO_PONG:
        conn_close(conn, CONN_END_NO_PONG);
        break;
    }
}

/* The second that is over does not count against a slow client that waits for its bucket. */
static void excuse_pacing(struct conn *conn)
{
    uint32_t run_ms = receiver_waiting_ms(&conn->receiver);
    uint32_t most_ms = EXCUSED_TIMES * 1000u * (uint32_t)conn->env->config->slow_secs;

    if (run_ms > 0 && run_ms <= most_ms)
        sender_excuse_second(&conn->sender);
}

static void check_open(struct conn *conn)
{
    const struct config *config = conn->env->config;

    excuse_pacing(conn);
    if (sender_is_slow_for(&conn->sender, (uint32_t)config->slow_secs))
        conn_close(conn, CONN_END_SLOW);
    else
        ping_if_due(conn);
    if (conn->state == CONN_OPEN && conn->wants_ticks)
        conn->env->events->on_tick(conn);
}

/* Its time for the handshake is over. */
static void give_up(struct conn *conn)
{
    if (arrival_give_up(&conn->arrival, &conn->env->arrivals))
        refuse(conn, 408, NULL);
    else
        conn_abort(conn, CONN_END_HANDSHAKE);
}

static void on_timer(struct wheel *wheel, struct wheel_timer *timer)
{
    struct conn *conn = list_entry(timer, struct conn, timer);
    uint32_t since = now_s(conn) - conn->opened_s; /* up to a second less has passed */

    (void)wheel;
    if (conn->state == CONN_OPEN)
        check_open(conn);
    else if (conn->state != CONN_HANDSHAKE && since > LINGER_SECS)
        conn_abort(conn, conn->end);
    else if (conn->state == CONN_HANDSHAKE &&
             since > (uint32_t)conn->env->config->handshake_secs)
        give_up(conn);
    if (conn->state != CONN_GONE)
        wake_next(conn);
}

static void on_second(uv_timer_t *second)
{
    struct conn_env *env = second->data;

    wheel_turn(&env->wheel, on_timer);
}

/* ---- beginning ---- */

int conn_accept(struct conn *conn, struct conn_env *env, uv_stream_t *listener)
{
    unsigned open = atomic_fetch_add_explicit(env->open_count, 1, memory_order_relaxed);
    int rc;

    conn->env = env;
    conn->state = CONN_HANDSHAKE;
    conn->opened_s = env->wheel.now;
    conn->over_limit = open >= env->max_connections;
    sender_init(&conn->sender, &env->sender);
    receiver_init(&conn->receiver, &env->receiver);
    list_init(&conn->timer.link);
    list_add(&env->all, &conn->all);
    uv_tcp_init(env->loop, &conn->tcp);
    rc = uv_accept(listener, (uv_stream_t *)&conn->tcp);
    if (rc == 0 && open >= env->max_connections + CONN_OVER_LIMIT_EXTRA)
        rc = UV_EMFILE;
    if (rc == 0 && !arrival_begin(&conn->arrival, &env->arrivals, &conn->tcp))
        rc = UV_ECONNREFUSED;
    if (rc < 0) {
        conn_abort(conn, CONN_END_ERROR);
        return rc;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    wake_next(conn);
    sender_attach(&conn->sender, (uv_stream_t *)&conn->tcp);
    receiver_attach(&conn->receiver, (uv_stream_t *)&conn->tcp);
    return 0;
}

static void init_sender_env(struct conn_env *env)
{
    const struct config *config = env->config;
    struct sender_opts opts = {
        .loop = env->loop,
        .metrics = env->metrics,
        .events = &sender_events,
        .now_s = &env->wheel.now,
        .max_bytes = config->echo ? (size_t)4 * ECHO_MAX_BYTES
                                  : (size_t)config->send_queue_max_bytes,
        .all_max_bytes = (size_t)config->queues_max_bytes,
        .flush_ms = (uint32_t)config->flush_ms,
        .presence_flush_ms = (uint32_t)config->presence_flush_ms,
    };

    sender_env_init(&env->sender, &opts);
}

static void init_receiver_env(struct conn_env *env)
{
    const struct config *config = env->config;
    struct receiver_opts opts = {
        .loop = env->loop,
        .metrics = env->metrics,
        .events = &receiver_events,
        .max_message_bytes =
            config->echo ? (size_t)ECHO_MAX_BYTES : (size_t)config->max_message_bytes,
        .allows_binary = config->echo,
    };

    if (!config->echo) {
        opts.frames = (struct token_bucket_rate){(uint32_t)config->requests_per_sec,
                                                 (uint32_t)config->requests_burst};
        opts.bytes = (struct token_bucket_rate){(uint32_t)config->bytes_per_sec,
                                                (uint32_t)config->bytes_burst};
        opts.messages = (struct token_bucket_rate){(uint32_t)config->messages_per_sec,
                                                   (uint32_t)config->messages_burst};
    }
    receiver_env_init(&env->receiver, &opts);
}

void conn_env_init(struct conn_env *env, uv_loop_t *loop, const struct config *config,
                   struct metrics *metrics, const struct conn_events *events)
{
    env->loop = loop;
    env->config = config;
    env->metrics = metrics;
    env->events = events;
    env->arrivals.config = config;
    env->arrivals.metrics = metrics;
    list_init(&env->all);
    wheel_init(&env->wheel);
    init_receiver_env(env);
    init_sender_env(env);
    uv_timer_init(loop, &env->second);
    env->second.data = env;
    uv_timer_start(&env->second, on_second, 1000, 1000);
}

void conn_env_close(struct conn_env *env)
{
    uv_close((uv_handle_t *)&env->second, NULL);
    sender_env_close(&env->sender);
    receiver_env_close(&env->receiver);
}

void conn_env_deinit(struct conn_env *env)
{
    receiver_env_deinit(&env->receiver);
}
