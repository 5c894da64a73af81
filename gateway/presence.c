/* presence.c - see presence.h.
 *
 *     links ready -> start_beat -> on_beaten -> 'ok'    -> silent nodes: undo_start
 *                        ^                   |  'dead'  -> rename, start_beat
 *                        |                   v
 *                        |            up, once the canary has come back too
 *                        +---- on_beat, three times a lease
 *
 * The lease is also looked at locally: a process that was stopped longer than its lease
 * wakes up with requests in its sockets, and what they lead to must not be written under a
 * name that others may be undoing. presence_check_lease drops the link, and with it what
 * is not yet written, and the next heartbeat tells who we are.
 */
#include "gateway/presence.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/rights.h"
#include "common/wall.h"
#include "common/xalloc.h"
#include "gateway/args.h"
#include "gateway/deliver.h"

enum {
    TICK_MS = 100,
    CANARY_MS = 1000,
    UNSTICK_MS = 1000, /* what Redis refused is tried again after it */
    DEAF_MS = 3000,
    FORMER_ROOMS = 500, /* a command */
};

static void start_beat(struct presence *p);
static void rename_loose(struct presence *p);

static uint64_t now(const struct presence *p)
{
    return uv_now(p->loop);
}

static uint64_t lease_ms(const struct presence *p)
{
    return 1000u * (uint64_t)p->config->lease_secs;
}

/* ---- who we are ---- */

/* `<hostname>-<pid>-<8 random hex>.<worker>` */
static void choose_name(struct presence *p)
{
    char host[256] = "gateway";
    uint32_t random = 0;

    gethostname(host, sizeof(host) - 1);
    for (char *c = host; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-",
                    *c))
            *c = '-';
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    snprintf(p->store->node, sizeof(p->store->node), "%s-%d-%08x.%u", host,
             (int)getpid(), random, p->worker);
    p->is_known = false;
    bus_set_node(p->bus, p->store->node);
}

static void set_state(struct presence *p, enum presence_state state)
{
    if (p->is_draining)
        state = PRESENCE_DRAINING;
    atomic_store_explicit(p->state, (int)state, memory_order_relaxed);
}

/* ---- up and down ---- */

static bool has_links(const struct presence *p)
{
    return redis_link_is_ready(p->store->link) && redis_link_is_ready(p->bus->link);
}

static void note_state(struct presence *p)
{
    uint64_t heard = now(p) - p->canary_heard_ms;

    metric_set(&p->metrics->canary_age_seconds[0], p->canary_heard_ms ? heard : 0);
    metric_set(&p->metrics->redis_up[0], p->is_up && p->has_canary && heard < DEAF_MS);
    if (!has_links(p))
        set_state(p, PRESENCE_NO_REDIS);
    else if (!p->unbroken_ms || now(p) - p->answered_ms > lease_ms(p))
        set_state(p, PRESENCE_NO_WRITE);
    else if (!p->has_canary || heard >= DEAF_MS)
        set_state(p, PRESENCE_DEAF);
    else
        set_state(p, PRESENCE_READY);
}

/* Once a heartbeat is answered and a canary has come back: a gateway that writes but does not
 * hear could keep no promise. */
static void go_up_if_sure(struct presence *p)
{
    if (p->is_up || p->is_closing || !has_links(p) || !p->unbroken_ms || !p->has_canary)
        return;
    p->is_up = true;
    p->hooks.on_up(p->hooks.owner);
    note_state(p);
}

static void go_down(struct presence *p)
{
    p->unbroken_ms = 0;
    if (!p->is_up)
        return;
    p->is_up = false;
    p->hooks.on_down(p->hooks.owner);
    note_state(p);
}

static void on_memory_info(void *data, int status, const redisReply *reply)
{
    const char *policy;

    (void)data;
    if (status < 0)
        return;
    policy = strstr(reply_string(reply).base, "maxmemory_policy:");
    if (policy && strncmp(policy + 17, "noeviction", 10) != 0)
        log_warn("redis_evicts",
                 "maxmemory_policy=%.*s text=\"rooms would lose keys: set "
                 "noeviction\"",
                 (int)strcspn(policy + 17, "\r\n"), policy + 17);
}

/* A Redis that evicts would take members and history away one by one. */
static void check_policy(struct presence *p)
{
    if (p->worker != 0)
        return;
    redis_command_begin(&p->store->args.cmd);
    redis_command_add_text(&p->store->args.cmd, "INFO");
    redis_command_add_text(&p->store->args.cmd, "memory");
    store_send_command(p->store, on_memory_info, NULL);
    rights_ask(p->store->link, p->config->redis.db);
}

/* The first one after a connection may be there before the subscription is: it is sent again
 * with each tick until one comes back. */
static void send_canary(struct presence *p)
{
    struct store *store = p->store;

    p->canary_sent_ms = now(p);
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "PUBLISH");
    args_add_node_key(&store->args, store->node, KEY_NODE_CANARY);
    redis_command_add_text(&store->args.cmd, "");
    store_send_command(store, NULL, NULL);
}

void presence_on_link(struct presence *p)
{
    if (!has_links(p) || p->is_closing)
        return;
    p->listening_ms = now(p);
    if (!p->canary_heard_ms)
        p->canary_heard_ms = now(p); /* from here on it is expected */
    p->has_canary = false;
    if (!p->store->node[0])
        choose_name(p);
    else if (redis_link_take_loose(p->store->link) && p->is_known)
        rename_loose(p);
    check_policy(p);
    start_beat(p);
    send_canary(p);
}

void presence_on_lost(struct presence *p)
{
    go_down(p); /* a heartbeat in flight comes back by itself */
}

void presence_check_lease(struct presence *p)
{
    if (p->is_up && now(p) - p->answered_ms > lease_ms(p))
        redis_link_renew(p->store->link, "stopped or unanswered for a whole lease");
}

/* ---- the heartbeat ---- */

struct beat {
    struct presence *presence;
    uint64_t sent_ms;
    uint64_t messages;
    char node[STORE_NODE_MAX];
};

/* A Redis that lost the old name also lost in which rooms it is, but may have been told of
 * members under it since. */
static void note_former_rooms(struct presence *p)
{
    struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&p->rooms->map, &at))) {
        strbuf_add_char(&p->former_rooms, (char)room->name_len);
        strbuf_add(&p->former_rooms, room->name, room->name_len);
    }
}

static void tell_former_rooms(struct presence *p)
{
    struct args *args = &p->store->args;
    const char *at = p->former_rooms.data, *end = at + p->former_rooms.len;

    while (at < end) {
        redis_command_begin(&args->cmd);
        redis_command_add_text(&args->cmd, "SADD");
        args_add_node_key(args, p->former, KEY_NODE_ROOMS);
        for (int i = 0; i < FORMER_ROOMS && at < end; i++) {
            redis_command_add(&args->cmd, at + 1, (unsigned char)*at);
            at += 1 + (unsigned char)*at;
        }
        store_send_command(p->store, NULL, NULL);
    }
    strbuf_reset(&p->former_rooms, 0);
}

/* What the old name leaves is undone once the members are told under the new one. A name that
 * waits for that already is left to its lease. */
static void note_former(struct presence *p)
{
    memcpy(p->former, p->store->node, sizeof(p->former));
    strbuf_reset(&p->former_rooms, 4096);
    note_former_rooms(p);
}

static void take_new_name(struct presence *p, const char *why)
{
    choose_name(p);
    log_warn("node_renamed", "was=%s now=%s why=\"%s\"", p->former, p->store->node,
             why);
    metric_add(&p->metrics->nodes_renamed_total, 1);
    rooms_on_renamed(p->rooms);
}

/* What is under way under the old name ends with the connection. */
static void rename_dead(struct presence *p)
{
    note_former(p);
    go_down(p);
    redis_link_renew(p->store->link, "declared dead: another name");
    take_new_name(p, "declared dead");
}

/* What is under way under the old name could not be ended, so nothing more is written under it. */
static void rename_loose(struct presence *p)
{
    note_former(p);
    take_new_name(p, "the connection before this one could not be ended");
}

/* Not before its members are told under the new name, else they would be seen leaving. */
static void undo_former(struct presence *p)
{
    if (!p->former[0] || !p->is_up || undo_is_busy(&p->undo) ||
        !rooms_are_synced(p->rooms))
        return;
    tell_former_rooms(p);
    undo_start(&p->undo, (struct json_text){p->former, strlen(p->former)}, 0);
    p->former[0] = '\0';
}

static void take_silent(struct presence *p, const redisReply *reply)
{
    if (!p->unbroken_ms || now(p) - p->unbroken_ms < lease_ms(p))
        return;
    for (size_t i = 1; i < reply_count(reply) && !undo_is_busy(&p->undo); i++)
        undo_start(&p->undo, reply_text(reply, i), lease_ms(p));
}

static void on_beaten(void *data, int status, const redisReply *reply)
{
    struct beat beat = *(struct beat *)data;
    struct presence *p = beat.presence;

    free(data);
    if (p->is_closing || strcmp(beat.node, p->store->node) != 0)
        return;
    p->is_beating = false;
    if (reply_is_text(reply, 0, "dead")) {
        rename_dead(p);
        return;
    }
    if (!reply_is_text(reply, 0, "ok")) {
        if (status == 0)
            intake_refuse(p->metrics, INTAKE_REPLY, "heartbeat",
                          (struct json_text){"", 0});
        p->unbroken_ms = 0;
        if (status == UV_EREMOTEIO) /* it would refuse what clients want as well */
            go_down(p);
        note_state(p);
        return;
    }
    p->is_known = true;
    p->answered_ms = beat.sent_ms;
    p->messages_told += beat.messages;
    if (!p->unbroken_ms)
        p->unbroken_ms = beat.sent_ms;
    go_up_if_sure(p);
    rooms_pump(p->rooms);
    take_silent(p, reply);
}

static void add_field(struct store *store, const char *name, uint64_t value)
{
    redis_command_add_text(&store->args.cmd, name);
    redis_command_add_u64(&store->args.cmd, value);
}

static void add_text_field(struct store *store, const char *name, const char *value)
{
    redis_command_add_text(&store->args.cmd, name);
    redis_command_add_text(&store->args.cmd, value);
}

static void start_beat(struct presence *p)
{
    struct store *store = p->store;
    struct beat *beat;

    if (p->is_beating || !redis_link_is_ready(store->link))
        return;
    beat = xcalloc(1, sizeof(*beat));
    beat->presence = p;
    beat->sent_ms = now(p);
    beat->messages =
        metric_read(&p->metrics->messages_published_total) - p->messages_told;
    memcpy(beat->node, store->node, sizeof(beat->node));
    p->is_beating = true;
    scripts_begin(&store->args.cmd, SCRIPT_HEARTBEAT, 4);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, store->node, KEY_NODE);
    args_add_node_key(&store->args, store->node, KEY_NODE_CLAIM);
    args_add_fleet_key(&store->args, KEY_STATS);
    redis_command_add_text(&store->args.cmd, store->node);
    redis_command_add_u64(&store->args.cmd, lease_ms(p));
    redis_command_add_u64(&store->args.cmd, !p->is_known);
    redis_command_add_u64(&store->args.cmd, beat->messages);
    add_text_field(store, "address", p->address);
    add_field(store, "pid", (uint64_t)getpid());
    add_text_field(store, "version", ROOMCAST_VERSION);
    add_field(store, "started_at", p->started_ms);
    add_field(store, "connections", metric_read(&p->metrics->connections));
    add_field(store, "rooms", metric_read(&p->metrics->rooms));
    add_field(store, "members", metric_read(&p->metrics->members));
    add_field(store, "messages", metric_read(&p->metrics->messages_published_total));
    add_field(store, "draining", p->is_draining);
    store_send_script(store, SCRIPT_HEARTBEAT, on_beaten, beat);
}

static void on_beat(uv_timer_t *timer)
{
    start_beat(timer->data);
}

/* ---- canary, renewal ---- */

void presence_on_canary(struct presence *p)
{
    p->canary_heard_ms = now(p);
    p->has_canary = true;
    go_up_if_sure(p);
    note_state(p);
}

static void check_canary(struct presence *p)
{
    uint64_t deaf_since =
        p->canary_heard_ms > p->listening_ms ? p->canary_heard_ms : p->listening_ms;

    if (!has_links(p) || !p->store->node[0])
        return;
    if (now(p) - deaf_since >= DEAF_MS) {
        p->listening_ms = now(p); /* one restart per silence */
        redis_link_restart(p->bus->link, "deaf: own notices do not come back");
        return;
    }
    if (!p->has_canary || now(p) - p->canary_sent_ms >= CANARY_MS)
        send_canary(p);
}

/* A room's turn follows from its name and the wall clock, so that all nodes ask for it at about
 * the same time and the first one spares the others most of the work (lua/renew.lua), and
 * a crowd of rooms is spread evenly. FNV-1a and a last stirring. */
static unsigned renew_slot_of(const struct room *room)
{
    uint32_t hash = 2166136261;

    for (unsigned i = 0; i < room->name_len; i++)
        hash = (hash ^ (unsigned char)room->name[i]) * 16777619;
    return (hash ^ hash >> 15) * 0x2c1b3c6d >> 24; /* similar names lie apart */
}

void presence_keep(struct presence *p, struct room *room)
{
    if (list_is_empty(&room->node.renewal))
        list_add(&p->renew[renew_slot_of(room)], &room->node.renewal);
}

/* Each room once in three fifths of the time that its keys live. A clock that is put forward
 * or back only makes it happen sooner. */
static unsigned renew_slot_now(const struct presence *p)
{
    uint64_t round_ms = store_keep_ms(p->config) * 3 / 5;

    return (unsigned)(wall_ms() % round_ms * PRESENCE_RENEW_SLOTS / round_ms);
}

static void renew_due(struct presence *p)
{
    unsigned until = renew_slot_now(p);

    while (p->renew_slot != until) {
        p->renew_slot = (p->renew_slot + 1) % PRESENCE_RENEW_SLOTS;
        list_each(link, &p->renew[p->renew_slot]) {
            store_renew(p->store, list_entry(link, struct room, node.renewal));
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct presence *p = timer->data;

    bus_check(p->bus);
    check_canary(p);
    note_state(p);
    if (!p->is_up)
        return;
    if (p->rooms->has_stuck && now(p) - p->unstuck_ms >= UNSTICK_MS) {
        p->unstuck_ms = now(p);
        rooms_pump(p->rooms);
    }
    undo_former(p);
    renew_due(p);
    if (p->worker == 0)
        index_walk(p->index, now(p));
    rooms_end_grace(p->rooms, now(p), false);
}

/* ---- beginning and end ---- */

void presence_init(struct presence *p, uv_loop_t *loop, const struct config *config,
                   struct metrics *metrics, struct store *store, struct bus *bus,
                   struct rooms *rooms, struct index *index, const char *address,
                   unsigned worker, _Atomic int *state,
                   const struct presence_hooks *hooks)
{
    uint64_t beat_ms = 1000u * (uint64_t)config->lease_secs / 3;

    *p = (struct presence){
        .loop = loop,
        .config = config,
        .metrics = metrics,
        .store = store,
        .bus = bus,
        .rooms = rooms,
        .index = index,
        .hooks = *hooks,
        .address = address,
        .worker = worker,
        .state = state,
        .started_ms = wall_ms(),
    };
    undo_init(&p->undo, store, index, metrics);
    for (int i = 0; i < PRESENCE_RENEW_SLOTS; i++)
        list_init(&p->renew[i]);
    p->renew_slot = renew_slot_now(p);
    uv_timer_init(loop, &p->beat);
    uv_timer_init(loop, &p->tick);
    p->beat.data = p->tick.data = p;
    uv_timer_start(&p->beat, on_beat, beat_ms, beat_ms);
    uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
}

void presence_drain(struct presence *p)
{
    p->is_draining = true;
    note_state(p);
    start_beat(p);
}

void presence_bury(struct presence *p, redis_reply_fn on_done, void *data)
{
    uv_timer_stop(&p->beat); /* it would come to life again */
    undo_bury(p->store, p->store->node, on_done, data);
}

void presence_close(struct presence *p)
{
    p->is_closing = true;
    strbuf_deinit(&p->former_rooms);
    undo_close(&p->undo);
    uv_close((uv_handle_t *)&p->beat, NULL);
    uv_close((uv_handle_t *)&p->tick, NULL);
}
