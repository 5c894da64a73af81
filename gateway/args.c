/* args.c - see args.h. */
#include "gateway/args.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/router.h"

void args_add_room_key(struct store *store, const char *room, size_t len,
                       enum room_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_room(key, room, len, which));
}

void args_add_node_key(struct store *store, const char *node, enum node_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_node(key, node, which));
}

void args_add_fleet_key(struct store *store, enum fleet_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_fleet(key, which));
}

void args_add_key(struct store *store, const struct room *room, enum room_key which)
{
    args_add_room_key(store, room->name, room->name_len, which);
}

void args_add_on(struct store *store, const char *room, size_t len, const char *node)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_on_node(key, room, len, node));
}

void args_add_own_on(struct store *store, const struct room *room)
{
    args_add_on(store, room->name, room->name_len, store->node);
}

void args_add_new_epoch(struct store *store)
{
    uint64_t random = 0;
    char text[PROTO_EPOCH_LEN + 1];

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)random);
    redis_command_add(&store->cmd, text, PROTO_EPOCH_LEN);
}

void args_add_text(struct store *store, struct json_text text)
{
    redis_command_add(&store->cmd, text.base, text.len);
}

static void add_scratch(struct store *store)
{
    redis_command_add(&store->cmd, store->scratch.data, store->scratch.len);
}

void args_add_percent(struct store *store, const char *name, size_t len)
{
    strbuf_reset(&store->scratch, 4096);
    strbuf_add_percent(&store->scratch, name, len);
    add_scratch(store);
}

void args_add_shard(struct store *store, const struct room *room)
{
    redis_command_add_u64(&store->cmd, shard_of(room->name, room->name_len, 1));
}

void args_add_events_max(struct store *store)
{
    redis_command_add_u64(&store->cmd, (uint64_t)store->config->presence_events_max);
}

void args_add_room_ttl(struct store *store)
{
    redis_command_add_u64(&store->cmd, 1000u * (uint64_t)store->config->room_ttl_secs);
}

/* The JSON of a presence event up to the user's name. */
static void begin_presence(struct store *store, const char *type, const char *room,
                           size_t room_len, const char *reason)
{
    strbuf_reset(&store->scratch, 4096);
    proto_begin(&store->scratch, type, (struct json_text){NULL, 0});
    proto_add_text(&store->scratch, "room", room, room_len);
    if (reason)
        proto_add_text(&store->scratch, "reason", reason, strlen(reason));
    strbuf_add_text(&store->scratch, ",\"user\":");
}

/* The same up to the count of members. */
void args_add_presence(struct store *store, const char *type, const struct room *room,
                       const struct room_user *user, const char *reason)
{
    begin_presence(store, type, room->name, room->name_len, reason);
    strbuf_add_json(&store->scratch, user->name, user->name_len);
    strbuf_add_text(&store->scratch, ",\"members\":");
    add_scratch(store);
}

void args_add_presence_head(struct store *store, const char *type, const char *room,
                            size_t room_len, const char *reason)
{
    begin_presence(store, type, room, room_len, reason);
    add_scratch(store);
}
