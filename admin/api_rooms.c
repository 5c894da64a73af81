/* api_rooms.c - `GET /api/rooms` and `GET /api/rooms/{room}`: what is asked for. The listing is listing.h's.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/broken.h"
#include "admin/fleet_classes.h"
#include "admin/listing.h"
#include "admin/room_json.h"
#include "common/fold.h"
#include "common/log.h"
#include "common/xalloc.h"

/* ---- one room ---- */

static void on_one(void *data, int status, const redisReply *reply)
{
    struct http_request *req = data;
    struct strbuf *out = &api_of(req)->out;
    uint64_t rev;

    if (status < 0) {
        api_unavailable(req);
        return;
    }
    strbuf_reset(out, 4096);
    if (room_json_add(out, reply, fleet_classes_now(api_of(req)->classes, &rev),
                      api_of(req)->db.spread))
        api_reply(req, 200, out);
    else
        api_room_not_found(req);
}

void api_rooms_one(void *owner, struct http_request *req)
{
    struct json_text room;

    if (api_take_room(req, 0, &room) && api_room_is_up(req, room))
        broken_look(owner, room, on_one, req);
}

/* ---- a listing ---- */

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
    if (!l->cursor || listing_is_cursor(l->cursor, l->kind))
        return true;
    api_bad_request(l->req, "a cursor of another listing");
    return false;
}

void api_rooms(void *owner, struct http_request *req)
{
    struct listing *l = xcalloc(1, sizeof(*l));

    l->req = req;
    l->api = owner;
    if (!take_query(l)) {
        listing_free(l);
        return;
    }
    l->rooms = xcalloc(l->limit, sizeof(*l->rooms));
    if (l->search.len > 0)
        listing_start_search(l);
    else
        listing_start_page(l);
}
