/* events.c - see events.h.
 *
 *     api_events -> listeners_add -> welcome
 *     on_tick: stats, gateways if they changed, a comment, the canary
 *     on_push -> on_fleet_event -> all listeners
 *             -> on_notice, if a gateway would pass it on, line by line
 *                    -> those who listen to the room
 *
 * An event is framed once and copied into each listener's stream (listeners.h). What happened while Redis was away is not made up for: a listener sees
 * `status` and asks again.
 */
#include "admin/events.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/listeners.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/notice.h"
#include "common/xalloc.h"

enum {
    TICK_MS = 1000,
    COMMENT_MS = 15000,
    DEAF_MS = 3000,
};

struct events {
    struct api *api;
    struct redis_link *link;
    struct redis_command cmd;
    uv_timer_t tick;
    struct listeners listeners;
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
    listeners_send(&e->listeners, e->frame.data, e->frame.len);
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

static void send_room(struct events *e, const struct listeners_room *room,
                      const char *type, const char *line, size_t len)
{
    frame(e, type, strlen(type), line, len);
    listeners_send_room(room, e->frame.data, e->frame.len);
}

/* What gateways would not pass on is told to nobody here either. */
static void on_room_notice(struct events *e, const struct listeners_room *room,
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
    const struct listeners_room *room =
        name ? listeners_find_room(&e->listeners, name, len) : NULL;

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

static void send_subscription(struct events *e, const struct listeners_room *room,
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

static void on_room(void *owner, const struct listeners_room *room, bool is_first)
{
    send_subscription(owner, room, is_first ? "SUBSCRIBE" : "UNSUBSCRIBE");
}

static void on_ready(void *owner)
{
    struct events *e = owner;
    const struct listeners_room *room;
    uint32_t at = 0;

    log_info("redis_ready", "link=notices");
    e->is_ready = true;
    e->heard_ms = uv_now(e->api->loop);
    redis_command_begin(&e->cmd);
    redis_command_add_text(&e->cmd, "SUBSCRIBE");
    redis_command_add_text(&e->cmd, e->channel);
    redis_command_add_text(&e->cmd, e->canary);
    send_command(e);
    while ((room = listeners_next_room(&e->listeners, &at)))
        send_subscription(e, room, "SUBSCRIBE");
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
    db_begin(&api->db, command_publish());
    redis_command_add_text(&api->db.cmd, e->canary);
    redis_command_add_text(&api->db.cmd, "");
    db_send(&api->db, NULL, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    struct events *e = timer->data;
    uint64_t now = uv_now(e->api->loop);

    check_canary(e);
    if (e->listeners.count == 0)
        return;
    frame_stats(e);
    if (now >= e->comment_at_ms) {
        e->comment_at_ms = now + COMMENT_MS - TICK_MS;
        strbuf_add_text(&e->frame, ": still here\n\n");
    }
    send_all(e);
}

/* ---- listeners ---- */

static void welcome(struct events *e, struct listener *l)
{
    listener_send(l, ": welcome\n\n", 11);
    frame_stats(e);
    listener_send(l, e->frame.data, e->frame.len);
    frame_gateways(e);
    listener_send(l, e->frame.data, e->frame.len);
}

static void start_listening(struct events *e, struct http_request *req,
                            struct json_text room)
{
    struct listener *l;

    http_add_header(req, "cache-control", "no-store");
    http_add_header(req, "x-accel-buffering", "no"); /* for an nginx in between */
    l = listeners_add(&e->listeners, req, room);
    if (l)
        welcome(e, l);
}

void api_events(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text room;

    if (http_query(req, "room", &room) < 0 ||
        (room.base && !proto_is_name(room.base, room.len, PROTO_ROOM_MAX))) {
        api_bad_request(req, "room is not a name");
    } else if (api->events->listeners.count >= (size_t)api->config->admin_listeners) {
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
    struct redis_link_opts opts = redis_link_opts_of(
        api->config, &api->config->redis.urls[0], "roomcast-admin-notices");

    e->api = api;
    listeners_init(&e->listeners, api->metrics, on_room, e);
    keys_node(e->canary, 0, api->fleet.replica, KEY_NODE_CANARY);
    keys_fleet(e->channel, 0, KEY_FLEET_EVENTS);
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
    redis_link_close(e->link);
    e->link = NULL;
    uv_close((uv_handle_t *)&e->tick, NULL);
}

void events_free(struct events *e)
{
    if (!e)
        return;
    listeners_deinit(&e->listeners);
    redis_command_deinit(&e->cmd);
    strbuf_deinit(&e->frame);
    strbuf_deinit(&e->gateways);
    free(e);
}
