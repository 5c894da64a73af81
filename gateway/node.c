/* node.c - see node.h.
 *
 *     links ready -> start_beat -> on_beaten -> 'ok'    -> silent nodes: reaper_start
 *                        ^                   |  'dead'  -> rename, start_beat
 *                        |                   v
 *                        |            up, once the canary has come back too
 *                        +---- on_beat, three times a lease
 *
 * The lease is also looked at locally: a process that was stopped longer than its lease
 * wakes up with requests in its sockets, and what they lead to must not be written under a
 * name that others may be reaping. node_check_lease drops the link, and with it what
 * is not yet written, and the next heartbeat tells under which name.
 *
 * Over 400 lines because the heartbeat, the canary and what Redis says of itself decide together whether
 * the node is up.
 */
#include "gateway/node.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/server_check.h"

enum {
    CANARY_MS = 1000,
    INFO_MS = 1000, /* after a refusal, or where no answer came */
    DEAF_MS = 3000,
};

static void start_beat(struct node *node);
static void rename_loose(struct node *node);

static uint64_t now(const struct node *node)
{
    return uv_now(node->loop);
}

static uint64_t lease_ms(const struct node *node)
{
    return (uint64_t)node->config->lease_ms;
}

static void set_state(struct node *node, int state)
{
    if (node->is_draining)
        state = NODE_DRAINING;
    atomic_store_explicit(node->state, state, memory_order_relaxed);
}

/* ---- up and down ---- */

static bool has_links(const struct node *node)
{
    return redis_link_is_ready(store_link(node->store)) && bus_is_ready(node->bus);
}

static void note_state(struct node *node)
{
    uint64_t heard = now(node) - node->canary_heard_ms;

    metric_set(&node->metrics->canary_age_seconds[node->shard],
               node->canary_heard_ms ? heard : 0);
    metric_set(&node->metrics->redis_up[node->shard],
               node->is_up && node->has_canary && heard < DEAF_MS);
    if (!node->is_up && !redis_link_is_ready(store_link(node->store)))
        set_state(node, node_state_of_loss(store_why(node->store)));
    else if (!node->is_up && !bus_is_ready(node->bus))
        set_state(node, NODE_NO_REDIS);
    else if (!node->is_linked)
        set_state(node, NODE_HELD);
    else if (node->lacks_info)
        set_state(node, NODE_NO_INFO);
    else if (!node->unbroken_ms || now(node) - node->answered_ms > lease_ms(node))
        set_state(node, node->is_moving ? NODE_MOVING : NODE_NO_WRITE);
    else if (!node->is_up || heard >= DEAF_MS)
        set_state(node, NODE_DEAF);
    else
        set_state(node, NODE_READY);
}

/* Once a heartbeat is answered and a canary has come back: a gateway that writes but does not
 * hear could keep no promise. */
static void go_up_if_sure(struct node *node)
{
    if (node->is_up || node->is_closing || !node->is_linked || !node->unbroken_ms ||
        !node->has_canary || !node->has_info)
        return;
    node->is_up = true;
    node->hooks.on_up(node);
    note_state(node);
}

static void go_down(struct node *node)
{
    node->unbroken_ms = 0;
    renewals_break(&node->renewals);
    if (node->is_up) {
        node->is_up = false;
        node->hooks.on_down(node);
    }
    note_state(node);
}

/* Each script that changes a room asks which server it runs on (SPEC-SCALE S4). */
static void on_server_info(void *data, int status, const redisReply *reply)
{
    struct node *node = data;

    if (node->is_closing || (status < 0 && status != UV_EREMOTEIO))
        return; /* node_tick asks again */
    node->has_info = status == 0 && reply_string(reply).len > 0;
    if (status == UV_EREMOTEIO && !node->lacks_info)
        log_error("redis_refuses_info", "worker=%u text=\"the right +info is needed\"",
                  node->worker);
    node->lacks_info = status == UV_EREMOTEIO;
    go_up_if_sure(node);
    note_state(node);
}

static void ask_for_server(struct node *node)
{
    node->info_asked_ms = now(node);
    redis_command_begin(&node->store->args.cmd);
    redis_command_add_text(&node->store->args.cmd, "INFO");
    redis_command_add_text(&node->store->args.cmd, "replication");
    args_aim_at_registry(&node->store->args);
    store_send_command(node->store, on_server_info, node);
}

/* The first one after a connection may be there before the subscription is: it is sent again
 * with each tick until one comes back. */
static void send_canary(struct node *node)
{
    struct store *store = node->store;

    node->canary_sent_ms = now(node);
    node->rooms->canary_sent++;
    if (store->cluster)
        scripts_begin(&store->args.cmd, SCRIPT_CANARY, 1);
    else
        args_begin_publish(&store->args);
    args_add_node_key(&store->args, store->node, KEY_NODE_CANARY);
    redis_command_add_u64(&store->args.cmd, node->rooms->canary_sent);
    if (store->cluster) {
        redis_command_add_u64(&store->args.cmd, lease_ms(node));
        store_send_script(store, SCRIPT_CANARY, NULL, NULL);
    } else {
        store_send_command(store, NULL, NULL);
    }
}

static bool take_loose(struct node *node)
{
    bool is_loose = redis_link_take_loose(store_link(node->store)) || node->is_loose;

    node->is_loose = false;
    return is_loose;
}

/* All is proven again. */
static void begin_again(struct node *node)
{
    node_on_lost(node);
    node_on_link(node);
}

void node_on_loose(struct node *node)
{
    node->is_loose = true;
    if (node->is_linked)
        begin_again(node);
}

static void check_server(struct node *node)
{
    if (!node->store->cluster)
        server_check_start(node->store,
                           redis_urls_of_shard(&node->config->redis, node->shard)->db);
    else if (node->shard == 0)
        server_check_start_cluster(node->store);
}

void node_on_link(struct node *node)
{
    if (!has_links(node) || node->is_closing)
        return;
    node->is_linked = true;
    node->listening_ms = now(node);
    if (!node->canary_heard_ms)
        node->canary_heard_ms = now(node); /* from here on it is expected */
    node->has_canary = node->has_info = false;
    if (!node_name_is_chosen(&node->name))
        node_name_choose(&node->name);
    else if (take_loose(node) && node->name.is_known)
        rename_loose(node);
    if (node->worker == 0) /* one of the process is enough */
        check_server(node);
    ask_for_server(node);
    start_beat(node);
    send_canary(node);
}

void node_on_lost(struct node *node)
{
    node->is_linked = false;
    go_down(node); /* a heartbeat in flight comes back by itself */
}

void node_check_lease(struct node *node)
{
    if (!node->is_up || now(node) - node->answered_ms <= lease_ms(node))
        return;
    go_down(node);
    store_replace(node->store, "stopped or unanswered for a whole lease");
}

/* ---- the heartbeat ---- */

struct beat {
    struct node *owner;
    uint64_t sent_ms;
    uint64_t messages;
    char node[STORE_NODE_MAX];
};

/* What is under way under the old name ends with the connection. After a standstill each node of a worker is
 * declared dead, one a shard; of a cluster, where they share the connections, the first one has ended them for
 * all. */
static void rename_dead(struct node *node)
{
    bool may_run;

    node_name_note_former(&node->name);
    go_down(node);
    may_run = store_may_run(node->store);
    if (may_run)
        store_replace(node->store, "declared dead: another name");
    else
        store_fail_unsent(node->store);
    node_name_replace(&node->name, "declared dead");
    if (!may_run)
        begin_again(node);
}

/* What is under way under the old name could not be ended, so nothing more is written under it. */
static void rename_loose(struct node *node)
{
    node_name_note_former(&node->name);
    store_fail_unsent(node->store);
    node_name_replace(&node->name, "the connection before this one could not be ended");
    node->is_beating = false; /* what still waits under the old name is no heartbeat */
}

static void take_silent(struct node *node, const redisReply *reply)
{
    if (!node->unbroken_ms || now(node) - node->unbroken_ms < lease_ms(node))
        return;
    for (size_t i = 1; i < reply_count(reply) && !reaper_is_busy(&node->reaper); i++)
        if (reply_has_text(reply, i)) /* the last element may be none */
            reaper_start(&node->reaper, reply_text(reply, i), lease_ms(node));
}

/* While no heartbeat was answered, those of others were not, either: that they are silent tells nothing. A
 * living node beats each third of a lease. So it takes two thirds without answers to make it silent, and
 * half a lease is enough for all to beat again. */
static void note_answer(struct node *node, uint64_t sent_ms)
{
    uint64_t half_ago_ms = now(node) - lease_ms(node) / 2;

    if (!node->unbroken_ms)
        node->unbroken_ms = sent_ms;
    else if (now(node) - node->answer_ms > 2 * lease_ms(node) / 3 &&
             node->unbroken_ms < half_ago_ms)
        node->unbroken_ms = half_ago_ms;
    node->answered_ms = sent_ms;
    node->answer_ms = now(node);
}

static void set_moving(struct node *node, bool is_moving)
{
    if (node->is_moving == is_moving)
        return;
    node->is_moving = is_moving;
    if (is_moving)
        metric_add(&node->metrics->redis_registries_waiting, 1);
    else
        metric_sub(&node->metrics->redis_registries_waiting, 1);
}

static void on_beaten(void *data, int status, const redisReply *reply)
{
    struct beat beat = *(struct beat *)data;
    struct node *node = beat.owner;
    bool is_lost = reply_is_text(reply, 0, "lost");

    free(data);
    if (node->is_closing || strcmp(beat.node, node->store->node) != 0)
        return;
    node->is_beating = false;
    set_moving(node, status == UV_EAGAIN);
    if (reply_is_text(reply, 0, "dead")) {
        rename_dead(node);
        return;
    }
    if (!reply_is_text(reply, 0, "ok") && !is_lost) {
        if (status == 0)
            intake_refuse(node->metrics, INTAKE_REPLY, "heartbeat",
                          (struct json_text){"", 0});
        node->unbroken_ms = 0;
        if (status == UV_EREMOTEIO) /* it would refuse what clients want as well */
            go_down(node);
        note_state(node);
        return;
    }
    if (is_lost)
        rooms_doubt_all(node->rooms);
    node->name.is_known = true;
    node->messages_told += beat.messages;
    note_answer(node, beat.sent_ms);
    go_up_if_sure(node);
    rooms_pump(node->rooms);
    node->hooks.on_revs(node, reply_at(reply, reply_count(reply) - 1));
    take_silent(node, reply);
}

static void start_beat(struct node *node)
{
    struct store *store = node->store;
    struct beat *beat;

    if (node->is_beating || !node->is_linked)
        return;
    beat = xcalloc(1, sizeof(*beat));
    beat->owner = node;
    beat->sent_ms = now(node);
    beat->messages =
        metric_read(&node->metrics->messages_published_total) - node->messages_told;
    memcpy(beat->node, store->node, sizeof(beat->node));
    node->is_beating = true;
    node_begin_beat(node, beat->messages);
    store_send_script(store, SCRIPT_HEARTBEAT, on_beaten, beat);
}

static void on_beat(uv_timer_t *timer)
{
    start_beat(timer->data);
}

void node_beat(struct node *node)
{
    start_beat(node);
}

/* ---- the canary ---- */

void node_on_canary(struct node *node, uint64_t number)
{
    if (number > node->rooms->canary_sent)
        return; /* of somebody else */
    node->rooms->canary_heard = number;
    node->canary_heard_ms = now(node);
    node->has_canary = true;
    go_up_if_sure(node);
    note_state(node);
}

static void check_canary(struct node *node)
{
    uint64_t deaf_since = node->canary_heard_ms > node->listening_ms
                              ? node->canary_heard_ms
                              : node->listening_ms;

    if (!node->is_linked || !node_name_is_chosen(&node->name))
        return;
    if (now(node) - deaf_since >= DEAF_MS) {
        node->listening_ms = now(node); /* one restart per silence */
        bus_restart(node->bus);
        return;
    }
    if (!node->has_canary || now(node) - node->canary_sent_ms >= CANARY_MS)
        send_canary(node);
}

/* ---- the rest ---- */

void node_tick(struct node *node)
{
    check_canary(node);
    if (node->is_linked && !node->has_info &&
        now(node) - node->info_asked_ms >= INFO_MS)
        ask_for_server(node);
    note_state(node);
    if (!node->is_up)
        return;
    node_name_reap_former(&node->name, &node->reaper);
    renewals_run(&node->renewals, now(node));
}

/* ---- beginning and end ---- */

void node_init(struct node *node, const struct node_opts *opts)
{
    uint64_t beat_ms = (uint64_t)opts->config->lease_ms / 3;

    *node = (struct node){
        .loop = opts->loop,
        .config = opts->config,
        .metrics = opts->metrics,
        .store = opts->store,
        .bus = opts->bus,
        .rooms = opts->rooms,
        .hooks = *opts->hooks,
        .address = opts->address,
        .worker = opts->worker,
        .shard = opts->shard,
        .state = opts->state,
        .started_ms = clock_ms(),
    };
    node_name_init(&node->name, opts->store, opts->bus, opts->rooms, opts->worker);
    reaper_init(&node->reaper, opts->store, opts->index, opts->metrics);
    renewals_init(&node->renewals, opts->store, &node->reaper);
    uv_timer_init(opts->loop, &node->beat);
    node->beat.data = node;
    uv_timer_start(&node->beat, on_beat, beat_ms, beat_ms);
}

void node_keep(struct node *node, struct room *room)
{
    renewals_keep(&node->renewals, room);
}

void node_drain(struct node *node)
{
    node->is_draining = true;
    note_state(node);
    start_beat(node);
}

void node_forget(struct node *node, redis_reply_fn on_done, void *data)
{
    uv_timer_stop(&node->beat); /* it would come to life again */
    reaper_forget(node->store, node->store->node, on_done, data);
}

void node_close(struct node *node)
{
    node->is_closing = true;
    node_name_deinit(&node->name);
    reaper_close(&node->reaper);
    uv_close((uv_handle_t *)&node->beat, NULL);
}
