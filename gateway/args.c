/* args.c - see args.h. */
#include "gateway/args.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/cluster_slot.h"
#include "common/command.h"

enum { RENEW_MS_MAX = 600000 };

void args_init(struct args *args, const struct config *config, const char *node)
{
    struct class_rules rules;

    class_rules_of_settings(&rules, config);
    classes_init(&args->no_classes, &rules);
    args->classes = &args->no_classes;
    args->config = config;
    args->node = node;
}

static struct json_text name_of(const struct room *room)
{
    return (struct json_text){room->name, room->name_len};
}

void args_begin_publish(struct args *args)
{
    redis_command_begin(&args->cmd);
    redis_command_add_text(&args->cmd, command_publish());
}

/* ---- where the command goes; all its keys are of one slot ---- */

void args_aim_at_registry(struct args *args)
{
    args->slot = args->registry_slot;
    args->room = NULL;
}

static void aim_at_room(struct args *args, const struct room *room)
{
    args->slot = room->slot;
    args->room = (struct room *)room;
}

/* A room that need not be here. */
static void aim(struct args *args, const char *room, size_t len)
{
    args->slot = args->is_cluster ? cluster_slot_of_room(room, len) : 0;
    args->room = NULL;
}

/* ---- KEYS ---- */

void args_add_room_key(struct args *args, const char *room, size_t len,
                       enum room_key which)
{
    aim(args, room, len);
    command_add_room_key(&args->cmd, (struct json_text){room, len}, which);
}

void args_add_node_key(struct args *args, const char *node, enum node_key which)
{
    args_aim_at_registry(args);
    command_add_node_key(&args->cmd, args->shard, node, which);
}

void args_add_fleet_key(struct args *args, enum fleet_key which)
{
    args_aim_at_registry(args);
    command_add_fleet_key(&args->cmd, args->shard, which);
}

void args_add_key(struct args *args, const struct room *room, enum room_key which)
{
    aim_at_room(args, room);
    command_add_room_key(&args->cmd, name_of(room), which);
}

void args_add_user_conns(struct args *args, struct json_text user)
{
    char name[KEYS_MAX_BYTES];

    aim(args, user.base, user.len); /* a user's name is a tag as a room's is */
    redis_command_add(&args->cmd, name, keys_user_conns(name, user.base, user.len));
}

void args_add_slow(struct args *args, const struct room *room, struct json_text user)
{
    char name[KEYS_MAX_BYTES];

    aim_at_room(args, room);
    redis_command_add(&args->cmd, name,
                      keys_slow(name, room->name, room->name_len, user.base, user.len));
}

void args_add_on(struct args *args, const char *room, size_t len, const char *node)
{
    aim(args, room, len);
    command_add_on_key(&args->cmd, (struct json_text){room, len}, node);
}

void args_add_own_on(struct args *args, const struct room *room)
{
    aim_at_room(args, room);
    command_add_on_key(&args->cmd, name_of(room), args->node);
}

void args_make_id(char out[PROTO_EPOCH_LEN + 1])
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    snprintf(out, PROTO_EPOCH_LEN + 1, "%016llx", (unsigned long long)random);
}

void args_add_new_epoch(struct args *args)
{
    char text[PROTO_EPOCH_LEN + 1];

    args_make_id(text);
    redis_command_add(&args->cmd, text, PROTO_EPOCH_LEN);
}

void args_add_text(struct args *args, struct json_text text)
{
    redis_command_add(&args->cmd, text.base, text.len);
}

static void add_scratch(struct args *args)
{
    redis_command_add(&args->cmd, args->scratch.data, args->scratch.len);
}

void args_add_percent(struct args *args, const char *name, size_t len)
{
    strbuf_reset(&args->scratch, 4096);
    strbuf_add_percent(&args->scratch, name, len);
    add_scratch(args);
}

void args_add_shard(struct args *args)
{
    redis_command_add_u64(&args->cmd, args->shard);
}

void args_add_events_max(struct args *args, const struct class_rules *rules)
{
    command_add_events_max(&args->cmd, args->config, rules);
}

void args_add_room_ttl(struct args *args, const struct class_rules *rules)
{
    redis_command_add_u64(&args->cmd, rules->ttl_ms);
}

/* The JSON of a presence event up to the user's name. */
static void begin_presence(struct args *args, const char *type, const char *room,
                           size_t room_len, const char *reason)
{
    strbuf_reset(&args->scratch, 4096);
    proto_begin(&args->scratch, type, (struct json_text){NULL, 0});
    proto_add_text(&args->scratch, "room", room, room_len);
    if (reason)
        proto_add_text(&args->scratch, "reason", reason, strlen(reason));
    strbuf_add_text(&args->scratch, ",\"user\":");
}

/* The same up to the count of members. */
void args_add_presence(struct args *args, const char *type, const struct room *room,
                       const struct room_user *user, const char *reason)
{
    begin_presence(args, type, room->name, room->name_len, reason);
    strbuf_add_json(&args->scratch, user->name, user->name_len);
    strbuf_add_text(&args->scratch, ",\"members\":");
    add_scratch(args);
}

void args_add_presence_head(struct args *args, const char *type, const char *room,
                            size_t room_len, const char *reason)
{
    begin_presence(args, type, room, room_len, reason);
    add_scratch(args);
}

void args_deinit(struct args *args)
{
    redis_command_deinit(&args->cmd);
    strbuf_deinit(&args->scratch);
}

static uint64_t keep_ms(const struct config *config)
{
    long longest_ms = config->room_ttl_ms > 2 * config->lease_ms ? config->room_ttl_ms
                                                                 : 2 * config->lease_ms;

    return 3u * (uint64_t)longest_ms;
}

uint64_t args_renew_ms(const struct config *config)
{
    uint64_t renew_ms = keep_ms(config) * 3 / 5;

    return renew_ms < RENEW_MS_MAX ? renew_ms : RENEW_MS_MAX;
}

/* A node is silent after 2 T and two leases, and then there must be something to reap. */
static uint64_t on_ms(const struct config *config)
{
    uint64_t least = 4 * args_renew_ms(config) + 2u * (uint64_t)config->lease_ms;

    return least > keep_ms(config) ? least : keep_ms(config);
}

void args_add_keep_ms(struct args *args, const struct class_rules *rules)
{
    uint64_t least = keep_ms(args->config);

    redis_command_add_u64(&args->cmd,
                          3 * rules->ttl_ms > least ? 3 * rules->ttl_ms : least);
}

void args_add_stamp(struct args *args)
{
    redis_command_add_text(&args->cmd, args->node);
    redis_command_add_u64(&args->cmd, args_renew_ms(args->config));
    redis_command_add_u64(&args->cmd, on_ms(args->config));
}
