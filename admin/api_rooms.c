/* api_rooms.c - `GET /api/rooms` and `GET /api/rooms/{room}`.
 *
 *     api_rooms -> start_page -> on_page ----+-> start_room each -> on_room -> finish
 *               -> start_scan -> on_scanned -+        (one write)
 *                       ^            |
 *                       +------------+  until the page is full or enough was looked at
 *
 * A page goes down one of the indexes from where the last one ended (lua/rooms.lua). A search
 * looks through the index as Redis gives it, SCAN_COUNT names a call, so that no call blocks
 * Redis; names are compared here, byte for byte. What the index has but is no more is left
 * out.
 *
 * A cursor is `r` or `m` (which index), the last score and name; or `s`, Redis's cursor of the
 * scan, and the last name that was given of its step, whose names are taken in order.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/broken.h"
#include "admin/room_json.h"
#include "common/command.h"
#include "common/fold.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/page.h"
#include "common/xalloc.h"

enum { SCAN_COUNT = 1000 };

struct listing {
    struct http_request *req;
    struct api *api;
    char kind; /* of the cursor */
    unsigned limit;
    char *cursor;
    struct strbuf search; /* folded; empty: it is no search */
    struct strbuf name;   /* scratch: one that is looked at, folded */
    locale_t locale;
    char scan[REPLY_CURSOR_BYTES]; /* where the scan stands */
    char *behind;                  /* only names behind it of this step; NULL: all */
    unsigned looked, found;
    size_t to_answer;
    struct strbuf out, next; /* next: empty for the end */
    uint64_t total;
    bool has_failed;
    bool is_odd; /* because the index is of a wrong type */
};

/* ---- a room ---- */

/* Without the nodes' keys, of which there would be rooms times nodes. */
static void start_room(struct api *api, struct json_text room, redis_reply_fn on_reply,
                       void *data)
{
    db_begin_script(&api->db, SCRIPT_ROOM, COMMAND_ROOM_KEYS);
    command_add_room_keys(&api->db.cmd, room);
    command_add(&api->db.cmd, room);
    db_send_script(&api->db, SCRIPT_ROOM, on_reply, data);
}

static void on_one(void *data, int status, const redisReply *reply)
{
    struct http_request *req = data;
    struct strbuf *out = &api_of(req)->out;

    if (status < 0) {
        api_unavailable(req);
        return;
    }
    strbuf_reset(out, 4096);
    if (room_json_add(out, reply, true))
        api_reply(req, 200, out);
    else
        api_room_not_found(req);
}

void api_rooms_one(void *owner, struct http_request *req)
{
    struct json_text room;

    if (api_take_room(req, 0, &room) && api_is_up(req))
        broken_look(owner, room, on_one, req);
}

/* ---- the end of a listing ---- */

static void free_listing(struct listing *l)
{
    if (l->locale)
        freelocale(l->locale);
    strbuf_deinit(&l->search);
    strbuf_deinit(&l->name);
    free(l->cursor);
    free(l->behind);
    strbuf_deinit(&l->out);
    strbuf_deinit(&l->next);
    free(l);
}

static void note_failure(struct listing *l, int status, const redisReply *reply)
{
    l->has_failed = true;
    l->is_odd = broken_is_cause(status, reply);
}

static void finish(struct listing *l)
{
    if (l->has_failed) {
        if (l->is_odd)
            api_odd_key(l->req, l->kind == 'm' ? KEY_ROOMS_MEMBERS : KEY_ROOMS, "zset");
        else
            api_unavailable(l->req);
        free_listing(l);
        return;
    }
    strbuf_add_text(&l->out, "],");
    api_add_next(&l->out, l->next.data, l->next.len);
    if (l->search.len > 0)
        proto_add_raw(&l->out, "total", "null");
    else
        proto_add_number(&l->out, "total", l->total);
    strbuf_add_char(&l->out, '}');
    api_reply(l->req, 200, &l->out);
    free_listing(l);
}

static void on_room(void *data, int status, const redisReply *reply)
{
    struct listing *l = data;
    size_t mark = l->out.len;

    if (status < 0) {
        l->has_failed = true;
    } else {
        if (l->out.data[l->out.len - 1] != '[')
            strbuf_add_char(&l->out, ',');
        if (!room_json_add(&l->out, reply, false))
            l->out.len = mark;
    }
    if (--l->to_answer == 0)
        finish(l);
}

static void start_rooms(struct listing *l, const struct json_text *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        start_room(l->api, names[i], on_room, l);
}

/* ---- down an index ---- */

static void on_page(void *data, int status, const redisReply *reply)
{
    struct listing *l = data;
    struct json_text names[API_LIMIT_MAX], score;
    size_t count = 0, seen = 0;

    if (status < 0 || !reply_is_array(reply, 1)) {
        note_failure(l, status, reply);
        finish(l);
        return;
    }
    l->total = reply_number(reply, 0);
    for (size_t i = 1; i + 1 < reply_count(reply) && seen < l->limit; i += 2, seen++)
        if (intake_room(l->api->metrics, "rooms", reply_text(reply, i)))
            names[count++] = reply_text(reply, i);
    if (seen == l->limit) {
        struct json_text last = reply_text(reply, 2 * seen - 1);

        score = reply_text(reply, 2 * seen);
        strbuf_add_char(&l->next, l->kind);
        strbuf_add(&l->next, score.base, score.len);
        strbuf_add_char(&l->next, ' ');
        strbuf_add(&l->next, last.base, last.len);
    }
    l->to_answer = count;
    if (count == 0)
        finish(l);
    else
        start_rooms(l, names, count);
}

static void start_page(struct listing *l)
{
    struct api *api = l->api;
    char *name = l->cursor ? strchr(l->cursor, ' ') : NULL;

    if (name)
        *name++ = '\0';
    db_begin_script(&api->db, SCRIPT_ROOMS, 1);
    command_add_fleet_key(&api->db.cmd, 0,
                          l->kind == 'm' ? KEY_ROOMS_MEMBERS : KEY_ROOMS);
    redis_command_add_text(&api->db.cmd, name ? l->cursor + 1 : "");
    redis_command_add_text(&api->db.cmd, name ? name : "");
    redis_command_add_u64(&api->db.cmd, l->limit);
    db_send_script(&api->db, SCRIPT_ROOMS, on_page, l);
}

/* ---- search ---- */

static void start_scan(struct listing *l);

static bool is_hit(struct listing *l, struct json_text name)
{
    struct json_text behind = {l->behind, l->behind ? strlen(l->behind) : 0};

    strbuf_reset(&l->name, 4096);
    fold_add(&l->name, l->locale, name.base, name.len);
    return l->name.len >= l->search.len &&
           memmem(l->name.data, l->name.len, l->search.data, l->search.len) &&
           (!l->behind || page_compare_names(&name, &behind) > 0);
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

static void set_next(struct listing *l, const char *scan, struct json_text behind)
{
    strbuf_add_format(&l->next, "s%s ", scan);
    strbuf_add(&l->next, behind.base, behind.len);
}

/* This step is done: the next one, if it is wanted. `l->to_answer` counts on. */
static bool go_on(struct listing *l, const char *scan)
{
    strcpy(l->scan, scan);
    free(l->behind);
    l->behind = NULL;
    if (strcmp(l->scan, "0") == 0)
        return false;
    if (l->found < l->limit && l->looked < API_LOOK_MAX)
        return true;
    set_next(l, l->scan, (struct json_text){"", 0});
    return false;
}

static void on_scanned(void *data, int status, const redisReply *reply)
{
    struct listing *l = data;
    const redisReply *page = reply_at(reply, 1);
    char scan[REPLY_CURSOR_BYTES];
    struct json_text *hits;
    size_t count, room = l->limit - l->found;
    bool more;

    if (status < 0 || !reply_is_array(page, 0) || !reply_take_cursor(scan, reply, 0)) {
        note_failure(l, status, reply);
        if (--l->to_answer == 0)
            finish(l);
        return;
    }
    l->looked += (unsigned)(reply_count(page) / 2);
    hits = collect(l, page, &count);
    if (count > room) {
        set_next(l, l->scan, hits[room - 1]);
        count = room;
        more = false;
    } else {
        more = go_on(l, scan);
    }
    l->found += (unsigned)count;
    l->to_answer += count;
    start_rooms(l, hits, count);
    free(hits);
    if (more)
        start_scan(l);
    else if (--l->to_answer == 0)
        finish(l);
}

/* A scan counts among the answers to come until the last one. */
static void start_scan(struct listing *l)
{
    struct api *api = l->api;

    db_begin(&api->db, "ZSCAN");
    command_add_fleet_key(&api->db.cmd, 0, KEY_ROOMS);
    redis_command_add_text(&api->db.cmd, l->scan);
    redis_command_add_text(&api->db.cmd, "COUNT");
    redis_command_add_u64(&api->db.cmd, SCAN_COUNT);
    db_send(&api->db, on_scanned, l);
}

static void start_search(struct listing *l)
{
    char *behind = l->cursor ? strchr(l->cursor, ' ') : NULL;

    strcpy(l->scan, "0");
    if (behind) {
        *behind++ = '\0';
        snprintf(l->scan, sizeof(l->scan), "%.20s", l->cursor + 1);
        l->behind = *behind ? xstrdup(behind) : NULL;
    }
    l->to_answer = 1;
    start_scan(l);
}

/* ---- the request ---- */

/* A number, as Redis prints a score (also inf, which somebody else may have put there), or
 * digits for `s`; then a name or nothing. */
static bool is_cursor(const char *cursor, char kind)
{
    const char *number = cursor + 1;
    size_t digits = strspn(number, "0123456789");
    char *end;

    if (cursor[0] != kind || number[0] == ' ')
        return false;
    if (kind == 's')
        return digits > 0 && digits <= API_DIGITS_MAX && number[digits] == ' ';
    return !isnan(strtod(number, &end)) && end > number && *end == ' ';
}

static bool take_sort(struct listing *l)
{
    struct json_text sort;

    if (http_query(l->req, "sort", &sort) == 0) {
        if (!sort.base || (sort.len == 6 && memcmp(sort.base, "recent", 6) == 0))
            l->kind = 'r';
        else if (sort.len == 7 && memcmp(sort.base, "members", 7) == 0)
            l->kind = 'm';
    }
    if (!l->kind)
        api_bad_request(l->req, "sort is recent or members");
    return l->kind;
}

static bool take_search(struct listing *l)
{
    static struct log_limit lines = {.per_sec = 1};
    struct json_text search;

    if (http_query(l->req, "search", &search) < 0 || search.len > PROTO_ROOM_MAX ||
        (search.base && !json_is_utf8(search.base, search.len))) {
        api_bad_request(l->req, "search is at most 128 bytes of UTF-8");
        return false;
    }
    if (search.len > 0) {
        l->kind = 's';
        l->locale = fold_open_locale();
        if (!l->locale)
            log_limited(LOG_WARN, &lines, "no_locale",
                        "name=C.UTF-8 text=\"a search finds a-z in either case only\"");
        fold_add(&l->search, l->locale, search.base, search.len);
    }
    return true;
}

static bool take_query(struct listing *l)
{
    if (!api_take_limit(l->req, &l->limit) || !take_sort(l) || !take_search(l) ||
        !api_take_cursor(l->req, &l->cursor))
        return false;
    if (!l->cursor || is_cursor(l->cursor, l->kind))
        return true;
    api_bad_request(l->req, "a cursor of another listing");
    return false;
}

void api_rooms(void *owner, struct http_request *req)
{
    struct listing *l = xcalloc(1, sizeof(*l));

    l->req = req;
    l->api = owner;
    if (!take_query(l) || !api_is_up(req)) {
        free_listing(l);
        return;
    }
    strbuf_add_text(&l->out, "{\"rooms\":[");
    if (l->search.len > 0)
        start_search(l);
    else
        start_page(l);
}
