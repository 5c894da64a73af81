/* api_users.c - `GET /api/users/{user}`: the rooms that a user is in, as far as the nodes say.
 *
 *     api_users -> go_on -> start_shard -> on_nodes: the nodes of a shard
 *                    ^                         |
 *                    +<------------------------+
 *                    +---> start_step -> on_step: the rooms of one of them, a step of its set
 *                    ^                      |    -> start_room each -> on_room
 *                    +<---------------------+
 *                    +---> the end of the walk -> [all rooms are answered, or it is too late] -> finish
 *
 * Each room of each node is asked whether the user is a member of it. A request looks
 * at API_LOOK_MAX rooms or a few more, and for no longer than patience.h says; the cursor is `u`, the shard, `:`, Redis's cursor in the set of a
 * node's rooms, a space, and the node's name; without a name it is the first one.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/broken.h"
#include "admin/patience.h"
#include "common/intake.h"
#include "common/xalloc.h"

enum { STEP_COUNT = 1000, NODES_MAX = 4096 };

struct look {
    struct patience patience;
    struct http_request *req;
    struct api *api;
    struct json_text user;
    struct fleet_view nodes; /* of the shard: their names */
    size_t at;               /* the node that is being looked through */
    unsigned shard;
    bool has_nodes;
    char *
        cursor; /* the node to go on with, until its shard's nodes are known; NULL: the first */
    char step[REPLY_CURSOR_BYTES];
    struct map found; /* names, so that each comes once */
    unsigned looked;
    size_t to_answer;             /* rooms */
    unsigned asked[SHARD_OF_MAX]; /* of them, in each shard */
    uint64_t missing;             /* shards, a bit each */
    bool has_walked;              /* it asks for no more rooms */
    bool is_answered, is_closed;
};

struct room {
    struct look *look;
    unsigned shard;
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
    fleet_view_deinit(&look->nodes);
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

static void reply_found(struct look *look)
{
    struct strbuf *out = &look->api->out, next = {NULL, 0, 0};

    if (look->shard < look->api->db.count)
        strbuf_add_format(
            &next, "u%u:%s %s", look->shard, look->step,
            look->at < look->nodes.count ? look->nodes.nodes[look->at].name : "");
    strbuf_reset(out, 64 * 1024);
    strbuf_add_text(out, "{\"user\":");
    strbuf_add_json(out, look->user.base, look->user.len);
    strbuf_add_text(out, ",\"rooms\":[");
    add_found(out, look);
    strbuf_add_text(out, "],");
    api_add_next(out, next.data, next.len);
    db_add_missing(out, look->missing);
    strbuf_add_char(out, '}');
    api_reply(look->req, 200, out);
    strbuf_deinit(&next);
}

static void finish(struct look *look)
{
    look->is_answered = true;
    if (look->missing == db_all_shards(&look->api->db))
        api_unavailable(look->req);
    else
        reply_found(look);
    patience_end(&look->patience);
}

static void finish_if_done(struct look *look)
{
    if (look->is_answered && look->is_closed && look->to_answer == 0)
        free_look(look);
    else if (!look->is_answered && look->has_walked && look->to_answer == 0)
        finish(look);
}

static void start_shard(struct look *look);
static void start_step(struct look *look);

static void next_shard(struct look *look)
{
    fleet_view_deinit(&look->nodes);
    look->at = 0;
    look->shard++;
    look->has_nodes = false;
    strcpy(look->step, "0");
}

static void skip_shard(struct look *look)
{
    look->missing |= UINT64_C(1) << look->shard;
    next_shard(look);
}

static void go_on(struct look *look)
{
    if (look->has_nodes && look->at == look->nodes.count)
        next_shard(look);
    while (look->shard < look->api->db.count &&
           (!fleet_shard_is_up(&look->api->fleet, look->shard) ||
            !db_answers(&look->api->db, look->shard)))
        skip_shard(look);
    if (look->shard >= look->api->db.count || look->looked >= API_LOOK_MAX) {
        look->has_walked = true;
        finish_if_done(look);
    } else if (look->has_nodes) {
        start_step(look);
    } else {
        start_shard(look);
    }
}

/* Whether the user is a member; of a broken room nobody can tell, and the others are shown. */
static void on_room(void *data, int status, const redisReply *reply)
{
    struct room *room = data;
    struct look *look = room->look;

    look->to_answer--;
    look->asked[room->shard]--;
    if (status < 0 && !broken_is_cause(status, reply))
        look->missing |= UINT64_C(1) << room->shard;
    if (!look->is_answered && status == 0 && reply_is_value(reply, 1) &&
        !map_find(&look->found, room->name, room->len))
        map_add(&look->found, room->name, room->len, room);
    else
        free(room);
    finish_if_done(look);
}

static void start_room(struct look *look, struct json_text name)
{
    struct api *api = look->api;
    struct room *room = xcalloc(1, sizeof(*room) + name.len + 1);

    room->len = name.len;
    memcpy(room->name, name.base, name.len);
    room->look = look;
    room->shard = db_shard_of(&api->db, name);
    look->to_answer++;
    look->asked[room->shard]++;
    db_begin_room(&api->db, name, "HEXISTS");
    command_add_room_key(&api->db.cmd, name, KEY_MEMBERS);
    command_add(&api->db.cmd, look->user);
    db_send(&api->db, on_room, room);
}

static void on_step(void *data, int status, const redisReply *reply)
{
    struct look *look = data;
    const redisReply *rooms = reply_at(reply, 1);

    if (status < 0 || !reply_is_array(rooms, 0) ||
        !reply_take_cursor(look->step, reply, 0)) {
        skip_shard(look);
        go_on(look);
        return;
    }
    look->looked += (unsigned)reply_count(rooms);
    for (size_t i = 0; i < reply_count(rooms); i++)
        if (intake_room(look->api->metrics, "node_rooms", reply_text(rooms, i)))
            start_room(look, reply_text(rooms, i));
    if (strcmp(look->step, "0") == 0)
        look->at++;
    go_on(look);
}

static void start_step(struct look *look)
{
    struct api *api = look->api;

    db_begin(&api->db, look->shard, "SSCAN");
    command_add_node_key(&api->db.cmd, look->shard, look->nodes.nodes[look->at].name,
                         KEY_NODE_ROOMS);
    redis_command_add_text(&api->db.cmd, look->step);
    redis_command_add_text(&api->db.cmd, "COUNT");
    redis_command_add_u64(&api->db.cmd, STEP_COUNT);
    patience_send(&look->patience, &api->db, on_step, look);
}

/* The nodes are in the order of their names, so a cursor finds its place when some have come or
 * gone. */
static void find_place(struct look *look)
{
    const struct fleet_node *nodes = look->nodes.nodes;

    while (look->at < look->nodes.count &&
           strcmp(nodes[look->at].name, look->cursor) < 0)
        look->at++;
    if (look->at == look->nodes.count ||
        strcmp(nodes[look->at].name, look->cursor) != 0)
        strcpy(look->step, "0");
    free(look->cursor);
    look->cursor = NULL;
}

/* A list of nodes of another type than it has to be counts as empty, as in fleet.c. */
static void on_nodes(void *data, int status, const redisReply *reply)
{
    struct look *look = data;

    if (status < 0 && !broken_is_cause(status, reply)) {
        skip_shard(look);
    } else {
        fleet_view_take_names(&look->nodes, look->api->metrics, reply, 0);
        look->has_nodes = true;
        if (look->cursor)
            find_place(look);
    }
    go_on(look);
}

static void start_shard(struct look *look)
{
    struct db *db = &look->api->db;

    db_begin(db, look->shard, "ZRANGE");
    command_add_fleet_key(&db->cmd, look->shard, KEY_NODES);
    redis_command_add_u64(&db->cmd, 0);
    redis_command_add_u64(&db->cmd, NODES_MAX - 1);
    redis_command_add_text(&db->cmd, "WITHSCORES");
    patience_send(&look->patience, db, on_nodes, look);
}

/* ---- when it takes too long ---- */

static struct look *look_of(struct patience *patience)
{
    return list_entry(patience, struct look, patience);
}

static void on_half(struct patience *patience)
{
    struct look *look = look_of(patience);

    if (!patience_give_up(patience))
        return;
    skip_shard(look);
    go_on(look);
}

/* The cursor goes on behind the shard that holds it up. */
static void on_over(struct patience *patience)
{
    struct look *look = look_of(patience);

    if (patience_give_up(patience))
        skip_shard(look);
    for (unsigned i = 0; i < SHARD_OF_MAX; i++)
        if (look->asked[i] > 0)
            look->missing |= UINT64_C(1) << i;
    finish(look);
}

static void on_closed(struct patience *patience)
{
    struct look *look = look_of(patience);

    look->is_closed = true;
    finish_if_done(look);
}

static const struct patience_hooks patience_hooks = {on_half, on_over, on_closed};

/* ---- the request ---- */

/* False: it is none of ours. */
static bool take_cursor(struct look *look, const char *cursor)
{
    size_t of_shard = strspn(cursor + 1, "0123456789"), of_step;
    const char *step = cursor + 2 + of_shard;

    if (cursor[0] != 'u' || of_shard < 1 || of_shard > 2 || step[-1] != ':')
        return false;
    of_step = strspn(step, "0123456789");
    if (of_step < 1 || of_step > API_DIGITS_MAX || step[of_step] != ' ')
        return false;
    look->shard = (unsigned)strtoul(cursor + 1, NULL, 10);
    snprintf(look->step, sizeof(look->step), "%.*s", (int)of_step, step);
    look->cursor = xstrdup(step + of_step + 1);
    return true;
}

void api_users(void *owner, struct http_request *req)
{
    struct json_text user;
    struct look *look;
    char *cursor;

    if (!api_take_user(req, 0, &user) || !api_take_cursor(req, &cursor))
        return;
    look = xcalloc(1, sizeof(*look));
    look->req = req;
    look->api = owner;
    look->user = user;
    strcpy(look->step, "0");
    if (!cursor || take_cursor(look, cursor)) {
        patience_begin(&look->patience, &look->api->db, &patience_hooks);
        go_on(look);
    } else {
        api_bad_request(req, "not a cursor that was given here");
        free_look(look);
    }
    free(cursor);
}
