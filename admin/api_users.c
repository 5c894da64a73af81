/* api_users.c - `GET /api/users/{user}`: the rooms that a user is in, as far as the nodes say;
 * `POST /api/users/{user}/disconnect`.
 *
 *     api_users -> on_view -> start_step -> on_step: the rooms of one node, a step of its set
 *                                  ^           -> start_room each -> on_room
 *                                  +-----------------------------------+ -> finish
 *
 * Each room of each node is asked whether the user is a member of it. A request looks
 * at API_LOOK_MAX rooms or a few more; the cursor is `u`, the node's name and Redis's cursor
 * in its set.
 *
 *     api_users_disconnect -> on_fleet -> tell -> on_told -> all have heard, or on_pause
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/broken.h"
#include "admin/moderation.h"
#include "common/intake.h"
#include "common/xalloc.h"

enum { STEP_COUNT = 1000, PAUSE_MS = 50, PATIENCE_MS = 2000 };

/* ---- where a user is ---- */

struct look {
    struct fleet_wait wait; /* first */
    struct http_request *req;
    struct api *api;
    struct json_text user;
    char **nodes;
    size_t count, at; /* the node that is being looked through */
    char *cursor;     /* as it was given; NULL: none */
    char step[REPLY_CURSOR_BYTES];
    struct list rooms; /* of this step, in the order asked */
    struct map found;  /* names, so that each comes once */
    unsigned looked;
    size_t to_answer;
    bool has_failed;
};

struct room {
    struct list link;
    size_t len;
    char name[];
};

static void free_look(struct look *look)
{
    struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&look->found, &at)))
        free(room);
    map_deinit(&look->found);
    for (size_t i = 0; i < look->count; i++)
        free(look->nodes[i]);
    free(look->nodes);
    free(look->cursor);
    free(look);
}

static void add_found(struct strbuf *out, const struct look *look)
{
    struct room *room;
    uint32_t at = 0;
    bool is_first = true;

    while ((room = map_next(&look->found, &at))) {
        if (!is_first)
            strbuf_add_char(out, ',');
        strbuf_add_json(out, room->name, room->len);
        is_first = false;
    }
}

static void finish(struct look *look)
{
    struct strbuf *out = &look->api->out, next = {NULL, 0, 0};

    if (look->has_failed) {
        api_unavailable(look->req);
        free_look(look);
        return;
    }
    if (look->at < look->count)
        strbuf_add_format(&next, "u%s %s", look->nodes[look->at], look->step);
    strbuf_reset(out, 64 * 1024);
    strbuf_add_text(out, "{\"user\":");
    strbuf_add_json(out, look->user.base, look->user.len);
    strbuf_add_text(out, ",\"rooms\":[");
    add_found(out, look);
    strbuf_add_text(out, "],");
    api_add_next(out, next.data, next.len);
    strbuf_add_char(out, '}');
    api_reply(look->req, 200, out);
    strbuf_deinit(&next);
    free_look(look);
}

static void start_step(struct look *look);

static void go_on(struct look *look)
{
    if (!look->has_failed && look->at < look->count && look->looked < API_LOOK_MAX)
        start_step(look);
    else
        finish(look);
}

/* Whether the user is a member; of a broken room nobody can tell, and the others are shown. */
static void on_room(void *data, int status, const redisReply *reply)
{
    struct look *look = data;
    struct room *room = list_entry(list_first(&look->rooms), struct room, link);

    list_remove(&room->link);
    if (status < 0 && !broken_is_cause(status, reply))
        look->has_failed = true;
    if (status == 0 && reply_is_value(reply, 1) &&
        !map_find(&look->found, room->name, room->len))
        map_add(&look->found, room->name, room->len, room);
    else
        free(room);
    if (--look->to_answer == 0)
        go_on(look);
}

static void start_room(struct look *look, struct json_text name)
{
    struct api *api = look->api;
    struct room *room = xcalloc(1, sizeof(*room) + name.len + 1);

    room->len = name.len;
    memcpy(room->name, name.base, name.len);
    list_add(&look->rooms, &room->link);
    db_begin(&api->db, "HEXISTS");
    command_add_room_key(&api->db.cmd, name, KEY_MEMBERS);
    command_add(&api->db.cmd, look->user);
    db_send(&api->db, on_room, look);
}

static void on_step(void *data, int status, const redisReply *reply)
{
    struct look *look = data;
    const redisReply *rooms = reply_at(reply, 1);

    if (status < 0 || !reply_is_array(rooms, 0) ||
        !reply_take_cursor(look->step, reply, 0)) {
        look->has_failed = true;
        finish(look);
        return;
    }
    if (strcmp(look->step, "0") == 0)
        look->at++;
    look->looked += (unsigned)reply_count(rooms);
    look->to_answer = 1; /* this one, until the rooms were asked for */
    for (size_t i = 0; i < reply_count(rooms); i++)
        if (intake_room(look->api->metrics, "node_rooms", reply_text(rooms, i))) {
            look->to_answer++;
            start_room(look, reply_text(rooms, i));
        }
    if (--look->to_answer == 0)
        go_on(look);
}

static void start_step(struct look *look)
{
    struct api *api = look->api;

    db_begin(&api->db, "SSCAN");
    command_add_node_key(&api->db.cmd, 0, look->nodes[look->at], KEY_NODE_ROOMS);
    redis_command_add_text(&api->db.cmd, look->step);
    redis_command_add_text(&api->db.cmd, "COUNT");
    redis_command_add_u64(&api->db.cmd, STEP_COUNT);
    db_send(&api->db, on_step, look);
}

/* The nodes are in the order of their names, so a cursor finds its place when some have come or
 * gone. */
static void find_place(struct look *look)
{
    char *node = look->cursor + 1, *step = strchr(look->cursor, ' ');

    *step++ = '\0';
    while (look->at < look->count && strcmp(look->nodes[look->at], node) < 0)
        look->at++;
    if (look->at < look->count && strcmp(look->nodes[look->at], node) == 0)
        snprintf(look->step, sizeof(look->step), "%s", step);
}

/* `u`, a node, a space, and Redis's cursor in its set. */
static bool is_cursor(const char *cursor)
{
    const char *step = strchr(cursor, ' ');
    size_t digits = step ? strspn(step + 1, "0123456789") : 0;

    return cursor[0] == 'u' && digits >= 1 && digits <= API_DIGITS_MAX &&
           step[1 + digits] == '\0';
}

static void on_view(struct fleet_wait *wait, bool ok)
{
    struct look *look = (struct look *)(void *)wait;

    if (!ok) {
        look->has_failed = true;
        finish(look);
        return;
    }
    look->nodes = fleet_copy_names(&look->api->fleet, &look->count);
    if (look->cursor)
        find_place(look);
    go_on(look);
}

void api_users(void *owner, struct http_request *req)
{
    struct json_text user;
    struct look *look;
    char *cursor;

    if (!api_take_user(req, 0, &user) || !api_take_cursor(req, &cursor))
        return;
    if (cursor && !is_cursor(cursor)) {
        free(cursor);
        api_bad_request(req, "not a cursor that was given here");
        return;
    }
    if (!api_is_up(req)) {
        free(cursor);
        return;
    }
    look = xcalloc(1, sizeof(*look));
    look->cursor = cursor;
    look->wait.on_view = on_view;
    look->req = req;
    look->api = owner;
    look->user = user;
    strcpy(look->step, "0");
    list_init(&look->rooms);
    fleet_get(&look->api->fleet, &look->wait);
}

/* ---- disconnect ---- */

struct order {
    struct fleet_wait wait; /* first */
    struct http_request *req;
    struct api *api;
    struct json_text user;
    struct strbuf text;
    struct audit_origin origin;
    uv_timer_t pause;
    uint64_t until_ms;
    char **nodes; /* that have not heard it */
    size_t count, total;
    size_t to_answer, again_count; /* of this round */
};

static void on_closed(uv_handle_t *handle)
{
    struct order *order = handle->data;

    strbuf_deinit(&order->text);
    free(order);
}

static void end_order(struct order *order)
{
    for (size_t i = 0; i < order->count; i++)
        free(order->nodes[i]);
    free(order->nodes);
    uv_close((uv_handle_t *)&order->pause, on_closed);
}

static void reply_told(struct order *order)
{
    struct strbuf *out = &order->api->out;

    audit_add(order->api, &order->origin,
              &(struct audit_entry){.what = AUDIT_DISCONNECT, .user = order->user});
    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"disconnected\":true");
    proto_add_number(out, "nodes", order->total - order->count);
    moderation_reply(order->req, order->nodes, order->count);
    end_order(order);
}

static void tell(struct order *order);

static void on_pause(uv_timer_t *timer)
{
    tell(timer->data);
}

/* PUBLISH says how many heard it: none while a node's subscription is cut. */
static void on_told(void *data, int status, const redisReply *reply)
{
    struct order *order = data;
    char *node = order->nodes[order->count - order->to_answer];

    if (status == 0 && reply_value(reply) > 0)
        free(node);
    else
        order->nodes[order->again_count++] = node;
    if (--order->to_answer > 0)
        return;
    order->count = order->again_count;
    if (order->again_count == 0 || order->api->is_closing ||
        uv_now(order->api->loop) + PAUSE_MS > order->until_ms)
        reply_told(order);
    else
        uv_timer_start(&order->pause, on_pause, PAUSE_MS, 0);
}

static void tell(struct order *order)
{
    struct api *api = order->api;
    size_t count = order->count;

    order->to_answer = count;
    order->again_count = 0;
    for (size_t i = 0; i < count; i++) {
        db_begin(&api->db, command_publish());
        command_add_node_key(&api->db.cmd, 0, order->nodes[i], KEY_NODE_CANARY);
        redis_command_add(&api->db.cmd, order->text.data, order->text.len);
        db_send(&api->db, on_told, order);
    }
}

/* Nodes that are silent have no connections to close. */
static void on_fleet(struct fleet_wait *wait, bool ok)
{
    struct order *order = (struct order *)(void *)wait;
    const struct fleet_view *view = &order->api->fleet.view;

    if (!ok) {
        api_unavailable(order->req);
        end_order(order);
        return;
    }
    order->nodes = xcalloc(view->count + 1, sizeof(char *));
    for (size_t i = 0; i < view->count; i++)
        if (view->nodes[i].address)
            order->nodes[order->count++] = xstrdup(view->nodes[i].name);
    order->total = order->count;
    if (order->count == 0)
        reply_told(order);
    else
        tell(order);
}

void api_users_disconnect(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text user;
    struct order *order;

    if (!api_take_user(req, 0, &user) || !api_is_up(req))
        return;
    order = xcalloc(1, sizeof(*order));
    order->wait.on_view = on_fleet;
    order->req = req;
    order->api = api;
    order->user = user;
    order->until_ms = uv_now(api->loop) + PATIENCE_MS;
    audit_origin_of(&order->origin, req);
    strbuf_add_text(&order->text, "disconnect ");
    strbuf_add_percent(&order->text, user.base, user.len);
    uv_timer_init(api->loop, &order->pause);
    order->pause.data = order;
    fleet_get(&api->fleet, &order->wait);
}
