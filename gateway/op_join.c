/* op_join.c - `join`: into a room as a user, with the history or what was missed of it.
 *
 * Here it is only checked and begun; session_on_joined answers it. */
#include <string.h>

#include "gateway/ops.h"

static void keep_since(struct membership *m, const struct proto_request *req)
{
    m->since_epoch[0] = '\0';
    m->since_seq = req->since_seq;
    if (!(req->fields & PROTO_F_SINCE) || req->since_epoch.len != PROTO_EPOCH_LEN)
        return;
    memcpy(m->since_epoch, req->since_epoch.base, PROTO_EPOCH_LEN);
    m->since_epoch[PROTO_EPOCH_LEN] = '\0';
}

enum proto_error op_join(const struct op *op, uint64_t *wait_ms)
{
    struct session *session = op->session;
    const struct config *config = session->env->conn.config;
    const struct limit_rate rate = {(uint32_t)config->joins_per_sec,
                                    (uint32_t)config->joins_burst};
    const struct proto_request *req = op->req;
    struct membership *m = op->membership;

    if (m && (m->member.user->name_len != req->user.len ||
              memcmp(m->member.user->name, req->user.base, req->user.len) != 0)) {
        session_send_error(session, req->id, PROTO_BAD_REQUEST,
                           "in this room already, as another user", 0);
        return PROTO_OK;
    }
    *wait_ms =
        limit_take(&session->joins, &rate, (uint32_t)uv_now(session->env->conn.loop));
    if (*wait_ms > 0)
        return PROTO_RATE_LIMITED;
    if (!m && session->rooms_count >= config->max_rooms)
        return PROTO_TOO_MANY_ROOMS;
    if (m) {
        if (!room_is_ready(m->member.room))
            return PROTO_UNAVAILABLE; /* it is being compared with Redis */
        m->busy = session_begin(session, m, req, op->len);
        keep_since(m, req);
        room_rejoin(&m->member, session_on_joined);
        return PROTO_OK;
    }
    m = session_add_membership(session);
    m->busy = session_begin(session, m, req, op->len);
    keep_since(m, req);
    room_join(&session->env->rooms, &m->member, req->room, req->user,
              session_on_joined);
    return PROTO_OK;
}
