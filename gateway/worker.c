/* worker.c - see worker.h.
 *
 * One loop: the listener, the sessions of the clients that it accepts, and the shards that
 * their rooms are in. A turn of the loop ends in three prepare handles, which libuv runs in the
 * reverse order of their start:
 *
 *     on_turn_end   what must not be written any more, what ended, what goes to Redis
 *     conn's flush  one write a client
 *     the links     one write a connection to Redis
 *
 *     worker_new, worker_start -> run -> [loop] -> worker_drain -> on_wake -> step_drain
 *                                                -> start_end -> close_all -> [no worker listens
 *                                                to this one any more] -> close_last
 *                                                -> the loop ends by itself
 *
 * Over 400 lines because its beginning, its turns and its end share one struct that nobody else
 * sees.
 */
#include "gateway/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "gateway/drain.h"
#include "gateway/node_commands.h"
#include "gateway/pool.h"
#include "gateway/requests.h"
#include "gateway/session.h"
#include "gateway/shards.h"

enum {
    BACKLOG = 4096,
    ALIVE_MAX_SECS = 3,
    END_GRACE_MS = 400, /* so long before the end of the drain, nobody is waited for */
    LAST_CALL_MS = 80,  /* nor this node kept in Redis */
    LAST_WORD_MS = 40,  /* for Redis to answer that */
};

static void note_alive(struct worker *worker);
static void tick_shards(struct worker *worker);
static void step_drain(struct worker *worker);
static void on_turn_end(uv_prepare_t *prepare);

/* What the worker does again and again. */
enum tick { TICK_ALIVE, TICK_SHARDS, TICK_DRAIN, TICKS };

static const struct {
    void (*run)(struct worker *worker);
    unsigned every_ms;
} ticks[TICKS] = {
    [TICK_ALIVE] = {note_alive, 500},
    [TICK_SHARDS] = {tick_shards, 100},
    [TICK_DRAIN] = {step_drain, 20}, /* from worker_drain on */
};

struct worker {
    struct worker_shared *shared;
    const struct config *config;
    struct metrics metrics;
    unsigned index;
    int fd;

    uv_thread_t thread;
    uv_sem_t opened; /* of its start */
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t wake;
    struct inbox inbox;
    uv_prepare_t turn_end;
    uv_timer_t ticks[TICKS];

    struct session_env sessions;
    struct shards shards;
    unsigned forgotten; /* shards that were told to forget this node, and did */
    struct drain drain;
    uint64_t forget_at_ms;
    bool is_draining, is_forgetting, is_closing;

    _Atomic uint64_t turned_ns;
    _Atomic bool wants_drain, wants_dump, has_ended;
};

static void on_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;

    ticks[timer - w->ticks].run(w);
}

static void start_tick(struct worker *w, enum tick tick)
{
    uv_timer_start(&w->ticks[tick], on_tick, 0, ticks[tick].every_ms);
}

/* ---- what a shard says ---- */

static struct worker *worker_of(struct shard *shard)
{
    return shard->opts.owner;
}

static void on_up(struct shard *shard)
{
    user_limit_go_on(&worker_of(shard)->sessions.users);
}

static void on_status(struct shard *shard)
{
    session_tell_status(&worker_of(shard)->sessions, shard);
}

static void on_link(struct shard *shard, bool is_ready)
{
    shards_on_link(&worker_of(shard)->shards, shard, is_ready);
}

static void on_notice(struct shard *shard, uint64_t read_ns)
{
    sender_begin_fanout(&worker_of(shard)->sessions.conn.sender, read_ns);
}

static void on_command(struct shard *shard, struct json_text command)
{
    node_commands_run(&worker_of(shard)->sessions, shard, command);
}

static void on_revs(struct shard *shard, const redisReply *revs)
{
    policy_on_revs(&worker_of(shard)->sessions.policy, revs);
}

/* What sends to Redis at the end of a turn must run before the links write. */
static void on_opened(void *owner)
{
    struct worker *w = owner;

    if (!uv_is_active((uv_handle_t *)&w->turn_end))
        return; /* it has not begun yet, or not any more */
    uv_prepare_stop(&w->turn_end);
    uv_prepare_start(&w->turn_end, on_turn_end);
}

static void on_forgotten(struct shard *shard)
{
    struct worker *w = worker_of(shard);

    if (++w->forgotten == w->shards.count && !w->is_closing)
        w->forget_at_ms = uv_now(&w->loop); /* step_drain closes */
}

static const struct shard_hooks shard_hooks = {
    .on_up = on_up,
    .on_status = on_status,
    .on_link = on_link,
    .on_notice = on_notice,
    .on_command = on_command,
    .on_revs = on_revs,
    .on_opened = on_opened,
    .on_forgotten = on_forgotten,
};

/* ---- what other workers say ---- */

static void on_handover(void *owner, const struct handover *what)
{
    struct worker *w = owner;

    shard_take(&w->shards.all[what->shard], what);
}

static void on_dropped(void *owner, unsigned shard)
{
    struct worker *w = owner;

    shard_on_dropped(&w->shards.all[shard]);
}

static const struct inbox_hooks inbox_hooks = {on_handover, on_dropped};

/* ---- the end ---- */

static void on_closed_walk(uv_handle_t *handle, void *arg)
{
    (void)arg;
    assert(uv_is_closing(handle)); /* everything was closed by its owner */
}

/* All but what this worker reads for others. */
static void close_all(struct worker *w)
{
    w->is_closing = true;
    shards_close(&w->shards);
    uv_close((uv_handle_t *)&w->turn_end, NULL);
    if (!uv_is_closing((uv_handle_t *)&w->listener))
        uv_close((uv_handle_t *)&w->listener, NULL);
    list_each(link, &w->sessions.conn.all) {
        conn_abort(list_entry(link, struct conn, all), CONN_END_SHUTDOWN);
    }
    conn_env_close(&w->sessions.conn);
    session_env_close(&w->sessions);
}

/* No worker listens to this one any more: the loop ends. */
static void close_last(struct worker *w)
{
    shards_close_reading(&w->shards);
    inbox_close(&w->inbox);
    uv_close((uv_handle_t *)&w->wake, NULL);
    for (int i = 0; i < TICKS; i++)
        uv_close((uv_handle_t *)&w->ticks[i], NULL);
}

/* Nobody is left, or the time is over: closes the connections that are left, tells Redis to
 * forget this node, and then closes everything. */
static void start_end(struct worker *w)
{
    list_each(link, &w->sessions.conn.all) {
        conn_close(list_entry(link, struct conn, all), CONN_END_DRAINING);
    }
    w->is_forgetting = true;
    w->forget_at_ms = uv_now(&w->loop) + LAST_WORD_MS;
    shards_forget(&w->shards);
}

/* A returning client has all of its grace, but for the last ones: they have a bit less, so
 * that this node leaves nothing behind. Where the drain is too short for the grace, users
 * that are still in it are left to the lease. */
static void end_grace(struct worker *w)
{
    uint64_t drain_ms = (uint64_t)w->config->drain_ms;

    if (drain_ms >= 2 * (uint64_t)w->config->presence_grace_ms)
        shards_end_grace(&w->shards, uv_now(&w->loop));
}

static void step_end(struct worker *w, uint64_t now_ms)
{
    if (!w->is_closing && now_ms >= w->forget_at_ms)
        close_all(w);
    if (w->is_closing && !shards_are_reading(&w->shards))
        close_last(w);
}

static void step_drain(struct worker *w)
{
    uint64_t now_ms = uv_now(&w->loop);
    uint64_t since = now_ms - w->drain.started_ms;
    uint64_t drain_ms = (uint64_t)w->config->drain_ms;
    bool is_empty =
        list_is_empty(&w->sessions.conn.all) && shards_are_empty(&w->shards);

    if (w->is_forgetting) {
        step_end(w, now_ms);
        return;
    }
    drain_step(&w->drain, now_ms);
    if (since + END_GRACE_MS >= drain_ms)
        end_grace(w);
    if (is_empty || since + LAST_CALL_MS >= drain_ms)
        start_end(w);
}

static void start_drain(struct worker *w)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    log_info("draining", "worker=%u connections=%llu", w->index,
             (unsigned long long)metric_read(&w->metrics.connections));
    uv_close((uv_handle_t *)&w->listener, NULL);
    shards_drain(&w->shards);
    drain_start(&w->drain, &w->sessions, uv_now(&w->loop));
    start_tick(w, TICK_DRAIN);
}

/* ---- the loop ---- */

static void dump(const struct worker *w)
{
    for (unsigned i = 0; i < w->shards.count; i++)
        shard_dump(&w->shards.all[i]);
    log_info("totals", "worker=%u connections=%llu rooms=%llu members=%llu", w->index,
             (unsigned long long)metric_read(&w->metrics.connections),
             (unsigned long long)metric_read(&w->metrics.rooms),
             (unsigned long long)metric_read(&w->metrics.members));
}

static void on_wake(uv_async_t *async)
{
    struct worker *w = async->data;

    if (atomic_exchange(&w->wants_dump, false))
        dump(w);
    if (atomic_load(&w->wants_drain))
        start_drain(w);
}

static void tick_shards(struct worker *w)
{
    if (w->is_closing)
        shards_tick_reading(&w->shards, uv_now(&w->loop));
    else
        shards_tick(&w->shards, uv_now(&w->loop));
}

static void note_alive(struct worker *w)
{
    atomic_store_explicit(&w->turned_ns, uv_hrtime(), memory_order_relaxed);
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct worker *w = prepare->data;

    shards_check_lease(&w->shards);
    session_end_turn(&w->sessions);
    shards_flush(&w->shards, uv_now(&w->loop));
}

static struct log_limit accept_lines = {.per_sec = 1};

static void on_connection(uv_stream_t *listener, int status)
{
    struct worker *w = listener->data;

    if (status < 0)
        log_limited(LOG_WARN, &accept_lines, "accept_failed", "worker=%u why=\"%s\"",
                    w->index, uv_strerror(status));
    else
        session_accept(&w->sessions, listener);
}

static void open_parts(struct worker *w)
{
    const struct shard_opts opts = {
        .loop = &w->loop,
        .config = w->config,
        .metrics = &w->metrics,
        .worker = w->index,
        .workers = w->shared->count,
        .inboxes = w->shared->inboxes,
        .maps = &w->shared->maps,
        .address = w->shared->address,
        .owner = w,
        .hooks = &shard_hooks,
    };
    struct conn_env *conns = &w->sessions.conn;

    shards_open(&w->shards, &opts);
    session_env_init(&w->sessions, &w->shards, w->config);
    w->sessions.dispatch = requests_dispatch;
    conn_env_init(conns, &w->loop, w->config, &w->metrics, &session_events);
    session_env_open(&w->sessions, &w->loop);
    conns->open_count = &w->shared->open_count;
    conns->arrivals.limits = &w->shared->addresses;
    conns->max_connections = w->shared->max_connections;
    conns->sender.workers = w->shared->metrics;
    conns->sender.workers_count = w->shared->count;
}

static void open_handles(struct worker *w)
{
    int rc;

    uv_prepare_init(&w->loop, &w->turn_end);
    uv_tcp_init(&w->loop, &w->listener);
    w->turn_end.data = w->listener.data = w;
    for (int i = 0; i < TICKS; i++) {
        uv_timer_init(&w->loop, &w->ticks[i]);
        w->ticks[i].data = w;
    }
    uv_prepare_start(&w->turn_end, on_turn_end);
    start_tick(w, TICK_ALIVE);
    start_tick(w, TICK_SHARDS);
    rc = uv_tcp_open(&w->listener, w->fd);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&w->listener, BACKLOG, on_connection);
    if (rc < 0) {
        log_error("listen_failed", "worker=%u why=\"%s\"", w->index, uv_strerror(rc));
        log_stop();
        abort();
    }
}

/* As `top -H` shows it. */
static void name_thread(const struct worker *w)
{
    char name[16];

    snprintf(name, sizeof(name), "worker-%u", w->index);
    pthread_setname_np(pthread_self(), name);
}

static void run(void *arg)
{
    struct worker *w = arg;

    name_thread(w);
    pool_init(&w->metrics);
    open_parts(w);
    open_handles(w);
    uv_sem_post(&w->opened);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_walk(&w->loop, on_closed_walk, NULL);
    shards_end(&w->shards);
    session_end_turn(&w->sessions);
    shards_deinit(&w->shards);
    conn_env_deinit(&w->sessions.conn);
    session_env_deinit(&w->sessions);
    strbuf_deinit(&w->sessions.reply);
    assert(w->sessions.count == 0);
    if (uv_loop_close(&w->loop) != 0)
        abort();
    proto_deinit_thread();
    pool_deinit();
    atomic_store(&w->has_ended, true);
}

struct worker *worker_new(struct worker_shared *shared, unsigned index, int fd)
{
    struct worker *w = xcalloc(1, sizeof(*w));

    w->shared = shared;
    w->config = shared->config;
    w->index = index;
    w->fd = fd;
    shared->metrics[index] = &w->metrics;
    shards_init(&w->shards, w->config);
    atomic_store(&w->turned_ns, uv_hrtime());
    if (uv_loop_init(&w->loop) != 0 || uv_async_init(&w->loop, &w->wake, on_wake) != 0)
        abort();
    w->wake.data = w;
    inbox_open(&w->inbox, &w->loop, &inbox_hooks, w);
    shared->inboxes[index] = &w->inbox;
    return w;
}

void worker_start(struct worker *w)
{
    if (uv_sem_init(&w->opened, 0) != 0 || uv_thread_create(&w->thread, run, w) != 0)
        abort();
    uv_sem_wait(&w->opened); /* other threads may look at its shards from now on */
    uv_sem_destroy(&w->opened);
}

void worker_drain(struct worker *w)
{
    atomic_store(&w->wants_drain, true);
    uv_async_send(&w->wake);
}

void worker_dump(struct worker *w)
{
    atomic_store(&w->wants_dump, true);
    uv_async_send(&w->wake);
}

void worker_join(struct worker *w)
{
    uv_thread_join(&w->thread);
    inbox_deinit(&w->inbox);
    free(w);
}

bool worker_has_ended(const struct worker *w)
{
    return atomic_load(&((struct worker *)w)->has_ended);
}

bool worker_why_not_ready(const struct worker *w, unsigned shard, struct strbuf *out)
{
    return shards_why_not_ready(&w->shards, shard, out);
}

bool worker_has_keys(const struct worker *w)
{
    return access_is_ready(&w->sessions.access);
}

bool worker_is_alive(const struct worker *w, uint64_t now_ns)
{
    uint64_t turned =
        atomic_load_explicit(&((struct worker *)w)->turned_ns, memory_order_relaxed);

    return now_ns < turned || now_ns - turned < ALIVE_MAX_SECS * (uint64_t)1000000000;
}
