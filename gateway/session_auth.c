/* session_auth.c - see session.h: who a session is, from a token to its end.
 *
 *     session_on_upgrade, req_auth -> session_set_identity -> on_warn -> on_expired
 *                                          ^                     |
 *                                          +---- a new token ----+
 */
#include "gateway/session.h"

#include <stdio.h>
#include <string.h>

#include "gateway/answer.h"

enum { KEYS_ASKED_FOR_MS = 2000 };

static void free_identity(struct session *session)
{
    if (session->identity)
        lifetime_stop(&session->identity->lifetime);
    identity_free(session->identity);
    session->identity = NULL;
}

void session_drop_identity(struct session *session)
{
    if (session->serial > 0)
        user_limit_leave(&session->env->users, identity_user(session->identity),
                         session->serial);
    session->serial = 0;
    free_identity(session);
}

void session_send_auth_ack(struct session *session, struct json_text id)
{
    const struct identity *identity = session->identity;
    struct json_text user = identity_user(identity), name = identity_name(identity);
    struct strbuf *out = &session->env->reply;

    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "auth_ack", id);
    proto_add_text(out, "user", user.base, user.len);
    if (name.base)
        proto_add_text(out, "name", name.base, name.len);
    if (identity->lifetime.end_s > 0)
        proto_add_number(out, "expires_at", 1000 * (uint64_t)identity->lifetime.end_s);
    strbuf_add_char(out, '}');
    answer_send(&session->conn, out);
    session->has_new_ack = true;
}

void session_send_unauthorized(struct session *session, struct json_text id,
                               enum jwt_result why)
{
    struct proto_refusal refusal = {.error = PROTO_UNAUTHORIZED,
                                    .reason = jwt_reason_word(why)};
    char text[64];

    snprintf(text, sizeof(text), "not authenticated: %s",
             refusal.reason ? refusal.reason : "");
    refusal.text = text;
    if (why == JWT_UNKNOWN_KID)
        refusal = (struct proto_refusal){.error = PROTO_UNAVAILABLE,
                                         .text = "the key of this token is asked for",
                                         .retry_after_ms = KEYS_ASKED_FOR_MS};
    answer_send_error(&session->conn, &session->env->reply, id, &refusal);
}

/* The first membership that its user may not have any more, or NULL. A room whose token is of its own
 * stays as it is. */
static struct membership *find_without_rights(struct session *session)
{
    list_each(link, &session->memberships.all) {
        struct membership *m = list_entry(link, struct membership, link);

        if (m->token || !m->member.room)
            continue;
        membership_set_rights(m, access_rights(&session->env->access, session->identity,
                                               room_name_of(m->member.room)));
        if (!(m->rights & RIGHT_READ))
            return m;
    }
    return NULL;
}

void session_count_rights(struct session *session)
{
    struct membership *m;

    while ((m = find_without_rights(session)))
        membership_put_out(m, "rights");
}

void session_set_identity(struct session *session, struct identity *identity,
                          uint64_t end_s)
{
    if (!session->identity && !identity->is_guest)
        session->serial =
            user_limit_enter(&session->env->users, identity_user(identity));
    free_identity(session);
    session->identity = identity;
    identity->owner = session;
    identity->end_s = (uint32_t)end_s;
    identity->lifetime.kind = LIFETIME_IDENTITY;
    lifetime_set(&session->env->access.lifetimes, &identity->lifetime, end_s);
    conn_limit_messages(&session->conn, false);
    conn_settle(&session->conn);
}

static void tell_expiring(struct session *session, const struct lifetime *lifetime,
                          const struct room *room)
{
    struct strbuf *out = &session->env->reply;

    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "auth_expiring", (struct json_text){NULL, 0});
    proto_add_number(out, "expires_at", 1000 * (uint64_t)lifetime->end_s);
    if (room)
        proto_add_text(out, "room", room->name, room->name_len);
    strbuf_add_char(out, '}');
    answer_send(&session->conn, out);
}

static struct session *session_of_membership(const struct membership *m)
{
    return list_entry(m->in, struct session, memberships);
}

static void on_warn(struct lifetime *lifetime)
{
    if (lifetime->kind == LIFETIME_IDENTITY) {
        tell_expiring(((struct identity *)(void *)lifetime)->owner, lifetime, NULL);
    } else {
        struct membership *m = membership_of_token(lifetime);

        tell_expiring(session_of_membership(m), lifetime, m->member.room);
    }
}

static void on_expired(struct lifetime *lifetime)
{
    struct session *session;

    if (lifetime->kind == LIFETIME_ROOM_TOKEN) {
        membership_put_out(membership_of_token(lifetime), "expired");
        return;
    }
    session = ((struct identity *)(void *)lifetime)->owner;
    if (session->identity->withdrawn != WITHDRAWN_NOT) {
        conn_close(&session->conn, CONN_END_UNAUTHORIZED);
        return;
    }
    metric_add(&session->env->conn.metrics->auth_expired_total, 1);
    conn_close(&session->conn, CONN_END_EXPIRED);
}

/* With a token it must be a good one; without, it comes later. */
int session_on_upgrade(struct conn *conn, const struct upgrade_request *req)
{
    struct session *session = session_of_conn(conn);
    struct access *access = &session->env->access;
    enum jwt_result result;

    if (!access->is_on)
        return 101;
    conn_limit_messages(conn, true);
    if (!req->token.base)
        return 101;
    result = access_verify(access, (struct json_text){req->token.base, req->token.len});
    if (result == JWT_OK && !access->claims.room.base) {
        session_set_identity(session, identity_new(&access->claims),
                             access->claims.expires_at);
        return 101;
    }
    return result == JWT_UNKNOWN_KID ? 503 : 401;
}

/* ---- too many of one user ---- */

static struct session *find_serial(struct session_env *env, uint64_t serial,
                                   struct json_text user)
{
    list_each(link, &env->conn.all) {
        struct session *session = session_of_conn(list_entry(link, struct conn, all));

        if (session->serial == serial &&
            json_text_equals(identity_user(session->identity), user))
            return session;
    }
    return NULL;
}

void session_replace(struct session_env *env, uint64_t serial, struct json_text user)
{
    struct session *session = serial > 0 ? find_serial(env, serial, user) : NULL;

    if (!session) { /* Redis was not told that it has gone */
        user_limit_leave(&env->users, user, serial);
        return;
    }
    metric_add(&env->conn.metrics->user_connections_closed_total, 1);
    conn_close(&session->conn, CONN_END_REPLACED);
}

/* ---- keys ---- */

/* By the channel of the fleet, which the admin service listens to. */
static void on_keys_wanted(void *owner, const char *issuer)
{
    struct session_env *env = owner;
    struct store *store = env->policy.store;
    struct strbuf line = {NULL, 0, 0};

    strbuf_add_text(&line, "{\"type\":\"keys_wanted\",\"issuer\":");
    strbuf_add_json(&line, issuer, strlen(issuer));
    strbuf_add_char(&line, '}');
    args_begin_publish(&store->args);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    redis_command_add(&store->args.cmd, line.data, line.len);
    store_send_command(store, NULL, NULL);
    strbuf_deinit(&line);
}

/* ---- all of a worker ---- */

void session_env_open(struct session_env *env, uv_loop_t *loop)
{
    const struct access_hooks hooks = {
        .on_warn = on_warn,
        .on_end = on_expired,
        .on_keys_changed = session_check_keys,
        .on_keys_wanted = on_keys_wanted,
        .owner = env,
    };

    access_open(&env->access, loop, env->conn.config, env->conn.metrics, &hooks);
    policy_init(&env->policy, &env->shards->all[0].store, &env->access,
                &session_policy_hooks, env);
    shards_set_classes(env->shards, &env->policy.classes.table);
}

void session_env_close(struct session_env *env)
{
    access_close(&env->access);
}

void session_env_deinit(struct session_env *env)
{
    user_limit_deinit(&env->users);
    policy_deinit(&env->policy);
    access_deinit(&env->access);
}
