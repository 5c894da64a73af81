/* index.c - see index.h.
 *
 *     index_touch -> due -> index_flush -> index.lua
 *                     ^                      |
 *                     +---- rests, 5 s <-----+   touched meanwhile: due again
 *
 *     index_on_expired, index_walk -> unindex.lua -> on_unindexed: log, count
 */
#include "gateway/index.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/args.h"

enum {
    REST_MS = 5000,
    BATCH = 100,
    WALK_MS = 2000,
    WALK_ROOMS = 20,
};

struct entry {
    struct list link;
    uint64_t written_ms;
    bool touched; /* since it was written */
    unsigned char len;
    char room[];
};

void index_init(struct index *index, struct store *store, struct metrics *metrics)
{
    index->store = store;
    index->metrics = metrics;
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

void index_touch(struct index *index, const char *room, size_t len)
{
    struct entry *entry = map_find(&index->entries, room, len);

    if (entry) {
        entry->touched = true;
        return;
    }
    entry = xcalloc(1, sizeof(*entry) + len + 1);
    entry->len = (unsigned char)len;
    memcpy(entry->room, room, len);
    map_add(&index->entries, entry->room, len, entry);
    list_add(&index->due, &entry->link);
}

static void add_fleet_keys(struct store *store)
{
    args_add_fleet_key(&store->args, KEY_ROOMS);
    args_add_fleet_key(&store->args, KEY_ROOMS_MEMBERS);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
}

static void write_batch(struct index *index, uint64_t now_ms)
{
    struct store *store = index->store;
    struct list batch, *link;
    unsigned count = 0;

    list_init(&batch);
    while (count < BATCH && (link = list_first(&index->due))) {
        list_remove(link);
        list_add(&batch, link);
        count++;
    }
    scripts_begin(&store->args.cmd, SCRIPT_INDEX, 3 + 2 * count);
    add_fleet_keys(store);
    list_each(at, &batch) {
        const struct entry *entry = list_entry(at, struct entry, link);

        args_add_room_key(&store->args, entry->room, entry->len, KEY_META);
        args_add_room_key(&store->args, entry->room, entry->len, KEY_MEMBERS);
    }
    list_each(at, &batch) {
        struct entry *entry = list_entry(at, struct entry, link);

        redis_command_add(&store->args.cmd, entry->room, entry->len);
        entry->written_ms = now_ms;
        entry->touched = false;
        list_remove(at);
        list_add(&index->rests, at);
    }
    store_send_script(store, SCRIPT_INDEX, NULL, NULL);
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
    while (!list_is_empty(&index->due) && redis_link_is_ready(index->store->link))
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

static struct log_limit expired_lines = {.per_sec = 100};

static void on_unindexed(void *data, int status, const redisReply *reply)
{
    struct index *index = data;

    if (status < 0)
        return;
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct json_text room = reply_text(reply, i);

        if (!reply_has_text(reply, i))
            continue;
        metric_add(&index->metrics->rooms_expired_total, 1);
        log_limited(LOG_INFO, &expired_lines, "room expired after TTL", "room=%s",
                    log_name(room.base, room.len));
    }
}

void index_on_expired(struct index *index, const char *room, size_t len)
{
    struct store *store = index->store;

    scripts_begin(&store->args.cmd, SCRIPT_UNINDEX, 4);
    add_fleet_keys(store);
    args_add_room_key(&store->args, room, len, KEY_META);
    redis_command_add_text(&store->args.cmd, "room_expired");
    redis_command_add(&store->args.cmd, room, len);
    store_send_script(store, SCRIPT_UNINDEX, on_unindexed, index);
}

/* The rooms of the page that are gone are taken off; the next walk looks behind it. */
static void on_walked(void *data, int status, const redisReply *reply)
{
    struct index *index = data;
    struct store *store = index->store;
    unsigned *offset = &index->walk_offsets[index->walks_all];
    struct json_text rooms[WALK_ROOMS];
    unsigned count = 0;

    index->is_walking = false;
    index->walks_all = !index->walks_all;
    if (status < 0 || reply_count(reply) == 0) {
        *offset = 0;
        return;
    }
    *offset = reply_count(reply) < WALK_ROOMS ? 0 : *offset + WALK_ROOMS / 2;
    for (size_t i = 0; i < reply_count(reply) && count < WALK_ROOMS; i++)
        if (intake_room(index->metrics, "rooms", reply_text(reply, i)))
            rooms[count++] = reply_text(reply, i);
    if (count == 0)
        return;
    scripts_begin(&store->args.cmd, SCRIPT_UNINDEX, 3 + count);
    add_fleet_keys(store);
    for (unsigned i = 0; i < count; i++)
        args_add_room_key(&store->args, rooms[i].base, rooms[i].len, KEY_META);
    redis_command_add_text(&store->args.cmd, "room_expired");
    for (unsigned i = 0; i < count; i++)
        args_add_text(&store->args, rooms[i]);
    store_send_script(store, SCRIPT_UNINDEX, on_unindexed, index);
}

/* By turns a page of the rooms that count as empty, and a page of all: a room whose
 * gateways died before they wrote that it is empty is still listed with its members. */
void index_walk(struct index *index, uint64_t now_ms)
{
    struct store *store = index->store;

    if (index->is_walking || now_ms < index->walk_at_ms)
        return;
    index->walk_at_ms = now_ms + WALK_MS;
    index->is_walking = true;
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "ZRANGEBYSCORE");
    args_add_fleet_key(&store->args, KEY_ROOMS_MEMBERS);
    redis_command_add_text(&store->args.cmd, "0");
    redis_command_add_text(&store->args.cmd, index->walks_all ? "+inf" : "0");
    redis_command_add_text(&store->args.cmd, "LIMIT");
    redis_command_add_u64(&store->args.cmd, index->walk_offsets[index->walks_all]);
    redis_command_add_u64(&store->args.cmd, WALK_ROOMS);
    store_send_command(store, on_walked, index);
}
