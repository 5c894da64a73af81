/* event_links_cluster.c - events of a Redis Cluster: each channel is subscribed at the master that has its
 * slot, each by itself.
 *
 *     look_at each channel -> cluster_subs_link_subscribe -> on_fence -> is_on
 *     the master gives the slot away, the link is lost, the map says another -> lose -> look_at
 *
 * What happened in between is not made up for: it is told as if Redis had been away.
 */
#include "admin/event_links.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { TICK_MS = 100 };

struct event_channel {
    struct event_links *links;
    struct cluster_sub sub;
    unsigned slot;
    bool is_fleet;
    bool is_wanted; /* else it goes once its fence is back */
    bool is_on;     /* nothing is missed */
    bool was_on;    /* at some time */
    unsigned short len;
    char name[];
};

static struct event_links *links_of(struct cluster_subs *subs)
{
    return list_entry(subs, struct event_links, subs);
}

static struct event_channel *find_channel(const struct event_links *links,
                                          struct json_text name)
{
    return map_find(&links->channels, name.base, name.len);
}

/* At the end of a look at them, since who is told may change them. */
static void tell(struct event_links *links)
{
    if (!links->has_changed || links->is_closed)
        return;
    links->has_changed = false;
    links->opts.on_change(links->opts.owner);
}

/* ---- the channels ---- */

static struct event_channel *add_channel(struct event_links *links, const char *name,
                                         size_t len)
{
    struct event_channel *channel = xcalloc(1, sizeof(*channel) + len + 1);

    channel->links = links;
    memcpy(channel->name, name, len);
    channel->len = (unsigned short)len;
    channel->slot = cluster_slot_of_key(name, len);
    channel->is_wanted = true;
    map_add(&links->channels, channel->name, len, channel);
    return channel;
}

/* Not subscribed any more, as far as we are concerned. */
static void leave_master(struct event_links *links, struct event_channel *channel)
{
    struct cluster_subs_link *master =
        cluster_subs_at(&links->subs, channel->sub.master);

    if (!master)
        return;
    cluster_subs_place(&links->subs, &channel->sub, 0);
    cluster_subs_link_unsubscribe(master, channel->name);
}

static void remove_channel(struct event_links *links, struct event_channel *channel)
{
    leave_master(links, channel);
    map_remove(&links->channels, channel->name, channel->len);
    free(channel);
}

static void lose(struct event_links *links, struct event_channel *channel)
{
    links->has_changed = links->has_changed || channel->is_on;
    channel->is_on = false;
}

static void place(struct event_links *links, struct event_channel *channel,
                  const struct cluster_master *owner)
{
    struct cluster_subs_link *master = cluster_subs_use(&links->subs, &owner->at);

    if (master && cluster_subs_link_is_ready(master))
        cluster_subs_link_subscribe(master, channel->name, &channel->sub, channel);
}

static void look_at(struct event_links *links, struct event_channel *channel)
{
    struct cluster *cluster = &links->opts.db->cluster;
    const struct cluster_master *owner = cluster_owner(cluster, channel->slot);
    const struct cluster_subs_link *master =
        cluster_subs_at(&links->subs, channel->sub.master);

    if (channel->sub.is_pending || links->is_closed)
        return;
    if (master && owner && !cluster_host_equals(&master->at, &owner->at)) {
        lose(links, channel);
        leave_master(links, channel);
    }
    if (!owner)
        cluster_want_map(cluster);
    else if (channel->sub.master == 0)
        place(links, channel, owner);
}

static void look_at_all(struct event_links *links)
{
    struct event_channel *channel;
    uint32_t at = 0;

    while ((channel = map_next(&links->channels, &at)))
        look_at(links, channel);
    cluster_subs_flush(&links->subs);
    tell(links);
}

void event_links_cluster_want(struct event_links *links, struct json_text room,
                              bool is_wanted)
{
    char name[KEYS_MAX_BYTES];
    size_t len = keys_room(name, room.base, room.len, KEY_EVENTS);
    struct event_channel *channel = find_channel(links, (struct json_text){name, len});

    if (is_wanted && !channel)
        channel = add_channel(links, name, len);
    if (!channel)
        return;
    channel->is_wanted = is_wanted;
    if (!is_wanted && !channel->sub.is_pending) {
        remove_channel(links, channel);
        return;
    }
    look_at(links, channel);
    cluster_subs_flush(&links->subs);
}

/* A room that somebody has just asked for has missed nothing yet. */
bool event_links_cluster_are_ready(const struct event_links *links)
{
    const struct event_channel *channel;
    uint32_t at = 0;

    while ((channel = map_next(&links->channels, &at)))
        if (!channel->is_on && (channel->is_fleet || channel->was_on))
            return false;
    return true;
}

/* ---- what the masters say ---- */

static void on_ready(struct cluster_subs_link *master)
{
    look_at_all(links_of(master->masters));
}

static void on_lost(struct cluster_subs_link *master, const char *why)
{
    struct event_links *links = links_of(master->masters);
    struct event_channel *channel;
    uint32_t at = 0;

    (void)why;
    cluster_want_map(&links->opts.db->cluster);
    while ((channel = map_next(&links->channels, &at)))
        if (channel->sub.master == master->number) {
            cluster_subs_place(&links->subs, &channel->sub, 0);
            lose(links, channel);
        }
}

static struct cluster_sub *find(struct cluster_subs *subs, struct json_text name)
{
    struct event_channel *channel = find_channel(links_of(subs), name);

    return channel ? &channel->sub : NULL;
}

static void on_fence(void *owner, struct cluster_sub *sub, bool is_subscribed)
{
    struct event_channel *channel = owner;
    struct event_links *links = channel->links;

    (void)sub;
    if (!is_subscribed && !links->is_closed)
        cluster_want_map(&links->opts.db->cluster);
    if (!channel->is_wanted) {
        remove_channel(links, channel);
    } else if (is_subscribed) {
        channel->is_on = channel->was_on = true;
        links->has_changed = true;
        if (!channel->is_fleet)
            links->opts.on_heard(links->opts.owner,
                                 (struct json_text){channel->name, channel->len});
    }
}

static void on_ended(struct cluster_subs *subs, struct json_text name)
{
    struct event_links *links = links_of(subs);
    struct event_channel *channel = find_channel(links, name);

    cluster_want_map(&links->opts.db->cluster);
    if (channel)
        lose(links, channel);
}

static void on_message(struct cluster_subs *subs, struct json_text name,
                       struct json_text text)
{
    struct event_links *links = links_of(subs);
    const struct event_channel *channel = find_channel(links, name);

    if (channel && channel->is_fleet)
        links->opts.on_fleet(links->opts.owner, text);
    else if (channel)
        links->opts.on_room(links->opts.owner, name, text);
}

static void on_moved(struct cluster_subs *subs, unsigned slot,
                     const struct cluster_host *host)
{
    struct cluster *cluster = &links_of(subs)->opts.db->cluster;
    struct cluster_master *owner = cluster_masters_get(&cluster->masters, host);

    if (owner)
        cluster_masters_set_owner(&cluster->masters, slot, owner);
    cluster_want_map(cluster);
}

/* Of no interest here; and nothing here sends from a prepare handle. */
static void on_expired(struct cluster_subs *subs, const char *room, size_t len)
{
    (void)subs;
    (void)room;
    (void)len;
}

static void on_opened(struct cluster_subs *subs)
{
    (void)subs;
}

static const struct cluster_subs_hooks hooks = {
    .on_ready = on_ready,
    .on_lost = on_lost,
    .find = find,
    .on_fence = on_fence,
    .on_ended = on_ended,
    .on_message = on_message,
    .on_moved = on_moved,
    .on_expired = on_expired,
    .on_opened = on_opened,
};

/* ---- beginning and end ---- */

static void on_tick(uv_timer_t *timer)
{
    struct event_links *links = timer->data;

    cluster_subs_tick(&links->subs, uv_now(links->opts.loop));
    look_at_all(links);
}

void event_links_cluster_open(struct event_links *links)
{
    const struct cluster_subs_opts opts = {
        .loop = links->opts.loop,
        .config = links->opts.config,
        .metrics = links->opts.metrics,
        .name = "roomcast-admin-notices",
        .hooks = &hooks,
    };
    char name[KEYS_MAX_BYTES];

    cluster_subs_init(&links->subs, &opts);
    for (unsigned i = 0; i < links->count; i++)
        add_channel(links, name, keys_fleet(name, i, KEY_FLEET_EVENTS))->is_fleet =
            true;
    uv_timer_init(links->opts.loop, &links->tick);
    links->tick.data = links;
    uv_timer_start(&links->tick, on_tick, TICK_MS, TICK_MS);
}

void event_links_cluster_close(struct event_links *links)
{
    links->is_closed = true;
    uv_close((uv_handle_t *)&links->tick, NULL);
    cluster_subs_close(&links->subs);
}

void event_links_cluster_deinit(struct event_links *links)
{
    struct event_channel *channel;
    uint32_t at = 0;

    while ((channel = map_next(&links->channels, &at)))
        free(channel);
    map_deinit(&links->channels);
    cluster_subs_deinit(&links->subs);
}
