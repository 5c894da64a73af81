/* req_join.c - `join`: into a room as a user, with the history or what was missed of it.
 *
 * Here it is only checked and begun; membership.c answers it. */
#include <string.h>

#include "gateway/requests.h"

static bool is_user(const struct membership *m, struct json_text user)
{
    return m->member.user->name_len == user.len &&
           memcmp(m->member.user->name, user.base, user.len) == 0;
}

enum proto_error req_join(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    const struct config *config = session->env->conn.config;
    const struct token_bucket_rate rate = {(uint32_t)config->joins_per_sec,
                                           (uint32_t)config->joins_burst};
    struct membership *m = req->membership;

    if (m && !is_user(m, req->parsed->user)) {
        session_send_error(session, req->parsed->id, PROTO_BAD_REQUEST,
                           "in this room already, as another user", 0);
        return PROTO_OK;
    }
    *wait_ms = token_bucket_take(&session->joins, &rate,
                                 (uint32_t)uv_now(session->env->conn.loop));
    if (*wait_ms > 0)
        return PROTO_RATE_LIMITED;
    if (!m && session->memberships.count >= config->max_rooms)
        return PROTO_TOO_MANY_ROOMS;
    if (m && !room_is_ready(m->member.room))
        return PROTO_UNAVAILABLE; /* it is being compared with Redis */
    if (!m)
        m = membership_add(&session->memberships);
    membership_join(m, &shards_find(session->env->shards, req->parsed->room)->rooms,
                    req->parsed, req->len);
    return PROTO_OK;
}
