/* receiver.c - see receiver.h.
 *
 *     on_readable -> take_read -> on_head (NEW)
 *        |            ^        -> feed -> reader_feed -> on_message
 *        |            |             -> keep, what may not be looked at yet
 *        v            |
 *     queued -> on_serve -> serve, 1 ms a turn -> wait -> on_pace_tick -> queued
 *
 * plan says how a receiver is read; it is called after all that may change that.
 *
 * Over 400 lines because each piece that is read decides how the next one is.
 */
#include "gateway/receiver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "gateway/reader.h"

enum { LARGE_BYTES = 4 * 1024 }; /* at once, of one client for Redis */

static uint32_t now_ms(const struct receiver *receiver)
{
    return (uint32_t)uv_now(receiver->env->loop);
}

/* ---- whether it may be read ---- */

/* While Redis has much to do, a client that has given it some of that, or is about to, queues
 * whatever its buckets have: where all bytes that are allowed are more than Redis can take, the
 * buckets of all are full. */
static bool must_let_answer(const struct receiver *receiver)
{
    return pace_is_full(&receiver->env->pace) &&
           (receiver->reader || receiver->unanswered >= LARGE_BYTES);
}

/* Whether it is served before those that queue. */
static bool is_first(struct receiver *receiver)
{
    return receiver->state <= RECEIVER_OPEN && !must_let_answer(receiver) &&
           pace_is_first(&receiver->env->pace, &receiver->pace, now_ms(receiver));
}

static bool has_time(struct receiver_env *env)
{
    bool had = !env->has_served || uv_hrtime() < env->serve_until_ns;

    env->has_served = true;
    return had;
}

/* ---- bytes into messages ---- */

/* What comes after the end is looked through for the peer's close frame only. */
static bool may_begin(void *owner, unsigned char byte)
{
    struct receiver *receiver = owner;
    struct receiver_env *env = receiver->env;

    if (receiver->state != RECEIVER_OPEN)
        return true;
    if (receiver->pauses || !(env->serve_until_ns ? has_time(env) : is_first(receiver)))
        return false;
    return pace_take_frame(&env->pace, &receiver->pace, byte, now_ms(receiver));
}

static void on_message(void *owner, bool is_text, const char *bytes, size_t len)
{
    struct receiver *receiver = owner;

    receiver->env->events->on_message(receiver, is_text, bytes, len);
}

static void on_answer(void *owner, const void *bytes, size_t len)
{
    struct receiver *receiver = owner;

    receiver->env->events->on_answer(receiver, bytes, len);
}

static void on_close(void *owner, int code, bool is_peers)
{
    struct receiver *receiver = owner;

    receiver->env->events->on_close_frame(receiver, code, is_peers);
}

static size_t message_bytes_max(void *owner)
{
    const struct receiver *receiver = owner;
    size_t max = receiver->env->max_message_bytes;

    return receiver->is_small && max > RECEIVER_SMALL_BYTES ? RECEIVER_SMALL_BYTES
                                                            : max;
}

static const struct reader_events reader_events = {
    .may_begin = may_begin,
    .message_bytes_max = message_bytes_max,
    .on_message = on_message,
    .on_answer = on_answer,
    .on_close = on_close,
};

static struct reader *borrow_reader(struct receiver_env *env)
{
    if (env->spare_count > 0)
        return env->spare[--env->spare_count];
    return reader_new(&reader_events, env->max_message_bytes, env->allows_binary);
}

static void return_reader(struct receiver_env *env, struct reader *reader)
{
    if (reader && reader_is_at_rest(reader) &&
        env->spare_count < RECEIVER_SPARE_READERS)
        env->spare[env->spare_count++] = reader;
    else
        reader_free(reader);
}

/* How many of the bytes it has taken; the others must wait. */
static size_t feed(struct receiver *receiver, const char *bytes, size_t len)
{
    struct reader *reader;
    size_t taken;

    if (receiver->is_deaf)
        return len;
    reader = receiver->reader ? receiver->reader : borrow_reader(receiver->env);
    receiver->reader = NULL;
    receiver->in_feed = true;
    taken = reader_feed(reader, receiver, bytes, len);
    receiver->in_feed = false;
    receiver->is_deaf = reader_is_done(reader);
    if (receiver->state != RECEIVER_STOPPED && !receiver->is_deaf &&
        !reader_is_at_rest(reader))
        receiver->reader = reader;
    else
        return_reader(receiver->env, reader);
    return taken;
}

static void drop_backlog(struct receiver *receiver)
{
    if (!receiver->backlog)
        return;
    strbuf_deinit(receiver->backlog);
    free(receiver->backlog);
    receiver->backlog = NULL;
}

static void feed_backlog(struct receiver *receiver)
{
    struct strbuf *backlog = receiver->backlog;

    strbuf_drop_front(backlog, feed(receiver, backlog->data, backlog->len));
    if (backlog->len == 0)
        drop_backlog(receiver);
}

static void keep(struct receiver *receiver, const char *bytes, size_t len)
{
    if (!receiver->backlog)
        receiver->backlog = xcalloc(1, sizeof(*receiver->backlog));
    strbuf_add(receiver->backlog, bytes, len);
}

void receiver_take(struct receiver *receiver, const char *bytes, size_t len)
{
    size_t taken = feed(receiver, bytes, len);

    if (taken < len && receiver->state != RECEIVER_STOPPED)
        keep(receiver, bytes + taken, len - taken);
}

/* ---- how it is read ---- */

static void plan(struct receiver *receiver);

static void on_busy(uv_idle_t *busy)
{
    (void)busy; /* it only keeps the loop turning */
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct receiver *receiver = handle->data;
    struct receiver_env *env = receiver->env;

    (void)suggested;
    *buf = uv_buf_init(env->read_buf, is_first(receiver) ? env->read_bytes : 0);
}

/* `n` as libuv gives it: what is in read_buf, or a code. */
static void take_read(struct receiver *receiver, ssize_t n)
{
    struct receiver_env *env = receiver->env;

    if (n < 0) {
        env->events->on_read_end(receiver, (int)n);
        return;
    }
    metric_add(&env->metrics->received_bytes_total, (uint64_t)n);
    receiver->was_heard = true; /* whatever it is, somebody is there */
    pace_take_bytes(&env->pace, &receiver->pace, (uint32_t)n, now_ms(receiver));
    if (receiver->state == RECEIVER_NEW)
        env->events->on_head(receiver, env->read_buf, (size_t)n);
    else
        receiver_take(receiver, env->read_buf, (size_t)n);
    plan(receiver);
}

static void queue_reading(struct receiver *receiver)
{
    struct receiver_env *env = receiver->env;

    receiver->is_read = false;
    uv_read_stop(receiver->stream);
    pace_queue(&env->pace, &receiver->pace, now_ms(receiver));
    uv_idle_start(&env->busy, on_busy);
}

static void on_readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct receiver *receiver = stream->data;

    (void)buf;
    if (n == UV_ENOBUFS) /* on_alloc gave none: it is not first */
        queue_reading(receiver);
    else if (n != 0)
        take_read(receiver, n);
}

static void start_reading(struct receiver *receiver)
{
    if (receiver->is_read)
        return;
    pace_free(&receiver->env->pace, &receiver->pace, now_ms(receiver));
    receiver->is_read = true;
    uv_read_start(receiver->stream, on_alloc, on_readable);
}

static void stop_reading(struct receiver *receiver)
{
    receiver->is_read = false;
    uv_read_stop(receiver->stream);
    pace_free(&receiver->env->pace, &receiver->pace, now_ms(receiver));
}

/* Says how it is read from now on; the one place that does, but for those that wait for
 * their bucket. */
static void plan(struct receiver *receiver)
{
    if (receiver->state == RECEIVER_STOPPED)
        return;
    if (receiver->has_eof || (receiver->state == RECEIVER_OPEN && receiver->pauses))
        stop_reading(receiver);
    else if (receiver->backlog)
        queue_reading(receiver);
    else
        start_reading(receiver);
}

/* ---- those that queue ---- */

static void on_pace_tick(uv_timer_t *timer)
{
    struct receiver_env *env = timer->data;

    pace_turn(&env->pace, (uint32_t)uv_now(env->loop));
    if (pace_next(&env->pace))
        uv_idle_start(&env->busy, on_busy);
    if (env->pace.waiting == 0)
        uv_timer_stop(timer);
}

/* Lets it wait for its bucket if that is empty. */
static bool wait_if_empty(struct receiver *receiver)
{
    struct receiver_env *env = receiver->env;
    enum pace_why why;

    if (receiver->state != RECEIVER_OPEN ||
        !pace_wait(&env->pace, &receiver->pace, now_ms(receiver), &why))
        return false;
    metric_add(&env->metrics->paced_total[why], 1);
    if (!uv_is_active((uv_handle_t *)&env->pace_tick))
        uv_timer_start(&env->pace_tick, on_pace_tick, PACE_TICK_MS, PACE_TICK_MS);
    return true;
}

static void read_now(struct receiver *receiver)
{
    ssize_t n;

    do
        n = read(receiver->fd, receiver->env->read_buf, RECEIVER_PACED_READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        start_reading(receiver);
    else
        take_read(receiver, n > 0 ? n : n == 0 ? UV_EOF : -errno);
}

/* The next piece of a receiver that is queued. */
static void serve(struct receiver *receiver)
{
    if (wait_if_empty(receiver))
        return;
    receiver->env->has_served = false;
    if (receiver->backlog) {
        feed_backlog(receiver);
        plan(receiver);
    } else {
        read_now(receiver);
    }
}

static void on_serve(uv_check_t *check)
{
    struct receiver_env *env = check->data;
    struct pace *next = pace_next(&env->pace);

    if (next)
        env->serve_until_ns = uv_hrtime() + PACE_TURN_NS;
    while (next) {
        serve(list_entry(next, struct receiver, pace));
        next = pace_next(&env->pace);
        if (uv_hrtime() >= env->serve_until_ns)
            break;
    }
    env->serve_until_ns = 0;
    if (!next) /* those that were queued may have gone unserved, or wait for Redis */
        uv_idle_stop(&env->busy);
}

void receiver_take_message(struct receiver *receiver)
{
    pace_take_message(&receiver->env->pace, &receiver->pace, now_ms(receiver));
}

void receiver_begin_work(struct receiver *receiver, uint32_t bytes)
{
    receiver->unanswered += bytes;
    receiver->env->pace.unanswered += bytes;
}

void receiver_end_work(struct receiver *receiver, uint32_t bytes)
{
    struct receiver_env *env = receiver->env;
    bool was_full = pace_is_full(&env->pace);

    receiver->unanswered -= bytes;
    env->pace.unanswered -= bytes;
    if (was_full && pace_next(&env->pace))
        uv_idle_start(&env->busy, on_busy);
}

/* ---- what the owner says ---- */

void receiver_pause(struct receiver *receiver, enum receiver_pause why)
{
    if (receiver->pauses & why)
        return;
    receiver->pauses |= (unsigned char)why;
    plan(receiver);
}

static void go_on(struct receiver *receiver)
{
    if (receiver->in_feed)
        return; /* and what is left is kept, and planned, when that is over */
    if (receiver->backlog && is_first(receiver))
        feed_backlog(receiver);
    plan(receiver);
}

void receiver_resume(struct receiver *receiver, enum receiver_pause why)
{
    if (!(receiver->pauses & why))
        return;
    receiver->pauses &= (unsigned char)~why;
    if (receiver->state == RECEIVER_OPEN && !receiver->pauses)
        go_on(receiver);
}

void receiver_deafen(struct receiver *receiver)
{
    receiver->is_deaf = true;
}

void receiver_limit(struct receiver *receiver, bool to_small)
{
    receiver->is_small = to_small;
}

void receiver_note_eof(struct receiver *receiver)
{
    receiver->has_eof = true;
    plan(receiver);
}

bool receiver_has_eof(const struct receiver *receiver)
{
    return receiver->has_eof;
}

bool receiver_is_read(const struct receiver *receiver)
{
    return receiver->is_read;
}

bool receiver_was_heard(struct receiver *receiver)
{
    bool was_heard = receiver->was_heard;

    receiver->was_heard = false;
    return was_heard;
}

uint32_t receiver_waiting_ms(const struct receiver *receiver)
{
    return pace_run_ms(&receiver->pace, now_ms(receiver));
}

/* ---- states ---- */

static void set_state(struct receiver *receiver, enum receiver_state state)
{
    assert(state >= (enum receiver_state)receiver->state);
    receiver->state = (unsigned char)state;
    if (state == RECEIVER_STOPPED)
        pace_free(&receiver->env->pace, &receiver->pace, now_ms(receiver));
    plan(receiver);
}

void receiver_open(struct receiver *receiver)
{
    set_state(receiver, RECEIVER_OPEN);
}

void receiver_end(struct receiver *receiver)
{
    set_state(receiver, RECEIVER_ENDING);
}

void receiver_stop(struct receiver *receiver)
{
    set_state(receiver, RECEIVER_STOPPED);
}

/* ---- beginning and end ---- */

void receiver_init(struct receiver *receiver, struct receiver_env *env)
{
    receiver->env = env;
    receiver->fd = -1;
    pace_init(&receiver->pace);
}

void receiver_attach(struct receiver *receiver, uv_stream_t *stream)
{
    receiver->stream = stream;
    stream->data = receiver;
    uv_fileno((uv_handle_t *)stream, &receiver->fd);
    start_reading(receiver);
}

void receiver_deinit(struct receiver *receiver)
{
    drop_backlog(receiver);
    reader_free(receiver->reader);
}

void receiver_env_init(struct receiver_env *env, const struct receiver_opts *opts)
{
    env->loop = opts->loop;
    env->metrics = opts->metrics;
    env->events = opts->events;
    env->max_message_bytes = opts->max_message_bytes;
    env->allows_binary = opts->allows_binary;
    pace_env_init(&env->pace);
    env->pace.frames = opts->frames;
    env->pace.bytes = opts->bytes;
    env->pace.messages = opts->messages;
    env->read_bytes =
        opts->frames.per_sec || opts->bytes.per_sec || opts->messages.per_sec
            ? RECEIVER_PACED_READ_BYTES
            : RECEIVER_READ_BYTES;
    uv_check_init(env->loop, &env->serve);
    uv_idle_init(env->loop, &env->busy);
    uv_timer_init(env->loop, &env->pace_tick);
    env->serve.data = env->pace_tick.data = env;
    uv_check_start(&env->serve, on_serve);
}

void receiver_env_close(struct receiver_env *env)
{
    uv_close((uv_handle_t *)&env->serve, NULL);
    uv_close((uv_handle_t *)&env->busy, NULL);
    uv_close((uv_handle_t *)&env->pace_tick, NULL);
}

void receiver_env_deinit(struct receiver_env *env)
{
    while (env->spare_count > 0)
        reader_free(env->spare[--env->spare_count]);
}
