/* api_classes.c - room classes (SPEC-PUBLIC P5): `GET`, `PUT /api/classes`, `PUT`, `DELETE
 * /api/classes/{prefix}`.
 *
 *     change -> fleet_classes_change -> on_changed
 *     api_classes -> fleet_classes_read -> on_read
 */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/fleet_classes.h"
#include "admin/moderation.h"
#include "common/digits.h"
#include "common/json_read.h"
#include "common/xalloc.h"

/* ---- reading ---- */

static void on_read(void *data, bool is_known)
{
    struct http_request *req = data;
    struct api *api = api_of(req);
    struct strbuf *out = &api->out;
    uint64_t rev;

    if (!is_known) {
        api_unavailable(req);
        return;
    }
    strbuf_reset(out, 64 * 1024);
    strbuf_add_text(out, "{\"classes\":");
    classes_print(out, fleet_classes_now(api->classes, &rev));
    proto_add_number(out, "rev", rev);
    strbuf_add_char(out, '}');
    api_reply(req, 200, out);
}

void api_classes(void *owner, struct http_request *req)
{
    struct api *api = owner;

    if (api_is_up(req))
        fleet_classes_read(api->classes, on_read, req);
}

/* ---- changing ---- */

struct call {
    struct http_request *req;
    struct api *api;
    struct audit_origin origin;
    struct strbuf detail; /* of the audit trail */
};

static void reply_changed(struct call *call, const struct fleet_classes_answer *answer)
{
    struct strbuf *out = &call->api->out;

    audit_add(call->api, &call->origin,
              &(struct audit_entry){.what = AUDIT_CLASSES,
                                    .detail = {call->detail.data, call->detail.len}});
    strbuf_reset(out, 4096);
    strbuf_add_format(out, "{\"rev\":%llu,\"nodes\":%zu",
                      (unsigned long long)answer->rev, answer->told->heard);
    moderation_reply(call->req, answer->told->pending, answer->told->pending_count);
}

/* Once it is written it counts: nodes that have not heard of it read it. */
static void on_changed(void *data, const struct fleet_classes_answer *answer)
{
    struct call *call = data;

    switch (answer->result) {
    case FLEET_CLASSES_OK:
        reply_changed(call, answer);
        break;
    case FLEET_CLASSES_BAD:
        api_bad_request(call->req, answer->why);
        break;
    case FLEET_CLASSES_OTHER:
        http_reply_error(call->req, 412, "precondition_failed",
                         "the classes have another rev than If-Match says");
        break;
    case FLEET_CLASSES_NONE:
        http_reply_error(call->req, 404, "not_found", "there is no such class");
        break;
    case FLEET_CLASSES_FAILED:
        api_unavailable(call->req);
        break;
    }
    strbuf_deinit(&call->detail);
    free(call);
}

/* A number as GET gives it; in quotes, as an entity tag, it is good as well. */
static bool take_match(struct http_request *req, struct fleet_classes_wish *wish)
{
    struct json_text text = http_header(req, "if-match");

    if (!text.base)
        return true;
    if (json_read_is_string(text))
        text = (struct json_text){text.base + 1, text.len - 2};
    wish->has_match = true;
    if (digits_parse(text.base, text.len, UINT64_MAX, &wish->match))
        return true;
    api_bad_request(req, "If-Match is a rev, as GET /api/classes gives it");
    return false;
}

static void change(struct http_request *req, struct fleet_classes_wish *wish)
{
    struct api *api = api_of(req);
    struct call *call;

    if (!take_match(req, wish) || !api_is_up(req))
        return;
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->api = api;
    audit_origin_of(&call->origin, req);
    strbuf_add_text(&call->detail, wish->json.base ? "put " : "delete ");
    if (wish->prefix.base)
        strbuf_add_json(&call->detail, wish->prefix.base, wish->prefix.len);
    else
        strbuf_add_text(&call->detail, "all");
    fleet_classes_change(api->classes, wish, on_changed, call);
}

/* The one member of the body, as GET gives it; its rev, which is the header's matter, is let pass. */
static struct json_text take_classes(const struct json_members *body)
{
    struct json_text found = json_read_find(body, "classes");
    bool has_rev = json_read_find(body, "rev").len > 0;

    if (body->count != 1 + (size_t)has_rev || found.len == 0)
        return (struct json_text){NULL, 0};
    return found;
}

void api_classes_replace(void *owner, struct http_request *req)
{
    struct json_text text = http_body(req);
    struct json_members body = {NULL, 0, 0, 0};
    struct fleet_classes_wish wish = {.prefix = {NULL, 0}};

    (void)owner;
    if (json_scan(text.base, text.len, &body) == 0)
        wish.json = take_classes(&body);
    if (wish.json.base)
        change(req, &wish);
    else
        api_bad_request(req, "the body is one JSON object: classes, an object of "
                             "prefixes and their classes");
    json_members_deinit(&body);
}

/* The query counts before the path, and is the only way to name the class of all rooms. */
static bool take_prefix(struct http_request *req, struct json_text *prefix)
{
    struct json_text given;

    if (http_query(req, "prefix", &given) == 0) {
        if (given.base)
            http_set_param(req, 0, given);
        *prefix = http_param(req, 0);
        if (prefix->len == 0 ||
            proto_is_name(prefix->base, prefix->len, PROTO_ROOM_MAX))
            return true;
    }
    api_bad_request(req, "prefix: at most 128 bytes of UTF-8 without control "
                         "characters, { and }");
    return false;
}

void api_classes_put(void *owner, struct http_request *req)
{
    struct fleet_classes_wish wish = {.json = http_body(req)};

    (void)owner;
    if (wish.json.len == 0)
        wish.json = (struct json_text){"", 0};
    if (take_prefix(req, &wish.prefix))
        change(req, &wish);
}

void api_classes_delete(void *owner, struct http_request *req)
{
    struct fleet_classes_wish wish = {.json = {NULL, 0}};

    (void)owner;
    if (take_prefix(req, &wish.prefix))
        change(req, &wish);
}
