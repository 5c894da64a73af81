/* map.c - see map.h.
 *
 * Removing moves the entries behind the hole back towards where their hash wants
 * them, so there are no tombstones, and a map that was once large and is now small
 * is as fast as one that was always small. The table doubles when three quarters
 * are full and halves when an eighth is, so adding and removing around one size do
 * not resize again and again.
 *
 * The hash is SipHash-1-3: strong enough that no client that chooses names and measures
 * times finds collisions, and about 20 ns for the name of a room.
 */
#include "common/map.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/xalloc.h"

enum { CAP_MIN = 8 };

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
    ssize_t n;

    do
        n = getrandom(secret, sizeof(secret), 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof(secret))
        abort();
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint32_t map_hash(const char *key, size_t len)
{
    pthread_once(&secret_once, make_secret);

    uint64_t v[4] = {
        secret[0] ^ UINT64_C(0x736f6d6570736575),
        secret[1] ^ UINT64_C(0x646f72616e646f6d),
        secret[0] ^ UINT64_C(0x6c7967656e657261),
        secret[1] ^ UINT64_C(0x7465646279746573),
    };
    uint64_t word;
    size_t at = 0;

    for (; at + sizeof(word) <= len; at += sizeof(word)) {
        memcpy(&word, key + at, sizeof(word));
        v[3] ^= word;
        mix(v);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56;
    for (unsigned shift = 0; at < len; at++, shift += 8)
        word |= (uint64_t)(unsigned char)key[at] << shift;
    v[3] ^= word;
    mix(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        mix(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* Where `key` is, or the free slot where it would go. */
static uint32_t probe(const struct map *map, const char *key, size_t len, uint32_t hash)
{
    uint32_t mask = map->cap - 1;
    uint32_t at = hash & mask;

    for (; map->slots[at].key; at = (at + 1) & mask) {
        const struct map_slot *slot = &map->slots[at];

        if (slot->hash == hash && slot->key_len == len &&
            memcmp(slot->key, key, len) == 0)
            break;
    }
    return at;
}

static void resize(struct map *map, uint32_t cap)
{
    struct map old = *map;

    map->slots = xcalloc(cap, sizeof(*map->slots));
    map->cap = cap;
    for (uint32_t i = 0; i < old.cap; i++) {
        uint32_t at = old.slots[i].hash & (cap - 1);

        if (!old.slots[i].key)
            continue;
        while (map->slots[at].key)
            at = (at + 1) & (cap - 1);
        map->slots[at] = old.slots[i];
    }
    free(old.slots);
}

void map_deinit(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}

void *map_find_hashed(const struct map *map, const char *key, size_t key_len,
                      uint32_t hash)
{
    /* A free slot's value is NULL. */
    return map->count > 0 ? map->slots[probe(map, key, key_len, hash)].value : NULL;
}

void *map_find(const struct map *map, const char *key, size_t key_len)
{
    if (map->count == 0)
        return NULL;
    return map_find_hashed(map, key, key_len, map_hash(key, key_len));
}

void map_add(struct map *map, const char *key, size_t key_len, void *value)
{
    uint32_t hash = map_hash(key, key_len);
    struct map_slot *slot;

    assert(value && key_len <= UINT32_MAX);
    if (map->count >= map->cap / 4 * 3) {
        assert(map->cap <= UINT32_MAX / 2);
        resize(map, map->cap ? map->cap * 2 : CAP_MIN);
    }
    slot = &map->slots[probe(map, key, key_len, hash)];
    assert(!slot->key);
    *slot = (struct map_slot){key, (uint32_t)key_len, hash, value};
    map->count++;
}

/* Empties the slot `hole` and closes the gap that this makes in a run of entries. */
static void close_gap(struct map *map, uint32_t hole)
{
    uint32_t mask = map->cap - 1;

    for (uint32_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
        uint32_t home = map->slots[at].hash & mask;

        /* An entry may move back to the hole unless that is before its home. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct map_slot){0};
}

void *map_remove(struct map *map, const char *key, size_t key_len)
{
    uint32_t at;
    void *value;

    if (map->count == 0)
        return NULL;
    at = probe(map, key, key_len, map_hash(key, key_len));
    value = map->slots[at].value;
    if (!value)
        return NULL;
    close_gap(map, at);
    map->count--;
    if (map->count == 0)
        map_deinit(map);
    else if (map->cap > CAP_MIN && map->count <= map->cap / 8)
        resize(map, map->cap / 2);
    return value;
}

void *map_next(const struct map *map, uint32_t *at)
{
    while (*at < map->cap) {
        void *value = map->slots[(*at)++].value;

        if (value)
            return value;
    }
    return NULL;
}
