/* room_nodes.c - see room_nodes.h. */
#include "admin/room_nodes.h"

#include <stdlib.h>

#include "common/command.h"
#include "common/intake.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum { ROUNDS_MAX = 10 };

bool room_nodes_add(struct room_nodes *nodes, struct metrics *metrics,
                    const redisReply *reply)
{
    size_t more = reply_count(reply), had = nodes->count;

    if (!reply_is_text(reply, 0, "again") || nodes->rounds++ >= ROUNDS_MAX)
        return false;
    nodes->names = xrealloc(nodes->names, (nodes->count + more) * sizeof(char *));
    for (size_t i = 1; i < more; i++) {
        struct json_text node = reply_text(reply, i);

        if (intake_node(metrics, "room_nodes", node))
            nodes->names[nodes->count++] = xmemdup(node.base, node.len + 1);
    }
    return nodes->count > had;
}

void room_nodes_add_keys(const struct room_nodes *nodes, struct redis_command *cmd,
                         struct json_text room)
{
    for (size_t i = 0; i < nodes->count; i++)
        command_add_on_key(cmd, room, nodes->names[i]);
}

char **room_nodes_take(struct room_nodes *nodes, const redisReply *reply, size_t from,
                       size_t *count)
{
    char **taken = xcalloc(nodes->count + 1, sizeof(char *));

    *count = 0;
    for (size_t i = from; i < reply_count(reply); i++) {
        uint64_t number = reply_number(reply, i);

        if (number < 1 || number > nodes->count || !nodes->names[number - 1])
            continue;
        taken[(*count)++] = nodes->names[number - 1];
        nodes->names[number - 1] = NULL;
    }
    return taken;
}

void room_nodes_deinit(struct room_nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++)
        free(nodes->names[i]);
    free(nodes->names);
    *nodes = (struct room_nodes){NULL, 0, 0};
}
