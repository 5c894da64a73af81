/* listing_page.c - a page down an index, from where the last one ended (lua/rooms.lua): each shard gives
 * one, and the first rooms of all are the page (see listing.h).
 *
 *     listing_start_page -> start_index each -> on_index -> [all have answered, or it takes too long] merge
 *                        -> listing_add each
 *
 * What an index has but is no more is left out. A cursor is `r` or `m` (which index), the last score and
 * name; it is the same for all shards. */
#include "admin/listing.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/page.h"
#include "common/xalloc.h"

/* An entry of an index, as Redis printed it. */
struct entry {
    unsigned shard;
    double number;
    char *score; /* borrowed of the same piece of memory as `name` */
    struct json_text name;
};

/* The question to one. */
struct index {
    struct listing *listing; /* NULL: it is not waited for any more */
    unsigned shard;
};

struct listing_page {
    struct entry *entries;
    size_t count, cap;
    unsigned to_answer;             /* shards */
    struct index *of[SHARD_OF_MAX]; /* NULL: answered */
};

static void free_page(struct listing_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free(page->entries[i].score);
    free(page->entries);
    free(page);
}

static void add_entry(struct listing_page *page, unsigned shard, struct json_text name,
                      struct json_text score)
{
    struct entry *entry;

    if (page->count == page->cap) {
        page->cap = 2 * page->cap + 64;
        page->entries = xrealloc(page->entries, page->cap * sizeof(*page->entries));
    }
    entry = &page->entries[page->count++];
    entry->shard = shard;
    entry->number = strtod(score.base, NULL);
    entry->score = xcalloc(score.len + 1 + name.len + 1, 1);
    memcpy(entry->score, score.base, score.len);
    entry->name = (struct json_text){entry->score + score.len + 1, name.len};
    memcpy(entry->score + score.len + 1, name.base, name.len);
}

/* As ZREVRANGE: the highest score first, and of the same score the last name. */
static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->number != b->number)
        return a->number > b->number ? -1 : 1;
    return page_compare_names(&b->name, &a->name);
}

static void set_next(struct listing *l, const struct entry *last)
{
    strbuf_add_char(&l->next, l->kind);
    strbuf_add_text(&l->next, last->score);
    strbuf_add_char(&l->next, ' ');
    strbuf_add(&l->next, last->name.base, last->name.len);
}

/* Names that are none take their place in the page, so that paging gets past them. */
static void merge(struct listing *l)
{
    struct listing_page *page = l->page;

    if (page->count > 0)
        qsort(page->entries, page->count, sizeof(*page->entries), compare_entries);
    l->page = NULL;
    l->to_answer = 1; /* this one, until all rooms were asked for */
    for (size_t i = 0; i < page->count && i < l->limit; i++)
        if (intake_room(l->api->metrics, "rooms", page->entries[i].name))
            listing_add(l, page->entries[i].shard, page->entries[i].name);
    if (page->count >= l->limit)
        set_next(l, &page->entries[l->limit - 1]);
    free_page(page);
    listing_answered(l);
}

static void take_index(struct listing *l, unsigned shard, int status,
                       const redisReply *reply)
{
    l->page->of[shard] = NULL;
    if (status < 0 || !reply_is_array(reply, 1)) {
        listing_note_failure(l, shard, status, reply);
    } else {
        l->total += reply_number(reply, 0);
        for (size_t i = 1; i + 1 < reply_count(reply); i += 2)
            add_entry(l->page, shard, reply_text(reply, i), reply_text(reply, i + 1));
    }
    if (--l->page->to_answer == 0)
        merge(l);
}

static void on_index(void *data, int status, const redisReply *reply)
{
    struct index index = *(struct index *)data;

    free(data);
    if (index.listing)
        take_index(index.listing, index.shard, status, reply);
}

static void start_index(struct listing *l, unsigned shard, const char *score,
                        const char *name)
{
    struct index *index = xmalloc(sizeof(*index));
    struct db *db = &l->api->db;

    *index = (struct index){l, shard};
    l->page->of[shard] = index;
    db_begin_script(db, shard, SCRIPT_ROOMS, 1);
    command_add_fleet_key(&db->cmd, shard,
                          l->kind == 'm' ? KEY_ROOMS_MEMBERS : KEY_ROOMS);
    redis_command_add_text(&db->cmd, score);
    redis_command_add_text(&db->cmd, name);
    redis_command_add_u64(&db->cmd, l->limit);
    db_send_script(db, SCRIPT_ROOMS, on_index, index);
}

static void hurry(struct listing *l)
{
    for (unsigned i = 0; l->page && i < l->api->db.count; i++)
        if (l->page->of[i]) {
            l->page->of[i]->listing = NULL;
            take_index(l, i, UV_ETIMEDOUT, NULL);
        }
}

/* All indexes were read or given up, and all rooms asked for. */
static void stop(struct listing *l)
{
    (void)l;
}

void listing_start_page(struct listing *l)
{
    unsigned count = l->api->db.count;
    char *cursor = l->cursor, *name = cursor ? strchr(cursor, ' ') : NULL;
    const char *score = name ? cursor + 1 : "";

    if (name)
        *name++ = '\0';
    l->cursor = NULL; /* the listing may be gone before the last call returns */
    listing_begin(l, hurry, stop);
    l->page = xcalloc(1, sizeof(*l->page));
    l->page->to_answer = count;
    for (unsigned i = 0; i < count; i++)
        if (!fleet_shard_is_up(&l->api->fleet, i))
            take_index(l, i, UV_ENOTCONN, NULL);
        else
            start_index(l, i, score, name ? name : "");
    free(cursor);
}
