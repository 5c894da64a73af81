/* sender.c - see sender.h.
 *
 *     sender_send -> push -> schedule -> on_flush, once a turn -> flush
 *                               |            ^
 *                               +-> on_due --+   where it may wait for more
 *     flush -> send_now, all that waits; if the socket is full, start_write
 *           -> on_written -> flush
 *
 * Over 400 lines because the queue, when it is due and how it is written change each other.
 */
#include "gateway/sender.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "gateway/pool.h"

enum {
    WRITE_FRAMES = 128,     /* in one writev */
    WAIT_BYTES = 16 * 1024, /* a longer queue does not wait for more */
    CROWD = 400,    /* each so many that wait with presence, it waits once longer, */
    WAITS_MAX = 10, /* up to so many times ROOMCAST_PRESENCE_FLUSH_MS */
};

/* A delivery to each of thousands of clients waits for memory, so each line counts. */
_Static_assert(sizeof(struct sender) <= 2 * 64, "a sender is two cache lines");

struct sender_write {
    uv_write_t req;
    struct sender *sender;
};

/* ---- the queue ---- */

/* The queue's length was `before`. */
static void note_queued(struct sender *sender, size_t before)
{
    struct sender_env *env = sender->env;

    env->queued_bytes += sender->queue.bytes - before;
    metric_set(&env->metrics->send_queue_bytes, env->queued_bytes);
}

void sender_drop_unsent(struct sender *sender)
{
    size_t before = sender->queue.bytes;

    queue_cut(&sender->queue, sender->write                 ? sender->writing
                              : sender->queue.head_sent > 0 ? 1
                                                            : 0);
    note_queued(sender, before);
}

static uint32_t now_ms(const struct sender *sender)
{
    return (uint32_t)uv_now(sender->env->loop);
}

static void dequeue(struct sender *sender)
{
    if (sender->urgency == SENDER_NOT_QUEUED)
        return;
    list_remove(&sender->due);
    if (sender->urgency == SENDER_WITH_PRESENCE)
        sender->env->presence_count--;
    sender->urgency = SENDER_NOT_QUEUED;
}

static void enqueue(struct sender *sender, enum sender_urgency urgency)
{
    dequeue(sender);
    list_add(&sender->env->due[urgency], &sender->due);
    if (urgency == SENDER_WITH_PRESENCE)
        sender->env->presence_count++;
    sender->urgency = (unsigned char)urgency;
}

static void on_due(uv_timer_t *timer)
{
    struct list *senders = timer->data, *link;

    while ((link = list_first(senders))) {
        struct sender *sender = list_entry(link, struct sender, due);
        int32_t left_ms = (int32_t)(sender->due_ms - now_ms(sender));

        if (left_ms > 0) {
            uv_timer_start(timer, on_due, (uint64_t)left_ms, 0);
            return;
        }
        enqueue(sender, SENDER_THIS_TURN);
    }
}

/* Whether what is queued has to go in this turn though its class may wait: messages do where
 * there was no write a moment ago, and all where it is much. */
static bool is_pressing(const struct sender *sender, enum sender_urgency urgency)
{
    return sender->queue.bytes > WAIT_BYTES ||
           (urgency == SENDER_WITH_MESSAGES &&
            now_ms(sender) - sender->flushed_ms >= sender->env->due_ms[urgency]);
}

/* How long a sender waits that begins to. Presence waits longer the more senders wait with
 * presence: while everybody comes back, a write that names many is worth more than one that
 * is soon. */
static uint32_t wait_ms(const struct sender_env *env, enum sender_urgency urgency)
{
    unsigned times = 1 + env->presence_count / CROWD;

    if (urgency != SENDER_WITH_PRESENCE)
        return env->due_ms[urgency];
    return env->due_ms[urgency] * (times < WAITS_MAX ? times : WAITS_MAX);
}

static __attribute__((noinline)) void wait_for_more(struct sender *sender,
                                                    enum sender_urgency urgency)
{
    struct sender_env *env = sender->env;
    uv_timer_t *timer = &env->due_timer[urgency];
    uint32_t ms = wait_ms(env, urgency);

    if (is_pressing(sender, urgency)) {
        enqueue(sender, SENDER_THIS_TURN);
    } else if (sender->urgency < urgency) {
        enqueue(sender, urgency);
        sender->due_ms = now_ms(sender) + ms;
        if (!uv_is_active((uv_handle_t *)timer))
            uv_timer_start(timer, on_due, ms, 0);
    }
}

/* Sees to it that the queue is written as soon as `class` wants. */
static void schedule(struct sender *sender, enum sender_class class)
{
    static const unsigned char urgencies[] = {
        [SENDER_REPLY] = SENDER_THIS_TURN,
        [SENDER_MESSAGE] = SENDER_WITH_MESSAGES,
        [SENDER_PRESENCE] = SENDER_WITH_PRESENCE,
        [SENDER_SIGNAL] = SENDER_WITH_MESSAGES,
    };

    if (sender->urgency == SENDER_THIS_TURN || sender->write ||
        sender->state == SENDER_STOPPED)
        return;
    if (sender->env->due_ms[urgencies[class]] > 0)
        wait_for_more(sender, urgencies[class]);
    else
        enqueue(sender, SENDER_THIS_TURN);
}

static void push(struct sender *sender, struct frame *frame, enum sender_class class)
{
    size_t before = sender->queue.bytes;

    queue_push(&sender->queue, frame);
    note_queued(sender, before);
    if (sender->queue.bytes > sender->env->low_bytes)
        sender->above_low = true;
    if (sender->queue.bytes > sender->env->high_bytes && !sender->choked) {
        sender->choked = true;
        sender->env->events->on_choked(sender);
    }
    schedule(sender, class);
}

void sender_hold(struct sender *sender)
{
    if (sender->urgency == SENDER_THIS_TURN && sender->queue.count == 1 &&
        sender->env->due_ms[SENDER_WITH_PRESENCE] > 0) {
        dequeue(sender);
        wait_for_more(sender, SENDER_WITH_PRESENCE);
    }
}

void sender_push(struct sender *sender, struct frame *frame)
{
    push(sender, frame, SENDER_REPLY);
    frame_unref(frame);
}

static void note_slow(struct sender *sender)
{
    if (sender->slow_since_s)
        return;
    sender->slow_since_s = *sender->env->now_s + 1;
    metric_add(&sender->env->metrics->slow_consumers_total, 1);
    sender->env->events->on_slow(sender);
}

bool sender_send(struct sender *sender, struct frame *frame, enum sender_class class)
{
    size_t after = sender->queue.bytes + frame_len(frame);
    size_t max = sender->env->max_bytes;

    if (sender->state != SENDER_OPEN)
        return false;
    if (class == SENDER_SIGNAL && after > max / 4) {
        metric_add(&sender->env->metrics->signals_dropped_total, 1);
        return false;
    }
    if (class == SENDER_PRESENCE && after > max / 2) {
        metric_add(&sender->env->metrics->presence_dropped_total, 1);
        return false;
    }
    if (after > max && sender->queue.bytes > 0) { /* an empty queue takes anything */
        note_slow(sender);
        if (class == SENDER_MESSAGE) {
            sender->above_low = true; /* so that on_drained comes */
            schedule(sender, SENDER_REPLY);
            return false;
        }
    }
    push(sender, frame, class);
    return true;
}

bool sender_is_drained(const struct sender *sender)
{
    return sender->queue.bytes <= sender->env->low_bytes;
}

bool sender_is_choked(const struct sender *sender)
{
    return sender->choked;
}

bool sender_is_slow(const struct sender *sender)
{
    return sender->slow_since_s != 0;
}

bool sender_is_slow_for(const struct sender *sender, uint32_t secs)
{
    return sender->slow_since_s && *sender->env->now_s - sender->slow_since_s >= secs;
}

void sender_excuse_second(struct sender *sender)
{
    if (sender->slow_since_s && sender->slow_since_s < *sender->env->now_s)
        sender->slow_since_s++;
}

/* ---- writing ---- */

static void flush(struct sender *sender);

static void note_drained(struct sender *sender)
{
    if (!sender->above_low || !sender_is_drained(sender))
        return;
    sender->above_low = false;
    sender->slow_since_s = 0;
    sender->choked = false;
    sender->env->events->on_drained(sender);
}

static void consume(struct sender *sender, size_t sent)
{
    size_t before = sender->queue.bytes;

    metric_add(&sender->env->metrics->sent_bytes_total, sent);
    queue_consume(&sender->queue, sent);
    note_queued(sender, before);
}

static void on_written(uv_write_t *req, int status)
{
    struct sender_write *write = (struct sender_write *)(void *)req;
    struct sender *sender = write->sender;
    uv_buf_t bufs[WRITE_FRAMES];
    size_t total;

    pool_recycle(write, sizeof(*write));
    sender->write = NULL;
    if (sender->state == SENDER_STOPPED)
        return;
    if (status < 0) {
        sender->env->events->on_failed(sender);
        return;
    }
    queue_gather(&sender->queue, bufs, sender->writing, &total);
    consume(sender, total);
    flush(sender);
}

/* libuv writes what did not fit when the socket takes more; the frames stay queued, and
 * referenced, until then. False: it does not. */
static bool start_write(struct sender *sender, uv_buf_t *bufs, unsigned count)
{
    struct sender_write *write = pool_alloc(sizeof(*write));

    write->sender = sender;
    if (uv_write(&write->req, sender->stream, bufs, count, on_written) < 0) {
        pool_recycle(write, sizeof(*write));
        return false;
    }
    sender->write = write;
    sender->writing = count;
    return true;
}

/* The call itself: libuv's way to it looks at three more cache lines a client. */
static ssize_t send_now(const struct sender *sender, uv_buf_t *bufs, unsigned count)
{
    struct msghdr parts = {.msg_iov = (struct iovec *)(void *)bufs,
                           .msg_iovlen = count};
    ssize_t n;

    do
        n = count == 1 ? send(sender->fd, bufs->base, bufs->len, MSG_NOSIGNAL)
                       : sendmsg(sender->fd, &parts, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void flush(struct sender *sender)
{
    uv_buf_t bufs[WRITE_FRAMES];

    while (sender->queue.count > 0 && !sender->write) {
        size_t total;
        unsigned count = queue_gather(&sender->queue, bufs, WRITE_FRAMES, &total);
        ssize_t n = send_now(sender, bufs, count);

        metric_add(&sender->env->metrics->writes_total, 1);
        if (n < 0 && n != UV_EAGAIN) {
            sender->env->events->on_failed(sender);
            return;
        }
        if (n > 0)
            consume(sender, (size_t)n);
        if (n < 0 || (size_t)n < total) {
            count = queue_gather(&sender->queue, bufs, WRITE_FRAMES, &total);
            if (!start_write(sender, bufs, count)) {
                sender->env->events->on_failed(sender);
                return;
            }
        }
    }
    note_drained(sender);
    if (sender->state == SENDER_ENDING && sender->queue.count == 0 && !sender->write) {
        sender_stop(sender);
        sender->env->events->on_ended(sender);
    }
}

static struct sender *find_longest(struct sender_env *env)
{
    struct sender *longest = NULL;

    list_each(link, &env->open) {
        struct sender *sender = list_entry(link, struct sender, open);

        if (!longest || sender->queue.bytes > longest->queue.bytes)
            longest = sender;
    }
    return longest;
}

/* ROOMCAST_QUEUES_MAX_BYTES: a worker looks at the sum once its own share is used up. */
static void bound_queues(struct sender_env *env)
{
    size_t limit = env->all_max_bytes;
    struct sender *longest;
    uint64_t sum = 0;

    if (env->queued_bytes <= limit / env->workers_count)
        return;
    for (unsigned i = 0; i < env->workers_count; i++)
        sum += metric_read(&env->workers[i]->send_queue_bytes);
    while (sum > limit && (longest = find_longest(env)) && longest->queue.bytes > 0) {
        sum -= longest->queue.bytes < sum ? longest->queue.bytes : sum;
        env->events->on_too_long(longest);
    }
}

/* What flush will look at, fetched while the kernel works for the one before. */
static void prefetch(const struct sender *sender)
{
    __builtin_prefetch(sender);
    __builtin_prefetch((const char *)sender + 64);
    __builtin_prefetch((const char *)sender + 128);
}

static void on_flush(uv_prepare_t *prepare)
{
    struct sender_env *env = prepare->data;
    uint32_t now = (uint32_t)uv_now(env->loop);
    struct list *link;

    bound_queues(env);
    while ((link = list_first(&env->due[SENDER_THIS_TURN]))) {
        struct sender *sender = list_entry(link, struct sender, due);

        prefetch(list_entry(link->next, struct sender, due));
        dequeue(sender);
        sender->flushed_ms = now;
        flush(sender);
    }
    if (env->fanout_started_ns)
        metric_observe_ns(&env->metrics->fanout_seconds,
                          uv_hrtime() - env->fanout_started_ns);
    env->fanout_started_ns = 0;
}

void sender_begin_fanout(struct sender_env *env, uint64_t read_ns)
{
    if (env->fanout_started_ns == 0)
        env->fanout_started_ns = read_ns ? read_ns : uv_hrtime();
}

/* ---- states ---- */

static void set_state(struct sender *sender, enum sender_state state)
{
    assert(state >= (enum sender_state)sender->state);
    sender->state = (unsigned char)state;
    if (state == SENDER_OPEN)
        list_add(&sender->env->open, &sender->open);
    else
        list_remove(&sender->open);
    if (state == SENDER_STOPPED)
        dequeue(sender);
}

void sender_open(struct sender *sender)
{
    set_state(sender, SENDER_OPEN);
}

void sender_end(struct sender *sender)
{
    set_state(sender, SENDER_ENDING);
}

void sender_stop(struct sender *sender)
{
    set_state(sender, SENDER_STOPPED);
}

/* ---- beginning and end ---- */

void sender_init(struct sender *sender, struct sender_env *env)
{
    sender->env = env;
    sender->fd = -1;
    queue_init(&sender->queue);
    list_init(&sender->due);
    list_init(&sender->open);
}

void sender_attach(struct sender *sender, uv_stream_t *stream)
{
    sender->stream = stream;
    uv_fileno((uv_handle_t *)stream, &sender->fd);
}

void sender_shut(const struct sender *sender)
{
    shutdown(sender->fd, SHUT_WR);
}

void sender_deinit(struct sender *sender)
{
    size_t before = sender->queue.bytes;

    queue_cut(&sender->queue, 0);
    note_queued(sender, before);
}

void sender_env_init(struct sender_env *env, const struct sender_opts *opts)
{
    env->loop = opts->loop;
    env->metrics = opts->metrics;
    env->events = opts->events;
    env->now_s = opts->now_s;
    env->max_bytes = opts->max_bytes;
    env->high_bytes = env->max_bytes / 2;
    env->low_bytes = env->max_bytes / 4 < SENDER_LOW_BYTES ? env->max_bytes / 4
                                                           : (size_t)SENDER_LOW_BYTES;
    env->all_max_bytes = opts->all_max_bytes;
    env->due_ms[SENDER_WITH_PRESENCE] = opts->presence_flush_ms;
    env->due_ms[SENDER_WITH_MESSAGES] = opts->flush_ms;
    list_init(&env->open);
    for (int i = 0; i < SENDER_URGENCIES; i++)
        list_init(&env->due[i]);
    for (int i = SENDER_WITH_PRESENCE; i < SENDER_THIS_TURN; i++) {
        uv_timer_init(env->loop, &env->due_timer[i]);
        env->due_timer[i].data = &env->due[i];
    }
    uv_prepare_init(env->loop, &env->flush);
    env->flush.data = env;
    uv_prepare_start(&env->flush, on_flush);
}

void sender_env_close(struct sender_env *env)
{
    uv_close((uv_handle_t *)&env->flush, NULL);
    for (int i = SENDER_WITH_PRESENCE; i < SENDER_THIS_TURN; i++)
        uv_close((uv_handle_t *)&env->due_timer[i], NULL);
}
