/* listing_search.c - a search through the indexes, shard by shard (see listing.h).
 *
 *     listing_start_search -> go_on -> start_scan -> on_scanned -> listing_add each
 *                               ^                        |
 *                               +------------------------+  until the page is full or enough was looked at
 *
 * An index is looked through as Redis gives it, SCAN_COUNT names a call, so that no call blocks Redis;
 * names are compared here, byte for byte. A cursor is `s`, the shard, `:`, Redis's cursor of the scan, and
 * the last name that was given of its step, whose names are taken in order. */
#include "admin/listing.h"

#include <stdlib.h>
#include <string.h>

#include "common/fold.h"
#include "common/intake.h"
#include "common/page.h"
#include "common/xalloc.h"

enum { SCAN_COUNT = 1000 };

struct listing_search {
    unsigned shard;
    char scan[REPLY_CURSOR_BYTES]; /* in its index */
    char *behind;                  /* only names behind it of this step; NULL: all */
    struct strbuf name;            /* scratch: one that is looked at, folded */
    unsigned looked;
};

/* The search is over; it counts among the answers to come until then. */
static void end(struct listing *l)
{
    struct listing_search *s = l->search_at;

    l->search_at = NULL;
    strbuf_deinit(&s->name);
    free(s->behind);
    free(s);
    listing_answered(l);
}

static bool is_hit(struct listing *l, struct json_text name)
{
    struct listing_search *s = l->search_at;
    struct json_text behind = {s->behind, s->behind ? strlen(s->behind) : 0};

    strbuf_reset(&s->name, 4096);
    fold_add(&s->name, l->locale, name.base, name.len);
    return s->name.len >= l->search.len &&
           memmem(s->name.data, s->name.len, l->search.data, l->search.len) &&
           (!s->behind || page_compare_names(&name, &behind) > 0);
}

/* The names of this step that are looked for, in order; the caller frees. */
static struct json_text *collect(struct listing *l, const redisReply *page,
                                 size_t *count)
{
    struct json_text *hits = xcalloc(reply_count(page) / 2 + 1, sizeof(*hits));

    *count = 0;
    for (size_t i = 0; i + 1 < reply_count(page); i += 2)
        if (is_hit(l, reply_text(page, i)) &&
            intake_room(l->api->metrics, "rooms", reply_text(page, i)))
            hits[(*count)++] = reply_text(page, i);
    qsort(hits, *count, sizeof(*hits), page_compare_names);
    return hits;
}

static void set_next(struct listing *l, struct json_text behind)
{
    struct listing_search *s = l->search_at;

    strbuf_add_format(&l->next, "s%u:%s ", s->shard, s->scan);
    strbuf_add(&l->next, behind.base, behind.len);
}

static void start_scan(struct listing *l);

static void begin_step(struct listing_search *s, const char *scan)
{
    strcpy(s->scan, scan);
    free(s->behind);
    s->behind = NULL;
}

static void skip_shard(struct listing *l, int status, const redisReply *reply)
{
    listing_note_failure(l, l->search_at->shard++, status, reply);
    begin_step(l->search_at, "0");
}

/* The next step, if it is wanted; else the end. */
static void go_on(struct listing *l)
{
    struct listing_search *s = l->search_at;

    while (s->shard < l->api->db.count &&
           (!fleet_shard_is_up(&l->api->fleet, s->shard) ||
            !db_answers(&l->api->db, s->shard)))
        skip_shard(l, UV_ENOTCONN, NULL);
    if (s->shard == l->api->db.count) {
        end(l);
    } else if (l->found < l->limit && s->looked < API_LOOK_MAX) {
        start_scan(l);
    } else {
        set_next(l, (struct json_text){"", 0});
        end(l);
    }
}

static void take_step(struct listing *l, const redisReply *page, const char *scan)
{
    struct listing_search *s = l->search_at;
    size_t count, room = l->limit - l->found;
    struct json_text *hits = collect(l, page, &count);
    bool is_full = count > room;

    s->looked += (unsigned)(reply_count(page) / 2);
    for (size_t i = 0; i < count && i < room; i++)
        listing_add(l, s->shard, hits[i]);
    if (is_full)
        set_next(l, hits[room - 1]);
    free(hits);
    if (is_full) {
        end(l);
        return;
    }
    begin_step(s, scan);
    if (strcmp(s->scan, "0") == 0)
        s->shard++;
    go_on(l);
}

static void on_scanned(void *data, int status, const redisReply *reply)
{
    struct listing *l = data;
    const redisReply *page = reply_at(reply, 1);
    char scan[REPLY_CURSOR_BYTES];

    if (status == 0 && reply_is_array(page, 0) && reply_take_cursor(scan, reply, 0)) {
        take_step(l, page, scan);
        return;
    }
    skip_shard(l, status, reply);
    if (l->has_failed)
        end(l);
    else
        go_on(l);
}

static void start_scan(struct listing *l)
{
    struct listing_search *s = l->search_at;
    struct db *db = &l->api->db;

    db_begin(db, s->shard, "ZSCAN");
    command_add_fleet_key(&db->cmd, s->shard, KEY_ROOMS);
    redis_command_add_text(&db->cmd, s->scan);
    redis_command_add_text(&db->cmd, "COUNT");
    redis_command_add_u64(&db->cmd, SCAN_COUNT);
    patience_send(&l->patience, db, on_scanned, l);
}

static void hurry(struct listing *l)
{
    if (!patience_give_up(&l->patience))
        return;
    skip_shard(l, UV_ETIMEDOUT, NULL);
    go_on(l);
}

/* The cursor goes on behind the shard that holds it up. */
static void stop(struct listing *l)
{
    if (!l->search_at)
        return;
    if (patience_give_up(&l->patience))
        skip_shard(l, UV_ETIMEDOUT, NULL);
    if (l->search_at->shard < l->api->db.count)
        set_next(l, (struct json_text){"", 0});
    end(l);
}

/* listing_is_cursor has looked at it. */
static void find_place(struct listing_search *s, const char *cursor)
{
    const char *scan = strchr(cursor, ':') + 1, *behind = strchr(scan, ' ');

    s->shard = (unsigned)strtoul(cursor + 1, NULL, 10);
    snprintf(s->scan, sizeof(s->scan), "%.*s", (int)(behind - scan), scan);
    s->behind = behind[1] ? xstrdup(behind + 1) : NULL;
}

void listing_start_search(struct listing *l)
{
    struct listing_search *s = xcalloc(1, sizeof(*s));

    l->search_at = s;
    strcpy(s->scan, "0");
    if (l->cursor)
        find_place(s, l->cursor);
    if (s->shard > l->api->db.count)
        s->shard = l->api->db.count; /* of another list: there is nothing behind it */
    l->to_answer = 1;
    listing_begin(l, hurry, stop);
    go_on(l);
}
