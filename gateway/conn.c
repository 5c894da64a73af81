/* conn.c - see conn.h.
 *
 * In:   on_readable -> take_read -> on_head (HANDSHAKE) -> upgrade_parse -> open_socket
 *            |            ^      -> feed -> reader_feed -> on_message -> events
 *            |            |           -> hold, what may not be read yet
 *            v            |
 *         queued -> on_serve -> serve, 1 ms a turn -> wait -> on_pace_tick -> queued
 * Out:  conn_send -> queue, schedule -> on_flush, once a turn -> flush_conn
 *                            |              ^
 *                            +-> on_due ----+   where it may wait for more
 *                 -> send_now, all that waits; if the socket is full, start_write
 *                 -> on_written -> flush_conn
 * End:  conn_close -> flush_conn -> linger -> the peer's FIN, or drop after its time
 *                  -> conn_abort -> on_closed -> on_gone
 *
 * A client that sends but does not read is not read either once its queue is half full
 * (`choked`). A client that sends too much is read when pace.h says so. What was read by then
 * is held as it came, and nothing more is read until it is used up: bytes go one way, and in
 * order. Timers are one wheel of seconds: a conn stands in the slot of the next second it
 * must be looked at.
 *
 * Over 400 lines because the states, the queue and the timers of one socket belong
 * together: each needs the other two.
 */
#include "gateway/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "gateway/pool.h"
#include "gateway/reader.h"
#include "gateway/upgrade.h"

enum {
    WRITE_FRAMES = 128, /* in one writev */
    LINGER_SECS = 2,
    ECHO_MAX_BYTES = 16 * 1024 * 1024,
    PONGS_MISSED_MAX = 2,
    LARGE_BYTES = 4 * 1024, /* at once, of one connection for Redis */
    EXCUSED_TIMES = 10,     /* ROOMCAST_SLOW_SECS, for the sake of pacing */
    WAIT_BYTES = 16 * 1024, /* a longer queue does not wait for more */
    CROWD = 400,    /* each so many that wait with presence, it waits once longer, */
    WAITS_MAX = 10, /* up to so many times ROOMCAST_PRESENCE_FLUSH_MS */
};

struct conn_write {
    uv_write_t req;
    struct conn *conn;
};

static const struct {
    const char *word;
    int code;
} ends[] = {
#define X(id, word, code) [id] = {#word, code},
    CONN_ENDS(X)
#undef X
};

static void flush_conn(struct conn *conn);
static void conn_set_state(struct conn *conn, enum conn_state state);
static void close_with(struct conn *conn, enum conn_end end, int code);
static void plan_reading(struct conn *conn);

/* ---- the queue ---- */

static uint32_t now_s(const struct conn *conn)
{
    return conn->env->wheel.now;
}

static void wake_next(struct conn *conn)
{
    bool each_second = conn->watched || conn->slow_since_s || conn->state != CONN_OPEN;

    wheel_set(&conn->env->wheel, &conn->timer,
              each_second ? now_s(conn) + 1 : conn->ping_at_s);
}

/* The queue's length changed by `after - before` bytes. */
static void note_queued(struct conn *conn, size_t before)
{
    struct conn_env *env = conn->env;

    env->queued_bytes += conn->queue.bytes - before;
    metric_set(&env->metrics->send_queue_bytes, env->queued_bytes);
}

/* Drops what waits, but for frames that are partly on their way. */
static void drop_unsent(struct conn *conn)
{
    size_t before = conn->queue.bytes;

    queue_cut(&conn->queue, conn->write                 ? conn->writing
                            : conn->queue.head_sent > 0 ? 1
                                                        : 0);
    note_queued(conn, before);
}

static uint32_t now_ms(const struct conn *conn)
{
    return (uint32_t)uv_now(conn->env->loop);
}

static void dequeue(struct conn *conn)
{
    if (conn->urgency == CONN_NOT_QUEUED)
        return;
    list_remove(&conn->due);
    if (conn->urgency == CONN_WITH_PRESENCE)
        conn->env->presence_count--;
    conn->urgency = CONN_NOT_QUEUED;
}

static void enqueue(struct conn *conn, enum conn_urgency urgency)
{
    dequeue(conn);
    list_add(&conn->env->due[urgency], &conn->due);
    if (urgency == CONN_WITH_PRESENCE)
        conn->env->presence_count++;
    conn->urgency = (unsigned char)urgency;
}

static void on_due(uv_timer_t *timer)
{
    struct list *conns = timer->data, *link;

    while ((link = list_first(conns))) {
        struct conn *conn = list_entry(link, struct conn, due);
        int32_t left_ms = (int32_t)(conn->due_ms - now_ms(conn));

        if (left_ms > 0) {
            uv_timer_start(timer, on_due, (uint64_t)left_ms, 0);
            return;
        }
        enqueue(conn, CONN_THIS_TURN);
    }
}

/* Whether what is queued has to go in this turn though its class may wait: messages do where
 * there was no write a moment ago, and all where it is much. */
static bool is_pressing(const struct conn *conn, enum conn_urgency urgency)
{
    return conn->queue.bytes > WAIT_BYTES ||
           (urgency == CONN_WITH_MESSAGES &&
            now_ms(conn) - conn->flushed_ms >= conn->env->due_ms[urgency]);
}

/* How long a conn waits that begins to. Of who came and went the longer the more do: while
 * everybody comes back, a write that names many is worth more than one that is soon. */
static uint32_t wait_ms(const struct conn_env *env, enum conn_urgency urgency)
{
    unsigned times = 1 + env->presence_count / CROWD;

    if (urgency != CONN_WITH_PRESENCE)
        return env->due_ms[urgency];
    return env->due_ms[urgency] * (times < WAITS_MAX ? times : WAITS_MAX);
}

static __attribute__((noinline)) void wait_for_more(struct conn *conn,
                                                    enum conn_urgency urgency)
{
    struct conn_env *env = conn->env;
    uv_timer_t *timer = &env->due_timer[urgency];
    uint32_t ms = wait_ms(env, urgency);

    if (is_pressing(conn, urgency)) {
        enqueue(conn, CONN_THIS_TURN);
    } else if (conn->urgency < urgency) {
        enqueue(conn, urgency);
        conn->due_ms = now_ms(conn) + ms;
        if (!uv_is_active((uv_handle_t *)timer))
            uv_timer_start(timer, on_due, ms, 0);
    }
}

/* Sees to it that the queue is written as soon as `class` wants. */
static void schedule(struct conn *conn, enum conn_class class)
{
    static const unsigned char urgencies[] = {
        [CONN_REPLY] = CONN_THIS_TURN,
        [CONN_MESSAGE] = CONN_WITH_MESSAGES,
        [CONN_PRESENCE] = CONN_WITH_PRESENCE,
        [CONN_SIGNAL] = CONN_WITH_MESSAGES,
    };

    if (conn->urgency == CONN_THIS_TURN || conn->write || conn->state == CONN_GONE)
        return;
    if (conn->env->due_ms[urgencies[class]] > 0)
        wait_for_more(conn, urgencies[class]);
    else
        enqueue(conn, CONN_THIS_TURN);
}

static void push(struct conn *conn, struct frame *frame, enum conn_class class)
{
    size_t before = conn->queue.bytes;

    queue_push(&conn->queue, frame);
    note_queued(conn, before);
    if (conn->queue.bytes > conn->env->low_bytes)
        conn->above_low = true;
    if (conn->queue.bytes > conn->env->high_bytes && !conn->choked) {
        conn->choked = true;
        plan_reading(conn);
    }
    schedule(conn, class);
}

static void note_slow(struct conn *conn)
{
    if (conn->slow_since_s)
        return;
    conn->slow_since_s = now_s(conn) + 1;
    metric_add(&conn->env->metrics->slow_consumers_total, 1);
    wake_next(conn);
}

bool conn_send(struct conn *conn, struct frame *frame, enum conn_class class)
{
    size_t after = conn->queue.bytes + frame_len(frame);
    size_t max = conn->env->max_bytes;

    if (conn->state != CONN_OPEN)
        return false;
    if (class == CONN_SIGNAL && after > max / 4) {
        metric_add(&conn->env->metrics->signals_dropped_total, 1);
        return false;
    }
    if (class == CONN_PRESENCE && after > max / 2) {
        metric_add(&conn->env->metrics->presence_dropped_total, 1);
        return false;
    }
    if (after > max && conn->queue.bytes > 0) { /* an empty queue takes anything */
        note_slow(conn);
        if (class == CONN_MESSAGE) {
            conn->above_low = true; /* so that on_drained comes */
            schedule(conn, CONN_REPLY);
            return false;
        }
    }
    push(conn, frame, class);
    return true;
}

void conn_send_text(struct conn *conn, const char *text, size_t len)
{
    struct frame *frame = frame_new_text(text, len);

    conn_send(conn, frame, CONN_REPLY);
    frame_unref(frame);
}

bool conn_is_open(const struct conn *conn)
{
    return conn->state == CONN_OPEN;
}

bool conn_is_drained(const struct conn *conn)
{
    return conn->queue.bytes <= conn->env->low_bytes;
}

/* ---- reading what the client says ---- */

static void hold(struct conn *conn, const void *bytes, size_t len)
{
    if (!conn->held)
        conn->held = xcalloc(1, sizeof(*conn->held));
    strbuf_add(conn->held, bytes, len);
}

static void drop_held(struct conn *conn)
{
    if (!conn->held)
        return;
    strbuf_deinit(conn->held);
    free(conn->held);
    conn->held = NULL;
}

static bool is_stopped(const struct conn *conn)
{
    return conn->paused || conn->choked;
}

/* While Redis has much to do, a connection that has given it some of that, or is about to, queues
 * whatever its buckets have: where all bytes that are allowed are more than Redis can take, the
 * buckets of all are full. */
static bool must_let_answer(const struct conn *conn)
{
    return pace_is_full(&conn->env->pace) &&
           (conn->reader || conn->unanswered >= LARGE_BYTES);
}

/* Whether it is served before those that queue. */
static bool is_first(struct conn *conn)
{
    return conn->state <= CONN_OPEN && !must_let_answer(conn) &&
           pace_is_first(&conn->env->pace, &conn->pace, now_ms(conn));
}

static bool has_time(struct conn_env *env)
{
    bool had = !env->has_served || uv_hrtime() < env->serve_until_ns;

    env->has_served = true;
    return had;
}

/* What comes after the end is looked through for the peer's close frame only. */
static bool may_begin(void *owner, unsigned char byte)
{
    struct conn *conn = owner;

    if (conn->state != CONN_OPEN)
        return true;
    if (is_stopped(conn) ||
        !(conn->env->serve_until_ns ? has_time(conn->env) : is_first(conn)))
        return false;
    return pace_take_frame(&conn->env->pace, &conn->pace, byte, now_ms(conn));
}

static void on_message(void *owner, bool is_text, const char *bytes, size_t len)
{
    struct conn *conn = owner;

    if (conn->state != CONN_OPEN)
        return;
    if (conn->env->config->echo) {
        struct frame *frame =
            frame_new(is_text ? FRAME_TEXT : FRAME_BINARY, bytes, len);

        conn_send(conn, frame, CONN_REPLY);
        frame_unref(frame);
    } else {
        conn->env->events->on_message(conn, bytes, len);
    }
}

static void on_answer(void *owner, const void *bytes, size_t len)
{
    struct conn *conn = owner;
    struct frame *frame = frame_new_raw(bytes, len);

    conn_send(conn, frame, CONN_REPLY);
    frame_unref(frame);
}

/* The peer will say nothing more. */
static void note_eof(struct conn *conn)
{
    conn->has_eof = true;
    if (conn->state == CONN_LINGERING)
        conn_abort(conn, conn->end);
    else
        plan_reading(conn); /* our last bytes may still be on their way */
}

static void on_close_frame(void *owner, int code, bool is_peers)
{
    struct conn *conn = owner;
    enum conn_end end = code == 1009 ? CONN_END_TOO_LARGE : CONN_END_PROTOCOL;

    if (conn->state == CONN_OPEN)
        close_with(conn, is_peers ? CONN_END_CLIENT : end, code);
    else if (is_peers && conn->state != CONN_GONE)
        note_eof(conn);
}

static const struct reader_events reader_events = {
    .may_begin = may_begin,
    .on_message = on_message,
    .on_answer = on_answer,
    .on_close = on_close_frame,
};

static struct reader *borrow_reader(struct conn_env *env)
{
    size_t max = env->config->echo ? (size_t)ECHO_MAX_BYTES
                                   : (size_t)env->config->max_message_bytes;

    if (env->spare_count > 0)
        return env->spare[--env->spare_count];
    return reader_new(&reader_events, max, env->config->echo);
}

static void return_reader(struct conn_env *env, struct reader *reader)
{
    if (reader && reader_is_at_rest(reader) && env->spare_count < CONN_SPARE_READERS)
        env->spare[env->spare_count++] = reader;
    else
        reader_free(reader);
}

/* How many of the bytes it has taken; the others must wait. */
static size_t feed(struct conn *conn, const char *bytes, size_t len)
{
    struct reader *reader;
    size_t taken;

    if (conn->is_deaf)
        return len;
    reader = conn->reader ? conn->reader : borrow_reader(conn->env);
    conn->reader = NULL;
    conn->in_feed = true;
    taken = reader_feed(reader, conn, bytes, len);
    conn->in_feed = false;
    conn->is_deaf = reader_is_done(reader);
    if (conn->state != CONN_GONE && !conn->is_deaf && !reader_is_at_rest(reader))
        conn->reader = reader;
    else
        return_reader(conn->env, reader);
    return taken;
}

static void feed_or_hold(struct conn *conn, const char *bytes, size_t len)
{
    size_t taken = feed(conn, bytes, len);

    if (taken < len && conn->state != CONN_GONE)
        hold(conn, bytes + taken, len - taken);
}

static void feed_held(struct conn *conn)
{
    strbuf_drop_front(conn->held, feed(conn, conn->held->data, conn->held->len));
    if (conn->held->len == 0)
        drop_held(conn);
}

static void on_busy(uv_idle_t *busy)
{
    (void)busy; /* it only keeps the loop turning */
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init(conn->env->read_buf, is_first(conn) ? conn->env->read_bytes : 0);
}

static void send_raw(struct conn *conn, struct strbuf *bytes)
{
    struct frame *frame = frame_new_raw(bytes->data, bytes->len);

    push(conn, frame, CONN_REPLY);
    frame_unref(frame);
    strbuf_deinit(bytes);
}

/* `text`: NULL, or what is said instead of what fits the status. */
static void refuse(struct conn *conn, int status, const char *text)
{
    struct strbuf answer = {NULL, 0, 0};
    char word[8];

    snprintf(word, sizeof(word), "%d", status);
    metric_add(
        &conn->env->metrics
             ->refused_upgrades_total[metric_label("refused_upgrades_total", word)],
        1);
    upgrade_print_refusal(&answer, status, text);
    send_raw(conn, &answer);
    conn->end = CONN_END_HANDSHAKE;
    conn->is_deaf = true;
    conn_set_state(conn, CONN_CLOSING);
}

static int check_request(struct conn *conn, const struct upgrade_request *req)
{
    if (conn->over_limit || conn->env->draining)
        return 503;
    return upgrade_is_origin_allowed(req, conn->env->config->allowed_origins) ? 101
                                                                              : 403;
}

/* Whoever sees it, in the browser or in the log, can tell what to set. */
static void refuse_origin(struct conn *conn, const struct upgrade_request *req)
{
    static struct log_limit lines = {.per_sec = 1};
    const char *origin = log_name(req->origin.base, req->origin.len);
    const char *host = log_name(req->host.base, req->host.len);
    struct strbuf text = {NULL, 0, 0};

    log_limited(LOG_WARN, &lines, "origin_refused",
                "origin=%s host=%s setting=ROOMCAST_ALLOWED_ORIGINS", origin, host);
    strbuf_add_format(&text,
                      "Origin \"%s\" may not connect to Host \"%s\": "
                      "ROOMCAST_ALLOWED_ORIGINS does not allow it.\n",
                      origin, host);
    refuse(conn, 403, text.data);
    strbuf_deinit(&text);
}

static void open_socket(struct conn *conn, const struct upgrade_request *req)
{
    struct strbuf answer = {NULL, 0, 0};

    upgrade_print_accept(&answer, req);
    send_raw(conn, &answer);
    conn_set_state(conn, CONN_OPEN);
    conn->env->events->on_open(conn);
}

static void on_head(struct conn *conn, const char *bytes, size_t len)
{
    struct strbuf *held = conn->held;
    struct upgrade_request req;
    size_t used = 0;
    int status;

    if (held) {
        size_t before = held->len;
        bool has_line = memchr(bytes, '\n', len);

        strbuf_add(held, bytes, len);
        bytes = held->data;
        len = held->len;
        /* Not with each byte of a long line: also when it has doubled, or nearly so. */
        if (!has_line && (len ^ before) < before && len < UPGRADE_MAX_BYTES)
            return;
    }
    status = upgrade_parse(bytes, len, &req, &used);
    if (status == 0) {
        if (!held)
            hold(conn, bytes, len);
        return;
    }
    conn->held = NULL; /* still ours: req points into it */
    if (status == 101)
        status = check_request(conn, &req);
    if (status == 101)
        open_socket(conn, &req);
    else if (status == 403)
        refuse_origin(conn, &req);
    else
        refuse(conn, status, NULL);
    if (conn->state == CONN_OPEN && len > used)
        feed_or_hold(conn, bytes + used, len - used);
    if (held)
        strbuf_deinit(held);
    free(held);
}

/* `n` as libuv gives it: what is in read_buf, or a code. */
static void take_read(struct conn *conn, ssize_t n)
{
    struct conn_env *env = conn->env;

    if (n == UV_EOF && conn->state == CONN_CLOSING) {
        note_eof(conn);
        return;
    }
    if (n < 0) {
        conn_abort(conn, conn->state == CONN_HANDSHAKE ? CONN_END_HANDSHAKE
                                                       : CONN_END_CLIENT);
        return;
    }
    metric_add(&env->metrics->received_bytes_total, (uint64_t)n);
    conn->missed_pongs = 0; /* whatever it is, somebody is there */
    pace_take_bytes(&env->pace, &conn->pace, (uint32_t)n, now_ms(conn));
    if (conn->state == CONN_HANDSHAKE)
        on_head(conn, env->read_buf, (size_t)n);
    else
        feed_or_hold(conn, env->read_buf, (size_t)n);
    plan_reading(conn);
}

static void queue_reading(struct conn *conn)
{
    struct conn_env *env = conn->env;

    conn->is_read = false;
    uv_read_stop((uv_stream_t *)&conn->tcp);
    pace_queue(&env->pace, &conn->pace, now_ms(conn));
    uv_idle_start(&env->busy, on_busy);
}

static void on_readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;

    (void)buf;
    if (n == UV_ENOBUFS) /* on_alloc gave none: it is not first */
        queue_reading(conn);
    else if (n != 0)
        take_read(conn, n);
}

static void start_reading(struct conn *conn)
{
    if (conn->is_read)
        return;
    pace_free(&conn->env->pace, &conn->pace, now_ms(conn));
    conn->is_read = true;
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_readable);
}

static void stop_reading(struct conn *conn)
{
    conn->is_read = false;
    uv_read_stop((uv_stream_t *)&conn->tcp);
    pace_free(&conn->env->pace, &conn->pace, now_ms(conn));
}

/* Says how it is read from now on; the one place that does, but for those that wait for
 * their bucket. */
static void plan_reading(struct conn *conn)
{
    if (conn->state == CONN_GONE)
        return;
    if (conn->has_eof || (conn->state == CONN_OPEN && is_stopped(conn)))
        stop_reading(conn);
    else if (conn->state != CONN_HANDSHAKE && conn->held)
        queue_reading(conn);
    else
        start_reading(conn);
}

static void on_pace_tick(uv_timer_t *timer)
{
    struct conn_env *env = timer->data;

    pace_turn(&env->pace, (uint32_t)uv_now(env->loop));
    if (pace_next(&env->pace))
        uv_idle_start(&env->busy, on_busy);
    if (env->pace.waiting == 0)
        uv_timer_stop(timer);
}

/* Lets it wait for its bucket if that is empty. */
static bool wait_if_empty(struct conn *conn)
{
    struct conn_env *env = conn->env;
    enum pace_why why;

    if (conn->state != CONN_OPEN ||
        !pace_wait(&env->pace, &conn->pace, now_ms(conn), &why))
        return false;
    metric_add(&env->metrics->paced_total[why], 1); /* the labels have the same order */
    if (!uv_is_active((uv_handle_t *)&env->pace_tick))
        uv_timer_start(&env->pace_tick, on_pace_tick, PACE_TICK_MS, PACE_TICK_MS);
    return true;
}

static void read_now(struct conn *conn)
{
    ssize_t n;

    do
        n = read(conn->fd, conn->env->read_buf, CONN_PACED_READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        start_reading(conn);
    else
        take_read(conn, n > 0 ? n : n == 0 ? UV_EOF : -errno);
}

/* The next piece of a conn that is queued. */
static void serve(struct conn *conn)
{
    if (wait_if_empty(conn))
        return;
    conn->env->has_served = false;
    if (conn->held) {
        feed_held(conn);
        plan_reading(conn);
    } else {
        read_now(conn);
    }
}

static void on_serve(uv_check_t *check)
{
    struct conn_env *env = check->data;
    struct pace *next = pace_next(&env->pace);

    if (next)
        env->serve_until_ns = uv_hrtime() + PACE_TURN_NS;
    while (next) {
        serve(list_entry(next, struct conn, pace));
        next = pace_next(&env->pace);
        if (uv_hrtime() >= env->serve_until_ns)
            break;
    }
    env->serve_until_ns = 0;
    if (!next) /* whoever was queued may have gone unserved, or waits for Redis */
        uv_idle_stop(&env->busy);
}

void conn_begin_work(struct conn *conn, uint32_t bytes)
{
    conn->unanswered += bytes;
    conn->env->pace.unanswered += bytes;
}

void conn_end_work(struct conn *conn, uint32_t bytes)
{
    struct conn_env *env = conn->env;
    bool was_full = pace_is_full(&env->pace);

    conn->unanswered -= bytes;
    env->pace.unanswered -= bytes;
    if (was_full && pace_next(&env->pace))
        uv_idle_start(&env->busy, on_busy);
}

void conn_pause(struct conn *conn)
{
    if (conn->paused || conn->state != CONN_OPEN)
        return;
    conn->paused = true;
    plan_reading(conn);
}

static void go_on(struct conn *conn)
{
    if (conn->in_feed)
        return; /* and what is left is held, and planned, when that is over */
    if (conn->held && is_first(conn))
        feed_held(conn);
    plan_reading(conn);
}

void conn_resume(struct conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    if (conn->state == CONN_OPEN && !conn->choked)
        go_on(conn);
}

/* ---- writing ---- */

static void note_drained(struct conn *conn)
{
    if (!conn->above_low || !conn_is_drained(conn))
        return;
    conn->above_low = false;
    conn->slow_since_s = 0;
    if (conn->choked) {
        conn->choked = false;
        if (conn->state == CONN_OPEN && !conn->paused)
            go_on(conn);
    }
    if (conn->state == CONN_OPEN)
        conn->env->events->on_drained(conn);
}

static void consume(struct conn *conn, size_t sent)
{
    size_t before = conn->queue.bytes;

    metric_add(&conn->env->metrics->sent_bytes_total, sent);
    queue_consume(&conn->queue, sent);
    note_queued(conn, before);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn_write *write = (struct conn_write *)(void *)req;
    struct conn *conn = write->conn;
    uv_buf_t bufs[WRITE_FRAMES];
    size_t total;

    pool_recycle(write, sizeof(*write));
    conn->write = NULL;
    if (conn->state == CONN_GONE)
        return;
    if (status < 0) {
        conn_abort(conn, CONN_END_CLIENT);
        return;
    }
    queue_gather(&conn->queue, bufs, conn->writing, &total);
    consume(conn, total);
    flush_conn(conn);
}

/* libuv writes what did not fit when the socket takes more; the frames stay queued, and
 * referenced, until then. */
static void start_write(struct conn *conn, uv_buf_t *bufs, unsigned count)
{
    struct conn_write *write = pool_alloc(sizeof(*write));
    int rc;

    write->conn = conn;
    conn->write = write;
    conn->writing = count;
    rc = uv_write(&write->req, (uv_stream_t *)&conn->tcp, bufs, count, on_written);
    if (rc == 0)
        return;
    conn->write = NULL;
    pool_recycle(write, sizeof(*write));
    conn_abort(conn, CONN_END_CLIENT);
}

static void linger(struct conn *conn)
{
    if (conn->has_eof) {
        conn_abort(conn, conn->end);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    shutdown(conn->fd, SHUT_WR);
}

/* The call itself: libuv's way to it looks at three more cache lines a client. */
static ssize_t send_now(const struct conn *conn, uv_buf_t *bufs, unsigned count)
{
    struct msghdr parts = {.msg_iov = (struct iovec *)(void *)bufs,
                           .msg_iovlen = count};
    ssize_t n;

    do
        n = count == 1 ? send(conn->fd, bufs->base, bufs->len, MSG_NOSIGNAL)
                       : sendmsg(conn->fd, &parts, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void flush_conn(struct conn *conn)
{
    uv_buf_t bufs[WRITE_FRAMES];

    while (conn->queue.count > 0 && !conn->write) {
        size_t total;
        unsigned count = queue_gather(&conn->queue, bufs, WRITE_FRAMES, &total);
        ssize_t n = send_now(conn, bufs, count);

        metric_add(&conn->env->metrics->writes_total, 1);
        if (n < 0 && n != UV_EAGAIN) {
            conn_abort(conn, CONN_END_CLIENT);
            return;
        }
        if (n > 0)
            consume(conn, (size_t)n);
        if (n < 0 || (size_t)n < total) {
            count = queue_gather(&conn->queue, bufs, WRITE_FRAMES, &total);
            start_write(conn, bufs, count);
        }
    }
    note_drained(conn);
    if (conn->state == CONN_CLOSING && conn->queue.count == 0 && !conn->write)
        linger(conn);
}

static struct conn *find_largest(struct conn_env *env)
{
    struct conn *largest = NULL;

    list_each(link, &env->all) {
        struct conn *conn = list_entry(link, struct conn, all);

        if (conn->state == CONN_OPEN &&
            (!largest || conn->queue.bytes > largest->queue.bytes))
            largest = conn;
    }
    return largest;
}

/* ROOMCAST_QUEUES_MAX_BYTES: a worker looks at the sum once its own share is used up. */
static void bound_queues(struct conn_env *env)
{
    size_t limit = (size_t)env->config->queues_max_bytes;
    struct conn *largest;
    uint64_t sum = 0;

    if (env->queued_bytes <= limit / env->workers_count)
        return;
    for (unsigned i = 0; i < env->workers_count; i++)
        sum += metric_read(&env->workers[i]->send_queue_bytes);
    while (sum > limit && (largest = find_largest(env)) && largest->queue.bytes > 0) {
        sum -= largest->queue.bytes < sum ? largest->queue.bytes : sum;
        conn_close(largest, CONN_END_SLOW);
    }
}

/* What flush_conn will look at, fetched while the kernel works for the one before. */
static void prefetch(const struct conn *conn)
{
    __builtin_prefetch(conn);
    __builtin_prefetch((const char *)conn + 64);
    __builtin_prefetch((const char *)conn + 128);
}

static void on_flush(uv_prepare_t *prepare)
{
    struct conn_env *env = prepare->data;
    uint32_t now = (uint32_t)uv_now(env->loop);
    struct list *link;

    bound_queues(env);
    while ((link = list_first(&env->due[CONN_THIS_TURN]))) {
        struct conn *conn = list_entry(link, struct conn, due);

        prefetch(list_entry(link->next, struct conn, due));
        dequeue(conn);
        conn->flushed_ms = now;
        flush_conn(conn);
    }
    if (env->fanout_started_ns)
        metric_observe_ns(&env->metrics->fanout_seconds,
                          uv_hrtime() - env->fanout_started_ns);
    env->fanout_started_ns = 0;
}

/* ---- states ---- */

static void conn_set_state(struct conn *conn, enum conn_state state)
{
    struct metrics *m = conn->env->metrics;
    bool was_open = conn->state == CONN_OPEN;
    bool was_handshake = conn->state == CONN_HANDSHAKE;

    assert(state > (enum conn_state)conn->state);
    conn->state = (unsigned char)state;
    if (state == CONN_OPEN) {
        conn->ping_at_s = now_s(conn) + (uint32_t)conn->env->config->ping_interval_secs;
        metric_add(&m->connections, 1);
        metric_add(&m->connects_total, 1);
    } else {
        conn->opened_s = now_s(conn); /* the time of this state */
    }
    if (was_handshake && state != CONN_OPEN)
        metric_add(
            &m->disconnects_total[metric_label("disconnects_total", "handshake")], 1);
    if (was_open) {
        metric_sub(&m->connections, 1);
        metric_add(&m->disconnects_total[metric_label("disconnects_total",
                                                      ends[conn->end].word)],
                   1);
        conn->env->events->on_end(conn);
    }
    plan_reading(conn);
    if (state != CONN_GONE)
        wake_next(conn);
}

static void close_with(struct conn *conn, enum conn_end end, int code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    struct frame *frame;

    if (conn->state != CONN_OPEN)
        return;
    if (end == CONN_END_SLOW)
        drop_unsent(conn);
    frame = frame_new(FRAME_CLOSE, payload, code ? sizeof(payload) : 0);
    push(conn, frame, CONN_REPLY);
    frame_unref(frame);
    conn->end = (unsigned char)end;
    conn_set_state(conn, CONN_CLOSING);
}

void conn_close(struct conn *conn, enum conn_end end)
{
    close_with(conn, end, ends[end].code);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;

    size_t before = conn->queue.bytes;

    queue_cut(&conn->queue, 0);
    note_queued(conn, before);
    drop_held(conn);
    reader_free(conn->reader);
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
    pace_free(&conn->env->pace, &conn->pace, now_ms(conn));
    wheel_remove(&conn->timer);
    dequeue(conn);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void conn_watch(struct conn *conn, bool watched)
{
    if (conn->watched == watched)
        return;
    conn->watched = watched;
    if (conn->state != CONN_GONE)
        wake_next(conn);
}

/* ---- timers ---- */

static void ping_if_due(struct conn *conn)
{
    struct frame *ping;

    if (now_s(conn) < conn->ping_at_s)
        return;
    conn->ping_at_s += (uint32_t)conn->env->config->ping_interval_secs;
    if (conn->choked) { /* its pongs are not read, and the client is the reason */
        if (++conn->missed_pongs > PONGS_MISSED_MAX)
            conn_close(conn, CONN_END_SLOW);
        return;
    }
    if (conn->is_read) { /* else nothing that it says can be heard */
        if (conn->missed_pongs >= PONGS_MISSED_MAX) {
            conn_close(conn, CONN_END_NO_PONG);
            return;
        }
        conn->missed_pongs++;
    }
    ping = frame_new(FRAME_PING, NULL, 0);
    conn_send(conn, ping, CONN_REPLY);
    frame_unref(ping);
}

/* The second that is over does not count against a slow client that waits for its bucket. */
static void excuse_pacing(struct conn *conn)
{
    uint32_t run_ms = pace_run_ms(&conn->pace, now_ms(conn));
    uint32_t most_ms = EXCUSED_TIMES * 1000u * (uint32_t)conn->env->config->slow_secs;

    if (conn->slow_since_s && conn->slow_since_s < now_s(conn) && run_ms > 0 &&
        run_ms <= most_ms)
        conn->slow_since_s++;
}

static void check_open(struct conn *conn)
{
    const struct config *config = conn->env->config;

    excuse_pacing(conn);
    if (conn->slow_since_s &&
        now_s(conn) - conn->slow_since_s >= (uint32_t)config->slow_secs)
        conn_close(conn, CONN_END_SLOW);
    else
        ping_if_due(conn);
    if (conn->state == CONN_OPEN && conn->watched)
        conn->env->events->on_tick(conn);
}

static void on_timer(void *owner, struct wheel_timer *timer)
{
    struct conn *conn = list_entry(timer, struct conn, timer);
    uint32_t since = now_s(conn) - conn->opened_s; /* up to a second less has passed */

    (void)owner;
    if (conn->state == CONN_OPEN)
        check_open(conn);
    else if (conn->state != CONN_HANDSHAKE && since > LINGER_SECS)
        conn_abort(conn, conn->end);
    else if (conn->state == CONN_HANDSHAKE &&
             since > (uint32_t)conn->env->config->handshake_secs)
        refuse(conn, 408, NULL);
    if (conn->state != CONN_GONE)
        wake_next(conn);
}

static void on_second(uv_timer_t *second)
{
    struct conn_env *env = second->data;

    wheel_turn(&env->wheel, env, on_timer);
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
    queue_init(&conn->queue);
    list_init(&conn->timer.link);
    pace_init(&conn->pace);
    list_init(&conn->due);
    list_add(&env->all, &conn->all);
    uv_tcp_init(env->loop, &conn->tcp);
    conn->tcp.data = conn;
    rc = uv_accept(listener, (uv_stream_t *)&conn->tcp);
    if (rc == 0 && open >= env->max_connections + CONN_OVER_LIMIT_EXTRA)
        rc = UV_EMFILE;
    if (rc < 0) {
        conn_abort(conn, CONN_END_ERROR);
        return rc;
    }
    uv_fileno((uv_handle_t *)&conn->tcp, &conn->fd);
    uv_tcp_nodelay(&conn->tcp, 1);
    wake_next(conn);
    start_reading(conn);
    return 0;
}

static void init_pacing(struct conn_env *env)
{
    const struct config *config = env->config;

    pace_env_init(&env->pace);
    if (!config->echo) {
        env->pace.frames = (struct limit_rate){(uint32_t)config->requests_per_sec,
                                               (uint32_t)config->requests_burst};
        env->pace.bytes = (struct limit_rate){(uint32_t)config->bytes_per_sec,
                                              (uint32_t)config->bytes_burst};
    }
    env->read_bytes = env->pace.frames.per_sec || env->pace.bytes.per_sec
                          ? CONN_PACED_READ_BYTES
                          : CONN_READ_BYTES;
    uv_check_init(env->loop, &env->serve);
    uv_idle_init(env->loop, &env->busy);
    uv_timer_init(env->loop, &env->pace_tick);
    env->serve.data = env->pace_tick.data = env;
    uv_check_start(&env->serve, on_serve);
}

void conn_env_init(struct conn_env *env, uv_loop_t *loop, const struct config *config,
                   struct metrics *metrics, const struct conn_events *events)
{
    env->loop = loop;
    env->config = config;
    env->metrics = metrics;
    env->events = events;
    env->max_bytes = config->echo ? (size_t)4 * ECHO_MAX_BYTES
                                  : (size_t)config->send_queue_max_bytes;
    env->high_bytes = env->max_bytes / 2;
    env->low_bytes = env->max_bytes / 4 < CONN_LOW_BYTES ? env->max_bytes / 4
                                                         : (size_t)CONN_LOW_BYTES;
    env->due_ms[CONN_WITH_PRESENCE] = (uint32_t)config->presence_flush_ms;
    env->due_ms[CONN_WITH_MESSAGES] = (uint32_t)config->flush_ms;
    for (int i = 0; i < CONN_URGENCIES; i++)
        list_init(&env->due[i]);
    for (int i = CONN_WITH_PRESENCE; i < CONN_THIS_TURN; i++) {
        uv_timer_init(loop, &env->due_timer[i]);
        env->due_timer[i].data = &env->due[i];
    }
    list_init(&env->all);
    wheel_init(&env->wheel);
    init_pacing(env);
    uv_prepare_init(loop, &env->flush);
    env->flush.data = env;
    uv_prepare_start(&env->flush, on_flush);
    uv_timer_init(loop, &env->second);
    env->second.data = env;
    uv_timer_start(&env->second, on_second, 1000, 1000);
}

void conn_env_close(struct conn_env *env)
{
    uv_close((uv_handle_t *)&env->flush, NULL);
    uv_close((uv_handle_t *)&env->second, NULL);
    uv_close((uv_handle_t *)&env->serve, NULL);
    uv_close((uv_handle_t *)&env->busy, NULL);
    uv_close((uv_handle_t *)&env->pace_tick, NULL);
    for (int i = CONN_WITH_PRESENCE; i < CONN_THIS_TURN; i++)
        uv_close((uv_handle_t *)&env->due_timer[i], NULL);
}

void conn_env_deinit(struct conn_env *env)
{
    while (env->spare_count > 0)
        reader_free(env->spare[--env->spare_count]);
}
