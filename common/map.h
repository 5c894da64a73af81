/* map.h - byte-string keys to pointers: open addressing, linear probing.
 *
 * The map borrows its keys: they must live, unchanged, as long as their entry (put
 * the name into the object that is the value). It never owns a value. Hashing is
 * keyed with a secret of the process, so that nobody outside can choose colliding
 * names. An empty map holds no memory.
 */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    const char *key; /* NULL: free */
    uint32_t key_len;
    uint32_t hash;
    void *value;
};

struct map {
    struct map_slot *slots;
    uint32_t count, cap; /* cap is 0 or a power of two */
};

/* A zeroed map is an empty one; deinit leaves it so. */
void map_deinit(struct map *map);

/* The value under `key`, or NULL. */
void *map_find(const struct map *map, const char *key, size_t key_len);

/* The same where the key is looked for in several maps: its hash, which all maps share. */
uint32_t map_hash(const char *key, size_t key_len);
void *map_find_hashed(const struct map *map, const char *key, size_t key_len,
                      uint32_t hash);

/* `key` must not be in the map yet; `value` must not be NULL. */
void map_add(struct map *map, const char *key, size_t key_len, void *value);

/* Removes and returns the value, or NULL if `key` was not there. */
void *map_remove(struct map *map, const char *key, size_t key_len);

/* Walks all values: start with *at = 0; NULL at the end. The map must not be
 * changed during the walk. */
void *map_next(const struct map *map, uint32_t *at);

#endif
