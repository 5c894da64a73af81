/* broken.c - see broken.h.
 *
 *     broken_failed -> broken_or -> broken_look -> on_nodes -> on_look -> 503, or otherwise
 */
#include "admin/broken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/xalloc.h"

struct look {
    struct http_request *req;
    void (*otherwise)(struct http_request *req);
};

bool broken_is_cause(int status, const redisReply *reply)
{
    return status == UV_EREMOTEIO && strncmp(reply_error(reply), "WRONGTYPE", 9) == 0;
}

struct json_text broken_why(const redisReply *reply)
{
    struct json_text why = reply_text(reply, 1);

    if (reply_count(reply) != 2)
        return (struct json_text){"", 0};
    if (!proto_is_plain(why.base, why.len, why.len))
        return (struct json_text){"unreadable", 10};
    return why;
}

/* ---- which one it is ---- */

struct reading {
    struct api *api;
    struct json_text room; /* borrowed of the request */
    redis_reply_fn on_reply;
    void *data;
};

/* Without nodes, where those of the room cannot be read: room.lua tells why. */
static void start_room(const struct reading *reading, const redisReply *reply)
{
    struct api *api = reading->api;
    size_t count = reply_count(reply);
    struct json_text *nodes = xcalloc(count + 1, sizeof(*nodes));
    unsigned known = 0;

    for (size_t i = 0; i < count; i++)
        if (intake_node(api->metrics, "room_nodes", reply_text(reply, i)))
            nodes[known++] = reply_text(reply, i);
    db_begin_room_script(&api->db, reading->room, SCRIPT_ROOM,
                         COMMAND_ROOM_KEYS + known);
    command_add_room_keys(&api->db.cmd, reading->room);
    for (unsigned i = 0; i < known; i++)
        command_add_on_key(&api->db.cmd, reading->room, nodes[i].base);
    command_add(&api->db.cmd, reading->room);
    db_send_script(&api->db, SCRIPT_ROOM, reading->on_reply, reading->data);
    free(nodes);
}

/* Who does not answer is not asked once more. */
static void on_nodes(void *data, int status, const redisReply *reply)
{
    struct reading *reading = data;

    if (status < 0 && status != UV_EREMOTEIO)
        reading->on_reply(reading->data, status, NULL);
    else
        start_room(reading, reply);
    free(reading);
}

void broken_look(struct api *api, struct json_text room, redis_reply_fn on_reply,
                 void *data)
{
    struct reading *reading = xcalloc(1, sizeof(*reading));

    *reading = (struct reading){api, room, on_reply, data};
    db_begin_room(&api->db, room, "HKEYS");
    command_add_room_key(&api->db.cmd, room, KEY_ROOM_NODES);
    db_send(&api->db, on_nodes, reading);
}

static void on_look(void *data, int status, const redisReply *reply)
{
    struct look *look = data;
    struct http_request *req = look->req;
    struct json_text room = http_param(req, 0), why = broken_why(reply);

    if (status == 0 && why.len > 0) {
        char message[PROTO_ROOM_MAX + KEYS_MAX_BYTES + 128];

        snprintf(message, sizeof(message),
                 "room %.*s is broken: %.*s; it can be closed", (int)room.len,
                 room.base, (int)why.len, why.base);
        api_broken(req, message);
    } else {
        look->otherwise(req);
    }
    free(look);
}

void broken_or(struct http_request *req, void (*otherwise)(struct http_request *req))
{
    struct look *look = xcalloc(1, sizeof(*look));

    look->req = req;
    look->otherwise = otherwise;
    broken_look(api_of(req), http_param(req, 0), on_look, look);
}

void broken_failed(struct http_request *req, int status, const redisReply *reply)
{
    if (broken_is_cause(status, reply))
        broken_or(req, api_unavailable);
    else
        api_unavailable(req);
}
