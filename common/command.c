/* command.c - see command.h. */
#include "common/command.h"

void command_add(struct redis_command *cmd, struct json_text text)
{
    redis_command_add(cmd, text.base, text.len);
}

void command_add_percent(struct redis_command *cmd, struct json_text text)
{
    struct strbuf encoded = {NULL, 0, 0};

    strbuf_add_percent(&encoded, text.base, text.len);
    redis_command_add(cmd, encoded.data ? encoded.data : "", encoded.len);
    strbuf_deinit(&encoded);
}

void command_add_room_key(struct redis_command *cmd, struct json_text room,
                          enum room_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(cmd, key, keys_room(key, room.base, room.len, which));
}

void command_add_on_key(struct redis_command *cmd, struct json_text room,
                        const char *node)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(cmd, key, keys_on_node(key, room.base, room.len, node));
}

void command_add_node_key(struct redis_command *cmd, unsigned shard, const char *node,
                          enum node_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(cmd, key, keys_node(key, shard, node, which));
}

void command_add_fleet_key(struct redis_command *cmd, unsigned shard,
                           enum fleet_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(cmd, key, keys_fleet(key, shard, which));
}

void command_add_login_key(struct redis_command *cmd, const char *name,
                           enum login_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(cmd, key, keys_login(key, name, which));
}

const char *command_publish(void)
{
    return keys_is_cluster() ? "SPUBLISH" : "PUBLISH";
}

void command_add_events_max(struct redis_command *cmd, const struct config *config,
                            const struct class_rules *rules)
{
    if (rules->presence)
        redis_command_add_u64(cmd, (uint64_t)config->presence_events_max);
    else
        redis_command_add_text(cmd, "-1");
}

void command_add_history_limits(struct redis_command *cmd, const struct config *config,
                                const struct class_rules *rules)
{
    redis_command_add_u64(cmd, rules->history);
    redis_command_add_u64(cmd, (uint64_t)config->history_max_bytes);
}

void command_add_changes_max(struct redis_command *cmd, const struct class_rules *rules)
{
    redis_command_add_u64(cmd, rules->history > 0 ? rules->history : 1);
}

void command_add_key_limits(struct redis_command *cmd, const struct config *config)
{
    redis_command_add_u64(cmd, (uint64_t)config->dedupe_ms);
    redis_command_add_u64(cmd, (uint64_t)config->keys_max);
}

void command_add_room_keys(struct redis_command *cmd, struct json_text room)
{
    static const enum room_key keys[COMMAND_ROOM_KEYS] = {
        KEY_META, KEY_MEMBERS,  KEY_HISTORY, KEY_BANS,       KEY_MUTES,  KEY_KICKS,
        KEY_KEYS, KEY_KEYS_OLD, KEY_CLOSED,  KEY_ROOM_NODES, KEY_CHANGED};

    for (size_t i = 0; i < COMMAND_ROOM_KEYS; i++)
        command_add_room_key(cmd, room, keys[i]);
}
