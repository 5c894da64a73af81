/* command.h - arguments that commands of both programs take: each function adds one to the
 * command that is being put together. */
#ifndef COMMON_COMMAND_H
#define COMMON_COMMAND_H

#include "common/classes.h"
#include "common/config.h"
#include "common/json.h"
#include "common/keys.h"
#include "common/redis_link.h"

void command_add(struct redis_command *cmd, struct json_text text);
void command_add_percent(struct redis_command *cmd, struct json_text text);

void command_add_room_key(struct redis_command *cmd, struct json_text room,
                          enum room_key which);
void command_add_on_key(struct redis_command *cmd, struct json_text room,
                        const char *node);
void command_add_node_key(struct redis_command *cmd, unsigned shard, const char *node,
                          enum node_key which);
void command_add_fleet_key(struct redis_command *cmd, unsigned shard,
                           enum fleet_key which);

void command_add_login_key(struct redis_command *cmd, const char *name,
                           enum login_key which);

/* The verb that tells those who listen to a channel: in a cluster it stays with the master of the
 * channel's slot, which is where they listen (SSUBSCRIBE). */
const char *command_publish(void);

/* The keys of room.lua, but for the node's. */
enum { COMMAND_ROOM_KEYS = 11 };
void command_add_room_keys(struct redis_command *cmd, struct json_text room);

/* How many changed messages of a room Redis remembers: as many as the history has. */
void command_add_changes_max(struct redis_command *cmd,
                             const struct class_rules *rules);

/* In rooms with more members nobody is told who came and went; -1: in none. */
void command_add_events_max(struct redis_command *cmd, const struct config *config,
                            const struct class_rules *rules);

/* What publish.lua takes of the class and the settings: keep and keep_bytes; dedupe_ms and keys_max. */
void command_add_history_limits(struct redis_command *cmd, const struct config *config,
                                const struct class_rules *rules);
void command_add_key_limits(struct redis_command *cmd, const struct config *config);

#endif
