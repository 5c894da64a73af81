/* fuzz_request.c - any bytes as a request in JSON.
 *
 * What is let through must be fit to be passed on: names are names, and a reply and an
 * event made of the request's parts are each one object on one line, which the strict
 * scanner takes and finds the same parts in.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto.h"
#include "common/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_object(const struct strbuf *text, size_t member_count)
{
    struct json_members members = {0};

    require(json_scan(text->data, text->len, &members) == 0);
    require(members.count == member_count);
    json_members_deinit(&members);
}

/* No byte of an event may split its line or reach a terminal. */
static void require_plain(const struct strbuf *text)
{
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];
        unsigned char next = i + 1 < text->len ? (unsigned char)text->data[i + 1] : 0;

        require(c >= 0x20 && c != 0x7f);
        require(c != 0xc2 || next > 0x9f);
    }
    require(!memmem(text->data, text->len, "\xe2\x80\xa8", 3));
    require(!memmem(text->data, text->len, "\xe2\x80\xa9", 3));
}

/* Made compact again, a value stays what it is. */
static void require_compact(struct json_text value)
{
    struct strbuf again = {0};

    json_add_compact(&again, value);
    require(again.len == value.len && memcmp(again.data, value.base, value.len) == 0);
    strbuf_deinit(&again);
}

static void check_reply(const struct proto_request *req, enum proto_error error)
{
    struct strbuf out = {0};

    proto_print_error(&out, req->id, &(struct proto_refusal){.error = error});
    require_object(&out, req->id.base ? 4 : 3);
    strbuf_deinit(&out);
}

/* Adds `,"name":` and a value that is passed on as it is. */
static void add_value(struct strbuf *out, const char *name, struct json_text value)
{
    require_compact(value);
    strbuf_add_format(out, ",\"%s\":", name);
    strbuf_add(out, value.base, value.len);
}

static void check_event(const struct proto_request *req)
{
    struct json_text none = {NULL, 0};
    struct strbuf out = {0};
    size_t count = 1;

    proto_begin(&out, "message", none);
    if (req->fields & PROTO_F_ROOM) {
        proto_add_text(&out, "room", req->room.base, req->room.len);
        count++;
    }
    if (req->fields & PROTO_F_TEXT) {
        add_value(&out, "text", req->text);
        count++;
    }
    if (req->fields & PROTO_F_KIND) {
        add_value(&out, "kind", req->kind);
        count++;
    }
    if (req->fields & PROTO_F_DATA) {
        add_value(&out, "data", req->data);
        count++;
    }
    strbuf_add_char(&out, '}');
    require_object(&out, count);
    require_plain(&out);
    strbuf_deinit(&out);
}

static void check_accepted(const struct proto_request *req)
{
    if (req->fields & PROTO_F_ROOM)
        require(proto_is_name(req->room.base, req->room.len, PROTO_ROOM_MAX));
    if (req->fields & PROTO_F_USER)
        require(proto_is_name(req->user.base, req->user.len, PROTO_USER_MAX));
    if (req->fields & PROTO_F_KEY)
        require(req->key.len >= 1 && req->key.len <= PROTO_KEY_MAX);
    /* A token between its quotes; what is no plain ASCII may be an escape of six bytes. */
    if (req->fields & PROTO_F_KIND)
        require(req->kind.len >= 2 + 1 && req->kind.len <= 2 + 6 * PROTO_KIND_MAX);
    require(req->limit >= 1 && req->limit <= PROTO_LIMIT_MAX);
    require(req->type < REQUEST_UNKNOWN);
    check_event(req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_members members = {0};
    struct proto_request req;
    char *bytes = malloc(size ? size : 1); /* a sanitizer watches its end */
    enum proto_error error;

    memcpy(bytes, data, size);
    error = proto_parse(bytes, size, &req);
    require(req.id.len <= PROTO_ID_MAX);
    check_reply(&req, error);
    if (json_scan(bytes, size, &members) < 0)
        require(error == PROTO_BAD_REQUEST);
    if (error == PROTO_OK)
        check_accepted(&req);
    json_members_deinit(&members);
    free(bytes);
    return 0;
}
