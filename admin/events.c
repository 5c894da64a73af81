/* events.c - see events.h.
 *
 *     api_events -> http_stream_open -> welcome           on_gone -> forgotten
 *     on_tick: stats, gateways if they changed, a comment, the canary
 *     on_push -> on_fleet_event -> all listeners
 *             -> on_notice, if a gateway would pass it on, line by line
 *                    -> those who follow the room
 *
 * An event is framed once and copied into each listener's stream, which is cut if it does not
 * read (http.h). What happened while Redis was away is not made up for: a listener sees
 * `status` and asks again.
 */
#include "admin/events.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/notice.h"
#include "common/xalloc.h"

enum {
    TICK_MS = 1000,
    COMMENT_MS = 15000,
    DEAF_MS = 3000,
};

struct watched {
    struct list listeners;
    struct strbuf head; /* what its messages begin with, as for lines.h */
    size_t len;
    char name[];
};

struct listener {
    struct list link, in_room;
    struct events *events;
    struct http_stream *stream;
    struct watched *room; /* NULL: none */
};

struct events {
    struct api *api;
    struct redis_link *link;
    struct redis_command cmd;
    uv_timer_t tick;
    struct list listeners;
    size_t count;
    struct map rooms;       /* name -> struct watched */
    struct strbuf frame;    /* scratch */
    struct strbuf gateways; /* what of them was told last, without their ages */
    uint64_t comment_at_ms, heard_ms;
    bool was_up, is_ready;
    char canary[KEYS_MAX_BYTES], channel[KEYS_MAX_BYTES];
};

/* ---- out ---- */

static void frame(struct events *e, const char *type, size_t type_len, const char *data,
                  size_t len)
{
    strbuf_reset(&e->frame, 64 * 1024);
    strbuf_add_text(&e->frame, "event: ");
    strbuf_add(&e->frame, type, type_len);
    strbuf_add_text(&e->frame, "\ndata: ");
    strbuf_add(&e->frame, data, len);
    strbuf_add_text(&e->frame, "\n\n");
}

static void send_all(struct events *e)
{
    list_each(link, &e->listeners) {
        http_stream_send(list_entry(link, struct listener, link)->stream, e->frame.data,
                         e->frame.len);
    }
}

static void frame_stats(struct events *e)
{
    struct strbuf text = {NULL, 0, 0};

    fleet_add_stats(&e->api->fleet, &text);
    frame(e, "stats", 5, text.data, text.len);
    strbuf_deinit(&text);
}

static void frame_gateways(struct events *e)
{
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_text(&text, "{\"gateways\":");
    fleet_add_nodes(&e->api->fleet, &text);
    strbuf_add_char(&text, '}');
    frame(e, "gateways", 8, text.data, text.len);
    strbuf_deinit(&text);
}

/* Whether a gateway came, went, fell silent or drains since the last time. */
static bool have_gateways_changed(struct events *e)
{
    const struct fleet_view *view = &e->api->fleet.view;
    struct strbuf now = {NULL, 0, 0};
    bool changed;

    for (size_t i = 0; i < view->count; i++)
        strbuf_add_format(&now, "%s %d %d\n", view->nodes[i].name,
                          view->nodes[i].address != NULL, view->nodes[i].draining);
    changed = now.len != e->gateways.len ||
              (now.len > 0 && memcmp(now.data, e->gateways.data, now.len) != 0);
    strbuf_deinit(&e->gateways);
    e->gateways = now;
    return changed;
}

static bool is_up(const struct events *e)
{
    return e->is_ready && fleet_is_up(&e->api->fleet);
}

static void frame_status(struct events *e)
{
    const char *data = e->was_up ? "{\"redis\":\"up\"}" : "{\"redis\":\"down\"}";

    frame(e, "status", 6, data, strlen(data));
}

void events_on_fleet(struct events *e)
{
    if (is_up(e) != e->was_up) {
        e->was_up = !e->was_up;
        frame_status(e);
        send_all(e);
    }
    if (e->was_up && have_gateways_changed(e)) {
        frame_gateways(e);
        send_all(e);
    }
}

/* ---- in ---- */

/* Of the fleet: what is told of a room, and what an operator did. */
static const char *const room_types[] = {"room_opened", "room_expired", "room_closed"};
static const char audit_head[] = "{\"type\":\"audit\",\"id\":\"";

/* NULL: it is none of them. */
static const char *type_of(struct json_text line)
{
    size_t len = sizeof(audit_head) - 1;

    for (size_t i = 0; i < sizeof(room_types) / sizeof(room_types[0]); i++)
        if (lines_is_room_event(room_types[i], line))
            return room_types[i];
    return line.len > len && memcmp(line.base, audit_head, len) == 0 &&
                   json_is_line(line)
               ? "audit"
               : NULL;
}

static void on_fleet_event(struct events *e, struct json_text line)
{
    const char *type = type_of(line);

    if (!type) {
        intake_refuse(e->api->metrics, INTAKE_NOTICE, "events",
                      (struct json_text){"", 0});
        return;
    }
    frame(e, type, strlen(type), line.base, line.len);
    send_all(e);
}

static void send_room(struct events *e, const struct watched *room, const char *type,
                      const char *line, size_t len)
{
    frame(e, type, strlen(type), line, len);
    list_each(link, &room->listeners) {
        http_stream_send(list_entry(link, struct listener, in_room)->stream,
                         e->frame.data, e->frame.len);
    }
}

/* What gateways would not pass on is told to nobody here either. */
static void on_room_notice(struct events *e, const struct watched *room,
                           struct json_text payload)
{
    struct json_text head = {room->head.data, room->head.len};
    struct notice notice;
    struct notice_body body;
    const char *at, *end;

    if (!notice_parse(payload, &notice) || !notice_check(&notice, head, &body)) {
        intake_refuse(e->api->metrics, INTAKE_NOTICE, "room",
                      (struct json_text){room->name, room->len});
        return;
    }
    at = notice.lines.base;
    end = at + notice.lines.len;
    for (size_t i = 0; i < body.lines_count; i++) {
        const char *stop = notice_line_end(at, end);

        send_room(e, room, notice_type(notice.kind, i), at, (size_t)(stop - at));
        at = stop + 1;
    }
    notice_body_deinit(&body);
}

static void on_notice(struct events *e, struct json_text channel,
                      struct json_text payload)
{
    size_t len;
    const char *name = keys_room_of_events(channel.base, channel.len, &len);
    const struct watched *room = name ? map_find(&e->rooms, name, len) : NULL;

    if (room)
        on_room_notice(e, room, payload);
}

static bool is(struct json_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.base, word, text.len) == 0;
}

static void on_push(void *owner, const redisReply *reply)
{
    struct events *e = owner;

    if (!reply_is_array(reply, 3) || !reply_is_text(reply, 0, "message"))
        return;
    if (is(reply_text(reply, 1), e->canary))
        e->heard_ms = uv_now(e->api->loop);
    else if (is(reply_text(reply, 1), e->channel))
        on_fleet_event(e, reply_text(reply, 2));
    else
        on_notice(e, reply_text(reply, 1), reply_text(reply, 2));
}

/* ---- the link ---- */

static void send_command(struct events *e)
{
    if (redis_link_send(e->link, &e->cmd, NULL, NULL) < 0)
        redis_link_restart(e->link, "cannot send");
}

static void subscribe_room(struct events *e, const struct watched *room,
                           const char *verb)
{
    if (!e->is_ready)
        return; /* on_ready makes up for it */
    redis_command_begin(&e->cmd);
    redis_command_add_text(&e->cmd, verb);
    command_add_room_key(&e->cmd, (struct json_text){room->name, room->len},
                         KEY_EVENTS);
    send_command(e);
}

static void on_ready(void *owner)
{
    struct events *e = owner;
    struct watched *room;
    uint32_t at = 0;

    log_info("redis_ready", "link=notices");
    e->is_ready = true;
    e->heard_ms = uv_now(e->api->loop);
    redis_command_begin(&e->cmd);
    redis_command_add_text(&e->cmd, "SUBSCRIBE");
    redis_command_add_text(&e->cmd, e->channel);
    redis_command_add_text(&e->cmd, e->canary);
    send_command(e);
    while ((room = map_next(&e->rooms, &at)))
        subscribe_room(e, room, "SUBSCRIBE");
    events_on_fleet(e);
}

static void on_lost(void *owner, const char *why)
{
    struct events *e = owner;

    log_warn("redis_lost", "link=notices why=\"%s\"", why);
    e->is_ready = false;
    events_on_fleet(e);
}

static void check_canary(struct events *e)
{
    struct api *api = e->api;

    if (!e->is_ready || !redis_link_is_ready(api->db.link))
        return;
    if (uv_now(api->loop) - e->heard_ms >= DEAF_MS) {
        redis_link_restart(e->link, "deaf: own notices do not come back");
        return;
    }
    db_begin(&api->db, "PUBLISH");
    redis_command_add_text(&api->db.cmd, e->canary);
    redis_command_add_text(&api->db.cmd, "");
    db_send(&api->db, NULL, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    struct events *e = timer->data;
    uint64_t now = uv_now(e->api->loop);

    check_canary(e);
    if (list_is_empty(&e->listeners))
        return;
    frame_stats(e);
    if (now >= e->comment_at_ms) {
        e->comment_at_ms = now + COMMENT_MS - TICK_MS;
        strbuf_add_text(&e->frame, ": still here\n\n");
    }
    send_all(e);
}

/* ---- listeners ---- */

static void leave_room(struct listener *l)
{
    struct events *e = l->events;
    struct watched *room = l->room;

    list_remove(&l->in_room);
    if (!list_is_empty(&room->listeners))
        return;
    subscribe_room(e, room, "UNSUBSCRIBE");
    map_remove(&e->rooms, room->name, room->len);
    strbuf_deinit(&room->head);
    free(room);
}

static void on_gone(void *data)
{
    struct listener *l = data;

    if (l->room)
        leave_room(l);
    list_remove(&l->link);
    l->events->count--;
    metric_sub(&l->events->api->metrics->admin_listeners, 1);
    free(l);
}

static void enter_room(struct listener *l, struct json_text name)
{
    struct events *e = l->events;
    struct watched *room = map_find(&e->rooms, name.base, name.len);

    if (!room) {
        room = xcalloc(1, sizeof(*room) + name.len + 1);
        memcpy(room->name, name.base, name.len);
        room->len = name.len;
        list_init(&room->listeners);
        lines_add_head(&room->head, (struct json_text){room->name, room->len});
        map_add(&e->rooms, room->name, room->len, room);
        subscribe_room(e, room, "SUBSCRIBE");
    }
    l->room = room;
    list_add(&room->listeners, &l->in_room);
}

static void welcome(struct listener *l)
{
    struct events *e = l->events;

    http_stream_send(l->stream, ": welcome\n\n", 11);
    frame_stats(e);
    http_stream_send(l->stream, e->frame.data, e->frame.len);
    frame_gateways(e);
    http_stream_send(l->stream, e->frame.data, e->frame.len);
}

static void start_listening(struct events *e, struct http_request *req,
                            struct json_text room)
{
    struct listener *l = xcalloc(1, sizeof(*l));
    char *name = room.base ? xmemdup(room.base, room.len) : NULL;

    l->events = e;
    list_init(&l->link);
    list_init(&l->in_room);
    http_add_header(req, "cache-control", "no-store");
    http_add_header(req, "x-accel-buffering", "no"); /* for an nginx in between */
    l->stream = http_stream_open(req, "text/event-stream", on_gone, l);
    if (l->stream) {
        list_add(&e->listeners, &l->link);
        e->count++;
        metric_add(&e->api->metrics->admin_listeners, 1);
        if (name)
            enter_room(l, (struct json_text){name, room.len});
        welcome(l);
    } else {
        free(l);
    }
    free(name);
}

void api_events(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text room;

    if (http_query(req, "room", &room) < 0 ||
        (room.base && !proto_is_name(room.base, room.len, PROTO_ROOM_MAX))) {
        api_bad_request(req, "room is not a name");
    } else if (api->events->count >= (size_t)api->config->admin_listeners) {
        http_add_header(req, "retry-after", "10");
        http_reply_error(req, 503, "unavailable", "too many listeners");
    } else if (api_is_up(req)) {
        start_listening(api->events, req, room);
    }
}

/* ---- beginning and end ---- */

struct events *events_open(struct api *api)
{
    struct events *e = xcalloc(1, sizeof(*e));
    struct redis_link_opts opts =
        redis_link_opts_of(api->config, "roomcast-admin-notices");

    e->api = api;
    list_init(&e->listeners);
    keys_node(e->canary, api->fleet.replica, KEY_NODE_CANARY);
    keys_fleet(e->channel, KEY_FLEET_EVENTS);
    opts.for_notices = true;
    opts.metrics = api->metrics;
    opts.owner = e;
    opts.on_ready = on_ready;
    opts.on_lost = on_lost;
    opts.on_push = on_push;
    e->link = redis_link_open(api->loop, &opts);
    uv_timer_init(api->loop, &e->tick);
    e->tick.data = e;
    uv_timer_start(&e->tick, on_tick, TICK_MS, TICK_MS);
    return e;
}

void events_close(struct events *e)
{
    e->is_ready = false;
    redis_link_close(e->link, NULL);
    e->link = NULL;
    uv_close((uv_handle_t *)&e->tick, NULL);
}

void events_free(struct events *e)
{
    if (!e)
        return;
    map_deinit(&e->rooms);
    redis_command_deinit(&e->cmd);
    strbuf_deinit(&e->frame);
    strbuf_deinit(&e->gateways);
    free(e);
}
