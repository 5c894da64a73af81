/* req_join.c - `join`: into a room as a user, with the history or what was missed of it.
 *
 * Here it is only checked and begun, without asking Redis; membership.c answers it. */
#include "gateway/requests.h"

/* What a join rests on. */
struct entry {
    unsigned rights;
    bool has_token; /* a room token, the one that was verified last */
};

static bool is_user(const struct membership *m, struct json_text user)
{
    return json_text_equals(
        (struct json_text){m->member.user->name, m->member.user->name_len}, user);
}

/* A name is proven, or it is believed. */
static enum proto_error check_user(const struct req *req)
{
    const struct identity *identity = req->session->identity;

    if (identity && (req->parsed->fields & PROTO_F_USER) &&
        !json_text_equals(req->parsed->user, identity_user(identity)))
        return PROTO_FORBIDDEN;
    if (identity) {
        req->parsed->user = identity_user(identity);
    } else if (!(req->parsed->fields & PROTO_F_USER)) {
        req->parsed->wrong = "user";
        return PROTO_BAD_REQUEST;
    }
    return PROTO_OK;
}

/* A good room token counts before the patterns of the connection's, also where it gives less. */
static enum jwt_result take_room_token(const struct req *req, struct entry *entry)
{
    struct access *access = &req->session->env->access;
    enum jwt_result result = access_verify(access, req->parsed->room_token);
    const struct jwt_claims *claims = &access->claims;

    entry->rights = 0;
    entry->has_token = true;
    if (result == JWT_OK && claims->room.base &&
        json_text_equals(claims->room, req->parsed->room) &&
        json_text_equals(claims->user, req->parsed->user))
        entry->rights = claims->can;
    return result;
}

static enum jwt_result find_rights(const struct req *req, struct entry *entry)
{
    const struct session *session = req->session;

    *entry = (struct entry){0};
    if (session->identity && (req->parsed->fields & PROTO_F_ROOM_TOKEN))
        return take_room_token(req, entry);
    entry->rights =
        access_rights(&session->env->access, session->identity, req->parsed->room);
    return JWT_OK;
}

static void set_rights(const struct req *req, struct membership *m,
                       const struct entry *entry)
{
    struct access *access = &req->session->env->access;

    membership_set_rights(m, entry->rights);
    if (entry->has_token)
        membership_set_token(m, &access->lifetimes, &access->claims);
    else
        membership_drop_token(m);
}

/* Whether there is a place for it. */
static enum proto_error check_place(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    const struct config *config = session->env->conn.config;
    const struct token_bucket_rate rate = {(uint32_t)config->joins_per_sec,
                                           (uint32_t)config->joins_burst};

    *wait_ms = token_bucket_take(&session->joins, &rate,
                                 (uint32_t)uv_now(session->env->conn.loop));
    if (*wait_ms > 0)
        return PROTO_RATE_LIMITED;
    if (!req->membership && session->memberships.count >= config->max_rooms)
        return PROTO_TOO_MANY_ROOMS;
    if (req->membership && !room_is_ready(req->membership->member.room))
        return PROTO_UNAVAILABLE; /* it is being compared with Redis */
    return PROTO_OK;
}

enum proto_error req_join(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    struct membership *m = req->membership;
    enum proto_error error = check_user(req);
    struct entry entry;
    enum jwt_result result;

    if (error != PROTO_OK)
        return error;
    if (m && !is_user(m, req->parsed->user)) {
        session_send_refusal(session, req->parsed->id,
                             &(struct proto_refusal){
                                 .error = PROTO_BAD_REQUEST,
                                 .text = "in this room already, as another user",
                             });
        return PROTO_OK;
    }
    error = check_place(req, wait_ms);
    if (error != PROTO_OK)
        return error;
    result = find_rights(req, &entry);
    if (result != JWT_OK) {
        session_send_unauthorized(session, req->parsed->id, result);
        return PROTO_OK;
    }
    if (!(entry.rights & RIGHT_READ))
        return PROTO_FORBIDDEN;
    if (!m)
        m = membership_add(&session->memberships);
    set_rights(req, m, &entry);
    if (session->has_new_ack) { /* most clients send both at once: one write */
        session->has_new_ack = false;
        sender_hold(&session->conn.sender);
    }
    membership_join(m, &shards_find(session->env->shards, req->parsed->room)->rooms,
                    req->parsed, req->len);
    return PROTO_OK;
}
