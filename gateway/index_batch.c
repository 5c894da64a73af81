/* index_batch.c - see index_batch.h.
 *
 *     index_batch_write    -> ask (HLEN members, EXISTS meta of each)       -> index.lua
 *     index_batch_take_off -> ask (ZSCORE in rc:rooms, EXISTS meta of each) -> unindex.lua
 */
#include "gateway/index_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/reply.h"
#include "common/xalloc.h"

enum { VALUE_MAX = 32 };

struct entry {
    unsigned char len;
    bool exists;
    char room[PROTO_ROOM_MAX];
    char value[VALUE_MAX]; /* members, or the score; "" if it has none */
};

struct index_batch {
    struct store *store;
    bool takes_off, unscored, failed;
    unsigned count, answers; /* two of each room, in the order of the rooms */
    redis_reply_fn on_reply;
    void *data;
    struct entry entries[INDEX_BATCH_ROOMS];
};

struct index_batch *index_batch_new(struct store *store)
{
    struct index_batch *batch = xcalloc(1, sizeof(*batch));

    batch->store = store;
    return batch;
}

void index_batch_add(struct index_batch *batch, const char *room, size_t len)
{
    struct entry *entry = &batch->entries[batch->count++];

    entry->len = (unsigned char)len;
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

static void on_answer(void *data, int status, const redisReply *reply)
{
    struct index_batch *batch = data;
    struct entry *entry = &batch->entries[batch->answers / 2];

    if (batch->answers % 2 == 0)
        take_value(batch, entry, status, reply);
    else if (status == 0)
        entry->exists = reply_is_value(reply, 1);
    else
        batch->failed = true;
    if (++batch->answers < 2 * batch->count)
        return;
    if (!batch->failed && batch->takes_off)
        take_gone_off(batch);
    else if (!batch->failed)
        write_all(batch);
    free(batch);
}

static void ask(struct index_batch *batch)
{
    struct args *args = &batch->store->args;

    if (batch->count == 0)
        free(batch);
    else
        for (unsigned i = 0, count = batch->count; i < count; i++) {
            const struct entry *entry = &batch->entries[i];

            redis_command_begin(&args->cmd);
            redis_command_add_text(&args->cmd, batch->takes_off ? "ZSCORE" : "HLEN");
            if (batch->takes_off) {
                args_add_fleet_key(args, KEY_ROOMS);
                redis_command_add(&args->cmd, entry->room, entry->len);
            } else {
                args_add_room_key(args, entry->room, entry->len, KEY_MEMBERS);
            }
            store_send_command(batch->store, on_answer, batch);
            redis_command_begin(&args->cmd);
            redis_command_add_text(&args->cmd, "EXISTS");
            args_add_room_key(args, entry->room, entry->len, KEY_META);
            store_send_command(batch->store, on_answer, batch);
        }
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
