/* keys.c - see keys.h. Room names hold neither `{` nor `}` (SPEC section 2), so the tag
 * is unambiguous and can be cut out again. */
#include "common/keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static char prefix[65] = "rc";
static size_t prefix_len = 2;

static const char *const room_suffixes[] = {
    [KEY_META] = "meta",     [KEY_MEMBERS] = "members", [KEY_HISTORY] = "history",
    [KEY_BANS] = "bans",     [KEY_MUTES] = "mutes",     [KEY_KICKS] = "kicks",
    [KEY_CLOSED] = "closed", [KEY_EVENTS] = "events",
};

static const char *const fleet_names[] = {
    [KEY_ROOMS] = "rooms",
    [KEY_ROOMS_MEMBERS] = "rooms:members",
    [KEY_NODES] = "nodes",
    [KEY_STATS] = "stats",
    [KEY_STATS_ONLINE] = "stats:online",
    [KEY_STATS_SAMPLER] = "stats:sampler",
    [KEY_AUDIT] = "audit",
    [KEY_FLEET_EVENTS] = "events",
};

void keys_set_prefix(const char *text)
{
    prefix_len = strlen(text);
    assert(prefix_len < sizeof(prefix));
    memcpy(prefix, text, prefix_len + 1);
}

static char *put(char *out, const char *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

/* `rc:{room}:` */
static char *put_room(char *out, const char *room, size_t room_len)
{
    out = put(out, prefix, prefix_len);
    out = put(out, ":{", 2);
    out = put(out, room, room_len);
    return put(out, "}:", 2);
}

static size_t end(char *out, char *at)
{
    *at = '\0';
    assert(at - out < KEYS_MAX_BYTES);
    return (size_t)(at - out);
}

size_t keys_room(char *out, const char *room, size_t room_len, enum room_key which)
{
    const char *suffix = room_suffixes[which];

    return end(out, put(put_room(out, room, room_len), suffix, strlen(suffix)));
}

size_t keys_on_node(char *out, const char *room, size_t room_len, const char *node)
{
    char *at = put(put_room(out, room, room_len), "on:", 3);

    return end(out, put(at, node, strlen(node)));
}

size_t keys_dedupe(char *out, const char *room, size_t room_len, const char *user,
                   size_t user_len, const char *key, size_t key_len)
{
    char *at = put_room(out, room, room_len);

    at += sprintf(at, "key:%zu:", user_len);
    at = put(at, user, user_len);
    *at++ = ':';
    return end(out, put(at, key, key_len));
}

size_t keys_node(char *out, const char *node, enum node_key which)
{
    static const char *const formats[] = {
        [KEY_NODE] = "%s:node:%s",
        [KEY_NODE_ROOMS] = "%s:node:%s:rooms",
        [KEY_NODE_CLAIM] = "%s:node:%s:claim",
        [KEY_NODE_CANARY] = "%s:canary:%s",
    };

    return (size_t)snprintf(out, KEYS_MAX_BYTES, formats[which], prefix, node);
}

size_t keys_fleet(char *out, enum fleet_key which)
{
    return (size_t)snprintf(out, KEYS_MAX_BYTES, "%s:%s", prefix, fleet_names[which]);
}

size_t keys_expiry_pattern(char *out, int db)
{
    return (size_t)snprintf(out, KEYS_MAX_BYTES, "__keyspace@%d__:%s:{*}:meta", db,
                            prefix);
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
