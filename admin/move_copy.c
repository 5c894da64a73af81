/* move_copy.c - see move_copy.h. */
#include "admin/move_copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/move_parts.h"
#include "common/log.h"

static const struct {
    const char *name, *length_verb;
} types[] = {
    [MOVE_TYPE_GONE] = {"none", NULL},       [MOVE_TYPE_STRING] = {"string", "STRLEN"},
    [MOVE_TYPE_LIST] = {"list", "LLEN"},     [MOVE_TYPE_HASH] = {"hash", "HLEN"},
    [MOVE_TYPE_SET] = {"set", "SCARD"},      [MOVE_TYPE_ZSET] = {"zset", "ZCARD"},
    [MOVE_TYPE_STREAM] = {"stream", "XLEN"},
};

static void begin(struct move_item *item, const char *verb, enum move_which which)
{
    move_links_begin(item->links, verb);
    command_add(&item->links->cmd, item->key[which]);
}

static void send_it(struct move_item *item, enum move_which which,
                    move_reply_fn on_reply)
{
    move_links_send(item->links, which, &item->at[which], on_reply, item);
}

static bool fail(const struct move_item *item, const char *what)
{
    return move_links_fail(
        item->links, "%s: %s",
        log_name(item->key[MOVE_FROM].base, item->key[MOVE_FROM].len), what);
}

/* ---- measured ---- */

static void on_type(void *data, const redisReply *reply)
{
    struct move_item *item = data;
    struct json_text name = reply_status(reply);
    unsigned type = MOVE_TYPE_GONE;

    while (type < MOVE_TYPE_OTHER &&
           (strlen(types[type].name) != name.len ||
            memcmp(types[type].name, name.base, name.len) != 0))
        type++;
    item->type = (enum move_type)type;
    if (type == MOVE_TYPE_OTHER && !item->is_left)
        fail(item, "is of a type that cannot be moved");
}

static long long number_of(const redisReply *reply)
{
    return reply_is_value(reply, -1) ? -1 : (long long)reply_value(reply);
}

static void on_ttl(void *data, const redisReply *reply)
{
    struct move_item *item = data;

    item->ttl_ms[MOVE_FROM] = number_of(reply);
    item->measured_ms = uv_now(&item->links->loop);
}

static void on_bytes(void *data, const redisReply *reply)
{
    struct move_item *item = data;

    item->bytes = reply_value(reply);
}

static void measure(struct move_item *item)
{
    begin(item, "TYPE", MOVE_FROM);
    send_it(item, MOVE_FROM, on_type);
    if (item->is_left)
        return;
    begin(item, "PTTL", MOVE_FROM);
    send_it(item, MOVE_FROM, on_ttl);
    move_links_begin(item->links, "MEMORY");
    redis_command_add_text(&item->links->cmd, "USAGE");
    command_add(&item->links->cmd, item->key[MOVE_FROM]);
    redis_command_add_text(&item->links->cmd, "SAMPLES");
    redis_command_add_u64(&item->links->cmd, 0);
    send_it(item, MOVE_FROM, on_bytes);
}

/* ---- read and copied ---- */

static void on_length(void *data, const redisReply *reply)
{
    struct move_item *item = data;

    item->len[MOVE_FROM] = number_of(reply);
}

static void on_length_there(void *data, const redisReply *reply)
{
    struct move_item *item = data;

    item->len[MOVE_TO] = number_of(reply);
}

static void print_numbers(char *out, size_t size, const redisReply *reply)
{
    size_t used = 0;

    for (size_t i = 0; i < reply_count(reply) && used < size; i++) {
        struct json_text text = reply_text(reply, i);

        used += (size_t)snprintf(out + used, size - used, "%.*s ", (int)text.len,
                                 text.len > 0 ? text.base : "");
    }
}

static void on_numbers(void *data, const redisReply *reply)
{
    struct move_item *item = data;
    struct json_text created_at = reply_text(reply, 0);

    print_numbers(item->numbers[MOVE_FROM], sizeof(item->numbers[MOVE_FROM]), reply);
    if (!item->score[0]) /* it is not in the index yet */
        snprintf(item->score, sizeof(item->score), "%" PRIu64,
                 reply_decimal(created_at));
}

static void on_numbers_there(void *data, const redisReply *reply)
{
    struct move_item *item = data;

    print_numbers(item->numbers[MOVE_TO], sizeof(item->numbers[MOVE_TO]), reply);
}

static void on_score(void *data, const redisReply *reply)
{
    struct move_item *item = data;
    struct json_text score = reply_string(reply);

    if (score.len > 0 && score.len < sizeof(item->score))
        memcpy(item->score, score.base, score.len + 1);
}

static void ask_length(struct move_item *item, enum move_which which)
{
    begin(item, types[item->type].length_verb, which);
    send_it(item, which, which == MOVE_FROM ? on_length : on_length_there);
}

static void ask_numbers(struct move_item *item, enum move_which which)
{
    static const char *const fields[] = {"created_at", "epoch", "seq", "rev", "term"};

    if (!item->is_meta || item->type != MOVE_TYPE_HASH)
        return;
    begin(item, "HMGET", which);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        redis_command_add_text(&item->links->cmd, fields[i]);
    send_it(item, which, which == MOVE_FROM ? on_numbers : on_numbers_there);
}

/* A command about the room's line in an index; the caller adds to it. */
static struct move_at begin_index(struct move_item *item, enum move_which which,
                                  const char *verb, enum fleet_key index)
{
    unsigned shard = item->at[which].shard;

    move_links_begin(item->links, verb);
    move_links_add_fleet_key(item->links, which, shard, index);
    return move_links_of_fleet(&item->links->sides[which], shard);
}

static void ask_score(struct move_item *item)
{
    struct move_at at;

    if (!item->is_meta)
        return;
    at = begin_index(item, MOVE_FROM, "ZSCORE", KEY_ROOMS);
    command_add(&item->links->cmd, item->room);
    move_links_send(item->links, MOVE_FROM, &at, on_score, item);
}

static void on_dump(void *data, const redisReply *reply)
{
    struct move_item *item = data;
    struct json_text dump = reply_string(reply);
    long long ttl_ms = item->ttl_ms[MOVE_FROM];

    if (dump.len == 0) {
        item->type = MOVE_TYPE_GONE; /* it has expired meanwhile */
        return;
    }
    item->is_copied = true;
    begin(item, "RESTORE", MOVE_TO);
    redis_command_add_u64(&item->links->cmd, ttl_ms < 0    ? 0
                                             : ttl_ms == 0 ? 1
                                                           : (uint64_t)ttl_ms);
    command_add(&item->links->cmd, dump);
    redis_command_add_text(&item->links->cmd, "REPLACE");
    send_it(item, MOVE_TO, NULL);
}

static bool is_copied_here(const struct move_item *item)
{
    return item->type != MOVE_TYPE_GONE && !item->is_left;
}

static void read_one(struct move_item *item)
{
    ask_score(item); /* before the numbers, whose answer takes the place of none */
    ask_numbers(item, MOVE_FROM);
    ask_length(item, MOVE_FROM);
    if (item->bytes > MOVE_COPY_DUMP_BYTES_MAX)
        return;
    begin(item, "DUMP", MOVE_FROM);
    send_it(item, MOVE_FROM, on_dump);
}

static bool copy_large(struct move_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_copied_here(&items[i]) && !items[i].is_copied) {
            if (!move_parts_copy(&items[i]))
                return false;
            items[i].is_copied = true;
        }
    return true;
}

/* ---- compared ---- */

static void on_ttl_there(void *data, const redisReply *reply)
{
    struct move_item *item = data;

    item->ttl_ms[MOVE_TO] = number_of(reply);
}

static void read_there(struct move_item *item)
{
    ask_length(item, MOVE_TO);
    ask_numbers(item, MOVE_TO);
    begin(item, "PTTL", MOVE_TO);
    send_it(item, MOVE_TO, on_ttl_there);
}

/* Whether its time is over meanwhile. */
static bool has_expired(const struct move_item *item)
{
    uint64_t since_ms = uv_now(&item->links->loop) - item->measured_ms;

    return item->ttl_ms[MOVE_FROM] >= 0 &&
           (uint64_t)item->ttl_ms[MOVE_FROM] <= since_ms + 1000;
}

static bool is_same(const struct move_item *item)
{
    long long ttl_ms = item->ttl_ms[MOVE_FROM], ttl_there_ms = item->ttl_ms[MOVE_TO];

    if (has_expired(item))
        return true;
    if (item->len[MOVE_FROM] != item->len[MOVE_TO])
        return fail(item, "the copy has another length");
    if (strcmp(item->numbers[MOVE_FROM], item->numbers[MOVE_TO]) != 0)
        return fail(item, "the copy has other numbers");
    if ((ttl_ms < 0) != (ttl_there_ms < 0) || ttl_there_ms > ttl_ms)
        return fail(item, "the copy has another expiry");
    return true;
}

static bool compare(struct move_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].is_copied)
            read_there(&items[i]);
    if (!move_links_wait(items->links))
        return false;
    for (size_t i = 0; i < count; i++)
        if (items[i].is_copied && !is_same(&items[i]))
            return false;
    return true;
}

/* ---- a room arrives ---- */

static void add_room_to_index(struct move_item *item, enum fleet_key index,
                              const char *score)
{
    struct move_at at = begin_index(item, MOVE_TO, "ZADD", index);

    redis_command_add_text(&item->links->cmd, score);
    command_add(&item->links->cmd, item->room);
    move_links_send(item->links, MOVE_TO, &at, NULL, NULL);
}

static void settle(struct move_item *item)
{
    struct redis_command *cmd = &item->links->cmd;

    if (!item->is_copied || !item->is_meta || item->type != MOVE_TYPE_HASH)
        return;
    scripts_begin(cmd, SCRIPT_SETTLE, 2);
    command_add(cmd, item->key[MOVE_TO]);
    command_add_room_key(cmd, item->room, KEY_EVENTS);
    redis_command_add_u64(cmd, item->at[MOVE_TO].shard);
    redis_command_add_u64(cmd, 1);
    move_links_send_script(item->links, MOVE_TO, &item->at[MOVE_TO], SCRIPT_SETTLE,
                           NULL, NULL);
    add_room_to_index(item, KEY_ROOMS, item->score);
    add_room_to_index(item, KEY_ROOMS_MEMBERS, "0");
}

/* ---- and leaves ---- */

static void take_room_off_index(struct move_item *item, enum fleet_key index)
{
    struct move_at at = begin_index(item, MOVE_FROM, "ZREM", index);

    command_add(&item->links->cmd, item->room);
    move_links_send(item->links, MOVE_FROM, &at, NULL, NULL);
}

static void remove_one(struct move_item *item)
{
    begin(item, "UNLINK", MOVE_FROM);
    send_it(item, MOVE_FROM, NULL);
    if (!item->is_meta)
        return;
    take_room_off_index(item, KEY_ROOMS);
    take_room_off_index(item, KEY_ROOMS_MEMBERS);
}

static void count(struct move_copy *copy, const struct move_item *item)
{
    copy->removed += item->is_left;
    copy->keys += item->is_copied;
    copy->rooms += item->is_copied && item->is_meta;
    copy->bytes += item->is_copied ? item->bytes : 0;
}

/* ---- all of it ---- */

static bool copy_some(struct move_copy *copy, struct move_item *items, size_t some)
{
    for (size_t i = 0; i < some; i++)
        if (is_copied_here(&items[i]))
            read_one(&items[i]);
    if (!move_links_wait(copy->links) || !copy_large(items, some) ||
        !compare(items, some))
        return false;
    for (size_t i = 0; i < some; i++)
        settle(&items[i]);
    if (!move_links_wait(copy->links))
        return false;
    for (size_t i = 0; i < some; i++) {
        remove_one(&items[i]);
        count(copy, &items[i]);
    }
    return move_links_wait(copy->links);
}

/* How many of the first ones may be on their way at once. */
static size_t fitting(const struct move_item *items, size_t count)
{
    uint64_t bytes = items[0].bytes;
    size_t fit = 1;

    while (fit < count && bytes + items[fit].bytes <= MOVE_COPY_BYTES_MAX)
        bytes += items[fit++].bytes;
    return fit;
}

bool move_copy_items(struct move_copy *copy, struct move_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        items[i].links = copy->links;
        measure(&items[i]);
    }
    if (!move_links_wait(copy->links))
        return false;
    while (count > 0) {
        size_t some = fitting(items, count);

        if (!copy_some(copy, items, some))
            return false;
        items += some;
        count -= some;
    }
    return true;
}
