/* move_parts.c - see move_parts.h.
 *
 *     DEL -> { LRANGE -> RPUSH | HSCAN -> HSET | XRANGE -> XADD of each } ... -> PEXPIRE
 */
#include "admin/move_parts.h"

#include <stdio.h>
#include <string.h>

enum {
    PART_BYTES = 4 * 1024 * 1024,
    PART_MAX = 10000, /* elements */
    STREAM_ID_MAX = 48,
};

struct parts {
    struct move_item *item;
    unsigned step;                   /* elements */
    uint64_t from;                   /* of a list: the next one */
    char cursor[REPLY_CURSOR_BYTES]; /* of a hash */
    char last_id[STREAM_ID_MAX];     /* of a stream: that was copied */
    size_t found;
};

static void begin(struct move_item *item, const char *verb, enum move_which which)
{
    move_links_begin(item->links, verb);
    command_add(&item->links->cmd, item->key[which]);
}

static void send_it(struct move_item *item, enum move_which which,
                    move_reply_fn on_reply, void *data)
{
    move_links_send(item->links, which, &item->at[which], on_reply, data);
}

/* ---- a list ---- */

static void on_elements(void *data, const redisReply *reply)
{
    struct parts *parts = data;
    struct move_item *item = parts->item;

    parts->found = reply_count(reply);
    if (parts->found == 0)
        return;
    begin(item, "RPUSH", MOVE_TO);
    for (size_t i = 0; i < parts->found; i++)
        command_add(&item->links->cmd, reply_text(reply, i));
    send_it(item, MOVE_TO, NULL, NULL);
}

static bool copy_list(struct parts *parts)
{
    struct move_item *item = parts->item;

    do {
        begin(item, "LRANGE", MOVE_FROM);
        redis_command_add_u64(&item->links->cmd, parts->from);
        redis_command_add_u64(&item->links->cmd, parts->from + parts->step - 1);
        send_it(item, MOVE_FROM, on_elements, parts);
        parts->from += parts->step;
    } while (move_links_wait(item->links) && parts->found > 0);
    return !item->links->has_failed;
}

/* ---- a hash ---- */

static void on_fields(void *data, const redisReply *reply)
{
    struct parts *parts = data;
    struct move_item *item = parts->item;
    const redisReply *pairs = reply_at(reply, 1);

    if (!reply_take_cursor(parts->cursor, reply, 0))
        move_links_fail(item->links, "HSCAN answers without a cursor");
    if (reply_count(pairs) == 0)
        return;
    begin(item, "HSET", MOVE_TO);
    for (size_t i = 0; i < reply_count(pairs); i++)
        command_add(&item->links->cmd, reply_text(pairs, i));
    send_it(item, MOVE_TO, NULL, NULL);
}

static bool copy_hash(struct parts *parts)
{
    struct move_item *item = parts->item;

    strcpy(parts->cursor, "0");
    do {
        begin(item, "HSCAN", MOVE_FROM);
        redis_command_add_text(&item->links->cmd, parts->cursor);
        redis_command_add_text(&item->links->cmd, "COUNT");
        redis_command_add_u64(&item->links->cmd, parts->step);
        send_it(item, MOVE_FROM, on_fields, parts);
    } while (move_links_wait(item->links) && strcmp(parts->cursor, "0") != 0);
    return !item->links->has_failed;
}

/* ---- a stream ---- */

static void add_entry(struct parts *parts, const redisReply *entry)
{
    struct move_item *item = parts->item;
    const redisReply *fields = reply_at(entry, 1);
    struct json_text id = reply_text(entry, 0);

    if (id.len == 0 || id.len >= STREAM_ID_MAX - 1 || reply_count(fields) == 0) {
        move_links_fail(item->links, "XRANGE answers without an entry");
        return;
    }
    snprintf(parts->last_id, sizeof(parts->last_id), "%.*s", (int)id.len, id.base);
    begin(item, "XADD", MOVE_TO);
    command_add(&item->links->cmd, id);
    for (size_t i = 0; i < reply_count(fields); i++)
        command_add(&item->links->cmd, reply_text(fields, i));
    send_it(item, MOVE_TO, NULL, NULL);
}

static void on_entries(void *data, const redisReply *reply)
{
    struct parts *parts = data;

    parts->found = reply_count(reply);
    for (size_t i = 0; i < parts->found; i++)
        add_entry(parts, reply_at(reply, i));
}

static bool copy_stream(struct parts *parts)
{
    struct move_item *item = parts->item;
    char first[STREAM_ID_MAX + 1] = "-";

    do {
        begin(item, "XRANGE", MOVE_FROM);
        redis_command_add_text(&item->links->cmd, first);
        redis_command_add_text(&item->links->cmd, "+");
        redis_command_add_text(&item->links->cmd, "COUNT");
        redis_command_add_u64(&item->links->cmd, parts->step);
        send_it(item, MOVE_FROM, on_entries, parts);
        if (!move_links_wait(item->links))
            return false;
        snprintf(first, sizeof(first), "(%s", parts->last_id);
    } while (parts->found > 0);
    return true;
}

/* ---- all of it ---- */

/* As many elements as have some PART_BYTES, if they are of about the same size. */
static unsigned step_of(const struct move_item *item)
{
    uint64_t all = item->len[MOVE_FROM] > 0 ? (uint64_t)item->len[MOVE_FROM] : 1;
    uint64_t step = PART_BYTES / (item->bytes / all + 1) + 1;

    return step < PART_MAX ? (unsigned)step : PART_MAX;
}

static bool expire(struct move_item *item)
{
    if (item->ttl_ms[MOVE_FROM] < 0)
        return true;
    begin(item, "PEXPIRE", MOVE_TO);
    redis_command_add_u64(&item->links->cmd, (uint64_t)item->ttl_ms[MOVE_FROM]);
    send_it(item, MOVE_TO, NULL, NULL);
    return move_links_wait(item->links);
}

bool move_parts_copy(struct move_item *item)
{
    struct parts parts = {.item = item, .step = step_of(item)};
    bool is_copied = false;

    begin(item, "UNLINK", MOVE_TO);
    send_it(item, MOVE_TO, NULL, NULL);
    if (item->type == MOVE_TYPE_LIST)
        is_copied = copy_list(&parts);
    else if (item->type == MOVE_TYPE_HASH)
        is_copied = copy_hash(&parts);
    else if (item->type == MOVE_TYPE_STREAM)
        is_copied = copy_stream(&parts);
    else
        move_links_fail(item->links, "the key %.100s is too large (%llu bytes)",
                        item->key[MOVE_FROM].base, (unsigned long long)item->bytes);
    return is_copied && expire(item);
}
