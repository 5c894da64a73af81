/* keys.c - see keys.h. Room names hold neither `{` nor `}` (SPEC section 2), so the tag
 * is unambiguous and can be cut out again. */
#include "common/keys.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "common/proto.h"
#include "common/strbuf.h"

/* The longest: who came in through a node. */
_Static_assert(64 + sizeof(":{}:on:") + PROTO_ROOM_MAX + PROTO_NODE_MAX <=
                   KEYS_MAX_BYTES,
               "the longest legal names fit");

static char prefix[65] = "rc";
static size_t prefix_len = 2;

static const char *const room_suffixes[] = {
    [KEY_META] = "meta",         [KEY_MEMBERS] = "members", [KEY_HISTORY] = "history",
    [KEY_BANS] = "bans",         [KEY_MUTES] = "mutes",     [KEY_KICKS] = "kicks",
    [KEY_CLOSED] = "closed",     [KEY_EVENTS] = "events",   [KEY_KEYS] = "keys",
    [KEY_KEYS_OLD] = "keys:old",
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

/* A name being put together: what does not fit is not written, and the whole is then no
 * name. */
struct name {
    char *bytes;
    size_t len;
    bool fits;
};

static struct name begin(char *out)
{
    return (struct name){out, 0, true};
}

static void put(struct name *name, const char *bytes, size_t len)
{
    name->fits = name->fits && len < KEYS_MAX_BYTES - name->len; /* and a NUL */
    if (!name->fits || len == 0)
        return;
    memcpy(name->bytes + name->len, bytes, len);
    name->len += len;
}

static void put_text(struct name *name, const char *text)
{
    put(name, text, strlen(text));
}

static void put_number(struct name *name, uint64_t number)
{
    char digits[STRBUF_U64_DIGITS];
    const char *first = strbuf_print_u64(digits, number);

    put(name, first, (size_t)(digits + sizeof(digits) - first));
}

static void put_prefix(struct name *name)
{
    put(name, prefix, prefix_len);
    put(name, ":", 1);
}

/* `rc:{room}:` */
static void put_room(struct name *name, const char *room, size_t room_len)
{
    put_prefix(name);
    put(name, "{", 1);
    put(name, room, room_len);
    put(name, "}:", 2);
}

static size_t end(struct name *name)
{
    if (!name->fits)
        name->len = 0;
    name->bytes[name->len] = '\0';
    return name->len;
}

size_t keys_room(char *out, const char *room, size_t room_len, enum room_key which)
{
    struct name name = begin(out);

    put_room(&name, room, room_len);
    put_text(&name, room_suffixes[which]);
    return end(&name);
}

size_t keys_on_node(char *out, const char *room, size_t room_len, const char *node)
{
    struct name name = begin(out);

    put_room(&name, room, room_len);
    put_text(&name, "on:");
    put_text(&name, node);
    return end(&name);
}

size_t keys_field(char *out, const char *user, size_t user_len, const char *key,
                  size_t key_len)
{
    struct name name = begin(out);

    put_number(&name, user_len);
    put(&name, ":", 1);
    put(&name, user, user_len);
    put(&name, ":", 1);
    put(&name, key, key_len);
    return end(&name);
}

size_t keys_node(char *out, const char *node, enum node_key which)
{
    static const struct {
        const char *before, *behind;
    } around[] = {
        [KEY_NODE] = {"node:", ""},
        [KEY_NODE_ROOMS] = {"node:", ":rooms"},
        [KEY_NODE_CLAIM] = {"node:", ":claim"},
        [KEY_NODE_CANARY] = {"canary:", ""},
    };
    struct name name = begin(out);

    put_prefix(&name);
    put_text(&name, around[which].before);
    put_text(&name, node);
    put_text(&name, around[which].behind);
    return end(&name);
}

size_t keys_fleet(char *out, enum fleet_key which)
{
    struct name name = begin(out);

    put_prefix(&name);
    put_text(&name, fleet_names[which]);
    return end(&name);
}

size_t keys_expiry_pattern(char *out, int db)
{
    struct name name = begin(out);

    put_text(&name, "__keyspace@");
    put_number(&name, (uint64_t)db);
    put_text(&name, "__:");
    put_room(&name, "*", 1);
    put_text(&name, room_suffixes[KEY_META]);
    return end(&name);
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
