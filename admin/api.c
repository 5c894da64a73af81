/* api.c - see api.h. */
#include "admin/api.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/xalloc.h"

enum { KEEP_BYTES = 256 * 1024, CURSOR_MAX = 512 };

struct api *api_of(const struct http_request *req)
{
    return http_owner(req);
}

/* ---- what was asked ---- */

bool api_is_up(struct http_request *req)
{
    struct api *api = api_of(req);

    if (fleet_shard_is_up(&api->fleet, 0))
        return true;
    api_shard_unavailable(req, 0);
    return false;
}

bool api_room_is_up(struct http_request *req, struct json_text room)
{
    struct api *api = api_of(req);
    unsigned shard = db_shard_of(&api->db, room);

    if (fleet_shard_is_up(&api->fleet, shard) || db_has_master(&api->db, room))
        return true;
    api_shard_unavailable(req, shard);
    return false;
}

/* Browsers make other paths of the names `.` and `..`, however they are written, so `what`
 * of the query comes before the path. */
static bool take_name(struct http_request *req, unsigned i, const char *what,
                      size_t max, struct json_text *out, const char *message)
{
    struct json_text given;
    bool ok = http_query(req, what, &given) == 0;

    if (ok && given.base)
        http_set_param(req, i, given); /* the query does not outlive the handler */
    *out = http_param(req, i);
    if (ok && proto_is_name(out->base, out->len, max))
        return true;
    api_bad_request(req, message);
    return false;
}

bool api_take_room(struct http_request *req, unsigned i, struct json_text *room)
{
    return take_name(req, i, "room", PROTO_ROOM_MAX, room,
                     "a room is 1 to 128 bytes of UTF-8 without control characters, "
                     "{ and }");
}

bool api_take_user(struct http_request *req, unsigned i, struct json_text *user)
{
    return take_name(req, i, "user", PROTO_USER_MAX, user,
                     "a user is 1 to 64 bytes of UTF-8 without control characters, "
                     "{ and }");
}

bool api_take_number(struct http_request *req, const char *name, uint64_t min,
                     uint64_t max, uint64_t fallback, uint64_t *out)
{
    struct json_text text;

    *out = fallback;
    if (http_query(req, name, &text) == 0 &&
        (!text.base || (digits_parse(text.base, text.len, max, out) && *out >= min)))
        return true;
    api_bad_request(req, "a number of the query is not one, or not within its limits");
    return false;
}

bool api_take_limit(struct http_request *req, unsigned *out)
{
    uint64_t limit;

    if (!api_take_number(req, "limit", 1, API_LIMIT_MAX, API_LIMIT_DEFAULT, &limit))
        return false;
    *out = (unsigned)limit;
    return true;
}

/* Cursors travel as hex, so that they need no encoding in a URL. */
static char *parse_cursor(struct json_text text)
{
    char *out;

    if (text.len == 0 || text.len % 2 || text.len > 2 * CURSOR_MAX)
        return NULL;
    out = xcalloc(text.len / 2 + 1, 1);
    for (size_t i = 0; i < text.len; i += 2) {
        int byte = digits_parse_hex(text.base + i, 2);

        if (byte <= 0) { /* no string of ours has a NUL in it */
            free(out);
            return NULL;
        }
        out[i / 2] = (char)byte;
    }
    return out;
}

bool api_take_cursor(struct http_request *req, char **out)
{
    struct json_text text;

    *out = NULL;
    if (http_query(req, "cursor", &text) == 0) {
        if (!text.base)
            return true;
        *out = parse_cursor(text);
        if (*out)
            return true;
    }
    api_bad_request(req, "not a cursor that was given here");
    return false;
}

void api_add_next(struct strbuf *out, const char *text, size_t len)
{
    if (!text) {
        strbuf_add_text(out, "\"next\":null");
        return;
    }
    strbuf_add_text(out, "\"next\":\"");
    for (size_t i = 0; i < len; i++)
        strbuf_add_format(out, "%02x", (unsigned char)text[i]);
    strbuf_add_char(out, '"');
}

bool api_take_body(struct http_request *req, unsigned required, unsigned optional,
                   struct proto_request *out)
{
    struct json_text body = http_body(req);
    enum proto_error error;

    if (body.len == 0 && !required)
        body = (struct json_text){"{}", 2};
    error = proto_parse_body(body.base, body.len, required, optional, out);
    if (error == PROTO_OK)
        return true;
    if (error == PROTO_TOO_LARGE)
        http_reply_error(req, 413, "too_large", "a field is over its limit");
    else
        api_bad_request(req, "the body is not one JSON object with the fields that "
                             "this takes");
    return false;
}

/* ---- answers ---- */

void api_reply(struct http_request *req, int status, const struct strbuf *out)
{
    http_add_header(req, "cache-control", "no-store");
    http_reply(req, status, "application/json", out->data, out->len);
}

void api_bad_request(struct http_request *req, const char *message)
{
    http_reply_error(req, 400, "bad_request", message);
}

void api_room_not_found(struct http_request *req)
{
    http_reply_error(req, 404, "room_not_found", "there is no such room");
}

void api_odd_key(struct http_request *req, unsigned shard, enum fleet_key which,
                 const char *type)
{
    char key[KEYS_MAX_BYTES], message[KEYS_MAX_BYTES + 64];

    keys_fleet(key, shard, which);
    snprintf(message, sizeof(message), "%s in Redis is no %s; it must be removed", key,
             type);
    api_broken(req, message);
}

void api_broken(struct http_request *req, const char *message)
{
    http_add_header(req, "retry-after", "60"); /* somebody must do something about it */
    http_reply_error(req, 503, "unavailable", message);
}

static void unavailable(struct http_request *req, const char *message)
{
    http_add_header(req, "retry-after", "1");
    http_reply_error(req, 503, "unavailable", message);
}

void api_unavailable(struct http_request *req)
{
    unavailable(req, "Redis cannot be reached or refuses");
}

void api_shard_unavailable(struct http_request *req, unsigned shard)
{
    struct strbuf why = {NULL, 0, 0};

    if (db_print_wrong_mark(&api_of(req)->db, shard, &why))
        unavailable(req, why.data);
    else
        api_unavailable(req);
    strbuf_deinit(&why);
}
