/* args.h - the arguments that several scripts take: each function adds one to the command
 * that is being put together. */
#ifndef GATEWAY_ARGS_H
#define GATEWAY_ARGS_H

#include "common/config.h"
#include "common/keys.h"
#include "common/redis_link.h"
#include "gateway/room.h"

/* One a worker; begin the command with scripts_begin, redis_command_begin or args_begin_publish. */
struct args {
    struct redis_command cmd;
    struct strbuf scratch;
    const char *node;       /* this worker's name in Redis; borrowed */
    unsigned shard;         /* whose registry the keys of nodes and the fleet are of */
    unsigned registry_slot; /* where those are, in a cluster */
    bool is_cluster;
    unsigned slot;     /* of the last key; */
    struct room *room; /* and its room, if that is one of this worker; else NULL */
    uint64_t since_ms; /* when it was asked for what the next command does; 0: now */
    const struct config *config;
    const struct classes *classes; /* for rooms that are not here; borrowed */
    struct classes no_classes;     /* until rooms_set_classes is told of others */
};

/* What holds in a room, which need not be here. */
static inline const struct class_rules *args_rules(const struct args *args,
                                                   struct json_text room)
{
    return classes_rules(args->classes, room);
}

/* `args` is zeroed; the others are borrowed. */
void args_init(struct args *args, const struct config *config, const char *node);
void args_deinit(struct args *args);

/* Begins a command that tells those who listen to a channel; add the channel and the bytes. */
void args_begin_publish(struct args *args);

/* A command without a key: it goes to the shard's registry. */
void args_aim_at_registry(struct args *args);

/* KEYS. */
void args_add_room_key(struct args *args, const char *room, size_t len,
                       enum room_key which);
void args_add_key(struct args *args, const struct room *room, enum room_key which);
void args_add_node_key(struct args *args, const char *node, enum node_key which);
void args_add_fleet_key(struct args *args, enum fleet_key which);

void args_add_user_conns(struct args *args, struct json_text user);

/* rc:{ROOM}:slow:USER. */
void args_add_slow(struct args *args, const struct room *room, struct json_text user);

/* rc:{ROOM}:on:NODE of any node, or of this one. */
void args_add_on(struct args *args, const char *room, size_t len, const char *node);
void args_add_own_on(struct args *args, const struct room *room);

/* ARGV. */
void args_add_text(struct args *args, struct json_text text);
void args_add_percent(struct args *args, const char *name, size_t len);
void args_add_shard(struct args *args);
void args_add_events_max(struct args *args, const struct class_rules *rules);
void args_add_room_ttl(struct args *args, const struct class_rules *rules);

/* How long the keys of a room in use live. */
void args_add_keep_ms(struct args *args, const struct class_rules *rules);

/* This node's stamp in a room (SPEC-SCALE S3): its name, how often it renews the room, and how long
 * its on:NODE lives. */
void args_add_stamp(struct args *args);
uint64_t args_renew_ms(const struct config *config);

/* 16 hex digits from the system's generator. */
void args_make_id(char out[PROTO_EPOCH_LEN + 1]);
void args_add_new_epoch(struct args *args);

/* The JSON of a presence event up to the count of members. */
void args_add_presence(struct args *args, const char *type, const struct room *room,
                       const struct room_user *user, const char *reason);

/* The same up to the user's name; `reason` may be NULL. */
void args_add_presence_head(struct args *args, const char *type, const char *room,
                            size_t room_len, const char *reason);

#endif
