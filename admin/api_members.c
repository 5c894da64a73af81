/* api_members.c - who is in a room, banned or muted: three hashes of one shape (user ->
 * number), read a page at a time (hash_page.h).
 *
 *     api_members -> on_room -> ask
 *     api_members_bans, api_members_mutes -> ask
 */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/broken.h"
#include "admin/hash_page.h"
#include "common/clock.h"
#include "common/intake.h"
#include "common/xalloc.h"

static bool add_number(struct strbuf *out, struct json_text user, const char *field,
                       uint64_t number)
{
    strbuf_add_text(out, "{\"user\":");
    strbuf_add_json(out, user.base, user.len);
    proto_add_number(out, field, number);
    strbuf_add_char(out, '}');
    return true;
}

static bool add_member(struct strbuf *out, struct json_text user,
                       struct json_text value)
{
    return add_number(out, user, "nodes", reply_decimal(value));
}

/* A ban or mute whose time is over is none. */
static bool add_sanction(struct strbuf *out, struct json_text user,
                         struct json_text value)
{
    uint64_t until = reply_decimal(value);

    return (until == 0 || until > clock_ms()) && add_number(out, user, "until", until);
}

static bool is_member(struct metrics *metrics, struct json_text name)
{
    return intake_user(metrics, "members", name);
}

static bool is_banned(struct metrics *metrics, struct json_text name)
{
    return intake_user(metrics, "bans", name);
}

static bool is_muted(struct metrics *metrics, struct json_text name)
{
    return intake_user(metrics, "mutes", name);
}

static const struct hash_page_kind members = {"members", true, is_member, broken_failed,
                                              add_member};
static const struct hash_page_kind bans = {"entries", false, is_banned, broken_failed,
                                           add_sanction};
static const struct hash_page_kind mutes = {"entries", false, is_muted, broken_failed,
                                            add_sanction};

static void ask(struct hash_page *page, struct http_request *req, enum room_key which)
{
    struct db *db = &api_of(req)->db;

    db_begin_room_script(db, http_param(req, 0), SCRIPT_MEMBERS, 1);
    command_add_room_key(&db->cmd, http_param(req, 0), which);
    hash_page_send(page);
}

/* Of a good request whose room can be asked for; NULL: it was answered. */
static struct hash_page *open_page(struct http_request *req,
                                   const struct hash_page_kind *kind)
{
    struct json_text room;
    struct hash_page *page =
        api_take_room(req, 0, &room) ? hash_page_open(req, kind) : NULL;

    if (page && !api_room_is_up(req, room)) {
        hash_page_free(page);
        return NULL;
    }
    return page;
}

/* Members are those of a room; bans and mutes outlive it. */
struct call {
    struct http_request *req;
    struct hash_page *page;
};

static void on_room(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == 0 && reply_is_value(reply, 1)) {
        ask(call->page, call->req, KEY_MEMBERS);
    } else {
        if (status == 0)
            api_room_not_found(call->req);
        else
            api_unavailable(call->req);
        hash_page_free(call->page);
    }
    free(call);
}

void api_members(void *owner, struct http_request *req)
{
    struct db *db = &((struct api *)owner)->db;
    struct hash_page *page = open_page(req, &members);
    struct call *call;

    if (!page)
        return;
    call = xcalloc(1, sizeof(*call));
    call->req = req;
    call->page = page;
    db_begin_room(db, http_param(req, 0), "EXISTS");
    command_add_room_key(&db->cmd, http_param(req, 0), KEY_META);
    db_send(db, on_room, call);
}

void api_members_bans(void *owner, struct http_request *req)
{
    struct hash_page *page = open_page(req, &bans);

    (void)owner;
    if (page)
        ask(page, req, KEY_BANS);
}

void api_members_mutes(void *owner, struct http_request *req)
{
    struct hash_page *page = open_page(req, &mutes);

    (void)owner;
    if (page)
        ask(page, req, KEY_MUTES);
}
