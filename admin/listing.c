/* listing.c - see listing.h.
 *
 *     listing_start_… -> listing_add each -> on_room -> listing_answered -> finish
 *     it takes too long -> on_half -> hurry -> on_over -> stop -> finish
 */
#include "admin/listing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/broken.h"
#include "admin/room_json.h"
#include "common/xalloc.h"

void listing_free(struct listing *l)
{
    if (l->locale)
        freelocale(l->locale);
    for (unsigned i = 0; i < l->found; i++)
        strbuf_deinit(&l->rooms[i].json);
    free(l->rooms);
    strbuf_deinit(&l->search);
    free(l->cursor);
    strbuf_deinit(&l->next);
    free(l);
}

/* With several, one that does not answer is told, and the others are shown. */
static void note_missing(struct listing *l, unsigned shard)
{
    l->missing |= UINT64_C(1) << shard;
}

static bool has_failed(const struct listing *l)
{
    return l->has_failed || l->missing == db_all_shards(&l->api->db);
}

void listing_note_failure(struct listing *l, unsigned shard, int status,
                          const redisReply *reply)
{
    if (broken_is_cause(status, reply)) {
        l->has_failed = l->is_odd = true;
        l->odd_shard = shard;
    } else {
        note_missing(l, shard);
    }
}

static void add_rooms(struct strbuf *out, const struct listing *l)
{
    const char *before = "";

    for (unsigned i = 0; i < l->found; i++) {
        const struct strbuf *json = &l->rooms[i].json;

        if (json->len == 0)
            continue;
        strbuf_add_text(out, before);
        strbuf_add(out, json->data, json->len);
        before = ",";
    }
}

static void reply_failed(struct listing *l)
{
    if (l->is_odd)
        api_odd_key(l->req, l->odd_shard,
                    l->kind == 'm' ? KEY_ROOMS_MEMBERS : KEY_ROOMS, "zset");
    else
        api_shard_unavailable(l->req, 0);
}

static void reply_rooms(struct listing *l)
{
    struct strbuf *out = &l->api->out;

    strbuf_reset(out, 256 * 1024);
    strbuf_add_text(out, "{\"rooms\":[");
    add_rooms(out, l);
    strbuf_add_text(out, "],");
    api_add_next(out, l->next.data, l->next.len);
    if (l->search.len > 0 || l->missing)
        proto_add_raw(out, "total", "null");
    else
        proto_add_number(out, "total", l->total);
    db_add_missing(out, l->missing);
    strbuf_add_char(out, '}');
    api_reply(l->req, 200, out);
}

static void finish(struct listing *l)
{
    l->is_answered = true;
    if (has_failed(l))
        reply_failed(l);
    else
        reply_rooms(l);
    patience_end(&l->patience);
}

static void free_if_done(struct listing *l)
{
    if (l->is_answered && l->is_closed && l->to_answer == 0)
        listing_free(l);
}

void listing_answered(struct listing *l)
{
    if (--l->to_answer == 0 && !l->is_answered)
        finish(l);
    free_if_done(l);
}

static void on_room(void *data, int status, const redisReply *reply)
{
    struct listing_room *room = data;
    struct listing *l = room->listing;

    l->asked[room->shard]--;
    if (status < 0)
        note_missing(l, room->shard);
    else if (!l->is_answered)
        room_json_add(&room->json, reply, NULL, l->api->db.spread);
    listing_answered(l);
}

/* Without the nodes' keys, of which there would be rooms times nodes. */
void listing_add(struct listing *l, unsigned shard, struct json_text name)
{
    struct listing_room *room = &l->rooms[l->found++];
    struct db *db = &l->api->db;

    *room = (struct listing_room){.listing = l, .shard = shard};
    l->to_answer++;
    l->asked[shard]++;
    db_begin_room_script(db, name, SCRIPT_ROOM, COMMAND_ROOM_KEYS);
    command_add_room_keys(&db->cmd, name);
    command_add(&db->cmd, name);
    db_send_script(db, SCRIPT_ROOM, on_room, room);
}

/* ---- how long it may take ---- */

static struct listing *listing_of(struct patience *patience)
{
    return list_entry(patience, struct listing, patience);
}

static void on_half(struct patience *patience)
{
    struct listing *l = listing_of(patience);

    l->hurry(l);
}

static void on_over(struct patience *patience)
{
    struct listing *l = listing_of(patience);

    for (unsigned i = 0; i < SHARD_OF_MAX; i++)
        if (l->asked[i] > 0)
            note_missing(l, i);
    l->stop(l);
    if (!l->is_answered)
        finish(l);
}

static void on_closed(struct patience *patience)
{
    struct listing *l = listing_of(patience);

    l->is_closed = true;
    free_if_done(l);
}

static const struct patience_hooks patience_hooks = {on_half, on_over, on_closed};

void listing_begin(struct listing *l, void (*hurry)(struct listing *l),
                   void (*stop)(struct listing *l))
{
    l->hurry = hurry;
    l->stop = stop;
    patience_begin(&l->patience, &l->api->db, &patience_hooks);
}

/* Of a search: the shard, `:`, Redis's cursor of the scan. Else a number, as Redis prints a score (also
 * inf, which somebody else may have put there). Then a name or nothing. */
bool listing_is_cursor(const char *cursor, char kind)
{
    const char *number = cursor + 1;
    size_t digits = strspn(number, "0123456789");
    char *end;

    if (cursor[0] != kind || number[0] == ' ')
        return false;
    if (kind == 's') {
        if (digits < 1 || digits > 2 || number[digits] != ':')
            return false;
        number += digits + 1;
        digits = strspn(number, "0123456789");
        return digits > 0 && digits <= API_DIGITS_MAX && number[digits] == ' ';
    }
    return !isnan(strtod(number, &end)) && end > number && *end == ' ';
}
