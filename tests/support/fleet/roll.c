/* roll.c - see roll.h. */
#include "tests/support/fleet/roll.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shard_of.h"
#include "tests/support/redis/redis_cmd.h"

enum { NODES_MAX = 64, NODE_BYTES = 320 };

static char why[1024];

struct nodes {
    struct {
        char name[NODE_BYTES];
        unsigned gateway;
    } all[NODES_MAX];
    unsigned count;
};

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    return why;
}

static bool is_array(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_ARRAY;
}

/* The gateway that has the node; pids_count: none. */
static unsigned gateway_of(const struct roll *roll, const char *node)
{
    unsigned g = 0;
    char part[32];

    for (; g < roll->pids_count; g++) {
        snprintf(part, sizeof(part), "-%d-", roll->pids[g]);
        if (roll->pids[g] && strstr(node, part))
            break;
    }
    return g;
}

/* The registry of the shard that the room is in. */
static void print_nodes_key(const struct roll *roll, const char *room, char *out,
                            size_t size)
{
    unsigned shard =
        roll->is_cluster ? shard_of(room, strlen(room), SHARD_OF_CLUSTER) : 0;

    if (roll->is_cluster)
        snprintf(out, size, "rc:shard:{%u}:nodes", shard_of_tag(shard));
    else
        snprintf(out, size, "rc:nodes");
}

/* `rc:nodes` must be the gateways that run, a node for each of their workers. */
static const char *find_nodes(const struct roll *roll, const char *room,
                              struct nodes *nodes)
{
    unsigned found[NODES_MAX] = {0};
    redisReply *reply;
    const char *wrong;
    char key[64];

    print_nodes_key(roll, room, key, sizeof(key));
    reply = redis_cmd_reply(roll->redis_port, "ZRANGE %s 0 -1", key);
    wrong = is_array(reply) ? NULL : say("no answer to ZRANGE");
    for (size_t i = 0; !wrong && i < reply->elements && i < NODES_MAX; i++) {
        const char *name = reply->element[i]->str;
        unsigned g = gateway_of(roll, name);

        if (g == roll->pids_count || found[g]++ == roll->workers)
            wrong = say("rc:nodes has %s, which is dead", name);
        snprintf(nodes->all[i].name, NODE_BYTES, "%s", name);
        nodes->all[i].gateway = g;
        nodes->count++;
    }
    for (unsigned g = 0; !wrong && g < roll->pids_count; g++)
        if (found[g] != (roll->pids[g] ? roll->workers : 0))
            wrong = say("rc:nodes has %u nodes of gateway %u", found[g], g);
    freeReplyObject(reply);
    return wrong;
}

static bool is_of(const struct roll_entry *entry, const char *room, const char *user,
                  int gateway)
{
    return strcmp(entry->room, room) == 0 &&
           (!user || strcmp(entry->user, user) == 0) &&
           (gateway < 0 || entry->gateway == (unsigned)gateway);
}

/* Sockets in the room; of one user or (NULL) all, on one gateway or (-1) all. */
static unsigned count_sockets(const struct roll *roll, const char *room,
                              const char *user, int gateway)
{
    unsigned count = 0;

    for (unsigned i = 0; i < roll->entries_count; i++)
        count += is_of(&roll->entries[i], room, user, gateway);
    return count;
}

/* On how many gateways the user is in the room. */
static unsigned count_gateways(const struct roll *roll, const char *room,
                               const char *user)
{
    unsigned count = 0;

    for (int g = 0; g < (int)roll->pids_count; g++)
        count += count_sockets(roll, room, user, g) > 0;
    return count;
}

/* Distinct users in the room. */
static unsigned count_users(const struct roll *roll, const char *room)
{
    unsigned count = 0;

    for (unsigned i = 0; i < roll->entries_count; i++) {
        bool is_first = is_of(&roll->entries[i], room, NULL, -1);

        for (unsigned k = 0; k < i && is_first; k++)
            is_first = !is_of(&roll->entries[k], room, roll->entries[i].user, -1);
        count += is_first;
    }
    return count;
}

/* Under how many nodes, of one gateway or (-1) all, the user is in the room. */
static unsigned count_nodes(const struct roll *roll, const struct nodes *nodes,
                            const char *room, const char *user, int gateway,
                            const char *epoch)
{
    unsigned count = 0;

    for (unsigned i = 0; i < nodes->count; i++) {
        char *of;

        if (gateway >= 0 && nodes->all[i].gateway != (unsigned)gateway)
            continue;
        of = redis_cmd_text(roll->redis_port, "HGET rc:{%s}:on:%s %s", room,
                            nodes->all[i].name, user);
        count += of && strcmp(of, epoch) == 0; /* of another epoch: absent */
        free(of);
    }
    return count;
}

/* A user is on a node for each worker that has a socket of theirs: on each gateway at least one,
 * and no more than sockets. */
static const char *check_members(const struct roll *roll, const struct nodes *nodes,
                                 const char *room, const char *epoch)
{
    redisReply *reply =
        redis_cmd_reply(roll->redis_port, "HGETALL rc:{%s}:members", room);
    const char *wrong = NULL;

    if (!is_array(reply))
        wrong = say("no answer to HGETALL");
    else if (reply->elements / 2 != count_users(roll, room))
        wrong = say("%s has %zu members, not %u", room, reply->elements / 2,
                    count_users(roll, room));
    for (size_t i = 0; !wrong && i + 1 < reply->elements; i += 2) {
        const char *user = reply->element[i]->str;
        unsigned count = (unsigned)atoi(reply->element[i + 1]->str);

        if (count != count_nodes(roll, nodes, room, user, -1, epoch) ||
            count < count_gateways(roll, room, user) ||
            count > count_sockets(roll, room, user, -1))
            wrong = say("%s: %s is on %u nodes, not %u", room, user, count,
                        count_gateways(roll, room, user));
    }
    freeReplyObject(reply);
    return wrong;
}

static const char *check_sockets(const struct roll *roll, const struct nodes *nodes,
                                 const char *room, const char *epoch)
{
    const char *wrong = NULL;

    for (unsigned i = 0; !wrong && i < roll->entries_count; i++) {
        const struct roll_entry *e = &roll->entries[i];
        unsigned count;

        if (!is_of(e, room, NULL, -1))
            continue;
        count = count_nodes(roll, nodes, room, e->user, (int)e->gateway, epoch);
        if (count < 1 || count > count_sockets(roll, room, e->user, (int)e->gateway))
            wrong = say("%s: %s is on %u nodes of gateway %u", room, e->user, count,
                        e->gateway);
    }
    return wrong;
}

/* Nobody is on a node that has no socket of theirs, or that is none. */
static const char *check_ghosts(const struct roll *roll, const char *room,
                                const char *node, const char *epoch)
{
    redisReply *reply =
        redis_cmd_reply(roll->redis_port, "HGETALL rc:{%s}:on:%s", room, node);
    unsigned g = gateway_of(roll, node);
    const char *wrong = is_array(reply) ? NULL : say("no answer to HGETALL");

    for (size_t i = 0; !wrong && i + 1 < reply->elements; i += 2) {
        const char *user = reply->element[i]->str;

        if (strcmp(reply->element[i + 1]->str, epoch) == 0 &&
            (g == roll->pids_count || !count_sockets(roll, room, user, (int)g)))
            wrong = say("%s: %s is a ghost on %s", room, user, node);
    }
    freeReplyObject(reply);
    return wrong;
}

static const char *check_all_ghosts(const struct roll *roll, const struct nodes *nodes,
                                    const char *room, const char *epoch)
{
    char members[128];
    redisReply *reply;
    const char *wrong;

    snprintf(members, sizeof(members), "rc:{%s}:members", room);
    reply = redis_cmd_reply(redis_cmd_port_of(roll->redis_port, members),
                            "KEYS rc:{%s}:on:*", room);
    wrong = is_array(reply) ? NULL : say("no answer to KEYS");
    for (size_t i = 0; !wrong && i < reply->elements; i++) {
        const char *node = strstr(reply->element[i]->str, ":on:") + 4;
        bool is_known = false;

        for (unsigned n = 0; n < nodes->count; n++)
            is_known |= strcmp(nodes->all[n].name, node) == 0;
        wrong = check_ghosts(is_known ? roll
                                      : &(struct roll){.redis_port = roll->redis_port},
                             room, node, epoch);
    }
    freeReplyObject(reply);
    return wrong;
}

static const char *check_room(const struct roll *roll, const struct nodes *nodes,
                              const char *room)
{
    char *epoch = redis_cmd_text(roll->redis_port, "HGET rc:{%s}:meta epoch", room);
    const char *wrong = epoch ? check_members(roll, nodes, room, epoch)
                              : say("there is no room %s", room);

    if (!wrong)
        wrong = check_sockets(roll, nodes, room, epoch);
    if (!wrong)
        wrong = check_all_ghosts(roll, nodes, room, epoch);
    free(epoch);
    return wrong;
}

const char *roll_why_not(const struct roll *roll)
{
    static struct nodes nodes;
    const char *wrong = NULL;

    for (unsigned i = 0; !wrong && i < roll->entries_count; i++) {
        unsigned k = 0;

        while (strcmp(roll->entries[k].room, roll->entries[i].room) != 0)
            k++;
        if (k < i) /* not the first of its room */
            continue;
        memset(&nodes, 0, sizeof(nodes));
        wrong = find_nodes(roll, roll->entries[i].room, &nodes);
        if (!wrong)
            wrong = check_room(roll, &nodes, roll->entries[i].room);
    }
    return wrong;
}
