/* link_canaries.c - see link_canaries.h. */
#include "gateway/link_canaries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster_slot.h"
#include "common/keys.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/args.h"

enum {
    CANARY_MS = 1000,
    DEAF_MS = 3000,
    GAP_MS =
        1000,     /* between two ticks: the process stood still, and has not read yet */
    TRIES = 1000, /* numbers a tick */
};

struct link_canary {
    struct link_canaries *in;
    struct cluster_subs_link *link;
    struct cluster_sub sub;
    unsigned number, slot; /* of its channel */
    char channel[KEYS_MAX_BYTES];
    bool is_refused;  /* by this slot */
    uint64_t sent;    /* how many */
    uint64_t sent_ms; /* the last one; 0: none by this channel */
    uint64_t sent_ns; /* the same, of uv_hrtime */
    uint64_t good_ms; /* since when one is to come */
};

static const char deaf[] = "deaf: own notices do not come back";

/* ---- its channel ---- */

static struct cluster_master *master_of(const struct link_canary *canary)
{
    return cluster_masters_get(&canary->in->cluster->masters, &canary->link->at);
}

/* The next number whose slot the master has. */
static bool choose(struct link_canary *canary)
{
    const struct cluster_master *master = master_of(canary);

    for (int i = 0; i < TRIES; i++) {
        keys_canary(canary->channel, ++canary->number, canary->in->name);
        canary->slot = cluster_slot_of_key(canary->channel, strlen(canary->channel));
        if (master && cluster_owner(canary->in->cluster, canary->slot) == master)
            return true;
    }
    return false;
}

static void subscribe(struct link_canary *canary)
{
    canary->is_refused = false;
    canary->sent_ms = 0;
    if (choose(canary))
        cluster_subs_link_subscribe(canary->link, canary->channel, &canary->sub, NULL);
}

static void leave(struct link_canary *canary)
{
    if (canary->sub.master == 0)
        return;
    cluster_subs_place(canary->in->masters, &canary->sub, 0);
    cluster_subs_link_unsubscribe(canary->link, canary->channel);
}

/* ---- out ---- */

static void on_told(void *data, int status, const redisReply *reply)
{
    struct link_canary *canary = data;

    (void)reply;
    canary->is_refused = canary->is_refused || status < 0;
}

static void tell(struct link_canary *canary, uint64_t now_ms)
{
    struct link_canaries *in = canary->in;
    const struct cluster_target target = {.slot = canary->slot,
                                          .is_signal = true,
                                          .shard = canary->slot / SHARD_OF_SLOTS};

    canary->sent_ms = now_ms;
    canary->sent_ns = uv_hrtime();
    scripts_begin(&in->cmd, SCRIPT_CANARY, 1);
    redis_command_add_text(&in->cmd, canary->channel);
    redis_command_add_u64(&in->cmd, ++canary->sent);
    redis_command_add_u64(&in->cmd, in->lease_ms);
    cluster_send(in->cluster, &target, &in->cmd, SCRIPT_CANARY, on_told, canary);
}

static void restart(struct link_canary *canary, uint64_t now_ms)
{
    struct cluster_master *master = master_of(canary);

    canary->good_ms = now_ms;
    cluster_want_map(canary->in->cluster);
    if (master)
        redis_link_restart(master->redis, deaf);
    cluster_subs_link_restart(canary->link, deaf);
}

/* ---- the clock ---- */

static bool is_elsewhere(const struct link_canary *canary)
{
    return cluster_owner(canary->in->cluster, canary->slot) != master_of(canary);
}

/* Only its own subscription keeps a link: it may be closed. */
static bool is_alone(const struct link_canary *canary)
{
    return canary->link->subs == (canary->sub.master != 0);
}

static void look_at(struct link_canary *canary, uint64_t now_ms)
{
    if (!cluster_subs_link_is_ready(canary->link) || is_alone(canary)) {
        canary->good_ms = now_ms;
        if (!canary->sub.is_pending)
            leave(canary);
        return;
    }
    if (canary->sub.is_pending)
        return; /* a link that does not answer at all is cluster_subs' */
    if (now_ms - canary->good_ms >= DEAF_MS) {
        restart(canary, now_ms);
        return;
    }
    if (canary->is_refused || is_elsewhere(canary))
        leave(canary);
    if (canary->sub.master == 0)
        subscribe(canary);
    else if (now_ms - canary->sent_ms >= CANARY_MS)
        tell(canary, now_ms);
}

static void add(struct link_canaries *canaries)
{
    struct link_canary *canary = xcalloc(1, sizeof(*canary));

    canary->in = canaries;
    canary->good_ms = canaries->ticked_ms;
    canary->link = cluster_subs_at(canaries->masters, canaries->count + 1);
    canaries->all =
        xrealloc(canaries->all, (canaries->count + 1) * sizeof(struct link_canary *));
    canaries->all[canaries->count++] = canary;
}

void link_canaries_tick(struct link_canaries *canaries, bool may_write, uint64_t now_ms)
{
    bool is_good = !may_write || now_ms - canaries->ticked_ms >= GAP_MS;

    canaries->ticked_ms = now_ms;
    while (canaries->count < canaries->masters->count)
        add(canaries);
    for (unsigned i = 0; i < canaries->count; i++) {
        if (is_good)
            canaries->all[i]->good_ms = now_ms;
        if (may_write)
            look_at(canaries->all[i], now_ms);
    }
}

/* ---- in ---- */

static struct link_canary *find(const struct link_canaries *canaries,
                                struct json_text channel)
{
    for (unsigned i = 0; i < canaries->count; i++)
        if (json_text_is(channel, canaries->all[i]->channel))
            return canaries->all[i];
    return NULL;
}

struct cluster_sub *link_canaries_find(const struct link_canaries *canaries,
                                       struct json_text channel)
{
    struct link_canary *canary = find(canaries, channel);

    return canary ? &canary->sub : NULL;
}

/* By which link it came, the channel tells: each link has one of its own. */
bool link_canaries_take(struct link_canaries *canaries, struct json_text channel,
                        struct json_text text, struct link_proof *proof)
{
    struct link_canary *canary = find(canaries, channel);
    uint64_t number = reply_decimal(text);

    if (!canary)
        return false;
    *proof = (struct link_proof){.at = canary->link->at};
    if (number == 0 || number > canary->sent)
        return true; /* of somebody else */
    canary->good_ms = canaries->ticked_ms;
    if (number == canary->sent)
        proof->sent_ns = canary->sent_ns;
    return true;
}

void link_canaries_on_lost(struct link_canaries *canaries,
                           const struct cluster_subs_link *link)
{
    struct link_canary *canary =
        link->number <= canaries->count ? canaries->all[link->number - 1] : NULL;

    if (canary && canary->sub.master == link->number)
        cluster_subs_place(canaries->masters, &canary->sub, 0);
}

/* ---- beginning and end ---- */

void link_canaries_init(struct link_canaries *canaries, struct cluster *cluster,
                        struct cluster_subs *masters)
{
    char id[PROTO_EPOCH_LEN + 1];

    args_make_id(id);
    *canaries = (struct link_canaries){
        .cluster = cluster,
        .masters = masters,
        .lease_ms = (uint64_t)cluster->opts.config->lease_ms,
    };
    snprintf(canaries->name, sizeof(canaries->name), "link-%s", id);
}

void link_canaries_deinit(struct link_canaries *canaries)
{
    for (unsigned i = 0; i < canaries->count; i++)
        free(canaries->all[i]);
    free(canaries->all);
    redis_command_deinit(&canaries->cmd);
}
