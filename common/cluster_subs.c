/* cluster_subs.c - see cluster_subs.h.
 *
 *     cluster_subs_link_subscribe -> SSUBSCRIBE ... PING n -> ssubscribe: is_acked -> pong n -> hooks.on_fence
 *                                                       sunsubscribe -> hooks.on_ended
 *                                                       -MOVED -> hooks.on_moved
 *
 * Over 400 lines because what is asked for, what comes and the links share the subscriptions.
 */
#include "common/cluster_subs.h"

#include <stdlib.h>

#include "common/cluster_error.h"
#include "common/intake.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum {
    PING_MS = 1000,
    SILENT_MS = 3000,
    IDLE_MS = 60000,
    GAP_MS =
        1500, /* between two ticks: this process stood still, and has not read yet */
};

struct pending {
    struct list link;
    struct cluster_sub *sub;
    void *owner;
    uint64_t fence; /* 0: not sent yet */
};

/* ---- out ---- */

void cluster_subs_place(struct cluster_subs *masters, struct cluster_sub *sub,
                        unsigned number)
{
    struct cluster_subs_link *from = cluster_subs_at(masters, sub->master),
                             *to = cluster_subs_at(masters, number);

    if (from)
        from->subs--;
    if (to)
        to->subs++;
    if (from && from->subs == 0)
        from->used_ms = uv_now(masters->opts.loop);
    sub->master = (unsigned short)number;
}

static void send_command(struct cluster_subs_link *master)
{
    if (redis_link_send(master->link, &master->masters->cmd, NULL, NULL) < 0)
        redis_link_restart(master->link, "cannot send");
}

static void send_channel(struct cluster_subs_link *master, const char *verb,
                         const char *channel)
{
    struct redis_command *cmd = &master->masters->cmd;

    redis_command_begin(cmd);
    redis_command_add_text(cmd, verb);
    redis_command_add_text(cmd, channel);
    send_command(master);
}

static void send_fence(struct cluster_subs_link *master)
{
    struct redis_command *cmd = &master->masters->cmd;

    master->fence++;
    master->wants_fence = false;
    master->pinged_ms = uv_now(master->masters->opts.loop);
    list_each(link, &master->pending) {
        struct pending *pending = list_entry(link, struct pending, link);

        if (pending->fence == 0)
            pending->fence = master->fence;
    }
    redis_command_begin(cmd);
    redis_command_add_text(cmd, "PING");
    redis_command_add_u64(cmd, master->fence);
    send_command(master);
}

void cluster_subs_link_subscribe(struct cluster_subs_link *master, const char *channel,
                                 struct cluster_sub *sub, void *owner)
{
    struct pending *pending = xmalloc(sizeof(*pending));

    *pending = (struct pending){.sub = sub, .owner = owner};
    list_add(&master->pending, &pending->link);
    cluster_subs_place(master->masters, sub, master->number);
    sub->is_acked = false;
    sub->is_pending = true;
    master->wants_fence = true;
    send_channel(master, "SSUBSCRIBE", channel);
}

void cluster_subs_link_unsubscribe(struct cluster_subs_link *master,
                                   const char *channel)
{
    if (cluster_subs_link_is_ready(master))
        send_channel(master, "SUNSUBSCRIBE", channel);
}

void cluster_subs_link_want_expiry(struct cluster_subs_link *master)
{
    char pattern[KEYS_MAX_BYTES];

    keys_expiry_pattern(pattern, 0);
    send_channel(master, "PSUBSCRIBE", pattern);
}

void cluster_subs_flush(struct cluster_subs *masters)
{
    for (unsigned i = 0; i < masters->count; i++)
        if (masters->all[i]->wants_fence && cluster_subs_link_is_ready(masters->all[i]))
            send_fence(masters->all[i]);
}

/* ---- in ---- */

static struct pending *first_pending(struct cluster_subs_link *master)
{
    struct list *first = list_first(&master->pending);

    return first ? list_entry(first, struct pending, link) : NULL;
}

/* What was sent before the PING and is not confirmed was refused. */
static void on_pong(struct cluster_subs_link *master, uint64_t fence)
{
    const struct cluster_subs_hooks *hooks = master->masters->opts.hooks;
    struct pending *first;

    while ((first = first_pending(master)) && first->fence > 0 &&
           first->fence <= fence) {
        struct pending pending = *first;
        bool is_subscribed = pending.sub->is_acked;

        pending.sub->is_pending = false;
        list_remove(&first->link);
        free(first);
        pending.sub->is_acked = false;
        if (!is_subscribed)
            cluster_subs_place(master->masters, pending.sub, 0);
        hooks->on_fence(pending.owner, pending.sub, is_subscribed);
    }
}

static void on_confirmed(struct cluster_subs_link *master, struct json_text channel)
{
    struct cluster_sub *sub =
        master->masters->opts.hooks->find(master->masters, channel);

    if (sub && sub->master == master->number)
        sub->is_acked = true;
}

/* The answer to a SUNSUBSCRIBE finds no sub, or one that is elsewhere, or one whose SSUBSCRIBE is behind
 * it. */
static void on_ended(struct cluster_subs_link *master, struct json_text channel)
{
    const struct cluster_subs_hooks *hooks = master->masters->opts.hooks;
    struct cluster_sub *sub = hooks->find(master->masters, channel);

    if (!sub || sub->master != master->number)
        return;
    if (sub->is_pending) {
        sub->is_acked = false; /* the fence tells that it was refused */
        return;
    }
    cluster_subs_place(master->masters, sub, 0);
    hooks->on_ended(master->masters, channel);
}

static void on_expiry(struct cluster_subs_link *master, const redisReply *reply)
{
    struct json_text channel = reply_text(reply, 2);
    size_t len;
    const char *room = keys_room_of_expiry(channel.base, channel.len, &len);

    if (room && json_text_is(reply_text(reply, 3), "expired") &&
        intake_room(master->masters->opts.metrics, "keyspace",
                    (struct json_text){room, len}))
        master->masters->opts.hooks->on_expired(master->masters, room, len);
}

static void on_error(struct cluster_subs_link *master, const redisReply *reply)
{
    const char *text = reply_error(reply);
    struct cluster_host owner;
    unsigned slot;

    if (cluster_error_of(text) == CLUSTER_MOVED &&
        cluster_error_owner(text, &master->at, &slot, &owner))
        master->masters->opts.hooks->on_moved(master->masters, slot, &owner);
}

static void on_push(void *owner, const redisReply *reply)
{
    struct cluster_subs_link *master = owner;
    struct cluster_subs *masters = master->masters;
    struct json_text what = reply_text(reply, 0), channel = reply_text(reply, 1);

    master->heard_ms = uv_now(masters->opts.loop);
    if (reply_is_error(reply))
        on_error(master, reply);
    else if (json_text_is(what, "smessage"))
        masters->opts.hooks->on_message(masters, channel, reply_text(reply, 2));
    else if (json_text_is(what, "ssubscribe"))
        on_confirmed(master, channel);
    else if (json_text_is(what, "sunsubscribe"))
        on_ended(master, channel);
    else if (json_text_is(what, "pong"))
        on_pong(master, reply_decimal(channel));
    else if (reply_string(reply).len > 0) /* as it is while nothing is subscribed */
        on_pong(master, reply_decimal(reply_string(reply)));
    else if (json_text_is(what, "pmessage"))
        on_expiry(master, reply);
    else if (!json_text_is(what, "psubscribe"))
        intake_refuse(masters->opts.metrics, INTAKE_REPLY, "push",
                      (struct json_text){"", 0});
}

void cluster_subs_forget(struct cluster_subs *masters, struct cluster_sub *sub)
{
    struct cluster_subs_link *master = cluster_subs_at(masters, sub->master);

    if (!sub->is_pending || !master)
        return;
    list_each(link, &master->pending) {
        struct pending *pending = list_entry(link, struct pending, link);

        if (pending->sub != sub)
            continue;
        list_remove(link);
        free(pending);
    }
    sub->is_pending = sub->is_acked = false;
}

/* ---- the links ---- */

static void on_ready(void *owner)
{
    struct cluster_subs_link *master = owner;

    log_info("redis_ready", "link=%s host=%s port=%u", master->masters->opts.name,
             master->at.host, master->at.port);
    master->heard_ms = uv_now(master->masters->opts.loop);
    master->masters->opts.hooks->on_ready(master);
}

static void drop_pending(struct cluster_subs_link *master)
{
    struct pending *first;

    while ((first = first_pending(master))) {
        struct pending pending = *first;

        list_remove(&first->link);
        free(first);
        pending.sub->is_acked = pending.sub->is_pending = false;
        cluster_subs_place(master->masters, pending.sub, 0);
        master->masters->opts.hooks->on_fence(pending.owner, pending.sub, false);
    }
}

static void on_lost(void *owner, const char *why)
{
    struct cluster_subs_link *master = owner;

    log_warn("redis_lost", "link=%s host=%s port=%u why=\"%s\"",
             master->masters->opts.name, master->at.host, master->at.port, why);
    drop_pending(master);
    master->masters->opts.hooks->on_lost(master, why);
}

static void open_link(struct cluster_subs_link *master)
{
    struct cluster_subs *masters = master->masters;
    struct redis_link_opts opts =
        redis_link_opts_of(masters->opts.config, &master->url, masters->opts.name);

    opts.for_notices = true;
    opts.metrics = masters->opts.metrics;
    opts.owner = master;
    opts.on_ready = on_ready;
    opts.on_lost = on_lost;
    opts.on_push = on_push;
    master->link = redis_link_open(masters->opts.loop, &opts);
    metric_add(&masters->opts.metrics->redis_links, 1);
    masters->opts.hooks->on_opened(masters);
}

static void close_link(struct cluster_subs_link *master)
{
    if (!master->link)
        return;
    drop_pending(master);
    redis_link_close(master->link);
    master->link = NULL;
    metric_sub(&master->masters->opts.metrics->redis_links, 1);
}

static struct cluster_subs_link *find(struct cluster_subs *masters,
                                      const struct cluster_host *at)
{
    for (unsigned i = 0; i < masters->count; i++)
        if (cluster_host_equals(&masters->all[i]->at, at))
            return masters->all[i];
    return NULL;
}

static struct cluster_subs_link *add(struct cluster_subs *masters,
                                     const struct cluster_host *at)
{
    struct cluster_subs_link *master;

    if (masters->count == CLUSTER_SUBS_LINKS_MAX)
        return NULL;
    master = xcalloc(1, sizeof(*master));
    master->masters = masters;
    master->at = *at;
    redis_url_of_master(&master->url, &master->host,
                        &masters->opts.config->redis.urls[0], master->at.host,
                        master->at.port);
    list_init(&master->pending);
    if (masters->count == masters->cap) {
        masters->cap = masters->cap ? 2 * masters->cap : 8;
        masters->all =
            xrealloc(masters->all, masters->cap * sizeof(struct cluster_subs_link *));
    }
    masters->all[masters->count++] = master;
    master->number = (unsigned short)masters->count;
    return master;
}

struct cluster_subs_link *cluster_subs_use(struct cluster_subs *masters,
                                           const struct cluster_host *at)
{
    struct cluster_subs_link *master = find(masters, at);

    if (!master)
        master = add(masters, at);
    if (!master)
        return NULL;
    master->used_ms = uv_now(masters->opts.loop);
    if (!master->link)
        open_link(master);
    return master;
}

struct cluster_subs_link *cluster_subs_at(const struct cluster_subs *masters,
                                          unsigned number)
{
    return number > 0 && number <= masters->count ? masters->all[number - 1] : NULL;
}

bool cluster_subs_link_is_ready(const struct cluster_subs_link *master)
{
    return redis_link_is_ready(master->link);
}

/* ---- the clock ---- */

void cluster_subs_link_restart(struct cluster_subs_link *master, const char *why)
{
    master->is_deaf = true;
    redis_link_restart(master->link, why);
    master->is_deaf = false;
}

static void look_at(struct cluster_subs_link *master, uint64_t now_ms)
{
    if (!master->link)
        return;
    if (master->subs == 0 && now_ms - master->used_ms >= IDLE_MS)
        close_link(master);
    else if (!cluster_subs_link_is_ready(master))
        return;
    else if (now_ms - master->heard_ms >= SILENT_MS)
        cluster_subs_link_restart(master, "deaf: it does not answer");
    else if (now_ms - master->pinged_ms >= PING_MS)
        send_fence(master);
}

void cluster_subs_tick(struct cluster_subs *masters, uint64_t now_ms)
{
    bool stood_still = now_ms - masters->ticked_ms >= GAP_MS;

    masters->ticked_ms = now_ms;
    for (unsigned i = 0; i < masters->count; i++) {
        if (stood_still)
            masters->all[i]->heard_ms = now_ms;
        look_at(masters->all[i], now_ms);
    }
}

/* ---- beginning and end ---- */

void cluster_subs_init(struct cluster_subs *masters,
                       const struct cluster_subs_opts *opts)
{
    masters->opts = *opts;
}

void cluster_subs_close(struct cluster_subs *masters)
{
    for (unsigned i = 0; i < masters->count; i++)
        close_link(masters->all[i]);
}

void cluster_subs_deinit(struct cluster_subs *masters)
{
    for (unsigned i = 0; i < masters->count; i++) {
        free(masters->all[i]->host.port);
        free(masters->all[i]);
    }
    free(masters->all);
    redis_command_deinit(&masters->cmd);
}
