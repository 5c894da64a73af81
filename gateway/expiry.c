/* expiry.c - see expiry.h.
 *
 *     expiry_add -> announced -> read_processes -> rank -> due -> index_batch_take_off
 *                                                   |                     |
 *                                                   +-> other processes   v
 *     walk -> on_walked -----------------------------------------> on_taken_off: log, count
 *
 * A room that was announced stays known for DONE_MS, so that the walk does not look at what is
 * somebody's turn already.
 */
#include "gateway/expiry.h"

#include <stdlib.h>
#include <string.h>

#include "common/fnv.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/index_batch.h"

enum {
    ROOMS_MAX = 100000,  /* that wait; what is beyond is left to the walk */
    PROCESSES_MS = 3000, /* how long the list of them is good for */
    RANK_MS = 1000,      /* from one rank's turn to the next one's */
    DONE_MS = 5000,      /* all ranks have had their turn */
    WALK_MS = 2000,
    WALK_ROOMS = 20,
};

struct expired {
    struct list link;
    uint64_t due_ms;
    bool is_done;
    unsigned char len;
    char room[];
};

void expiry_init(struct expiry *expiry, struct store *store, struct metrics *metrics)
{
    *expiry = (struct expiry){.store = store, .metrics = metrics};
    list_init(&expiry->announced);
    list_init(&expiry->done);
    for (int rank = 0; rank < EXPIRY_RANKS; rank++)
        list_init(&expiry->due[rank]);
}

static void forget(struct expiry *expiry, struct expired *room)
{
    list_remove(&room->link);
    map_remove(&expiry->known, room->room, room->len);
    expiry->count -= !room->is_done;
    free(room);
}

/* It is left to others, or was looked at. */
static void set_done(struct expiry *expiry, struct expired *room, uint64_t now_ms)
{
    room->due_ms = now_ms + DONE_MS;
    room->is_done = true;
    expiry->count--;
    list_remove(&room->link);
    list_add(&expiry->done, &room->link);
}

static void forget_done(struct expiry *expiry, uint64_t now_ms)
{
    struct list *link;

    while ((link = list_first(&expiry->done)) &&
           list_entry(link, struct expired, link)->due_ms <= now_ms)
        forget(expiry, list_entry(link, struct expired, link));
}

static void forget_processes(struct expiry *expiry)
{
    for (unsigned i = 0; i < expiry->processes_count; i++)
        free(expiry->processes[i]);
    free(expiry->processes);
    expiry->processes = NULL;
    expiry->processes_count = 0;
}

void expiry_deinit(struct expiry *expiry)
{
    list_each(link, &expiry->announced) {
        forget(expiry, list_entry(link, struct expired, link));
    }
    list_each(link, &expiry->done) {
        forget(expiry, list_entry(link, struct expired, link));
    }
    for (int rank = 0; rank < EXPIRY_RANKS; rank++)
        list_each(link, &expiry->due[rank]) {
            forget(expiry, list_entry(link, struct expired, link));
        }
    map_deinit(&expiry->known);
    forget_processes(expiry);
}

/* A room that is made again may expire again. */
void expiry_add(struct expiry *expiry, const char *room, size_t len)
{
    struct expired *expired = map_find(&expiry->known, room, len);

    if (!expired && expiry->known.count < ROOMS_MAX) {
        expired = xcalloc(1, sizeof(*expired) + len);
        expired->len = (unsigned char)len;
        expired->is_done = true;
        memcpy(expired->room, room, len);
        list_init(&expired->link);
        map_add(&expiry->known, expired->room, len, expired);
    }
    if (!expired || !expired->is_done)
        return;
    expired->is_done = false;
    expiry->count++;
    list_remove(&expired->link);
    list_add(&expiry->announced, &expired->link);
}

/* ---- whose turn it is ---- */

static uint32_t weight_of(const struct expired *room, const char *process)
{
    uint32_t hash = fnv_add(FNV_START, room->room, room->len);

    return fnv_stir(fnv_add(hash, process, strlen(process)));
}

/* How many other processes come before this one. */
static unsigned rank_of(const struct expiry *expiry, const struct expired *room)
{
    uint32_t own = weight_of(room, expiry->store->node);
    unsigned rank = 0;

    for (unsigned i = 0; i < expiry->processes_count; i++)
        rank += weight_of(room, expiry->processes[i]) < own;
    return rank;
}

static void rank_announced(struct expiry *expiry, uint64_t now_ms)
{
    list_each(link, &expiry->announced) {
        struct expired *room = list_entry(link, struct expired, link);
        unsigned rank = rank_of(expiry, room);

        if (rank >= EXPIRY_RANKS) {
            set_done(expiry, room, now_ms);
            continue;
        }
        room->due_ms = now_ms + rank * RANK_MS;
        list_remove(link);
        list_add(&expiry->due[rank], link);
    }
}

/* Of a process one worker counts, the one that hears of expiry. */
static bool is_first_worker(struct json_text node)
{
    return node.len > 2 && memcmp(node.base + node.len - 2, ".0", 2) == 0;
}

static void take_processes(struct expiry *expiry, const redisReply *reply)
{
    uint64_t lease_ms = (uint64_t)expiry->store->config->lease_ms, newest = 0;

    for (size_t i = 0; i + 1 < reply_count(reply); i += 2)
        if (reply_decimal(reply_text(reply, i + 1)) > newest)
            newest = reply_decimal(reply_text(reply, i + 1));
    expiry->processes = xcalloc(reply_count(reply) / 2 + 1, sizeof(char *));
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        struct json_text node = reply_text(reply, i);

        if (is_first_worker(node) && strcmp(node.base, expiry->store->node) != 0 &&
            newest - reply_decimal(reply_text(reply, i + 1)) < lease_ms)
            expiry->processes[expiry->processes_count++] =
                xmemdup(node.base, node.len + 1);
    }
}

static void on_processes(void *data, int status, const redisReply *reply)
{
    struct expiry *expiry = data;

    expiry->is_reading = false;
    if (status < 0 || !reply_is_array(reply, 0))
        return;
    forget_processes(expiry);
    take_processes(expiry, reply);
    expiry->processes_at_ms = expiry->now_ms;
    rank_announced(expiry, expiry->now_ms);
}

static void read_processes(struct expiry *expiry)
{
    struct args *args = &expiry->store->args;

    if (expiry->is_reading)
        return;
    expiry->is_reading = true;
    redis_command_begin(&args->cmd);
    redis_command_add_text(&args->cmd, "ZRANGE");
    args_add_fleet_key(args, KEY_NODES);
    redis_command_add_text(&args->cmd, "0");
    redis_command_add_text(&args->cmd, "-1");
    redis_command_add_text(&args->cmd, "WITHSCORES");
    store_send_command(expiry->store, on_processes, expiry);
}

/* ---- taking off ---- */

static struct log_limit expired_lines = {.per_sec = 100};

static void on_taken_off(void *data, int status, const redisReply *reply)
{
    struct expiry *expiry = data;

    if (status < 0)
        return;
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct json_text room = reply_text(reply, i);

        if (!reply_has_text(reply, i))
            continue;
        metric_add(&expiry->metrics->rooms_expired_total, 1);
        log_limited(LOG_INFO, &expired_lines, "room expired after TTL", "room=%s",
                    log_name(room.base, room.len));
    }
}

static void take_due_off(struct expiry *expiry, struct list *due, uint64_t now_ms)
{
    struct list *link;

    while ((link = list_first(due)) &&
           list_entry(link, struct expired, link)->due_ms <= now_ms) {
        struct index_batch *batch = index_batch_new(expiry->store, INDEX_BATCH_ROOMS);

        for (unsigned i = 0; i < INDEX_BATCH_ROOMS && (link = list_first(due)); i++) {
            struct expired *room = list_entry(link, struct expired, link);

            if (room->due_ms > now_ms)
                break;
            index_batch_add(batch, room->room, room->len);
            set_done(expiry, room, now_ms);
        }
        index_batch_take_off(batch, false, on_taken_off, expiry);
    }
}

/* ---- the walk ---- */

/* The rooms of the page that are gone are taken off; the next walk looks beyond it. */
static void on_walked(void *data, int status, const redisReply *reply)
{
    struct expiry *expiry = data;
    unsigned *offset = &expiry->walk_offsets[expiry->walks_all];
    struct index_batch *batch = NULL;

    expiry->is_walking = false;
    expiry->walks_all = !expiry->walks_all;
    if (status < 0 || reply_count(reply) == 0) {
        *offset = 0;
        return;
    }
    *offset = reply_count(reply) < WALK_ROOMS ? 0 : *offset + WALK_ROOMS / 2;
    for (size_t i = 0; i < reply_count(reply) && i < WALK_ROOMS; i++) {
        struct json_text room = reply_text(reply, i);

        if (!intake_room(expiry->metrics, "rooms", room) ||
            map_find(&expiry->known, room.base, room.len))
            continue;
        if (!batch)
            batch = index_batch_new(expiry->store, WALK_ROOMS);
        index_batch_add(batch, room.base, room.len);
    }
    if (batch)
        index_batch_take_off(batch, true, on_taken_off, expiry);
}

/* By turns a page of the rooms that count as empty, and a page of all: a room whose
 * gateways died before they wrote that it is empty is still listed with its members. */
static void walk(struct expiry *expiry, uint64_t now_ms)
{
    struct args *args = &expiry->store->args;

    if (expiry->is_walking || now_ms < expiry->walk_at_ms)
        return;
    expiry->walk_at_ms = now_ms + WALK_MS;
    expiry->is_walking = true;
    redis_command_begin(&args->cmd);
    redis_command_add_text(&args->cmd, "ZRANGEBYSCORE");
    args_add_fleet_key(args, KEY_ROOMS_MEMBERS);
    redis_command_add_text(&args->cmd, "0");
    redis_command_add_text(&args->cmd, expiry->walks_all ? "+inf" : "0");
    redis_command_add_text(&args->cmd, "LIMIT");
    redis_command_add_u64(&args->cmd, expiry->walk_offsets[expiry->walks_all]);
    redis_command_add_u64(&args->cmd, WALK_ROOMS);
    store_send_command(expiry->store, on_walked, expiry);
}

void expiry_tick(struct expiry *expiry, uint64_t now_ms)
{
    expiry->now_ms = now_ms;
    if (!list_is_empty(&expiry->announced)) {
        if (expiry->processes_at_ms && now_ms - expiry->processes_at_ms < PROCESSES_MS)
            rank_announced(expiry, now_ms);
        else
            read_processes(expiry);
    }
    for (int rank = 0; rank < EXPIRY_RANKS; rank++)
        take_due_off(expiry, &expiry->due[rank], now_ms);
    forget_done(expiry, now_ms);
    walk(expiry, now_ms);
}
