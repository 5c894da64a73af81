/* move_live.c - see move_live.h.
 *
 * rc:node:NODE expires a lease after the last heartbeat, whatever lease that gateway was given: so it is
 * what tells.
 */
#include "admin/move_live.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/intake.h"
#include "common/xalloc.h"

enum { NODES_MAX = 10000 }; /* of a shard, that are looked at */

struct question {
    struct move_live *live;
    enum move_which which;
    unsigned shard;
    char node[PROTO_NODE_MAX + 1];
};

static struct question *new_question(struct move_live *live, enum move_which which,
                                     unsigned shard)
{
    struct question *question = xcalloc(1, sizeof(*question));

    question->live = live;
    question->which = which;
    question->shard = shard;
    return question;
}

static void on_said(void *data, const redisReply *reply)
{
    struct question *question = data;
    struct move_live *live = question->live;
    struct json_text address = reply_text(reply, 0);

    if (reply_has_text(reply, 1)) {
        live->found++;
        live->which = question->which;
        snprintf(live->node, sizeof(live->node), "%s", question->node);
        snprintf(live->address, sizeof(live->address), "%.*s", (int)address.len,
                 address.len > 0 ? address.base : "");
    }
    free(question);
}

static void ask_about(const struct question *of, struct json_text node)
{
    struct move_links *links = of->live->links;
    struct move_side *side = &links->sides[of->which];
    struct question *question = new_question(of->live, of->which, of->shard);
    struct move_at at = move_links_of_fleet(side, of->shard);
    char key[KEYS_MAX_BYTES];

    snprintf(question->node, sizeof(question->node), "%.*s", (int)node.len, node.base);
    move_links_begin(links, "HMGET");
    redis_command_add(
        &links->cmd, key,
        keys_node_in(key, side->is_cluster, of->shard, question->node, KEY_NODE));
    redis_command_add_text(&links->cmd, "address");
    redis_command_add_text(&links->cmd, "pid");
    move_links_send(links, of->which, &at, on_said, question);
}

static void on_nodes(void *data, const redisReply *reply)
{
    struct question *question = data;

    for (size_t i = 0; i < reply_count(reply); i++)
        if (intake_node(&question->live->links->metrics, "nodes", reply_text(reply, i)))
            ask_about(question, reply_text(reply, i));
    free(question);
}

static void ask_shard(struct move_live *live, enum move_which which, unsigned shard)
{
    struct move_links *links = live->links;
    struct move_at at = move_links_of_fleet(&links->sides[which], shard);

    move_links_begin(links, "ZREVRANGE");
    move_links_add_fleet_key(links, which, shard, KEY_NODES);
    redis_command_add_u64(&links->cmd, 0);
    redis_command_add_u64(&links->cmd, NODES_MAX - 1);
    move_links_send(links, which, &at, on_nodes, new_question(live, which, shard));
}

bool move_live_look(struct move_live *live, struct move_links *links)
{
    *live = (struct move_live){.links = links};
    for (unsigned which = 0; which < 2; which++)
        for (unsigned shard = 0; shard < links->sides[which].shards; shard++)
            ask_shard(live, which, shard);
    return move_links_wait(links);
}
