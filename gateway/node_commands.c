/* node_commands.c - see node_commands.h.
 *
 *     node_commands_run -> disconnect -> collect, room by room -> conn_close
 *                       -> replace_conn -> session_replace
 *                       -> sync_room -> room_needs_sync, or reap.lua
 *
 * Closing a connection changes the lists of its rooms, so they are collected first. */
#include "gateway/node_commands.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/log.h"
#include "common/percent.h"
#include "common/xalloc.h"

enum { REV_DIGITS_MAX = 19 };

struct found {
    struct conn **conns;
    size_t count, cap;
};

static void collect_from(struct found *found, struct list *members,
                         const struct room_user *user)
{
    list_each(link, members) {
        struct member *member = list_entry(link, struct member, link);

        if (member->user != user)
            continue;
        if (found->count == found->cap) {
            found->cap = found->cap ? 2 * found->cap : 16;
            found->conns = xrealloc(found->conns, found->cap * sizeof(struct conn *));
        }
        found->conns[found->count++] = membership_of_member(member)->in->conn;
    }
}

static void collect_of_shard(struct found *found, const struct shard *shard,
                             const char *user, size_t len)
{
    struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&shard->rooms.map, &at))) {
        struct list *lists[] = {&room->live, &room->behind, &room->joining,
                                &room->waiting};
        const struct room_user *in = map_find(&room->users, user, len);

        for (int i = 0; in && i < 4; i++)
            collect_from(found, lists[i], in);
    }
}

static void disconnect(struct session_env *env, struct shard *shard, const char *user,
                       size_t len)
{
    struct found found = {NULL, 0, 0};

    (void)shard; /* in whichever shard the rooms are */
    for (unsigned i = 0; i < env->shards->count; i++)
        collect_of_shard(&found, &env->shards->all[i], user, len);
    for (size_t i = 0; i < found.count; i++)
        conn_close(found.conns[i], CONN_END_OPERATOR);
    log_info("disconnected_by_operator", "memberships=%zu", found.count);
    free(found.conns);
}

/* A room that is not here any more: what may be left of this node in it is reaped. */
static void sync_room(struct session_env *env, struct shard *shard, const char *name,
                      size_t len)
{
    struct store *store = &shard->store;
    struct room *room = room_find(&shard->rooms, name, len);

    (void)env;
    if (room) {
        room_needs_sync(room);
    } else {
        store_begin_reap(store, name, len, store->node);
        store_send_script(store, SCRIPT_REAP, NULL, NULL);
    }
}

/* Keys of issuers have changed, or were read. */
static void note_keys(struct session_env *env, struct shard *shard, const char *order,
                      size_t len)
{
    (void)shard;
    policy_on_keys_order(&env->policy, (struct json_text){order, len});
}

/* Room classes have changed: their number. */
static void note_classes(struct session_env *env, struct shard *shard, const char *rev,
                         size_t len)
{
    uint64_t number;

    (void)shard;
    if (digits_parse(rev, len, UINT64_MAX, &number))
        policy_on_classes_rev(&env->policy, number);
}

/* More is revoked. */
static void note_revoked(struct session_env *env, struct shard *shard,
                         const char *order, size_t len)
{
    (void)shard;
    policy_on_revoked(&env->policy, (struct json_text){order, len});
}

/* `<serial> <user>` */
static void replace_conn(struct session_env *env, struct shard *shard, const char *name,
                         size_t len)
{
    struct json_text user;
    uint64_t serial;

    (void)shard;
    if (user_limit_parse_order((struct json_text){name, len}, &serial, &user))
        session_replace(env, serial, user);
}

/* What is behind the word: a name, %-encoded, or, name_max 0, what has a form of its own. */
static const struct verb {
    const char *word;
    size_t name_max;
    void (*run)(struct session_env *env, struct shard *shard, const char *name,
                size_t len);
} verbs[] = {
    {"disconnect ", PROTO_USER_MAX, disconnect},
    {"sync ", PROTO_ROOM_MAX, sync_room},
    {"keys ", 0, note_keys},
    {"classes ", REV_DIGITS_MAX, note_classes},
    {"revoked ", 0, note_revoked},
    {"replaced ", REV_DIGITS_MAX + 1 + PROTO_USER_MAX, replace_conn},
};

static const struct verb *find_verb(struct json_text command)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        size_t len = strlen(verbs[i].word);

        if (command.len > len && memcmp(command.base, verbs[i].word, len) == 0)
            return &verbs[i];
    }
    return NULL;
}

void node_commands_run(struct session_env *env, struct shard *shard,
                       struct json_text command)
{
    const struct verb *verb = find_verb(command);
    size_t at, len;
    char *name;

    if (!verb) {
        log_warn("order_unknown", "bytes=%zu", command.len);
        return;
    }
    at = strlen(verb->word);
    if (verb->name_max == 0) {
        verb->run(env, shard, command.base + at, command.len - at);
        return;
    }
    name = xmemdup(command.base + at, command.len - at);
    if (percent_decode(name, command.len - at, &len) == 0 &&
        proto_is_name(name, len, verb->name_max))
        verb->run(env, shard, name, len);
    free(name);
}
