/* req_auth.c - `auth`: a token, or a guest's wish; first, and again before a token ends
 * (SPEC-PUBLIC P1, P2).
 *
 * A first one that is no good ends the connection; a later one leaves it as it is. */
#include "gateway/requests.h"

static enum proto_error take_guest(struct session *session, struct json_text id)
{
    struct identity *guest;

    if (session->identity && !session->identity->is_guest)
        return PROTO_FORBIDDEN;
    if (session->identity) {
        session_send_auth_ack(session, id);
        return PROTO_OK;
    }
    guest = access_make_guest(&session->env->access);
    if (!guest)
        return PROTO_FORBIDDEN;
    session_set_identity(session, guest, 0);
    session_send_auth_ack(session, id);
    return PROTO_OK;
}

static bool is_same_user(const struct identity *identity, struct json_text user)
{
    return json_text_equals(identity_user(identity), user);
}

static void refuse_token(struct session *session, struct json_text id,
                         enum jwt_result why)
{
    session_send_unauthorized(session, id, why);
    if (!session->identity && why != JWT_UNKNOWN_KID)
        conn_close(&session->conn,
                   why == JWT_EXPIRED ? CONN_END_EXPIRED : CONN_END_UNAUTHORIZED);
}

static enum proto_error take_token(struct session *session,
                                   const struct proto_request *parsed)
{
    struct access *access = &session->env->access;
    enum jwt_result result;

    if (session->identity && session->identity->is_guest)
        return PROTO_FORBIDDEN; /* to be somebody it connects again */
    result = access_verify(access, parsed->token);
    if (result == JWT_OK && access->claims.room.base)
        result = JWT_CLAIMS; /* a room token proves nothing of a connection */
    if (result != JWT_OK) {
        refuse_token(session, parsed->id, result);
        return PROTO_OK;
    }
    if (session->identity && !is_same_user(session->identity, access->claims.user))
        return PROTO_FORBIDDEN;
    if (session->identity)
        metric_add(&access->metrics->auth_refreshes_total, 1);
    session_set_identity(session, identity_new(&access->claims),
                         access->claims.expires_at);
    session_send_auth_ack(session, parsed->id);
    session_count_rights(session);
    return PROTO_OK;
}

enum proto_error req_auth(const struct req *req, uint64_t *wait_ms)
{
    struct session *session = req->session;
    unsigned what = req->parsed->fields & (PROTO_F_TOKEN | PROTO_F_GUEST);

    (void)wait_ms;
    if (!session->env->access.is_on || (what != PROTO_F_TOKEN && what != PROTO_F_GUEST))
        return PROTO_BAD_REQUEST;
    return what == PROTO_F_GUEST ? take_guest(session, req->parsed->id)
                                 : take_token(session, req->parsed);
}
