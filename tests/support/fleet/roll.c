/* roll.c - see roll.h. */
#include "tests/support/fleet/roll.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shard_of.h"
#include "tests/support/redis/redis_cmd.h"

enum { NODES_MAX = 32, NODE_BYTES = 320 };

static char why[1024];

struct nodes {
    char names[NODES_MAX][NODE_BYTES]; /* by gateway; empty: none */
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

/* `rc:nodes` must be the gateways that run, one node each. */
static const char *find_nodes(const struct roll *roll, const char *room,
                              struct nodes *nodes)
{
    char key[64];
    redisReply *reply;
    const char *wrong = NULL;
    unsigned found = 0, running = 0;

    print_nodes_key(roll, room, key, sizeof(key));
    reply = redis_cmd_reply(roll->redis_port, "ZRANGE %s 0 -1", key);
    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        wrong = say("no answer to ZRANGE");
    for (size_t i = 0; !wrong && i < reply->elements; i++) {
        const char *name = reply->element[i]->str;
        unsigned g = 0;
        char part[32] = "";

        for (; g < roll->pids_count; g++) {
            snprintf(part, sizeof(part), "-%d-", roll->pids[g]);
            if (roll->pids[g] && strstr(name, part))
                break;
        }
        if (g == roll->pids_count || nodes->names[g][0])
            wrong = say("rc:nodes has %s, which is dead", name);
        else
            snprintf(nodes->names[g], NODE_BYTES, "%s", name);
        found++;
    }
    for (unsigned g = 0; g < roll->pids_count; g++)
        running += roll->pids[g] != 0;
    if (!wrong && found != running)
        wrong = say("rc:nodes has %u nodes, not %u", found, running);
    freeReplyObject(reply);
    return wrong;
}

/* On how many gateways the user is in the room; on `gateway` alone if it is one. */
static unsigned count_entries(const struct roll *roll, const char *room,
                              const char *user, int gateway)
{
    bool on[NODES_MAX] = {false};
    unsigned count = 0;

    for (unsigned i = 0; i < roll->entries_count; i++) {
        const struct roll_entry *e = &roll->entries[i];

        if (strcmp(e->room, room) == 0 && (!user || strcmp(e->user, user) == 0) &&
            (gateway < 0 || e->gateway == (unsigned)gateway))
            on[e->gateway] = true;
    }
    for (int g = 0; g < NODES_MAX; g++)
        count += on[g];
    return count;
}

/* Distinct users in the room; on one gateway, or (-1) on all. */
static unsigned count_users(const struct roll *roll, const char *room, int gateway)
{
    unsigned count = 0;

    for (unsigned i = 0; i < roll->entries_count; i++) {
        const struct roll_entry *e = &roll->entries[i];
        bool is_first = true;

        if (strcmp(e->room, room) != 0 ||
            (gateway >= 0 && e->gateway != (unsigned)gateway))
            continue;
        for (unsigned k = 0; k < i && is_first; k++)
            is_first = strcmp(roll->entries[k].room, room) != 0 ||
                       strcmp(roll->entries[k].user, e->user) != 0 ||
                       (gateway >= 0 && roll->entries[k].gateway != (unsigned)gateway);
        count += is_first;
    }
    return count;
}

static const char *check_members(const struct roll *roll, const char *room)
{
    redisReply *reply =
        redis_cmd_reply(roll->redis_port, "HGETALL rc:{%s}:members", room);
    const char *wrong = NULL;

    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        wrong = say("no answer to HGETALL");
    else if (reply->elements / 2 != count_users(roll, room, -1))
        wrong = say("%s has %zu members, not %u", room, reply->elements / 2,
                    count_users(roll, room, -1));
    for (size_t i = 0; !wrong && i + 1 < reply->elements; i += 2) {
        const char *user = reply->element[i]->str;
        unsigned right = count_entries(roll, room, user, -1);

        if ((unsigned)atoi(reply->element[i + 1]->str) != right)
            wrong = say("%s: %s is on %s nodes, not %u", room, user,
                        reply->element[i + 1]->str, right);
    }
    freeReplyObject(reply);
    return wrong;
}

static const char *check_node(const struct roll *roll, const char *room,
                              const char *node, int gateway, const char *epoch)
{
    redisReply *reply =
        redis_cmd_reply(roll->redis_port, "HGETALL rc:{%s}:on:%s", room, node);
    const char *wrong = NULL;
    unsigned count = 0;

    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        wrong = say("no answer to HGETALL");
    for (size_t i = 0; !wrong && i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i + 1]->str, epoch) != 0)
            continue; /* counts as absent */
        count++;
        if (gateway < 0 || !count_entries(roll, room, reply->element[i]->str, gateway))
            wrong = say("%s: %s is a ghost on %s", room, reply->element[i]->str, node);
    }
    if (!wrong && gateway >= 0 && count != count_users(roll, room, gateway))
        wrong = say("%s: %s has %u users, not %u", room, node, count,
                    count_users(roll, room, gateway));
    freeReplyObject(reply);
    return wrong;
}

/* Nothing under nodes that are not. */
static const char *check_strangers(const struct roll *roll, const char *room,
                                   const struct nodes *nodes, const char *epoch)
{
    char members[128];
    redisReply *reply;
    const char *wrong = NULL;

    snprintf(members, sizeof(members), "rc:{%s}:members", room);
    reply = redis_cmd_reply(redis_cmd_port_of(roll->redis_port, members),
                            "KEYS rc:{%s}:on:*", room);
    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        wrong = say("no answer to KEYS");
    for (size_t i = 0; !wrong && i < reply->elements; i++) {
        const char *node = strstr(reply->element[i]->str, ":on:") + 4;
        int g = (int)roll->pids_count - 1;

        while (g >= 0 && strcmp(nodes->names[g], node) != 0)
            g--;
        wrong = check_node(roll, room, node, g, epoch);
    }
    freeReplyObject(reply);
    return wrong;
}

static const char *check_room(const struct roll *roll, const char *room,
                              const struct nodes *nodes)
{
    char *epoch = redis_cmd_text(roll->redis_port, "HGET rc:{%s}:meta epoch", room);
    const char *wrong =
        epoch ? check_members(roll, room) : say("there is no room %s", room);

    for (unsigned g = 0; !wrong && g < roll->pids_count; g++)
        if (nodes->names[g][0])
            wrong = check_node(roll, room, nodes->names[g], (int)g, epoch);
    if (!wrong)
        wrong = check_strangers(roll, room, nodes, epoch);
    free(epoch);
    return wrong;
}

const char *roll_why_not(const struct roll *roll)
{
    static struct nodes nodes;
    const char *wrong;

    wrong = NULL;
    for (unsigned i = 0; !wrong && i < roll->entries_count; i++) {
        unsigned k = 0;

        while (strcmp(roll->entries[k].room, roll->entries[i].room) != 0)
            k++;
        if (k < i) /* not the first of its room */
            continue;
        memset(&nodes, 0, sizeof(nodes));
        wrong = find_nodes(roll, roll->entries[i].room, &nodes);
        if (!wrong)
            wrong = check_room(roll, roll->entries[i].room, &nodes);
    }
    return wrong;
}
