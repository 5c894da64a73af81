/* api_shards.c - `GET /api/shards`: each Redis is asked what it is and how many rooms it has.
 *
 *     api_shards -> start_shard each -> on_rooms -> on_info -> answered -> [all] reply
 *
 * One after the other, so that in a cluster the master that has the registry is the one that tells its role.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/broken.h"
#include "common/xalloc.h"

struct shard {
    struct call *call;
    unsigned number;
    bool is_up;
    uint64_t rooms;
    const char *role; /* NULL: it does not say */
};

struct call {
    struct http_request *req;
    struct api *api;
    unsigned to_answer;
    struct shard of[SHARD_OF_MAX];
};

static void add_where(struct strbuf *out, const struct shard *shard)
{
    struct strbuf text = {NULL, 0, 0};

    db_print_where(&shard->call->api->db, shard->number, &text);
    proto_add_text(out, "where", text.len > 0 ? text.data : "", text.len);
    strbuf_deinit(&text);
}

static void add_shard(struct strbuf *out, const struct shard *shard)
{
    strbuf_add_format(out, "%s{\"shard_id\":%u", shard->number > 0 ? "," : "",
                      shard->number);
    add_where(out, shard);
    proto_add_raw(out, "up", shard->is_up ? "true" : "false");
    if (shard->is_up)
        proto_add_number(out, "rooms", shard->rooms);
    else
        proto_add_raw(out, "rooms", "null");
    if (shard->is_up && shard->role)
        proto_add_text(out, "role", shard->role, strlen(shard->role));
    else
        proto_add_raw(out, "role", "null");
    strbuf_add_char(out, '}');
}

static void answered(struct call *call)
{
    struct strbuf *out = &call->api->out;

    if (--call->to_answer > 0)
        return;
    strbuf_reset(out, 16 * 1024);
    strbuf_add_text(out, "{\"shards\":[");
    for (unsigned i = 0; i < call->api->db.count; i++)
        add_shard(out, &call->of[i]);
    strbuf_add_text(out, "]");
    proto_add_raw(out, "cluster", call->api->db.is_cluster ? "true" : "false");
    strbuf_add_char(out, '}');
    api_reply(call->req, 200, out);
    free(call);
}

static void on_info(void *data, int status, const redisReply *reply)
{
    struct shard *shard = data;
    struct json_text text = reply_string(reply);

    if (status == 0 && memmem(text.base, text.len, "role:master", 11))
        shard->role = "master";
    else if (status == 0 && memmem(text.base, text.len, "role:slave", 10))
        shard->role = "replica";
    answered(shard->call);
}

/* An index of a wrong type is an answer too. */
static void on_rooms(void *data, int status, const redisReply *reply)
{
    struct shard *shard = data;
    struct db *db = &shard->call->api->db;

    if (status < 0 && !broken_is_cause(status, reply)) {
        shard->is_up = false;
        answered(shard->call);
        return;
    }
    if (status == 0)
        shard->rooms = reply_value(reply);
    db_begin(db, shard->number, "INFO");
    redis_command_add_text(&db->cmd, "replication");
    db_send(db, on_info, shard);
}

static void start_shard(struct shard *shard)
{
    struct db *db = &shard->call->api->db;

    shard->is_up = fleet_shard_is_up(&shard->call->api->fleet, shard->number);
    if (!shard->is_up) {
        answered(shard->call);
        return;
    }
    db_begin(db, shard->number, "ZCARD");
    command_add_fleet_key(&db->cmd, shard->number, KEY_ROOMS);
    db_send(db, on_rooms, shard);
}

void api_shards(void *owner, struct http_request *req)
{
    struct call *call = xcalloc(1, sizeof(*call));
    unsigned count;

    call->req = req;
    call->api = owner;
    count = call->api->db.count;
    call->to_answer = count;
    for (unsigned i = 0; i < count; i++)
        call->of[i] = (struct shard){.call = call, .number = i};
    for (unsigned i = 0; i < count; i++)
        start_shard(&call->of[i]);
}
