/* index.c - see index.h.
 *
 *     index_touch -> due -> index_flush -> index_batch_write
 *                     ^                      |
 *                     +---- rests, 5 s <-----+   touched meanwhile: due again
 */
#include "gateway/index.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "gateway/index_batch.h"

enum { REST_MS = 5000 };

struct entry {
    struct list link;
    uint64_t written_ms;
    bool touched; /* since it was written */
    unsigned char len;
    char room[];
};

void index_init(struct index *index, struct store *store)
{
    index->store = store;
    list_init(&index->due);
    list_init(&index->rests);
}

static void forget(struct index *index, struct entry *entry)
{
    list_remove(&entry->link);
    map_remove(&index->entries, entry->room, entry->len);
    free(entry);
}

void index_deinit(struct index *index)
{
    struct list *lists[] = {&index->due, &index->rests};

    for (int i = 0; i < 2; i++)
        list_each(link, lists[i]) {
            forget(index, list_entry(link, struct entry, link));
        }
    map_deinit(&index->entries);
}

void index_touch(struct index *index, const char *room, size_t len, bool is_new)
{
    struct entry *entry = map_find(&index->entries, room, len);

    if (entry) {
        entry->touched = true;
        if (is_new) {
            list_remove(&entry->link);
            list_add(&index->due, &entry->link);
        }
        return;
    }
    entry = xcalloc(1, sizeof(*entry) + len + 1);
    entry->len = (unsigned char)len;
    memcpy(entry->room, room, len);
    map_add(&index->entries, entry->room, len, entry);
    list_add(&index->due, &entry->link);
}

static void write_batch(struct index *index, uint64_t now_ms)
{
    struct index_batch *batch;
    struct list rooms, *link;
    unsigned count = 0;

    list_init(&rooms);
    for (; count < INDEX_BATCH_ROOMS && (link = list_first(&index->due)); count++) {
        list_remove(link);
        list_add(&rooms, link);
    }
    batch = index_batch_new(index->store, count);
    while ((link = list_first(&rooms))) {
        struct entry *entry = list_entry(link, struct entry, link);

        index_batch_add(batch, entry->room, entry->len);
        entry->written_ms = now_ms;
        entry->touched = false;
        list_remove(link);
        list_add(&index->rests, link);
    }
    index_batch_write(batch);
}

void index_flush(struct index *index, uint64_t now_ms)
{
    struct list *link;

    while ((link = list_first(&index->rests))) {
        struct entry *entry = list_entry(link, struct entry, link);

        if (now_ms - entry->written_ms < REST_MS)
            break;
        if (!entry->touched) {
            forget(index, entry);
            continue;
        }
        list_remove(link);
        list_add(&index->due, link);
    }
    while (!list_is_empty(&index->due) && redis_link_is_ready(store_link(index->store)))
        write_batch(index, now_ms);
}

void index_flush_all(struct index *index, uint64_t now_ms)
{
    list_each(link, &index->rests) {
        if (!list_entry(link, struct entry, link)->touched)
            continue;
        list_remove(link);
        list_add(&index->due, link);
    }
    index_flush(index, now_ms);
}
