/* keys.h - every Redis key and channel name (SPEC section 3, SPEC-SCALE S3); the only file that
 * spells one.
 *
 * The tag `{R}` keeps all of a room in one cluster slot. What belongs to no room is of a shard's
 * registry: with one Redis or a list each shard has a Redis of its own, and its names are the same
 * in all; in a cluster they have the shard's tag, so that a registry is in one slot, too. Names are built into buffers
 * of the caller, KEYS_MAX_BYTES long, followed by a NUL; each function returns the
 * length. Any legal names fit; with longer ones the name is empty, whatever the build.
 */
#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEYS_MAX_BYTES = 640 };

enum room_key {
    KEY_META,
    KEY_MEMBERS,
    KEY_HISTORY,
    KEY_BANS,
    KEY_MUTES,
    KEY_KEYS, /* of messages sent with a key */
    KEY_KEYS_OLD,
    KEY_KICKS,
    KEY_CLOSED,
    KEY_ROOM_NODES,
    KEY_CHANGED,
    KEY_EVENTS, /* a channel */
};

enum node_key {
    KEY_NODE,
    KEY_NODE_ROOMS,
    KEY_NODE_CLAIM,
    KEY_NODE_CANARY /* a channel */
};

enum fleet_key {
    KEY_ROOMS,
    KEY_ROOMS_MEMBERS,
    KEY_NODES,
    KEY_STATS, /* this and the next three: of shard 0 alone */
    KEY_STATS_ONLINE,
    KEY_STATS_SAMPLER,
    KEY_AUDIT,
    KEY_POLICY,         /* the same: what each worker has a copy of */
    KEY_POLICY_RESTORE, /* the same: the lock of who puts it back */
    KEY_REVOKED,        /* the same */
    KEY_CLASSES,        /* the same */
    KEY_SHARD,          /* of a list: which of its Redis this is */
    KEY_FLEET_EVENTS,   /* a channel */
};

/* Of the first shard; each has a name of its own. */
enum login_key {
    KEY_SESSION,    /* by the SHA-256 of its token */
    KEY_LOGIN,      /* by its state */
    KEY_LOGIN_CODE, /* by the SHA-256 of its code */
};

/* Sets the prefix (SPEC: ROOMCAST_KEY_PREFIX); once, before any thread starts. */
void keys_set_prefix(const char *prefix);

/* Whether Redis is a cluster; also once. */
void keys_set_cluster(bool is_cluster);
bool keys_is_cluster(void);

size_t keys_room(char *out, const char *room, size_t room_len, enum room_key which);

/* The connections of a user, whose name is the tag. */
size_t keys_user_conns(char *out, const char *user, size_t user_len);

/* There until `user` may say something in `room` again. */
size_t keys_slow(char *out, const char *room, size_t room_len, const char *user,
                 size_t user_len);

/* The users of `room` that came in through `node`. */
size_t keys_on_node(char *out, const char *room, size_t room_len, const char *node);

/* The field of KEY_KEYS for a message of `user` with `key`, at most 64 bytes each; the length
 * of the user's name keeps ("a:b", "c") and ("a", "b:c") apart. */
size_t keys_field(char *out, const char *user, size_t user_len, const char *key,
                  size_t key_len);

/* Of the registry of `shard`. */
size_t keys_node(char *out, unsigned shard, const char *node, enum node_key which);
size_t keys_fleet(char *out, unsigned shard, enum fleet_key which);

/* Of a cluster: a channel in the slot of {number}. */
size_t keys_canary(char *out, unsigned number, const char *node);
size_t keys_login(char *out, const char *name, enum login_key which);

/* The same whatever keys_set_cluster was told: for who has to do with both kinds. */
size_t keys_node_in(char *out, bool is_cluster, unsigned shard, const char *node,
                    enum node_key which);
size_t keys_fleet_in(char *out, bool is_cluster, unsigned shard, enum fleet_key which);

/* The pattern of keyspace notifications for the expiry of rooms in database `db`. */
size_t keys_expiry_pattern(char *out, int db);

/* The pattern of all keys of rooms, for SCAN. */
size_t keys_rooms_pattern(char *out);

/* Takes the room's name out of any key of it. NULL: it is none. Borrowed from `key`. */
const char *keys_room_of_key(const char *key, size_t len, size_t *room_len);

/* Whether such a key is this one; whether it is one of keys_on_node. */
bool keys_is_of_room(const char *key, size_t len, enum room_key which);
bool keys_is_on_node(const char *key, size_t len);

/* Takes the room's name out of a channel name: an events channel, or a notification
 * under the pattern above. NULL if it is neither. Borrowed from `channel`. */
const char *keys_room_of_events(const char *channel, size_t len, size_t *room_len);
const char *keys_room_of_expiry(const char *channel, size_t len, size_t *room_len);

#endif
