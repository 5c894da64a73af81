/* proto.c - see proto.h: from JSON. Printing is proto_print.c's.
 *
 * json_scan checks the whole text first and finds the members; only names that hold an
 * escape go through cJSON, which knows how to decode it. Text and data are never
 * decoded: their tokens go into the event as they came, made fit for one line.
 */
#include "common/proto.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/digits.h"

static const struct {
    const char *word;
    unsigned required, read;
} requests[] = {
#define X(id, word, required, optional, needs)                                         \
    [id] = {#word, required, (required) | (optional)},
    PROTO_REQUESTS(X)
#undef X
        [REQUEST_UNKNOWN] = {"unknown", 0, 0},
};

/* What decoded names point into. Never moves during one parse: it is reserved first. */
static _Thread_local struct strbuf decoded;
static _Thread_local struct json_members members, inner;

bool proto_is_plain(const char *text, size_t len, size_t max)
{
    if (len < 1 || len > max || !json_is_utf8(text, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == 0xc2 && (unsigned char)text[i + 1] <= 0x9f) /* U+0080 to U+009F */
            return false;
        if (c == 0xe2 && (unsigned char)text[i + 1] == 0x80 &&
            ((unsigned char)text[i + 2] == 0xa8 || (unsigned char)text[i + 2] == 0xa9))
            return false;
    }
    return true;
}

bool proto_is_name(const char *name, size_t len, size_t max)
{
    return proto_is_plain(name, len, max) && !memchr(name, '{', len) &&
           !memchr(name, '}', len);
}

bool proto_is_node(const char *name, size_t len)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";

    for (size_t i = 0; i < len; i++)
        if (!memchr(allowed, name[i], sizeof(allowed) - 1))
            return false;
    return len >= 1 && len <= PROTO_NODE_MAX;
}

bool proto_is_epoch(const char *text, size_t len)
{
    bool is_hex = len == PROTO_EPOCH_LEN;

    for (size_t i = 0; is_hex && i < PROTO_EPOCH_LEN; i++)
        is_hex =
            (unsigned char)(text[i] - '0') <= 9 || (unsigned char)(text[i] - 'a') <= 5;
    return is_hex;
}

/* The text of a string token, in `out`; false if the token is no string. */
static bool decode(struct json_text token, struct json_text *out)
{
    cJSON *item;

    if (token.len < 2 || token.base[0] != '"')
        return false;
    *out = (struct json_text){token.base + 1, token.len - 2};
    if (!memchr(out->base, '\\', out->len))
        return true;
    item = cJSON_ParseWithLength(token.base, token.len);
    if (!cJSON_IsString(item)) {
        cJSON_Delete(item);
        return false;
    }
    *out = (struct json_text){decoded.data + decoded.len, strlen(item->valuestring)};
    strbuf_add(&decoded, item->valuestring, out->len);
    cJSON_Delete(item);
    return true;
}

static bool decode_number(struct json_text token, uint64_t max, uint64_t *out)
{
    return digits_parse(token.base, token.len, max, out);
}

static void compact(struct json_text token, struct json_text *out)
{
    size_t start = decoded.len;

    json_add_compact(&decoded, token);
    *out = (struct json_text){decoded.data + start, decoded.len - start};
}

/* SPEC: an integer, or a string of at most 64 bytes. */
static bool is_id(struct json_text token)
{
    struct json_text text;
    size_t digits = token.base[0] == '-' ? 1 : 0;

    if (decode(token, &text))
        return text.len <= 64;
    if (token.len > 20)
        return false;
    for (size_t i = digits; i < token.len; i++)
        if (token.base[i] < '0' || token.base[i] > '9')
            return false;
    return token.len > digits;
}

/* The first member called `name`; base NULL if there is none. */
static struct json_text find(const struct json_members *in, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < in->count; i++) {
        size_t mark = decoded.len;
        struct json_text key;
        bool same = decode(in->items[i].key, &key) && key.len == len &&
                    memcmp(key.base, name, len) == 0;

        decoded.len = mark;
        if (same)
            return in->items[i].value;
    }
    return (struct json_text){NULL, 0};
}

/* One reader a field: the token into the request. */

static enum proto_error read_name(struct json_text token, struct json_text *out,
                                  size_t max)
{
    if (!decode(token, out) || !proto_is_name(out->base, out->len, max))
        return PROTO_BAD_REQUEST;
    return PROTO_OK;
}

static enum proto_error read_room(struct json_text token, struct proto_request *req)
{
    return read_name(token, &req->room, PROTO_ROOM_MAX);
}

static enum proto_error read_user(struct json_text token, struct proto_request *req)
{
    return read_name(token, &req->user, PROTO_USER_MAX);
}

static enum proto_error read_since(struct json_text token, struct proto_request *req)
{
    struct json_text seq;

    if (token.base[0] != '{' || json_scan(token.base, token.len, &inner) < 0)
        return PROTO_BAD_REQUEST;
    seq = find(&inner, "seq");
    if (!seq.base || !decode_number(seq, (uint64_t)1 << 53, &req->since_seq))
        return PROTO_BAD_REQUEST;
    if (!decode(find(&inner, "epoch"), &req->since_epoch))
        return PROTO_BAD_REQUEST;
    return PROTO_OK;
}

static enum proto_error read_text(struct json_text token, struct proto_request *req)
{
    if (token.base[0] != '"')
        return PROTO_BAD_REQUEST;
    compact(token, &req->text);
    return PROTO_OK;
}

static enum proto_error read_data(struct json_text token, struct proto_request *req)
{
    compact(token, &req->data);
    if (req->type == REQUEST_SIGNAL && req->data.len > PROTO_SIGNAL_DATA_MAX)
        return PROTO_TOO_LARGE;
    return PROTO_OK;
}

static enum proto_error read_short(struct json_text token, struct json_text *out,
                                   size_t max)
{
    if (!decode(token, out) || out->len == 0)
        return PROTO_BAD_REQUEST;
    return out->len > max ? PROTO_TOO_LARGE : PROTO_OK;
}

static enum proto_error read_key(struct json_text token, struct proto_request *req)
{
    return read_short(token, &req->key, PROTO_KEY_MAX);
}

static enum proto_error read_kind(struct json_text token, struct proto_request *req)
{
    enum proto_error error = read_short(token, &req->kind, PROTO_KIND_MAX);

    compact(token, &req->kind);
    return error;
}

static enum proto_error read_cursor(struct json_text token, struct proto_request *req)
{
    return decode(token, &req->cursor) ? PROTO_OK : PROTO_BAD_REQUEST;
}

static enum proto_error read_limit(struct json_text token, struct proto_request *req)
{
    uint64_t limit;

    if (!decode_number(token, PROTO_LIMIT_MAX, &limit) || limit < 1)
        return PROTO_BAD_REQUEST;
    req->limit = (unsigned)limit;
    return PROTO_OK;
}

static enum proto_error read_before(struct json_text token, struct proto_request *req)
{
    return decode_number(token, (uint64_t)1 << 53, &req->before) ? PROTO_OK
                                                                 : PROTO_BAD_REQUEST;
}

static enum proto_error read_seq(struct json_text token, struct proto_request *req)
{
    return decode_number(token, (uint64_t)1 << 53, &req->seq) && req->seq > 0
               ? PROTO_OK
               : PROTO_BAD_REQUEST;
}

/* What it is worth is not looked at here. */
static enum proto_error read_token(struct json_text token, struct proto_request *req)
{
    return decode(token, &req->token) ? PROTO_OK : PROTO_BAD_REQUEST;
}

static enum proto_error read_room_token(struct json_text token,
                                        struct proto_request *req)
{
    return decode(token, &req->room_token) ? PROTO_OK : PROTO_BAD_REQUEST;
}

static enum proto_error read_guest(struct json_text token, struct proto_request *req)
{
    (void)req;
    return token.len == 4 && token.base[0] == 't' ? PROTO_OK : PROTO_BAD_REQUEST;
}

static enum proto_error read_reason(struct json_text token, struct proto_request *req)
{
    if (!decode(token, &req->reason))
        return PROTO_BAD_REQUEST;
    if (req->reason.len > PROTO_REASON_MAX)
        return PROTO_TOO_LARGE;
    return req->reason.len == 0 ||
                   proto_is_plain(req->reason.base, req->reason.len, PROTO_REASON_MAX)
               ? PROTO_OK
               : PROTO_BAD_REQUEST;
}

static enum proto_error read_secs(struct json_text token, struct proto_request *req)
{
    return decode_number(token, PROTO_SECS_MAX, &req->secs) ? PROTO_OK
                                                            : PROTO_BAD_REQUEST;
}

static enum proto_error read_ban_secs(struct json_text token, struct proto_request *req)
{
    return decode_number(token, PROTO_SECS_MAX, &req->ban_secs) ? PROTO_OK
                                                                : PROTO_BAD_REQUEST;
}

static const struct {
    unsigned field;
    const char *name;
    enum proto_error (*read)(struct json_text token, struct proto_request *req);
} fields[] = {
    {PROTO_F_ROOM, "room", read_room},
    {PROTO_F_USER, "user", read_user},
    {PROTO_F_SINCE, "since", read_since},
    {PROTO_F_TEXT, "text", read_text},
    {PROTO_F_DATA, "data", read_data},
    {PROTO_F_KEY, "key", read_key},
    {PROTO_F_CURSOR, "cursor", read_cursor},
    {PROTO_F_LIMIT, "limit", read_limit},
    {PROTO_F_BEFORE, "before", read_before},
    {PROTO_F_KIND, "kind", read_kind},
    {PROTO_F_REASON, "reason", read_reason},
    {PROTO_F_SECS, "secs", read_secs},
    {PROTO_F_BAN_SECS, "ban_secs", read_ban_secs},
    {PROTO_F_TOKEN, "token", read_token},
    {PROTO_F_GUEST, "guest", read_guest},
    {PROTO_F_ROOM_TOKEN, "room_token", read_room_token},
    {PROTO_F_SEQ, "seq", read_seq},
};

static bool is_null(struct json_text token)
{
    return token.len == 4 && token.base[0] == 'n';
}

static enum proto_error read_fields(unsigned required, unsigned read,
                                    struct proto_request *req)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct json_text token;
        enum proto_error error;

        if (!(read & fields[i].field))
            continue;
        req->wrong = fields[i].name;
        token = find(&members, fields[i].name);
        if (!token.base || (is_null(token) && fields[i].field != PROTO_F_DATA)) {
            if (required & fields[i].field)
                return PROTO_BAD_REQUEST;
            continue;
        }
        error = fields[i].read(token, req);
        if (error != PROTO_OK)
            return error;
        req->fields |= fields[i].field;
    }
    req->wrong = NULL;
    return PROTO_OK;
}

static enum request_type find_type(struct json_text word)
{
    for (int i = 0; i < REQUEST_UNKNOWN; i++)
        if (word.len == strlen(requests[i].word) &&
            memcmp(word.base, requests[i].word, word.len) == 0)
            return (enum request_type)i;
    return REQUEST_UNKNOWN;
}

/* The members of the object, and room for what is decoded of them. */
static enum proto_error scan(const char *bytes, size_t len, struct proto_request *req)
{
    *req =
        (struct proto_request){.type = REQUEST_UNKNOWN, .limit = PROTO_LIMIT_DEFAULT};
    /* Each value is decoded or made compact once; an escape takes six bytes for one. */
    strbuf_reset(&decoded, 512 * 1024);
    strbuf_reserve(&decoded, 7 * len + 16);
    if (json_scan(bytes, len, &members) < 0 || members.count > PROTO_MEMBERS_MAX)
        return PROTO_BAD_REQUEST;
    return PROTO_OK;
}

enum proto_error proto_parse_body(const char *bytes, size_t len, unsigned required,
                                  unsigned optional, struct proto_request *req)
{
    enum proto_error error = scan(bytes, len, req);

    return error ? error : read_fields(required, required | optional, req);
}

enum proto_error proto_parse(const char *bytes, size_t len, struct proto_request *req)
{
    enum proto_error error = scan(bytes, len, req);
    struct json_text type, word;

    req->id = find(&members, "id");
    if (req->id.base && !is_id(req->id)) {
        req->id = (struct json_text){NULL, 0};
        return PROTO_BAD_REQUEST;
    }
    if (error != PROTO_OK)
        return error;
    type = find(&members, "type");
    if (!type.base || !decode(type, &word))
        return PROTO_BAD_REQUEST;
    req->type = find_type(word);
    if (req->type == REQUEST_UNKNOWN)
        return PROTO_UNKNOWN_TYPE;
    return read_fields(requests[req->type].required, requests[req->type].read, req);
}

void proto_deinit_thread(void)
{
    strbuf_deinit(&decoded);
    json_members_deinit(&members);
    json_members_deinit(&inner);
}
