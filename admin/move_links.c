/* move_links.c - see move_links.h. Here: calls; how both sides are connected is in move_links_open.c.
 *
 *     move_links_send -> on_answer -> the caller's on_reply
 *                                  -> move_links_fail
 */
#include "admin/move_links.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shard_of.h"
#include "common/xalloc.h"

bool move_links_fail(struct move_links *links, const char *format, ...)
{
    va_list args;

    if (links->has_failed)
        return false;
    links->has_failed = true;
    va_start(args, format);
    vsnprintf(links->why, sizeof(links->why), format, args);
    va_end(args);
    return false;
}

/* ---- calls ---- */

struct call {
    struct move_side *side;
    const char *what; /* "shard", "master" */
    unsigned number;
    move_reply_fn on_reply;
    void *data;
};

static void on_answer(void *data, int status, const redisReply *reply)
{
    struct call call = *(struct call *)data;
    struct move_links *links = call.side->links;

    free(data);
    links->pending--;
    if (status < 0)
        move_links_fail(
            links, "%s, %s %u: %.200s", call.side->name, call.what, call.number,
            status == UV_EREMOTEIO ? reply_error(reply) : uv_strerror(status));
    else if (call.on_reply && !links->has_failed)
        call.on_reply(call.data, reply);
}

static struct call *new_call(struct move_side *side, const char *what, unsigned number,
                             move_reply_fn on_reply, void *data)
{
    struct call *call = xmalloc(sizeof(*call));

    *call = (struct call){side, what, number, on_reply, data};
    side->links->pending++;
    return call;
}

static void send_by_cluster(struct move_side *side, const struct move_at *at,
                            enum script script, move_reply_fn on_reply, void *data)
{
    const struct cluster_target target = {.slot = at->slot, .shard = at->shard};

    cluster_send(&side->cluster, &target, &side->links->cmd, script, on_answer,
                 new_call(side, "shard", at->shard, on_reply, data));
}

static void send_by_link(struct move_side *side, struct redis_link *link,
                         unsigned number, enum script script, move_reply_fn on_reply,
                         void *data)
{
    struct call *call =
        new_call(side, side->is_cluster ? "master" : "shard", number, on_reply, data);
    const struct redis_command *cmd = &side->links->cmd;
    int rc = script == SCRIPTS_COUNT ? redis_link_send(link, cmd, on_answer, call)
                                     : scripts_send(link, script, cmd, on_answer, call);

    if (rc < 0)
        on_answer(call, rc, NULL);
}

void move_links_send_script(struct move_links *links, enum move_which which,
                            const struct move_at *at, enum script script,
                            move_reply_fn on_reply, void *data)
{
    struct move_side *side = &links->sides[which];

    if (links->has_failed)
        return;
    if (side->is_cluster)
        send_by_cluster(side, at, script, on_reply, data);
    else
        send_by_link(side, side->places[at->shard].link, at->shard, script, on_reply,
                     data);
}

void move_links_send(struct move_links *links, enum move_which which,
                     const struct move_at *at, move_reply_fn on_reply, void *data)
{
    move_links_send_script(links, which, at, SCRIPTS_COUNT, on_reply, data);
}

struct redis_link *move_links_of_place(const struct move_place *place)
{
    return place->master ? cluster_master_use(place->master) : place->link;
}

void move_links_send_place(struct move_links *links, const struct move_place *place,
                           move_reply_fn on_reply, void *data)
{
    if (!links->has_failed)
        send_by_link(place->side, move_links_of_place(place), place->number,
                     SCRIPTS_COUNT, on_reply, data);
}

bool move_links_wait(struct move_links *links)
{
    while (links->pending > 0)
        uv_run(&links->loop, UV_RUN_ONCE);
    return !links->has_failed;
}

void move_links_begin(struct move_links *links, const char *verb)
{
    redis_command_begin(&links->cmd);
    redis_command_add_text(&links->cmd, verb);
}

/* ---- names ---- */

struct move_at move_links_of_room(const struct move_side *side, struct json_text room)
{
    unsigned spread = side->is_cluster ? SHARD_OF_CLUSTER : side->shards;

    return (struct move_at){shard_of(room.base, room.len, spread),
                            cluster_slot_of_room(room.base, room.len)};
}

struct move_at move_links_of_fleet(const struct move_side *side, unsigned shard)
{
    char key[KEYS_MAX_BYTES];
    size_t len = keys_fleet_in(key, side->is_cluster, shard, KEY_ROOMS);

    return (struct move_at){shard, cluster_slot_of_key(key, len)};
}

void move_links_add_fleet_key(struct move_links *links, enum move_which which,
                              unsigned shard, enum fleet_key key)
{
    char name[KEYS_MAX_BYTES];

    redis_command_add(&links->cmd, name,
                      keys_fleet_in(name, links->sides[which].is_cluster, shard, key));
}
