/* move_walk.c - see move_walk.h. */
#include "admin/move_walk.h"

#include <stdlib.h>

#include "common/xalloc.h"

enum { PAGE_KEYS = 1000 };

struct walk {
    struct move_links *links;
    char cursor[REPLY_CURSOR_BYTES];
    struct strbuf bytes; /* the names, one after the other */
    size_t *lens;
    struct move_name *names;
    size_t count, cap;
};

static void take(struct walk *walk, struct json_text key)
{
    if (walk->count == walk->cap) {
        walk->cap = walk->cap ? 2 * walk->cap : PAGE_KEYS;
        walk->lens = xrealloc(walk->lens, walk->cap * sizeof(*walk->lens));
        walk->names = xrealloc(walk->names, walk->cap * sizeof(*walk->names));
    }
    strbuf_add(&walk->bytes, key.base, key.len);
    walk->lens[walk->count++] = key.len;
}

static void on_keys(void *data, const redisReply *reply)
{
    struct walk *walk = data;
    const redisReply *keys = reply_at(reply, 1);

    if (!reply_take_cursor(walk->cursor, reply, 0))
        move_links_fail(walk->links, "SCAN answers without a cursor");
    for (size_t i = 0; i < reply_count(keys); i++)
        take(walk, reply_text(keys, i));
}

/* Leaves out what is no key of a room. */
static void take_apart(struct walk *walk)
{
    const char *at = walk->bytes.data;
    size_t count = 0;

    for (size_t i = 0; i < walk->count; at += walk->lens[i], i++) {
        struct move_name *name = &walk->names[count];

        name->key = (struct json_text){at, walk->lens[i]};
        name->room.base = keys_room_of_key(at, walk->lens[i], &name->room.len);
        if (name->room.base &&
            proto_is_name(name->room.base, name->room.len, PROTO_ROOM_MAX))
            count++;
    }
    walk->count = count;
}

static bool read_page(struct walk *walk, const struct move_place *place)
{
    struct redis_command *cmd = &walk->links->cmd;
    char pattern[KEYS_MAX_BYTES];

    walk->count = walk->bytes.len = 0;
    move_links_begin(walk->links, "SCAN");
    redis_command_add_text(cmd, walk->cursor);
    redis_command_add_text(cmd, "MATCH");
    redis_command_add(cmd, pattern, keys_rooms_pattern(pattern));
    redis_command_add_text(cmd, "COUNT");
    redis_command_add_u64(cmd, PAGE_KEYS);
    move_links_send_place(walk->links, place, on_keys, walk);
    if (!move_links_wait(walk->links))
        return false;
    take_apart(walk);
    return true;
}

static bool walk_place(struct walk *walk, const struct move_place *place,
                       move_page_fn on_page, void *data)
{
    walk->cursor[0] = '0';
    walk->cursor[1] = '\0';
    do {
        if (!read_page(walk, place) || !on_page(data, place, walk->names, walk->count))
            return false;
    } while (!(walk->cursor[0] == '0' && walk->cursor[1] == '\0'));
    return true;
}

bool move_walk(struct move_links *links, enum move_which which, move_page_fn on_page,
               void *data)
{
    const struct move_side *side = &links->sides[which];
    struct walk walk = {.links = links};
    bool goes_on = true;

    for (unsigned i = 0; i < side->count && goes_on; i++)
        goes_on = walk_place(&walk, &side->places[i], on_page, data);
    strbuf_deinit(&walk.bytes);
    free(walk.lens);
    free(walk.names);
    return goes_on;
}
