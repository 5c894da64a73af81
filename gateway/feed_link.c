/* feed_link.c - see feed_link.h. */
#include "gateway/feed_link.h"

#include <stdlib.h>

#include "common/intake.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum { CHECK_MS = 100 };

struct pending_subscribe {
    struct list link;
    struct feed_room *room; /* NULL: nobody waits for it */
    uint64_t sent_ms;
};

/* ---- what is pending ---- */

static void add_pending(struct feed_link *link, struct feed_room *room)
{
    struct pending_subscribe *pending = xmalloc(sizeof(*pending));

    pending->room = room;
    pending->sent_ms = uv_now(link->opts.loop);
    list_add(&link->pending, &pending->link);
    if (room)
        room->pending++;
}

/* The one that is confirmed next. */
static struct pending_subscribe *first_pending(struct feed_link *link)
{
    struct list *first = list_first(&link->pending);

    return first ? list_entry(first, struct pending_subscribe, link) : NULL;
}

/* Returns the room that waits for it. */
static struct feed_room *take_pending(struct pending_subscribe *pending)
{
    struct feed_room *room = pending->room;

    if (room)
        room->pending--;
    list_remove(&pending->link);
    free(pending);
    return room;
}

static void drop_pending(struct feed_link *link)
{
    struct pending_subscribe *first;

    while ((first = first_pending(link)))
        take_pending(first);
}

static void on_deadline(uv_timer_t *timer)
{
    struct feed_link *link = timer->data;
    const struct pending_subscribe *first = first_pending(link);

    if (!first)
        uv_timer_stop(timer);
    else if (uv_now(link->opts.loop) - first->sent_ms >=
             (uint64_t)link->opts.config->redis_deadline_ms)
        redis_link_restart(link->link, "a subscription is not confirmed");
}

/* ---- out ---- */

void feed_link_begin(struct feed_link *link, const char *verb)
{
    redis_command_begin(&link->cmd);
    redis_command_add_text(&link->cmd, verb);
}

void feed_link_add_room(struct feed_link *link, struct json_text name,
                        struct feed_room *waits)
{
    char channel[KEYS_MAX_BYTES];

    redis_command_add(&link->cmd, channel,
                      keys_room(channel, name.base, name.len, KEY_EVENTS));
    add_pending(link, waits);
}

void feed_link_send(struct feed_link *link)
{
    if (link->cmd.argc == 1)
        return;
    if (redis_link_send(link->link, &link->cmd, NULL, NULL) < 0)
        redis_link_restart(link->link, "cannot send");
    else if (!uv_is_active((uv_handle_t *)&link->deadline))
        uv_timer_start(&link->deadline, on_deadline, CHECK_MS, CHECK_MS);
}

void feed_link_send_channel(struct feed_link *link, const char *verb,
                            const char *channel)
{
    feed_link_begin(link, verb);
    redis_command_add_text(&link->cmd, channel);
    add_pending(link, NULL);
    feed_link_send(link);
}

/* ---- in ---- */

static void on_confirmed(struct feed_link *link)
{
    struct pending_subscribe *first = first_pending(link);
    struct feed_room *room;

    if (!first) {
        redis_link_restart(link->link, "a confirmation of nothing");
        return;
    }
    room = take_pending(first);
    if (room && room->pending == 0)
        link->opts.hooks->on_confirmed(link, room);
}

/* The link has logged it. Without the expiry of rooms one can live, without a room's notices
 * not. */
static void on_refused(struct feed_link *link)
{
    const struct pending_subscribe *first = first_pending(link);
    bool waits = first && first->room;

    if (waits)
        redis_link_restart(link->link, "a subscription is refused");
    else if (first)
        take_pending(first_pending(link));
}

static void on_expiry(struct feed_link *link, const redisReply *reply)
{
    struct json_text channel = reply_text(reply, 2);
    size_t len;
    const char *room = keys_room_of_expiry(channel.base, channel.len, &len);

    if (room && json_text_is(reply_text(reply, 3), "expired") &&
        link->opts.hooks->on_expired &&
        intake_room(link->opts.metrics, "keyspace", (struct json_text){room, len}))
        link->opts.hooks->on_expired(link, room, len);
}

static bool is_confirmation(struct json_text what)
{
    return json_text_is(what, "subscribe") || json_text_is(what, "unsubscribe") ||
           json_text_is(what, "psubscribe");
}

static void on_push(void *owner, const redisReply *reply)
{
    struct feed_link *link = owner;
    struct json_text what = {"", 0};

    if (reply_is_error(reply)) {
        on_refused(link);
        return;
    }
    if (reply_is_array(reply, 3))
        what = reply_text(reply, 0);
    if (json_text_is(what, "message"))
        link->opts.hooks->on_message(link, reply_text(reply, 1), reply_text(reply, 2));
    else if (json_text_is(what, "pmessage"))
        on_expiry(link, reply);
    else if (is_confirmation(what))
        on_confirmed(link);
    else
        intake_refuse(link->opts.metrics, INTAKE_REPLY, "push",
                      (struct json_text){"", 0});
}

/* ---- the connection ---- */

static void on_ready(void *owner)
{
    struct feed_link *link = owner;
    char pattern[KEYS_MAX_BYTES];

    if (link->opts.hooks->on_expired) {
        keys_expiry_pattern(pattern, link->opts.url->db);
        feed_link_send_channel(link, "PSUBSCRIBE", pattern);
    }
    link->opts.hooks->on_ready(link);
}

static void on_lost(void *owner, const char *why)
{
    struct feed_link *link = owner;

    drop_pending(link);
    link->opts.hooks->on_lost(link, why);
}

void feed_link_open(struct feed_link *link, const struct feed_link_opts *opts)
{
    struct redis_link_opts of_link =
        redis_link_opts_of(opts->config, opts->url, opts->name);

    link->opts = *opts;
    list_init(&link->pending);
    uv_timer_init(opts->loop, &link->deadline);
    link->deadline.data = link;
    of_link.for_notices = true;
    of_link.metrics = opts->metrics;
    of_link.owner = link;
    of_link.on_ready = on_ready;
    of_link.on_lost = on_lost;
    of_link.on_push = on_push;
    link->link = redis_link_open(opts->loop, &of_link);
}

void feed_link_close(struct feed_link *link)
{
    drop_pending(link);
    uv_close((uv_handle_t *)&link->deadline, NULL);
    redis_link_close(link->link);
    link->link = NULL;
}

void feed_link_deinit(struct feed_link *link)
{
    redis_command_deinit(&link->cmd);
}
