/* rights.c - see rights.h. Those of CLIENT are asked for by each link itself. */
#include "common/rights.h"

#include <stdatomic.h>

#include "common/command.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/scripts.h"

static void on_rights(void *data, int status, const redisReply *reply)
{
    static atomic_flag has_warned;
    struct strbuf names = {NULL, 0, 0};

    (void)data;
    for (size_t i = 0; status == 0 && i < reply_count(reply); i++) {
        struct json_text name = reply_text(reply, i);

        strbuf_add_text(&names, i > 0 ? " " : "");
        strbuf_add(&names, name.base, name.len);
    }
    if (names.len > 0 && !atomic_flag_test_and_set(&has_warned))
        log_warn("redis_right_missing", "right=\"%s\" see=docs/redis.md", names.data);
    strbuf_deinit(&names);
}

void rights_ask(struct redis_link *link, int db)
{
    /* Of each kind one: an ACL may name them by patterns of their own. */
    static const struct json_text room = {"any", 3};
    static const enum fleet_key fleet[] = {KEY_NODES, KEY_ROOMS,  KEY_STATS,
                                           KEY_AUDIT, KEY_POLICY, KEY_REVOKED};
    enum { FLEET = sizeof(fleet) / sizeof(fleet[0]) };
    struct redis_command cmd = {{0}, 0};
    char name[KEYS_MAX_BYTES];

    scripts_begin(&cmd, SCRIPT_RIGHTS, 0);
    redis_command_add(&cmd, name, keys_expiry_pattern(name, db));
    redis_command_add_u64(&cmd, keys_is_cluster());
    redis_command_add_u64(&cmd, FLEET + 3);
    for (size_t i = 0; i < FLEET; i++)
        command_add_fleet_key(&cmd, 0, fleet[i]);
    command_add_node_key(&cmd, 0, "any", KEY_NODE);
    command_add_room_key(&cmd, room, KEY_META);
    redis_command_add(&cmd, name, keys_user_conns(name, "any", 3));
    command_add_fleet_key(&cmd, 0, KEY_FLEET_EVENTS);
    command_add_node_key(&cmd, 0, "any", KEY_NODE_CANARY);
    command_add_room_key(&cmd, room, KEY_EVENTS);
    if (scripts_send(link, SCRIPT_RIGHTS, &cmd, on_rights, NULL) < 0)
        log_debug("rights_not_asked", "why=\"not connected\"");
    redis_command_deinit(&cmd);
}
