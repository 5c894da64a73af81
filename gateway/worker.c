/* worker.c - see worker.h.
 *
 * Here everything is put together, and nothing is decided. A turn of the loop ends in
 * three prepare handles, which libuv runs in the reverse order of their start:
 *
 *     on_turn_end   what must not be written any more, failed calls, indexes, outbox
 *     conn's flush  one write a client
 *     the links     one write a connection to Redis
 *
 *     worker_new, worker_start -> run -> [loop] -> worker_drain -> on_wake -> on_drain_tick
 *                                                -> close_all -> the loop ends by itself
 */
#include "gateway/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "gateway/announce.h"
#include "gateway/bus.h"
#include "gateway/deliver.h"
#include "gateway/drain.h"
#include "gateway/index.h"
#include "gateway/node.h"
#include "gateway/node_commands.h"
#include "gateway/pool.h"
#include "gateway/requests.h"
#include "gateway/session.h"
#include "gateway/sync.h"

enum {
    BACKLOG = 4096,
    DRAIN_TICK_MS = 20,
    ALIVE_MS = 500,
    ALIVE_MAX_SECS = 3,
    END_GRACE_MS = 400, /* so long before the end of the drain, nobody is waited for */
    LAST_CALL_MS = 80,  /* nor this node kept in Redis */
    LAST_WORD_MS = 40,  /* for Redis to answer that */
};

struct worker {
    struct worker_shared *shared;
    const struct config *config;
    struct metrics metrics;
    unsigned index;
    int fd;

    uv_thread_t thread;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t wake;
    uv_prepare_t turn_end;
    uv_timer_t alive, drain_tick;

    struct redis_link *link;
    struct session_env env;
    struct bus bus;
    struct index index_of_rooms;
    struct node node;
    struct drain drain;
    char link_name[64], bus_name[64];
    uint64_t forget_at_ms;
    bool is_draining, is_forgetting, is_closing;

    _Atomic uint64_t turned_ns;
    _Atomic int state; /* enum node_state */
    _Atomic bool wants_drain, wants_dump, has_ended;
};

/* ---- what the parts tell each other ---- */

static void on_link_ready(void *owner)
{
    struct worker *w = owner;

    log_info("redis_ready", "worker=%u link=commands", w->index);
    scripts_load(w->link);
    redis_link_hurry(w->bus.link);
    node_on_link(&w->node);
}

static void on_link_lost(void *owner, const char *why)
{
    struct worker *w = owner;

    log_warn("redis_lost", "worker=%u link=commands why=\"%s\"", w->index, why);
    node_on_lost(&w->node);
}

static void on_bus_ready(void *owner)
{
    struct worker *w = owner;

    log_info("redis_ready", "worker=%u link=notices", w->index);
    redis_link_hurry(w->link);
    node_on_link(&w->node);
}

static void on_bus_lost(void *owner, const char *why)
{
    struct worker *w = owner;

    log_warn("redis_lost", "worker=%u link=notices why=\"%s\"", w->index, why);
    node_on_lost(&w->node);
}

static void on_canary(void *owner)
{
    struct worker *w = owner;

    node_on_canary(&w->node);
}

static void on_command(void *owner, struct json_text command)
{
    struct worker *w = owner;

    node_commands_run(&w->env, command);
}

static void on_expired(void *owner, const char *room, size_t len)
{
    struct worker *w = owner;

    index_on_expired(&w->index_of_rooms, room, len);
}

static void on_notice(void *owner)
{
    struct worker *w = owner;

    sender_begin_fanout(&w->env.conn.sender);
}

static void on_touched(void *owner, const char *room, size_t len)
{
    struct worker *w = owner;

    index_touch(&w->index_of_rooms, room, len);
}

/* Clients that are in a room learn whether Redis can be asked. */
static void tell_status(struct worker *w, const char *redis)
{
    struct strbuf event = {NULL, 0, 0};
    struct frame *frame;

    proto_begin(&event, "status", (struct json_text){NULL, 0});
    proto_add_text(&event, "redis", redis, strlen(redis));
    strbuf_add_char(&event, '}');
    frame = frame_new_text(event.data, event.len);
    list_each(link, &w->env.conn.all) {
        struct session *session = session_of_conn(list_entry(link, struct conn, all));

        if (session->memberships.count > 0)
            conn_send(&session->conn, frame, SENDER_REPLY);
    }
    frame_unref(frame);
    strbuf_deinit(&event);
}

static void on_up(void *owner)
{
    struct worker *w = owner;

    log_info("redis_up", "worker=%u node=%s", w->index, w->env.store.node);
    w->env.is_up = true;
    tell_status(w, "up");
    rooms_set_up(&w->env.rooms, true);
}

static void on_down(void *owner)
{
    struct worker *w = owner;

    w->env.is_up = false;
    outbox_fail(&w->env.outbox);
    rooms_set_up(&w->env.rooms, false);
    tell_status(w, "down");
}

static void subscribe(void *owner, struct room *room)
{
    struct worker *w = owner;

    bus_subscribe(&w->bus, room);
}

static void unsubscribe(void *owner, struct room *room)
{
    struct worker *w = owner;

    bus_unsubscribe(&w->bus, room);
}

static void register_room(void *owner, struct room *room)
{
    struct worker *w = owner;

    node_keep(&w->node, room);
    store_register(&w->env.store, room);
}

static void join_room(void *owner, struct room *room, struct join *join)
{
    struct worker *w = owner;

    joins_leaves_join(&w->env.joins_leaves, room, join);
}

static void leave_room(void *owner, struct room *room, struct room_user *user)
{
    struct worker *w = owner;

    joins_leaves_leave(&w->env.joins_leaves, room, user);
}

static void sync_room(void *owner, struct room *room)
{
    struct worker *w = owner;

    sync_start(&w->env.store, room);
}

static void close_room(void *owner, struct room *room)
{
    struct worker *w = owner;

    store_close(&w->env.store, room);
}

static void backfill_room(void *owner, struct room *room, uint64_t after)
{
    struct worker *w = owner;

    store_backfill(&w->env.store, room, after);
}

/* ---- the end ---- */

static void on_closed_walk(uv_handle_t *handle, void *arg)
{
    (void)arg;
    assert(uv_is_closing(handle)); /* everything was closed by its owner */
}

static void close_all(struct worker *w)
{
    if (w->is_closing)
        return;
    w->is_closing = true;
    w->env.is_up = false;
    rooms_set_up(&w->env.rooms, false);
    outbox_fail(&w->env.outbox);
    node_close(&w->node);
    bus_close(&w->bus);
    redis_link_close(w->link, NULL);
    w->env.store.link = NULL;
    outbox_fail(&w->env.outbox); /* what waited behind the calls in flight */
    joins_leaves_flush(&w->env.joins_leaves);
    store_run_failed(&w->env.store);
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->turn_end, NULL);
    uv_close((uv_handle_t *)&w->alive, NULL);
    uv_close((uv_handle_t *)&w->drain_tick, NULL);
    if (!uv_is_closing((uv_handle_t *)&w->listener))
        uv_close((uv_handle_t *)&w->listener, NULL);
    list_each(link, &w->env.conn.all) {
        conn_abort(list_entry(link, struct conn, all), CONN_END_SHUTDOWN);
    }
    conn_env_close(&w->env.conn);
}

static void on_forgotten(void *data, int status, const redisReply *reply)
{
    struct worker *w = data;

    (void)status;
    (void)reply;
    if (!w->is_closing)
        w->forget_at_ms = uv_now(&w->loop); /* on_drain_tick closes */
}

/* Nobody is left, or the time is over: closes the connections that are left, tells Redis to
 * forget this node, and then closes everything. */
static void start_end(struct worker *w)
{
    list_each(link, &w->env.conn.all) {
        conn_close(list_entry(link, struct conn, all), CONN_END_DRAINING);
    }
    index_flush_all(&w->index_of_rooms, uv_now(&w->loop));
    w->is_forgetting = true;
    w->forget_at_ms = uv_now(&w->loop) + LAST_WORD_MS;
    if (w->env.is_up)
        node_forget(&w->node, on_forgotten, w);
    else
        w->forget_at_ms = uv_now(&w->loop);
}

/* A returning client has all of its grace, but for the last ones: they have a bit less, so
 * that this node leaves nothing behind. Where the drain is too short for the grace, who
 * is still in it is left to the lease. */
static void end_grace(struct worker *w)
{
    uint64_t drain_ms = (uint64_t)w->config->drain_ms;

    if (drain_ms >= 2 * (uint64_t)w->config->presence_grace_ms)
        rooms_end_grace(&w->env.rooms, uv_now(&w->loop), true);
}

static void on_drain_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    uint64_t now_ms = uv_now(&w->loop);
    uint64_t since = now_ms - w->drain.started_ms;
    uint64_t drain_ms = (uint64_t)w->config->drain_ms;
    bool is_empty = list_is_empty(&w->env.conn.all) &&
                    (w->env.rooms.map.count == 0 || !w->env.is_up);

    if (w->is_forgetting) {
        if (now_ms >= w->forget_at_ms)
            close_all(w);
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
    node_drain(&w->node);
    drain_start(&w->drain, &w->env, uv_now(&w->loop));
    uv_timer_start(&w->drain_tick, on_drain_tick, 0, DRAIN_TICK_MS);
}

/* ---- the loop ---- */

static void dump(struct worker *w)
{
    struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&w->env.rooms.map, &at)))
        log_info("room", "room=%s users=%u seq=%llu rev=%llu step=%s",
                 log_name(room->name, room->name_len), room->users.count,
                 (unsigned long long)room_log_seq(&room->log),
                 (unsigned long long)announce_rev(room),
                 room_step_word(room_next_step(room)));
    log_info("totals", "worker=%u node=%s connections=%llu rooms=%u members=%llu up=%d",
             w->index, w->env.store.node,
             (unsigned long long)metric_read(&w->metrics.connections),
             w->env.rooms.map.count,
             (unsigned long long)metric_read(&w->metrics.members), w->env.is_up);
}

static void on_wake(uv_async_t *async)
{
    struct worker *w = async->data;

    if (atomic_exchange(&w->wants_dump, false))
        dump(w);
    if (atomic_load(&w->wants_drain))
        start_drain(w);
}

static void on_alive(uv_timer_t *timer)
{
    struct worker *w = timer->data;

    atomic_store_explicit(&w->turned_ns, uv_hrtime(), memory_order_relaxed);
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct worker *w = prepare->data;

    node_check_lease(&w->node);
    session_end_turn(&w->env);
    store_run_failed(&w->env.store);
    history_cache_run(&w->env.history_cache, uv_now(&w->loop));
    index_flush(&w->index_of_rooms, uv_now(&w->loop));
    outbox_flush(&w->env.outbox, uv_now(&w->loop));
    joins_leaves_flush(&w->env.joins_leaves);
}

static struct log_limit accept_lines = {.per_sec = 1};

static void on_connection(uv_stream_t *listener, int status)
{
    struct worker *w = listener->data;

    if (status < 0)
        log_limited(LOG_WARN, &accept_lines, "accept_failed", "worker=%u why=\"%s\"",
                    w->index, uv_strerror(status));
    else
        session_accept(&w->env, listener);
}

static void open_link(struct worker *w)
{
    struct redis_link_opts opts = redis_link_opts_of(w->config, w->link_name);

    snprintf(w->link_name, sizeof(w->link_name), "roomcast-%u-commands", w->index);
    snprintf(w->bus_name, sizeof(w->bus_name), "roomcast-%u-notices", w->index);
    opts.metrics = &w->metrics;
    opts.owner = w;
    opts.on_ready = on_link_ready;
    opts.on_lost = on_link_lost;
    w->link = redis_link_open(&w->loop, &opts);
}

static void open_parts(struct worker *w)
{
    struct room_hooks room_hooks = {
        .owner = w,
        .subscribe = subscribe,
        .unsubscribe = unsubscribe,
        .register_ = register_room,
        .join = join_room,
        .leave = leave_room,
        .sync = sync_room,
        .close = close_room,
        .backfill = backfill_room,
    };
    struct bus_hooks bus_hooks = {
        .owner = w,
        .on_ready = on_bus_ready,
        .on_lost = on_bus_lost,
        .on_canary = on_canary,
        .on_command = on_command,
        .on_expired = on_expired,
        .on_notice = on_notice,
    };
    struct node_hooks node_hooks = {w, on_up, on_down};

    open_link(w);
    store_init(&w->env.store, w->link, w->config, &w->metrics);
    w->env.store.owner = w;
    w->env.store.on_touched = on_touched;
    rooms_init(&w->env.rooms, &room_hooks, &w->metrics, w->config);
    deliver_init(&w->env.rooms);
    history_cache_init(&w->env.history_cache, &w->env.store, &w->env.rooms);
    outbox_init(&w->env.outbox, &w->env.store);
    joins_leaves_init(&w->env.joins_leaves, &w->env.store);
    index_init(&w->index_of_rooms, &w->env.store, &w->metrics);
    bus_open(&w->bus, &w->loop, w->config, &w->env.rooms, &w->metrics, w->bus_name,
             &bus_hooks);
    session_env_init(&w->env, w->config);
    w->env.dispatch = requests_dispatch;
    conn_env_init(&w->env.conn, &w->loop, w->config, &w->metrics, &session_events);
    w->env.conn.open_count = &w->shared->open_count;
    w->env.conn.max_connections = w->shared->max_connections;
    w->env.conn.sender.workers = w->shared->metrics;
    w->env.conn.sender.workers_count = w->shared->count;
    node_init(&w->node, &w->loop, w->config, &w->metrics, &w->env.store, &w->bus,
              &w->env.rooms, &w->index_of_rooms, w->shared->address, w->index,
              &w->state, &node_hooks);
}

static void open_handles(struct worker *w)
{
    int rc;

    uv_prepare_init(&w->loop, &w->turn_end);
    uv_timer_init(&w->loop, &w->alive);
    uv_timer_init(&w->loop, &w->drain_tick);
    uv_tcp_init(&w->loop, &w->listener);
    w->turn_end.data = w->alive.data = w->drain_tick.data = w->listener.data = w;
    uv_prepare_start(&w->turn_end, on_turn_end);
    uv_timer_start(&w->alive, on_alive, 0, ALIVE_MS);
    rc = uv_tcp_open(&w->listener, w->fd);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&w->listener, BACKLOG, on_connection);
    if (rc < 0) {
        log_error("listen_failed", "worker=%u why=\"%s\"", w->index, uv_strerror(rc));
        log_stop();
        abort();
    }
}

static void run(void *arg)
{
    struct worker *w = arg;

    pool_init(&w->metrics);
    open_parts(w);
    open_handles(w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_walk(&w->loop, on_closed_walk, NULL);
    history_cache_deinit(&w->env.history_cache);
    joins_leaves_flush(&w->env.joins_leaves); /* fails with what else is not sent */
    session_end_turn(&w->env);
    store_deinit(&w->env.store);
    session_end_turn(&w->env);
    rooms_deinit(&w->env.rooms);
    index_deinit(&w->index_of_rooms);
    bus_deinit(&w->bus);
    conn_env_deinit(&w->env.conn);
    strbuf_deinit(&w->env.reply);
    assert(w->env.sessions == 0);
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
    atomic_store(&w->turned_ns, uv_hrtime());
    if (uv_loop_init(&w->loop) != 0 || uv_async_init(&w->loop, &w->wake, on_wake) != 0)
        abort();
    w->wake.data = w;
    return w;
}

void worker_start(struct worker *w)
{
    if (uv_thread_create(&w->thread, run, w) != 0)
        abort();
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
    free(w);
}

bool worker_has_ended(const struct worker *w)
{
    return atomic_load(&((struct worker *)w)->has_ended);
}

const char *worker_not_ready(const struct worker *w)
{
    static const char *const texts[] = {
#define X(id, text) [id] = text,
        NODE_STATES(X)
#undef X
    };
    int state =
        atomic_load_explicit(&((struct worker *)w)->state, memory_order_relaxed);

    return state == NODE_READY ? NULL : texts[state];
}

bool worker_is_alive(const struct worker *w, uint64_t now_ns)
{
    uint64_t turned =
        atomic_load_explicit(&((struct worker *)w)->turned_ns, memory_order_relaxed);

    return now_ns < turned || now_ns - turned < ALIVE_MAX_SECS * (uint64_t)1000000000;
}
