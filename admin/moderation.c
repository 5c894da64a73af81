/* moderation.c - see moderation.h.
 *
 *     moderation_kick -> on_view -> start_kick -> on_kicked -> settle_start -> on_settled
 *                           ^                         | a node that we did not know of
 *                           +-------------------------+ (three times at most)
 */
#include "admin/moderation.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/settle.h"
#include "common/xalloc.h"

enum { ENTRIES_MAX = 10000, TRIES_MAX = 3 };

struct kick {
    struct fleet_wait wait; /* first */
    struct api *api;
    struct moderation_kick_opts opts;
    char *reason;
    char **nodes; /* of the call in flight, in its order */
    size_t count;
    unsigned tries;
};

/* ---- bans and mutes ---- */

void moderation_set(struct api *api, enum room_key which, struct json_text room,
                    struct json_text user, int64_t secs, redis_reply_fn on_reply,
                    void *data)
{
    db_begin_script(&api->db, SCRIPT_MODERATE, 2);
    command_add_room_key(&api->db.cmd, room, which);
    command_add_room_key(&api->db.cmd, room, KEY_META);
    command_add(&api->db.cmd, user);
    if (secs == MODERATION_LIFT)
        redis_command_add_text(&api->db.cmd, "");
    else
        redis_command_add_u64(&api->db.cmd, (uint64_t)secs);
    redis_command_add_u64(&api->db.cmd, ENTRIES_MAX);
    db_send_script(&api->db, SCRIPT_MODERATE, on_reply, data);
}

/* ---- kicks ---- */

static void free_nodes(char **nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(nodes[i]);
    free(nodes);
}

static void end(struct kick *kick, enum moderation_kick result, char *const *pending,
                size_t count)
{
    free_nodes(kick->nodes, kick->count);
    kick->opts.on_done(kick->opts.data, result, pending, count);
    free(kick->reason);
    free(kick);
}

static void on_settled(void *data, char *const *pending, size_t count)
{
    end(data, KICK_DONE, pending, count);
}

/* The script told by number who has the user; the strings go to settle. */
static void start_settling(struct kick *kick, const redisReply *reply)
{
    struct settle_opts opts = {
        .room = kick->opts.room,
        .field = kick->opts.user,
        .mark = reply_text(reply, 1).base,
        .nodes = xcalloc(reply->elements, sizeof(char *)),
        .on_done = on_settled,
        .data = kick,
    };

    for (size_t i = 2; i < reply->elements; i++) {
        uint64_t number = reply_number(reply, i);

        if (number < 1 || number > kick->count || !kick->nodes[number - 1])
            continue;
        opts.nodes[opts.count++] = kick->nodes[number - 1];
        kick->nodes[number - 1] = NULL;
    }
    settle_start(kick->api, &opts);
}

static void on_kicked(void *data, int status, const redisReply *reply)
{
    struct kick *kick = data;

    if (status < 0 || !reply_is_array(reply, 1)) {
        end(kick, KICK_FAILED, NULL, 0);
    } else if (reply_is_text(reply, 0, "absent")) {
        end(kick, KICK_ABSENT, NULL, 0);
    } else if (reply_is_text(reply, 0, "again")) {
        free_nodes(kick->nodes, kick->count);
        kick->nodes = NULL;
        kick->count = 0;
        fleet_get_anew(&kick->api->fleet, &kick->wait);
    } else {
        kick->opts.on_kicked(kick->opts.data);
        start_settling(kick, reply);
    }
}

static void add_event(struct strbuf *out, const struct kick *kick, const char *type)
{
    strbuf_reset(out, 4096);
    proto_begin(out, type, (struct json_text){NULL, 0});
    proto_add_text(out, "room", kick->opts.room.base, kick->opts.room.len);
}

static void add_events(struct kick *kick)
{
    struct api *api = kick->api;
    struct strbuf *out = &api->out;

    add_event(out, kick, "kicked");
    proto_add_text(out, "reason", kick->reason, strlen(kick->reason));
    strbuf_add_char(out, '}');
    redis_command_add(&api->db.cmd, out->data, out->len);
    add_event(out, kick, "member_left");
    proto_add_text(out, "reason", "kicked", 6);
    proto_add_text(out, "user", kick->opts.user.base, kick->opts.user.len);
    strbuf_add_text(out, ",\"members\":");
    redis_command_add(&api->db.cmd, out->data, out->len);
}

static void start_kick(struct kick *kick)
{
    static const enum room_key keys[] = {KEY_META, KEY_MEMBERS, KEY_HISTORY, KEY_KICKS,
                                         KEY_EVENTS};
    struct api *api = kick->api;

    kick->nodes = fleet_copy_names(&api->fleet, &kick->count);
    db_begin_script(&api->db, SCRIPT_KICK, 5 + (unsigned)kick->count);
    for (size_t i = 0; i < 5; i++)
        command_add_room_key(&api->db.cmd, kick->opts.room, keys[i]);
    for (size_t i = 0; i < kick->count; i++)
        command_add_on_key(&api->db.cmd, kick->opts.room, kick->nodes[i]);
    command_add(&api->db.cmd, kick->opts.user);
    command_add_percent(&api->db.cmd, kick->opts.user);
    redis_command_add_text(&api->db.cmd, kick->reason);
    add_events(kick);
    redis_command_add_u64(&api->db.cmd, (uint64_t)api->config->presence_events_max);
    redis_command_add_u64(&api->db.cmd, 1000u * (uint64_t)api->config->room_ttl_secs);
    redis_command_add_u64(&api->db.cmd, ++kick->tries >= TRIES_MAX);
    db_send_script(&api->db, SCRIPT_KICK, on_kicked, kick);
}

static void on_view(struct fleet_wait *wait, bool ok)
{
    struct kick *kick = (struct kick *)(void *)wait;

    if (ok)
        start_kick(kick);
    else
        end(kick, KICK_FAILED, NULL, 0);
}

void moderation_kick(struct api *api, const struct moderation_kick_opts *opts)
{
    struct kick *kick = xcalloc(1, sizeof(*kick));

    kick->wait.on_view = on_view;
    kick->api = api;
    kick->opts = *opts;
    kick->reason =
        xmemdup(opts->reason.base ? opts->reason.base : "", opts->reason.len);
    fleet_get(&api->fleet, &kick->wait);
}

void moderation_add_pending(struct strbuf *out, char *const *pending, size_t count)
{
    if (count == 0)
        return;
    strbuf_add_text(out, ",\"pending\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add_json(out, pending[i], strlen(pending[i]));
    }
    strbuf_add_char(out, ']');
}
