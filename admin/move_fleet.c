/* move_fleet.c - see move_fleet.h. */
#include "admin/move_fleet.h"

#include <stdio.h>
#include <string.h>

#include "admin/move_plan.h"
#include "common/intake.h"

enum { PAGE = 1000 };

/* ---- what is the first shard's ---- */

bool move_fleet_goes(const struct move_links *links)
{
    const struct move_side *from = &links->sides[MOVE_FROM];
    const struct move_side *to = &links->sides[MOVE_TO];

    return from->is_cluster || to->is_cluster ||
           strcmp(from->places[0].id, to->places[0].id) != 0;
}

bool move_fleet_copy(struct move_copy *copy)
{
    static const enum fleet_key keys[] = {KEY_AUDIT,  KEY_STATS,   KEY_STATS_ONLINE,
                                          KEY_POLICY, KEY_REVOKED, KEY_CLASSES};
    enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
    struct move_item items[KEYS] = {0};
    char names[KEYS][2][KEYS_MAX_BYTES];

    if (!move_fleet_goes(copy->links))
        return true;
    for (unsigned i = 0; i < KEYS; i++)
        for (unsigned which = 0; which < 2; which++) {
            const struct move_side *side = &copy->links->sides[which];
            size_t len = keys_fleet_in(names[i][which], side->is_cluster, 0, keys[i]);

            items[i].key[which] = (struct json_text){names[i][which], len};
            items[i].at[which] = move_links_of_fleet(side, 0);
        }
    return move_copy_items(copy, items, KEYS);
}

/* ---- registries ---- */

struct tidy {
    struct move_links *links;
    unsigned shard;
    const struct move_place *place; /* of a list, where a shard is left; else NULL */
    enum fleet_key index;
    char cursor[REPLY_CURSOR_BYTES];
};

static struct move_at at_of(const struct tidy *tidy)
{
    return move_links_of_fleet(&tidy->links->sides[MOVE_FROM], tidy->shard);
}

static void send_it(struct tidy *tidy, move_reply_fn on_reply)
{
    struct move_at at = at_of(tidy);

    move_links_send(tidy->links, MOVE_FROM, &at, on_reply, tidy);
}

static void remove_node(struct tidy *tidy, const char *node)
{
    static const enum node_key keys[] = {KEY_NODE, KEY_NODE_ROOMS, KEY_NODE_CLAIM};
    bool is_cluster = tidy->links->sides[MOVE_FROM].is_cluster;
    char key[KEYS_MAX_BYTES];

    move_links_begin(tidy->links, "UNLINK");
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        redis_command_add(&tidy->links->cmd, key,
                          keys_node_in(key, is_cluster, tidy->shard, node, keys[i]));
    send_it(tidy, NULL);
}

static void on_nodes(void *data, const redisReply *reply)
{
    struct tidy *tidy = data;

    for (size_t i = 0; i < reply_count(reply); i++) {
        struct json_text node = reply_text(reply, i);
        char name[PROTO_NODE_MAX + 1];

        if (!intake_node(&tidy->links->metrics, "nodes", node))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)node.len, node.base);
        remove_node(tidy, name);
    }
}

static bool remove_registry(struct tidy *tidy)
{
    static const enum fleet_key keys[] = {KEY_NODES, KEY_ROOMS, KEY_ROOMS_MEMBERS,
                                          KEY_STATS_SAMPLER};

    move_links_begin(tidy->links, "ZREVRANGE");
    move_links_add_fleet_key(tidy->links, MOVE_FROM, tidy->shard, KEY_NODES);
    redis_command_add_u64(&tidy->links->cmd, 0);
    redis_command_add_u64(&tidy->links->cmd, 10 * PAGE);
    send_it(tidy, on_nodes);
    if (!move_links_wait(tidy->links))
        return false;
    move_links_begin(tidy->links, "UNLINK");
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        move_links_add_fleet_key(tidy->links, MOVE_FROM, tidy->shard, keys[i]);
    send_it(tidy, NULL);
    return move_links_wait(tidy->links);
}

/* ---- an index whose rooms have gone in part ---- */

static void take_off(struct tidy *tidy, struct json_text room)
{
    struct move_at to;

    if (!proto_is_name(room.base, room.len, PROTO_ROOM_MAX) ||
        move_plan_verdict(tidy->links, tidy->place, room, &to) == MOVE_STAYS)
        return;
    move_links_begin(tidy->links, "ZREM");
    move_links_add_fleet_key(tidy->links, MOVE_FROM, tidy->shard, tidy->index);
    command_add(&tidy->links->cmd, room);
    send_it(tidy, NULL);
}

static void on_rooms(void *data, const redisReply *reply)
{
    struct tidy *tidy = data;
    const redisReply *pairs = reply_at(reply, 1);

    if (!reply_take_cursor(tidy->cursor, reply, 0))
        move_links_fail(tidy->links, "ZSCAN answers without a cursor");
    for (size_t i = 0; i < reply_count(pairs); i += 2)
        take_off(tidy, reply_text(pairs, i));
}

static bool clean_index(struct tidy *tidy, enum fleet_key index)
{
    tidy->index = index;
    strcpy(tidy->cursor, "0");
    do {
        move_links_begin(tidy->links, "ZSCAN");
        move_links_add_fleet_key(tidy->links, MOVE_FROM, tidy->shard, index);
        redis_command_add_text(&tidy->links->cmd, tidy->cursor);
        redis_command_add_text(&tidy->links->cmd, "COUNT");
        redis_command_add_u64(&tidy->links->cmd, PAGE);
        send_it(tidy, on_rooms);
    } while (move_links_wait(tidy->links) && strcmp(tidy->cursor, "0") != 0);
    return !tidy->links->has_failed;
}

bool move_fleet_tidy(struct move_links *links)
{
    const struct move_side *from = &links->sides[MOVE_FROM];

    for (unsigned shard = 0; shard < from->shards; shard++) {
        struct tidy tidy = {.links = links, .shard = shard};
        bool is_kept = !from->is_cluster && (tidy.place = &from->places[shard]) &&
                       move_plan_same(links, tidy.place);

        if (!(is_kept ? clean_index(&tidy, KEY_ROOMS) &&
                            clean_index(&tidy, KEY_ROOMS_MEMBERS)
                      : remove_registry(&tidy)))
            return false;
    }
    return true;
}
