/* cluster_calls.c - the calls of cluster.h: their turns, and those that wait.
 *
 *     cluster_send -> TURN -> WAITING -> SENT -> on_reply
 *                               ^          |
 *                               +----------+ not done
 *
 * A call in TURN stands behind another one of its room. One that is not sent has a deadline here, one that
 * is sent has its link's.
 */
#include "common/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/cluster_error.h"
#include "common/log.h"
#include "common/redis_errors.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum {
    TICK_MS = 20,
    PAUSE_MIN_MS = 20,
    PAUSE_DOWN_MS = 100,
    PAUSE_MAX_MS = 200,
    MOVES_AT_ONCE = 3, /* redirections without a pause */
    SPARE_MAX = 64,
    SPARE_BYTES = 4096,
};

enum call_state { CALL_TURN, CALL_WAITING, CALL_SENT };

struct call {
    struct list link; /* in cluster->unsent or cluster->sent */
    struct list turn; /* in its turn's calls, if it waits for that */
    struct cluster *cluster;
    struct cluster_target target;
    enum script script;
    redis_reply_fn on_reply;
    void *data;
    enum call_state state;
    bool is_stale;   /* it must not be sent any more */
    bool met_a_move; /* when it was last sent: its slot is on its way */
    uint64_t next_ms, pause_ms;
    unsigned moves;
    struct cluster_master *asked; /* the last one */
    struct redis_command cmd;
};

static void send_call(struct call *call);
static void on_again(uv_timer_t *timer);

static uint64_t now_of(const struct call *call)
{
    return uv_now(call->cluster->opts.loop);
}

/* ---- states ---- */

static void note_waiting(struct call *call, bool is_waiting)
{
    struct cluster_turn *turn = call->target.turn;
    metric *rooms = &call->cluster->opts.metrics->redis_rooms_waiting;

    if (!turn)
        return;
    if (is_waiting && turn->waiting++ == 0)
        metric_add(rooms, 1);
    if (!is_waiting && --turn->waiting == 0)
        metric_sub(rooms, 1);
}

/* The one function that changes a call's state. */
static void set_state(struct call *call, enum call_state state)
{
    struct cluster *cluster = call->cluster;

    if (call->state == CALL_WAITING)
        note_waiting(call, false);
    list_remove(&call->link);
    call->state = state;
    list_add(state == CALL_SENT ? &cluster->sent : &cluster->unsent, &call->link);
    if (state != CALL_SENT && !uv_is_active((uv_handle_t *)&cluster->again))
        uv_timer_start(&cluster->again, on_again, TICK_MS, TICK_MS);
    if (state == CALL_WAITING)
        note_waiting(call, true);
}

static void wait(struct call *call, uint64_t pause_ms)
{
    call->pause_ms = 2 * call->pause_ms > pause_ms ? 2 * call->pause_ms : pause_ms;
    if (call->pause_ms > PAUSE_MAX_MS)
        call->pause_ms = PAUSE_MAX_MS;
    call->next_ms = now_of(call) + call->pause_ms;
    set_state(call, CALL_WAITING);
}

/* Whose turn it is; NULL: nobody's. */
static struct call *first_of(struct cluster_turn *turn)
{
    struct list *first = list_first(&turn->calls);

    return first ? list_entry(first, struct call, turn) : NULL;
}

/* ---- their memory ---- */

static struct call *take_spare(struct cluster *cluster)
{
    struct list *first = list_first(&cluster->spare);
    struct call *call;

    if (!first)
        return xcalloc(1, sizeof(*call));
    list_remove(first);
    cluster->spare_count--;
    call = list_entry(first, struct call, link);
    *call = (struct call){.cmd = call->cmd};
    return call;
}

static void free_call(struct call *call)
{
    redis_command_deinit(&call->cmd);
    free(call);
}

/* One with many bytes keeps none of them. */
static void put_away(struct call *call)
{
    struct cluster *cluster = call->cluster;

    if (cluster->spare_count >= SPARE_MAX) {
        free_call(call);
        return;
    }
    strbuf_reset(&call->cmd.args, SPARE_BYTES);
    list_add(&cluster->spare, &call->link);
    cluster->spare_count++;
}

/* ---- their end ---- */

/* The next call of its turn goes out, and its own caller is answered. */
static void finish(struct call *call, int status, const redisReply *reply)
{
    const struct cluster_hooks *hooks = call->cluster->opts.hooks;
    struct cluster_turn *turn = call->target.turn;
    struct call *next = NULL;

    set_state(call, CALL_SENT);
    list_remove(&call->link);
    list_remove(&call->turn);
    if (turn && call->target.waits_for_turn)
        next = first_of(turn);
    if (next && next->state == CALL_TURN && !next->is_stale)
        send_call(next);
    if (call->on_reply)
        call->on_reply(call->data, status, reply);
    put_away(call);
    if (turn)
        hooks->release(turn);
}

/* ---- out and back ---- */

/* It was not done, and is tried again, if it may be. */
static void not_done(struct call *call, uint64_t pause_ms)
{
    if (call->is_stale || call->target.is_signal)
        finish(call, UV_ENOTCONN, NULL);
    else
        wait(call, pause_ms);
}

/* Where the answer says. False: it names nobody that can be asked. */
static bool take_owner(struct call *call, const char *text)
{
    struct cluster_masters *masters = &call->cluster->masters;
    struct cluster_master *owner = NULL;
    struct cluster_host host;
    unsigned slot;

    if (cluster_error_owner(text, &call->asked->at, &slot, &host))
        owner = cluster_masters_get(masters, &host);
    if (!owner)
        return false;
    cluster_masters_set_owner(masters, slot, owner);
    if (call->target.turn)
        call->cluster->opts.hooks->on_moved(call->cluster, call->target.turn);
    return true;
}

static void follow(struct call *call, const char *text)
{
    call->cluster->wants_map = true;
    if (take_owner(call, text) && !call->is_stale && ++call->moves <= MOVES_AT_ONCE)
        send_call(call);
    else
        not_done(call, PAUSE_MIN_MS);
}

static void note_halfway(struct call *call, const char *text)
{
    struct cluster *cluster = call->cluster;

    metric_add(&cluster->opts.metrics->redis_errors_total[REDIS_HALFWAY], 1);
    log_error("script_halfway", "slot=%u text=\"%.120s\"", call->target.slot, text);
    if (call->target.turn)
        cluster->opts.hooks->on_halfway(cluster, call->target.turn);
}

static void on_answer(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct cluster *cluster = call->cluster;
    const char *text = reply_error(reply);
    enum cluster_error error =
        status == UV_EREMOTEIO ? cluster_error_of(text) : CLUSTER_OTHER;

    if (call->asked && (status == 0 || status == UV_EREMOTEIO))
        call->asked->is_lame = error == CLUSTER_DOWN;
    call->met_a_move = error == CLUSTER_ASK || error == CLUSTER_TRYAGAIN;
    if (error <= CLUSTER_DOWN)
        metric_add(&cluster->opts.metrics->redis_redirects_total[error], 1);
    switch (error) {
    case CLUSTER_MOVED:
        follow(call, text);
        break;
    case CLUSTER_ASK:
    case CLUSTER_TRYAGAIN:
        not_done(call, PAUSE_MIN_MS);
        break;
    case CLUSTER_DOWN:
        cluster->wants_map = true;
        not_done(call, PAUSE_DOWN_MS);
        break;
    case CLUSTER_HALFWAY:
        note_halfway(call, text);
        finish(call, status, reply);
        break;
    default:
        finish(call, status, reply);
    }
}

static int send_by(struct redis_link *link, struct call *call)
{
    if (call->script == SCRIPTS_COUNT)
        return redis_link_send(link, &call->cmd, on_answer, call);
    return scripts_send(link, call->script, &call->cmd, on_answer, call);
}

static void send_call(struct call *call)
{
    struct cluster *cluster = call->cluster;
    struct cluster_master *owner = cluster->masters.owners[call->target.slot];

    if (!owner)
        cluster->wants_map = true;
    set_state(call, CALL_SENT);
    call->asked = owner;
    call->met_a_move = false;
    if (!owner || send_by(cluster_master_use(owner), call) < 0)
        wait(call, PAUSE_MIN_MS);
    else if (call->target.turn && call->target.waits_for_turn)
        cluster->said[call->target.shard] = cluster->replaced;
}

void cluster_send(struct cluster *cluster, const struct cluster_target *target,
                  const struct redis_command *cmd, enum script script,
                  redis_reply_fn on_reply, void *data)
{
    struct call *call = take_spare(cluster);

    call->cluster = cluster;
    call->target = *target;
    call->script = script;
    call->on_reply = on_reply;
    call->data = data;
    redis_command_copy(&call->cmd, cmd);
    list_init(&call->link);
    list_init(&call->turn);
    if (target->since_ms == 0)
        call->target.since_ms = now_of(call);
    if (target->turn)
        cluster->opts.hooks->hold(target->turn);
    if (target->turn && target->waits_for_turn) {
        bool is_first = !first_of(target->turn);

        list_add(&target->turn->calls, &call->turn);
        if (!is_first) {
            set_state(call, CALL_TURN);
            return;
        }
    }
    send_call(call);
}

/* ---- the clock ---- */

static void look_at(struct call *call, uint64_t now_ms)
{
    uint64_t deadline_ms = (uint64_t)call->cluster->opts.config->redis_deadline_ms;

    list_remove(&call->link);
    if (call->is_stale || now_ms - call->target.since_ms >= deadline_ms)
        finish(call, call->met_a_move ? UV_EAGAIN : UV_ENOTCONN, NULL);
    else if (call->state == CALL_WAITING && now_ms >= call->next_ms)
        send_call(call);
    else
        list_add(&call->cluster->unsent, &call->link);
}

static void on_again(uv_timer_t *timer)
{
    struct cluster *cluster = timer->data;
    uint64_t now_ms = uv_now(cluster->opts.loop);
    struct list now, *link;

    list_take_all(&now, &cluster->unsent);
    while ((link = list_first(&now)))
        look_at(list_entry(link, struct call, link), now_ms);
    if (list_is_empty(&cluster->unsent))
        uv_timer_stop(timer);
}

void cluster_calls_go_on(struct cluster *cluster)
{
    list_each(link, &cluster->unsent) {
        list_entry(link, struct call, link)->next_ms = 0;
    }
}

static void make_stale(struct list *calls, unsigned shard)
{
    list_each(link, calls) {
        struct call *call = list_entry(link, struct call, link);

        if (call->target.shard == shard)
            call->is_stale = true;
    }
}

void cluster_fail_unsent(struct cluster *cluster, unsigned shard)
{
    make_stale(&cluster->unsent, shard);
    make_stale(&cluster->sent, shard);
}

/* ---- beginning and end ---- */

void cluster_calls_init(struct cluster *cluster)
{
    list_init(&cluster->unsent);
    list_init(&cluster->sent);
    list_init(&cluster->spare);
    uv_timer_init(cluster->opts.loop, &cluster->again);
    cluster->again.data = cluster;
}

void cluster_calls_close(struct cluster *cluster)
{
    struct list *link;

    while ((link = list_first(&cluster->unsent)))
        finish(list_entry(link, struct call, link), UV_ECANCELED, NULL);
    uv_close((uv_handle_t *)&cluster->again, NULL);
    while ((link = list_first(&cluster->spare))) {
        list_remove(link);
        free_call(list_entry(link, struct call, link));
    }
    cluster->spare_count = SPARE_MAX; /* none is put away any more */
}
