/* events.c - see events.h.
 *
 *     api_events -> listeners_add -> on_heard, if it listens to a room -> welcome
 *     on_tick: those whose token has ended go; stats, a comment
 *     event_links -> on_fleet_event -> all listeners
 *                 -> on_notice, if a gateway would pass it on, line by line
 *                    -> those who listen to the room
 *
 * An event is framed once and copied into each listener's stream (listeners.h). What happened while Redis was away is not made up for: a listener sees
 * `status` and asks again.
 */
#include "admin/events.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/event_links.h"
#include "admin/fleet_keys.h"
#include "admin/leaving.h"
#include "admin/listeners.h"
#include "common/intake.h"
#include "common/json_read.h"
#include "common/log.h"
#include "common/notice.h"
#include "common/xalloc.h"

enum {
    TICK_MS = 1000,
    COMMENT_MS = 15000,
};

struct events {
    struct api *api;
    struct event_links links;
    uv_timer_t tick;
    struct listeners listeners;
    struct strbuf frame;    /* scratch */
    struct strbuf gateways; /* what of them was told last, without their ages */
    uint64_t comment_at_ms;
    struct leaving leaving;
    bool was_up;
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

/* Nothing that happens is missed. */
static bool is_up(const struct events *e)
{
    return event_links_are_ready(&e->links) && fleet_is_up(&e->api->fleet);
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
    if (fleet_is_up(&e->api->fleet) && have_gateways_changed(e)) {
        frame_gateways(e);
        send_all(e);
    }
}

/* ---- in ---- */

/* Of the fleet: what is told of a room, and what an operator did. */
static const char *const room_types[] = {"room_opened", "room_expired", "room_closed"};
static const char audit_head[] = "{\"type\":\"audit\",\"id\":\"";
static const char keys_head[] = "{\"type\":\"keys_wanted\",";

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

/* Of gateways, for this service alone: they have met a key that they do not know. False: it is something
 * else. */
static bool take_wish_for_keys(struct events *e, struct json_text line)
{
    struct json_members in = {NULL, 0, 0, 0};
    struct json_text issuer;
    bool is_wish;

    if (line.len < sizeof(keys_head) - 1 ||
        memcmp(line.base, keys_head, sizeof(keys_head) - 1) != 0)
        return false;
    is_wish = json_scan(line.base, line.len, &in) == 0;
    issuer = json_read_find(&in, "issuer");
    is_wish = is_wish && json_read_is_string(issuer);
    if (is_wish) {
        char *name = json_read_dup(issuer);

        fleet_keys_want(e->api->keys, (struct json_text){name, strlen(name)});
        free(name);
    }
    json_members_deinit(&in);
    return is_wish;
}

static void on_fleet_event(void *owner, struct json_text line)
{
    struct events *e = owner;
    const char *type = type_of(line);

    if (!type && take_wish_for_keys(e, line))
        return;
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
static void on_room_notice(struct events *e, struct listeners_room *room,
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
    for (size_t i = 0; i < body.lines_count && listeners_room_takes(room, &notice);
         i++) {
        const char *stop = notice_line_end(at, end);

        send_room(e, room, notice_type(notice.kind, i), at, (size_t)(stop - at));
        at = stop + 1;
    }
    notice_body_deinit(&body);
}

/* NULL: nobody listens to it. */
static struct listeners_room *room_of(struct events *e, struct json_text channel)
{
    size_t len;
    const char *name = keys_room_of_events(channel.base, channel.len, &len);

    return name ? listeners_find_room(&e->listeners, name, len) : NULL;
}

static void on_notice(void *owner, struct json_text channel, struct json_text payload)
{
    struct listeners_room *room = room_of(owner, channel);

    if (room)
        on_room_notice(owner, room, payload);
}

/* ---- the links ---- */

static void want(struct events *e, const struct listeners_room *room, bool is_wanted)
{
    event_links_want(&e->links, (struct json_text){room->name, room->len}, is_wanted);
}

static void on_room(void *owner, const struct listeners_room *room, bool is_first)
{
    want(owner, room, is_first);
}

static void on_link(void *owner, unsigned shard)
{
    struct events *e = owner;
    struct listeners_room *room;
    uint32_t at = 0;

    while ((room = listeners_next_room(&e->listeners, &at)))
        if (db_shard_of(&e->api->db, (struct json_text){room->name, room->len}) ==
            shard) {
            room->is_heard = false;
            want(e, room, true);
        }
}

static void on_change(void *owner)
{
    events_on_fleet(owner);
}

void events_end_session(struct events *e, const unsigned char digest[OPERATORS_DIGEST])
{
    leaving_end_session(&e->leaving, digest);
}

static void on_tick(uv_timer_t *timer)
{
    struct events *e = timer->data;
    uint64_t now = uv_now(e->api->loop);

    event_links_tick(&e->links);
    if (e->listeners.count == 0)
        return;
    leaving_tick(&e->leaving);
    frame_stats(e);
    if (now >= e->comment_at_ms) {
        e->comment_at_ms = now + COMMENT_MS - TICK_MS;
        strbuf_add_text(&e->frame, ": still here\n\n");
    }
    send_all(e);
}

/* ---- listeners ---- */

/* What it asks for from now on, it hears the changes of. */
static void welcome(void *owner, struct listener *l)
{
    struct events *e = owner;

    listener_send(l, ": welcome\n\n", 11);
    frame_stats(e);
    listener_send(l, e->frame.data, e->frame.len);
    frame_gateways(e);
    listener_send(l, e->frame.data, e->frame.len);
}

static void start_listening(struct events *e, struct http_request *req,
                            struct json_text room)
{
    http_add_header(req, "cache-control", "no-store");
    http_add_header(req, "x-accel-buffering", "no"); /* for an nginx in between */
    if (listeners_add(&e->listeners, req, http_kept(req), room))
        listeners_welcome(&e->listeners, welcome);
}

static void on_heard(void *owner, struct json_text channel)
{
    struct events *e = owner;
    struct listeners_room *room = room_of(e, channel);

    if (!room)
        return;
    room->is_heard = true;
    listeners_welcome(&e->listeners, welcome);
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
    const struct event_links_opts opts = {
        .loop = api->loop,
        .config = api->config,
        .metrics = api->metrics,
        .db = &api->db,
        .name = api->fleet.replica,
        .owner = e,
        .on_link = on_link,
        .on_change = on_change,
        .on_fleet = on_fleet_event,
        .on_room = on_notice,
        .on_heard = on_heard,
    };

    e->api = api;
    listeners_init(&e->listeners, api->metrics, on_room, e);
    e->leaving = (struct leaving){.api = api, .listeners = &e->listeners};
    event_links_open(&e->links, &opts);
    uv_timer_init(api->loop, &e->tick);
    e->tick.data = e;
    uv_timer_start(&e->tick, on_tick, TICK_MS, TICK_MS);
    return e;
}

void events_close(struct events *e)
{
    event_links_close(&e->links);
    uv_close((uv_handle_t *)&e->tick, NULL);
}

void events_free(struct events *e)
{
    if (!e)
        return;
    listeners_deinit(&e->listeners);
    event_links_deinit(&e->links);
    strbuf_deinit(&e->frame);
    strbuf_deinit(&e->gateways);
    free(e);
}
