/* event_links.c - see event_links.h. A cluster is event_links_cluster.c's. */
#include "admin/event_links.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

enum { DEAF_MS = 3000, OWN_CHANNELS = 2 };

static uint64_t now_ms(const struct event_link *link)
{
    return uv_now(link->links->opts.loop);
}

/* ---- in ---- */

/* The subscription to a channel stands. They are confirmed in the order in which they were asked for. */
static void on_subscribed(struct event_link *link, struct json_text channel)
{
    const struct event_links_opts *opts = &link->links->opts;

    if (!json_text_is(channel, link->canary) && !json_text_is(channel, link->channel))
        opts->on_heard(opts->owner, channel);
    if (link->awaited > 0 && --link->awaited == 0)
        opts->on_change(opts->owner);
}

static void on_push(void *owner, const redisReply *reply)
{
    struct event_link *link = owner;
    const struct event_links_opts *opts = &link->links->opts;

    if (!reply_is_array(reply, 3))
        return;
    if (reply_is_text(reply, 0, "subscribe"))
        on_subscribed(link, reply_text(reply, 1));
    if (!reply_is_text(reply, 0, "message"))
        return;
    if (json_text_is(reply_text(reply, 1), link->canary))
        link->heard_ms = now_ms(link);
    else if (json_text_is(reply_text(reply, 1), link->channel))
        opts->on_fleet(opts->owner, reply_text(reply, 2));
    else
        opts->on_room(opts->owner, reply_text(reply, 1), reply_text(reply, 2));
}

/* ---- out ---- */

static void send_command(struct event_link *link)
{
    if (redis_link_send(link->link, &link->links->cmd, NULL, NULL) < 0)
        redis_link_restart(link->link, "cannot send");
}

void event_links_want(struct event_links *links, struct json_text room, bool is_wanted)
{
    struct event_link *link;

    if (links->opts.db->is_cluster) {
        event_links_cluster_want(links, room, is_wanted);
        return;
    }
    link = &links->all[db_shard_of(links->opts.db, room)];
    if (!link->is_ready)
        return;
    redis_command_begin(&links->cmd);
    redis_command_add_text(&links->cmd, is_wanted ? "SUBSCRIBE" : "UNSUBSCRIBE");
    command_add_room_key(&links->cmd, room, KEY_EVENTS);
    send_command(link);
    if (link->is_beginning)
        link->awaited++;
}

static void check_canary(struct event_link *link)
{
    struct db *db = link->links->opts.db;

    if (!link->is_ready)
        return;
    if (!db_is_up(db, link->number)) {
        link->heard_ms = now_ms(link); /* there is nothing to hear */
        return;
    }
    if (now_ms(link) - link->heard_ms >= DEAF_MS) {
        redis_link_restart(link->link, "deaf: own notices do not come back");
        return;
    }
    db_begin(db, link->number, command_publish());
    redis_command_add_text(&db->cmd, link->canary);
    redis_command_add_text(&db->cmd, "");
    db_send(db, NULL, NULL);
}

void event_links_tick(struct event_links *links)
{
    for (unsigned i = 0; links->all && i < links->count; i++)
        check_canary(&links->all[i]);
}

/* ---- the links ---- */

static void on_ready(void *owner)
{
    struct event_link *link = owner;
    struct event_links *links = link->links;

    log_info("redis_ready", "link=notices shard=%u", link->number);
    link->is_ready = link->is_beginning = true;
    link->heard_ms = now_ms(link);
    link->awaited = OWN_CHANNELS;
    redis_command_begin(&links->cmd);
    redis_command_add_text(&links->cmd, "SUBSCRIBE");
    redis_command_add_text(&links->cmd, link->channel);
    redis_command_add_text(&links->cmd, link->canary);
    send_command(link);
    links->opts.on_link(links->opts.owner, link->number);
    link->is_beginning = false;
}

static void on_lost(void *owner, const char *why)
{
    struct event_link *link = owner;
    struct event_links *links = link->links;

    log_warn("redis_lost", "link=notices shard=%u why=\"%s\"", link->number, why);
    link->is_ready = false;
    links->opts.on_change(links->opts.owner);
}

bool event_links_are_ready(const struct event_links *links)
{
    if (links->opts.db->is_cluster)
        return event_links_cluster_are_ready(links);
    for (unsigned i = 0; i < links->count; i++)
        if (!links->all[i].is_ready || links->all[i].awaited > 0)
            return false;
    return true;
}

static void open_link(struct event_links *links, unsigned number)
{
    const struct event_links_opts *opts = &links->opts;
    struct event_link *link = &links->all[number];
    struct redis_link_opts of_link = redis_link_opts_of(
        opts->config, &opts->config->redis.urls[number], "roomcast-admin-notices");

    link->links = links;
    link->number = number;
    keys_node(link->canary, number, opts->name, KEY_NODE_CANARY);
    keys_fleet(link->channel, number, KEY_FLEET_EVENTS);
    of_link.for_notices = true;
    of_link.metrics = opts->metrics;
    of_link.owner = link;
    of_link.on_ready = on_ready;
    of_link.on_lost = on_lost;
    of_link.on_push = on_push;
    link->link = redis_link_open(opts->loop, &of_link);
}

void event_links_open(struct event_links *links, const struct event_links_opts *opts)
{
    *links = (struct event_links){.opts = *opts, .count = opts->db->count};
    if (opts->db->is_cluster) {
        event_links_cluster_open(links);
        return;
    }
    links->all = xcalloc(links->count, sizeof(*links->all));
    for (unsigned i = 0; i < links->count; i++)
        open_link(links, i);
}

void event_links_close(struct event_links *links)
{
    if (links->opts.db->is_cluster)
        event_links_cluster_close(links);
    for (unsigned i = 0; links->all && i < links->count; i++) {
        links->all[i].is_ready = false;
        redis_link_close(links->all[i].link);
        links->all[i].link = NULL;
    }
}

void event_links_deinit(struct event_links *links)
{
    if (links->opts.db->is_cluster)
        event_links_cluster_deinit(links);
    free(links->all);
    redis_command_deinit(&links->cmd);
}
