/* history_cache.c - see history_cache.h.
 *
 *     history_cache_read -> start_fetch                         the first in a while
 *                        -> start_fill -> on_fetched -> ready   the next ones, while it is read
 *                        -> ready                               those after them
 *                        -> share_fetch -> on_fetched -> on_done   what the ring does not tell
 *     history_cache_run  -> answer -> on_done
 *
 * An answer from the ring is as good as one from Redis: the ring goes up to the room's last
 * message here, and later messages reach the member as live ones. Where the ring does not tell
 * (a client that is ahead of this worker, or was promised what this worker has not heard of yet; a
 * history larger than the ring), Redis is asked, once
 * for all reads of the same at the same time: they share the fetch in flight.
 *
 * A ring that was emptied while its history was read, as by a reset or a deleted message, is not
 * filled with it: what was read may be older than what emptied the ring. Nor does a later read
 * share a fetch from before.
 */
#include "gateway/history_cache.h"

#include <stdlib.h>

#include "gateway/catchup.h"
#include "gateway/pool.h"

enum {
    KEEP_MS = 10000,
    RINGS_MAX_BYTES = 64 * 1024 * 1024, /* of a worker's rings */
};

/* What is known of a room whose ring answers, or will. */
struct history_entry {
    struct list link;
    struct history_cache *cache;
    struct room *room;
    struct list fetches;
    uint64_t used_ms;
    uint32_t drops; /* room_log_drops when it was last filled */
    bool was_filled;
};

/* A read that Redis is answering, and the reads that wait for it. */
struct fetch {
    struct list link; /* in the room's entry, if it has one */
    struct history_cache *cache;
    struct room *room; /* a ref */
    struct list reads;
    uint64_t after; /* FILL: for the ring */
    uint32_t drops; /* room_log_drops when it began */
};

struct cached_read {
    struct list link;
    struct history_cache *cache;
    struct room *room; /* a ref */
    struct history_wish wish;
    history_read_fn on_done;
    void *data;
};

#define FILL UINT64_MAX

static void end_read(struct cached_read *read, const struct history *history)
{
    struct room *room = read->room;

    read->on_done(read->data, history);
    pool_recycle(read, sizeof(*read));
    room_unref(room);
}

/* From the ring, if it tells what is wanted; `lines` may be NULL. */
static bool read_ring(const struct cached_read *read, struct json_text *lines,
                      struct history *history)
{
    const struct room_log *log = &read->room->log;

    return room_log_seq(log) >= read->wish.until &&
           room_log_read(log, read->wish.after, lines, history);
}

static bool can_answer(const struct cached_read *read)
{
    struct history history;

    return read_ring(read, NULL, &history);
}

/* ---- reads that Redis answers ---- */

static void share_fetch(struct cached_read *read);

static void on_fetched(void *data, const struct history *history)
{
    struct fetch *fetch = data;
    struct room *room = fetch->room;
    bool is_fill = fetch->after == FILL;
    struct list *link;

    list_remove(&fetch->link);
    if (is_fill && history && fetch->drops == room_log_drops(&room->log))
        room_log_fill(&room->log, history);
    while ((link = list_first(&fetch->reads))) {
        struct cached_read *read = list_entry(link, struct cached_read, link);

        list_remove(link);
        if (!is_fill || !history)
            end_read(read, history);
        else if (can_answer(read))
            list_add(&fetch->cache->ready, link);
        else
            share_fetch(read);
    }
    pool_recycle(fetch, sizeof(*fetch));
    room_unref(room);
}

static struct fetch *new_fetch(struct history_cache *cache, struct room *room,
                               uint64_t after)
{
    struct fetch *fetch = pool_alloc(sizeof(*fetch));

    *fetch = (struct fetch){.cache = cache,
                            .room = room_ref(room),
                            .after = after,
                            .drops = room_log_drops(&room->log)};
    list_init(&fetch->link);
    list_init(&fetch->reads);
    if (room->history_cache.entry)
        list_add(&room->history_cache.entry->fetches, &fetch->link);
    metric_add(&room->rooms->metrics->history_reads_total, 1);
    return fetch;
}

static void start_fetch(struct cached_read *read)
{
    struct fetch *fetch = new_fetch(read->cache, read->room, read->wish.after);
    const struct history_range range = {.after = read->wish.after,
                                        .limit = PROTO_BATCH_MESSAGES};

    list_add(&fetch->reads, &read->link);
    history_read(read->cache->store, read->room, &range, on_fetched, fetch);
}

static struct fetch *find_fetch(const struct room *room, uint64_t after)
{
    const struct history_entry *entry = room->history_cache.entry;

    if (!entry)
        return NULL;
    for (struct list *link = entry->fetches.next; link != &entry->fetches;
         link = link->next) {
        struct fetch *fetch = list_entry(link, struct fetch, link);

        if (fetch->after == after && fetch->drops == room_log_drops(&room->log))
            return fetch;
    }
    return NULL;
}

static void share_fetch(struct cached_read *read)
{
    struct fetch *fetch = find_fetch(read->room, read->wish.after);

    if (!fetch) {
        start_fetch(read);
        return;
    }
    metric_add(&read->room->rooms->metrics->history_shared_total, 1);
    list_add(&fetch->reads, &read->link);
}

/* ---- a room's entry ---- */

static void drop_entry(struct history_entry *entry)
{
    list_remove(&entry->link);
    entry->room->history_cache.entry = NULL;
    catchup_keep_ring(entry->room, false);
    pool_recycle(entry, sizeof(*entry));
}

static void on_room_freed(struct room *room)
{
    if (room->history_cache.entry)
        drop_entry(
            room->history_cache.entry); /* no read waits: each has a ref of the room */
}

static struct history_entry *get_entry(struct history_cache *cache, struct room *room,
                                       uint64_t now_ms)
{
    struct history_entry *entry = room->history_cache.entry;

    if (!entry) {
        entry = pool_alloc(sizeof(*entry));
        *entry = (struct history_entry){.cache = cache, .room = room};
        list_init(&entry->link);
        list_init(&entry->fetches);
        room->history_cache.entry = entry;
        catchup_keep_ring(room, true);
    }
    entry->used_ms = now_ms;
    list_remove(&entry->link);
    list_add(&cache->entries, &entry->link);
    return entry;
}

static void start_fill(struct history_entry *entry)
{
    struct fetch *fetch = new_fetch(entry->cache, entry->room, FILL);
    const struct history_range range = {FILL, (uint64_t)1 << 53, PROTO_BATCH_MESSAGES};

    entry->was_filled = true;
    entry->drops = fetch->drops;
    history_read(entry->cache->store, entry->room, &range, on_fetched, fetch);
}

/* ---- a read ---- */

static bool is_first_in_a_while(const struct room *room, uint64_t now_ms)
{
    return !room->history_cache.entry &&
           (room->history_cache.read_ms == 0 ||
            now_ms - room->history_cache.read_ms >= KEEP_MS);
}

void history_cache_read(struct history_cache *cache, struct room *room,
                        const struct history_wish *wish, uint64_t now_ms,
                        history_read_fn on_done, void *data)
{
    struct cached_read *read = pool_alloc(sizeof(*read));
    struct history_entry *entry;
    struct fetch *fill;

    *read = (struct cached_read){.cache = cache,
                                 .room = room_ref(room),
                                 .wish = *wish,
                                 .on_done = on_done,
                                 .data = data};
    list_init(&read->link);
    if (is_first_in_a_while(room, now_ms)) {
        room->history_cache.read_ms = now_ms;
        start_fetch(read);
        return;
    }
    entry = get_entry(cache, room, now_ms);
    if (can_answer(read)) {
        list_add(&cache->ready, &read->link);
        return;
    }
    if (!entry->was_filled || entry->drops != room_log_drops(&room->log))
        start_fill(entry);
    fill = find_fetch(room, FILL);
    if (fill)
        list_add(&fill->reads, &read->link);
    else
        share_fetch(read);
}

static void answer(struct cached_read *read)
{
    static _Thread_local struct json_text lines[PROTO_BATCH_MESSAGES];
    struct history history;

    if (!read_ring(read, lines, &history)) {
        share_fetch(read); /* the ring was emptied meanwhile */
        return;
    }
    metric_add(&read->room->rooms->metrics->history_shared_total, 1);
    end_read(read, &history);
}

void history_cache_run(struct history_cache *cache, uint64_t now_ms)
{
    struct list *link;

    while ((link = list_first(&cache->ready))) {
        list_remove(link);
        answer(list_entry(link, struct cached_read, link));
    }
    list_each(at, &cache->entries) {
        struct history_entry *entry = list_entry(at, struct history_entry, link);

        if (now_ms - entry->used_ms < KEEP_MS &&
            cache->rooms->logs.ring_bytes <= RINGS_MAX_BYTES)
            return;
        if (list_is_empty(&entry->fetches))
            drop_entry(entry);
    }
}

void history_cache_init(struct history_cache *cache, struct store *store,
                        struct rooms *rooms)
{
    *cache = (struct history_cache){.store = store, .rooms = rooms};
    list_init(&cache->entries);
    list_init(&cache->ready);
    rooms->history_cache = cache;
    rooms->observer.on_uncached = on_room_freed;
}

void history_cache_deinit(struct history_cache *cache)
{
    struct list *link;

    while ((link = list_first(&cache->ready))) {
        list_remove(link);
        end_read(list_entry(link, struct cached_read, link), NULL);
    }
}
