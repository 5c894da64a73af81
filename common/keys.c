/* keys.c - see keys.h. Room names hold neither `{` nor `}` (SPEC section 2), so the tag
 * is unambiguous and can be cut out again. */
#include "common/keys.h"

#include <assert.h>
#include <string.h>

#include "common/proto.h"
#include "common/shard_of.h"
#include "common/strbuf.h"

enum { PREFIX_MAX = 64 };

static char prefix[PREFIX_MAX + 1] = "rc";
static size_t prefix_len = 2;
static bool in_cluster;

static const char *const room_suffixes[] = {
    [KEY_META] = "meta",     [KEY_MEMBERS] = "members",   [KEY_HISTORY] = "history",
    [KEY_BANS] = "bans",     [KEY_MUTES] = "mutes",       [KEY_KICKS] = "kicks",
    [KEY_CLOSED] = "closed", [KEY_ROOM_NODES] = "nodes",  [KEY_EVENTS] = "events",
    [KEY_KEYS] = "keys",     [KEY_KEYS_OLD] = "keys:old", [KEY_CHANGED] = "changed",
};

static const char *const fleet_names[] = {
    [KEY_ROOMS] = "rooms",
    [KEY_ROOMS_MEMBERS] = "rooms:members",
    [KEY_NODES] = "nodes",
    [KEY_STATS] = "stats",
    [KEY_STATS_ONLINE] = "stats:online",
    [KEY_STATS_SAMPLER] = "stats:sampler",
    [KEY_AUDIT] = "audit",
    [KEY_POLICY] = "policy",
    [KEY_POLICY_RESTORE] = "policy:restore",
    [KEY_REVOKED] = "revoked",
    [KEY_CLASSES] = "classes",
    [KEY_SHARD] = "shard",
    [KEY_FLEET_EVENTS] = "events",
};

void keys_set_prefix(const char *text)
{
    prefix_len = strlen(text);
    assert(prefix_len < sizeof(prefix));
    memcpy(prefix, text, prefix_len + 1);
}

void keys_set_cluster(bool is_cluster)
{
    in_cluster = is_cluster;
}

bool keys_is_cluster(void)
{
    return in_cluster;
}

enum { FIXED_BYTES = 64 }; /* more than stands around the names in any key */

/* The longest names are of a room and a node, in one key. */
_Static_assert(PREFIX_MAX + FIXED_BYTES + PROTO_ROOM_MAX + PROTO_NODE_MAX <=
                   KEYS_MAX_BYTES,
               "legal names fit");

/* Whether names of these lengths, and what stands around them, have room. */
static bool fits(size_t a, size_t b)
{
    return a < KEYS_MAX_BYTES && b < KEYS_MAX_BYTES &&
           prefix_len + FIXED_BYTES + a + b <= KEYS_MAX_BYTES;
}

static size_t no_name(char *out)
{
    out[0] = '\0';
    return 0;
}

static char *put(char *out, const char *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

static char *put_text(char *out, const char *text)
{
    return put(out, text, strlen(text));
}

static char *put_number(char *out, uint64_t number)
{
    char digits[STRBUF_U64_DIGITS];
    const char *first = strbuf_print_u64(digits, number);

    return put(out, first, (size_t)(digits + sizeof(digits) - first));
}

static char *put_prefix(char *out)
{
    return put(put(out, prefix, prefix_len), ":", 1);
}

/* `rc:{room}:` */
static char *put_room(char *out, const char *room, size_t room_len)
{
    out = put(put_prefix(out), "{", 1);
    return put(put(out, room, room_len), "}:", 2);
}

static size_t end(char *out, char *at)
{
    *at = '\0';
    return (size_t)(at - out);
}

size_t keys_room(char *out, const char *room, size_t room_len, enum room_key which)
{
    if (!fits(room_len, 0))
        return no_name(out);
    return end(out, put_text(put_room(out, room, room_len), room_suffixes[which]));
}

size_t keys_on_node(char *out, const char *room, size_t room_len, const char *node)
{
    size_t node_len = strlen(node);

    if (!fits(room_len, node_len))
        return no_name(out);
    return end(out, put(put(put_room(out, room, room_len), "on:", 3), node, node_len));
}

size_t keys_slow(char *out, const char *room, size_t room_len, const char *user,
                 size_t user_len)
{
    char *at;

    if (!fits(room_len, user_len))
        return no_name(out);
    at = put_text(put_room(out, room, room_len), "slow:");
    return end(out, put(at, user, user_len));
}

size_t keys_user_conns(char *out, const char *user, size_t user_len)
{
    char *at;

    if (!fits(user_len, 0))
        return no_name(out);
    at = put(put_text(put_prefix(out), "user:{"), user, user_len);
    return end(out, put_text(at, "}:conns"));
}

size_t keys_field(char *out, const char *user, size_t user_len, const char *key,
                  size_t key_len)
{
    char *at;

    if (!fits(user_len, key_len))
        return no_name(out);
    at = put(put_number(out, user_len), ":", 1);
    at = put(put(at, user, user_len), ":", 1);
    return end(out, put(at, key, key_len));
}

/* `{number}:` */
static char *put_tag(char *out, unsigned number)
{
    return put_text(put_number(put_text(out, "{"), number), "}:");
}

/* `rc:`, or in a cluster `rc:shard:{10}:` */
static char *put_shard(char *out, bool is_cluster, unsigned shard)
{
    out = put_prefix(out);
    return is_cluster ? put_tag(put_text(out, "shard:"), shard_of_tag(shard)) : out;
}

/* In a cluster it goes by the slot of {number}. */
size_t keys_canary(char *out, unsigned number, const char *node)
{
    size_t node_len = strlen(node);
    char *at;

    if (!fits(node_len, 0))
        return no_name(out);
    at = put_text(put_prefix(out), "canary:");
    return end(out, put(in_cluster ? put_tag(at, number) : at, node, node_len));
}

size_t keys_node_in(char *out, bool is_cluster, unsigned shard, const char *node,
                    enum node_key which)
{
    static const char *const suffixes[] = {
        [KEY_NODE] = "",
        [KEY_NODE_ROOMS] = ":rooms",
        [KEY_NODE_CLAIM] = ":claim",
    };
    size_t node_len = strlen(node);
    char *at;

    if (which == KEY_NODE_CANARY)
        return keys_canary(out, shard_of_tag(shard), node);
    if (!fits(node_len, 0))
        return no_name(out);
    at = put(put_text(put_shard(out, is_cluster, shard), "node:"), node, node_len);
    return end(out, put_text(at, suffixes[which]));
}

size_t keys_node(char *out, unsigned shard, const char *node, enum node_key which)
{
    return keys_node_in(out, in_cluster, shard, node, which);
}

size_t keys_fleet_in(char *out, bool is_cluster, unsigned shard, enum fleet_key which)
{
    return end(out, put_text(put_shard(out, is_cluster, shard), fleet_names[which]));
}

size_t keys_fleet(char *out, unsigned shard, enum fleet_key which)
{
    return keys_fleet_in(out, in_cluster, shard, which);
}

size_t keys_login(char *out, const char *name, enum login_key which)
{
    static const char *const kinds[] = {
        [KEY_SESSION] = "session:",
        [KEY_LOGIN] = "login:",
        [KEY_LOGIN_CODE] = "login:code:",
    };
    char *at;

    if (!fits(strlen(name), 0))
        return no_name(out);
    at = put_text(put_shard(out, in_cluster, 0), kinds[which]);
    return end(out, put_text(at, name));
}

size_t keys_rooms_pattern(char *out)
{
    return end(out, put_text(put_prefix(out), "{*"));
}

size_t keys_expiry_pattern(char *out, int db)
{
    char *at = put_number(put_text(out, "__keyspace@"), (uint64_t)db);

    at = put_room(put_text(at, "__:"), "*", 1);
    return end(out, put_text(at, room_suffixes[KEY_META]));
}

const char *keys_room_of_key(const char *key, size_t len, size_t *room_len)
{
    const char *room = key + prefix_len + 2, *brace;

    if (len < prefix_len + 2 || memcmp(key, prefix, prefix_len) != 0 ||
        memcmp(key + prefix_len, ":{", 2) != 0)
        return NULL;
    brace = memchr(room, '}', (size_t)(key + len - room));
    if (!brace || brace + 2 > key + len || brace[1] != ':')
        return NULL;
    *room_len = (size_t)(brace - room);
    return room;
}

/* What comes after the room's name in a key that keys_room_of_key has taken. */
static const char *suffix_of(const char *key, size_t len, size_t *suffix_len)
{
    const char *suffix = (const char *)memchr(key, '}', len) + 2;

    *suffix_len = (size_t)(key + len - suffix);
    return suffix;
}

bool keys_is_of_room(const char *key, size_t len, enum room_key which)
{
    const char *suffix = suffix_of(key, len, &len);

    return len == strlen(room_suffixes[which]) &&
           memcmp(suffix, room_suffixes[which], len) == 0;
}

bool keys_is_on_node(const char *key, size_t len)
{
    const char *suffix = suffix_of(key, len, &len);

    return len > 3 && memcmp(suffix, "on:", 3) == 0;
}

/* `<prefix>:{room}:<suffix>` at the end of `name`. */
static const char *cut_room(const char *name, size_t len, const char *suffix,
                            size_t *room_len)
{
    size_t tail = strlen(suffix) + 2; /* "}:" */

    if (len < prefix_len + 2 + tail || memcmp(name, prefix, prefix_len) != 0 ||
        memcmp(name + prefix_len, ":{", 2) != 0 ||
        memcmp(name + len - tail, "}:", 2) != 0 ||
        memcmp(name + len - tail + 2, suffix, tail - 2) != 0)
        return NULL;
    *room_len = len - tail - prefix_len - 2;
    return name + prefix_len + 2;
}

const char *keys_room_of_events(const char *channel, size_t len, size_t *room_len)
{
    return cut_room(channel, len, room_suffixes[KEY_EVENTS], room_len);
}

const char *keys_room_of_expiry(const char *channel, size_t len, size_t *room_len)
{
    const char *name = memchr(channel, ':', len);

    if (len < 10 || memcmp(channel, "__keyspace", 10) != 0 || !name)
        return NULL;
    name++;
    return cut_room(name, len - (size_t)(name - channel), room_suffixes[KEY_META],
                    room_len);
}
