/* index_batch.c - see index_batch.h.
 *
 *     index_batch_write    -> HLEN members of each, EXISTS meta of those without any -> index.lua
 *     index_batch_take_off -> ZSCORE in rc:rooms of each, then EXISTS meta -> unindex.lua
 *
 * The answers come in any order: in a Redis Cluster they are of several masters. So the score is there
 * before it is asked whether the room exists: one that is created in between has another score.
 */
#include "gateway/index_batch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/reply.h"
#include "gateway/pool.h"

enum { VALUE_MAX = 32 };

struct entry {
    struct index_batch *batch;
    unsigned char len;
    bool exists;
    char room[PROTO_ROOM_MAX];
    char value[VALUE_MAX]; /* members, or the score; "" if it has none */
};

struct index_batch {
    struct store *store;
    bool takes_off, unscored, failed;
    unsigned count, cap;
    unsigned to_answer;
    redis_reply_fn on_reply;
    void *data;
    struct entry entries[];
};

static size_t size_for(unsigned rooms_max)
{
    return sizeof(struct index_batch) + rooms_max * sizeof(struct entry);
}

struct index_batch *index_batch_new(struct store *store, unsigned rooms_max)
{
    struct index_batch *batch = pool_alloc(size_for(rooms_max));

    *batch = (struct index_batch){.store = store, .cap = rooms_max};
    return batch;
}

void index_batch_add(struct index_batch *batch, const char *room, size_t len)
{
    struct entry *entry = &batch->entries[batch->count++];

    assert(batch->count <= batch->cap);
    entry->batch = batch;
    entry->len = (unsigned char)len;
    entry->exists = false;
    memset(entry->value, 0, sizeof(entry->value));
    memcpy(entry->room, room, len);
}

static void begin_script(struct store *store, enum script script)
{
    scripts_begin(&store->args.cmd, script, 3);
    args_add_fleet_key(&store->args, KEY_ROOMS);
    args_add_fleet_key(&store->args, KEY_ROOMS_MEMBERS);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
}

static void write_all(struct index_batch *batch)
{
    struct redis_command *cmd = &batch->store->args.cmd;

    begin_script(batch->store, SCRIPT_INDEX);
    for (unsigned i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];

        redis_command_add(cmd, entry->room, entry->len);
        redis_command_add_text(cmd, entry->exists ? entry->value : "");
    }
    store_send_script(batch->store, SCRIPT_INDEX, NULL, NULL);
}

static void take_gone_off(struct index_batch *batch)
{
    struct redis_command *cmd = &batch->store->args.cmd;
    unsigned gone = 0;

    begin_script(batch->store, SCRIPT_UNINDEX);
    redis_command_add_text(cmd, "room_expired");
    for (unsigned i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];

        if (entry->exists || (!entry->value[0] && !batch->unscored))
            continue;
        redis_command_add(cmd, entry->room, entry->len);
        redis_command_add_text(cmd, entry->value);
        gone++;
    }
    if (gone > 0)
        store_send_script(batch->store, SCRIPT_UNINDEX, batch->on_reply, batch->data);
}

static void take_value(struct index_batch *batch, struct entry *entry, int status,
                       const redisReply *reply)
{
    if (batch->takes_off) {
        struct json_text score = reply_string(reply);

        if (status == 0 && score.len < VALUE_MAX)
            memcpy(entry->value, score.base, score.len);
        else
            batch->failed = true;
    } else if (status == UV_EREMOTEIO) { /* members of another type: nobody is in */
        strcpy(entry->value, "0");
    } else if (status == 0) {
        snprintf(entry->value, sizeof(entry->value), "%llu",
                 (unsigned long long)reply_value(reply));
    } else {
        batch->failed = true;
    }
}

static void end_answer(struct index_batch *batch)
{
    if (--batch->to_answer > 0)
        return;
    if (!batch->failed && batch->takes_off)
        take_gone_off(batch);
    else if (!batch->failed)
        write_all(batch);
    pool_recycle(batch, size_for(batch->cap));
}

static void on_exists(void *data, int status, const redisReply *reply)
{
    struct entry *entry = data;
    struct index_batch *batch = entry->batch;

    entry->exists = reply_is_value(reply, 1);
    batch->failed = batch->failed || status != 0;
    end_answer(batch);
}

static void ask_exists(struct index_batch *batch, struct entry *entry)
{
    struct args *args = &batch->store->args;

    batch->to_answer++;
    redis_command_begin(&args->cmd);
    redis_command_add_text(&args->cmd, "EXISTS");
    args_add_room_key(args, entry->room, entry->len, KEY_META);
    store_send_command(batch->store, on_exists, entry);
}

/* A room with members exists. */
static void on_value(void *data, int status, const redisReply *reply)
{
    struct entry *entry = data;
    struct index_batch *batch = entry->batch;

    take_value(batch, entry, status, reply);
    if (!batch->failed && (batch->takes_off || strcmp(entry->value, "0") == 0))
        ask_exists(batch, entry);
    else
        entry->exists = true;
    end_answer(batch);
}

static void ask_value(struct index_batch *batch, struct entry *entry)
{
    struct args *args = &batch->store->args;

    batch->to_answer++;
    redis_command_begin(&args->cmd);
    if (batch->takes_off) {
        redis_command_add_text(&args->cmd, "ZSCORE");
        args_add_fleet_key(args, KEY_ROOMS);
        redis_command_add(&args->cmd, entry->room, entry->len);
    } else {
        redis_command_add_text(&args->cmd, "HLEN");
        args_add_room_key(args, entry->room, entry->len, KEY_MEMBERS);
    }
    store_send_command(batch->store, on_value, entry);
}

static void ask(struct index_batch *batch)
{
    if (batch->count == 0) {
        pool_recycle(batch, size_for(batch->cap));
        return;
    }
    for (unsigned i = 0; i < batch->count; i++)
        ask_value(batch, &batch->entries[i]);
}

void index_batch_write(struct index_batch *batch)
{
    ask(batch);
}

void index_batch_take_off(struct index_batch *batch, bool unscored,
                          redis_reply_fn on_reply, void *data)
{
    batch->takes_off = true;
    batch->unscored = unscored;
    batch->on_reply = on_reply;
    batch->data = data;
    ask(batch);
}
