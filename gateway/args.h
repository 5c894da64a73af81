/* args.h - the arguments that several scripts take: each function adds one to store->cmd. */
#ifndef GATEWAY_ARGS_H
#define GATEWAY_ARGS_H

#include "common/keys.h"
#include "gateway/store.h"

/* KEYS. */
void args_add_room_key(struct store *store, const char *room, size_t len,
                       enum room_key which);
void args_add_key(struct store *store, const struct room *room, enum room_key which);
void args_add_node_key(struct store *store, const char *node, enum node_key which);
void args_add_fleet_key(struct store *store, enum fleet_key which);

/* rc:{ROOM}:on:NODE of any node, or of this one. */
void args_add_on(struct store *store, const char *room, size_t len, const char *node);
void args_add_own_on(struct store *store, const struct room *room);

/* ARGV. */
void args_add_text(struct store *store, struct json_text text);
void args_add_percent(struct store *store, const char *name, size_t len);
void args_add_shard(struct store *store, const struct room *room);
void args_add_events_max(struct store *store);
void args_add_room_ttl(struct store *store);

/* 16 hex digits from the system's generator. */
void args_add_new_epoch(struct store *store);

/* The JSON of a presence event up to the count of members. */
void args_add_presence(struct store *store, const char *type, const struct room *room,
                       const struct room_user *user, const char *reason);

/* The same up to the user's name; `reason` may be NULL. */
void args_add_presence_head(struct store *store, const char *type, const char *room,
                            size_t room_len, const char *reason);

#endif
