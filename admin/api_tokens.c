/* api_tokens.c - `POST /api/tokens`: `{user, name, rooms, secs}` -> a token. What is noted of it is its
 * `jti`, by which it can be told from others; the token itself nowhere. */
#include <string.h>

#include "admin/api.h"
#include "admin/audit.h"
#include "admin/token.h"
#include "common/clock.h"
#include "common/digits.h"
#include "common/json_read.h"

enum { SECS_MAX = 2592000 };

/* What the body's strings stand for. */
struct wish {
    struct token_wish token;
    struct strbuf user, name;
};

static bool take_text(struct json_text value, struct strbuf *text,
                      struct json_text *out)
{
    if (value.len == 0)
        return true;
    if (!json_read_is_string(value))
        return false;
    json_read_text(text, value);
    *out = (struct json_text){text->data ? text->data : "", text->len};
    return true;
}

static bool take_secs(struct json_text value, uint64_t *secs)
{
    return value.len == 0 ||
           (digits_parse(value.base, value.len, SECS_MAX, secs) && *secs > 0);
}

static bool take_rooms(struct json_text value, struct json_text *out)
{
    if (value.len > 0)
        *out = value;
    return value.len == 0 || value.base[0] == '{';
}

static bool take(const struct json_members *body, struct wish *wish)
{
    return !json_read_has_twice(body) &&
           take_text(json_read_find(body, "user"), &wish->user, &wish->token.user) &&
           take_text(json_read_find(body, "name"), &wish->name, &wish->token.name) &&
           take_secs(json_read_find(body, "secs"), &wish->token.secs) &&
           take_rooms(json_read_find(body, "rooms"), &wish->token.rooms) &&
           wish->token.user.base;
}

static void note(struct api *api, const struct http_request *req,
                 const struct token_wish *wish)
{
    struct audit_origin origin;
    struct strbuf detail = {NULL, 0, 0};

    audit_origin_of(&origin, req);
    strbuf_add_format(&detail, "jti %s", wish->jti);
    audit_add(api, &origin,
              &(struct audit_entry){.what = AUDIT_TOKEN,
                                    .user = wish->user,
                                    .detail = {detail.data, detail.len}});
    strbuf_deinit(&detail);
}

static void make(struct api *api, struct http_request *req, struct token_wish *wish)
{
    struct strbuf token = {NULL, 0, 0};
    const char *wrong = token_make(&token, wish, &api->files.jwt_secrets, api->config,
                                   clock_ms() / 1000);

    if (wrong) {
        api_bad_request(req, wrong);
    } else {
        note(api, req, wish);
        strbuf_reset(&api->out, 4096);
        strbuf_add_text(&api->out, "{\"token\":\"");
        strbuf_add(&api->out, token.data, token.len);
        strbuf_add_text(&api->out, "\"}");
        api_reply(req, 201, &api->out);
    }
    strbuf_deinit(&token);
}

void api_tokens(void *owner, struct http_request *req)
{
    struct api *api = owner;
    struct json_text text = http_body(req);
    struct json_members body = {NULL, 0, 0, 0};
    struct wish wish = {0};

    if (api->files.jwt_secrets.count == 0)
        http_reply_error(req, 409, "conflict",
                         "tokens are made with ROOMCAST_JWT_SECRET, which is not set");
    else if (json_scan(text.base, text.len, &body) < 0 || !take(&body, &wish))
        api_bad_request(req, "the body is one JSON object: user, and perhaps name, "
                             "rooms (an object) and secs (1 to 2592000)");
    else
        make(api, req, &wish.token);
    json_members_deinit(&body);
    strbuf_deinit(&wish.user);
    strbuf_deinit(&wish.name);
}
