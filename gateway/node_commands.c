/* node_commands.c - see node_commands.h.
 *
 *     node_commands_run -> disconnect -> collect, room by room -> conn_close
 *
 * Closing a connection changes the lists of its rooms, so they are collected first. */
#include "gateway/node_commands.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/percent.h"
#include "common/xalloc.h"

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

static void disconnect(struct session_env *env, const char *user, size_t len)
{
    struct found found = {NULL, 0, 0};
    struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&env->shard->rooms.map, &at))) {
        struct list *lists[] = {&room->live, &room->behind, &room->joining,
                                &room->waiting};
        const struct room_user *in = map_find(&room->users, user, len);

        for (int i = 0; in && i < 4; i++)
            collect_from(&found, lists[i], in);
    }
    for (size_t i = 0; i < found.count; i++)
        conn_close(found.conns[i], CONN_END_OPERATOR);
    log_info("disconnected_by_operator", "memberships=%zu", found.count);
    free(found.conns);
}

void node_commands_run(struct session_env *env, struct json_text command)
{
    static const char verb[] = "disconnect ";
    size_t verb_len = sizeof(verb) - 1, len;
    char *user;

    if (command.len <= verb_len || memcmp(command.base, verb, verb_len) != 0) {
        log_warn("order_unknown", "bytes=%zu", command.len);
        return;
    }
    user = xmemdup(command.base + verb_len, command.len - verb_len);
    if (percent_decode(user, command.len - verb_len, &len) == 0 &&
        proto_is_name(user, len, PROTO_USER_MAX))
        disconnect(env, user, len);
    free(user);
}
