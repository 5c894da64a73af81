/* session_withdraw.c - see session.h: what a token gave ends before its time, because its key is gone or it
 * is revoked (SPEC-PUBLIC P3); what a room's class gave, because there are other classes (P5).
 *
 *     session_check_keys -> check_key -> end_sooner -> [lifetime] -> session_auth.c
 *     on_revoked_order, on_revoked_read -> check_session -> conn_close, membership_put_out, or end_sooner
 *     on_classes -> session_count_rights
 */
#include "gateway/session.h"

#include "common/clock.h"

static struct session *session_of_link(struct list *link)
{
    return session_of_conn(list_entry(link, struct conn, all));
}

/* What is to end in so long, after a warning, which many get at different moments; unless it ends before by itself, or was to end sooner. */
static bool end_sooner(struct access *access, struct lifetime *lifetime, uint32_t end_s,
                       uint64_t in_ms, bool warns_now)
{
    uint64_t up = 999, at_s = (clock_ms() + in_ms + up) / 1000;

    if (end_s != 0 && at_s >= end_s + access->lifetimes.leeway_ms / 1000)
        return false;
    if (lifetime->is_exact && lifetime->end_s <= at_s)
        return true;
    lifetime_set_exact(&access->lifetimes, lifetime, at_s, warns_now);
    return true;
}

/* ---- keys ---- */

/* What came by a key that is no more has the time of a warning to be replaced; where the key is there
 * again, its own time. */
static enum withdrawn check_key(struct access *access, struct lifetime *lifetime,
                                uint64_t key, uint32_t end_s, enum withdrawn was)
{
    if (was == WITHDRAWN_TOKEN)
        return was;
    if (access_has_key(access, key)) {
        if (was == WITHDRAWN_KEY)
            lifetime_set(&access->lifetimes, lifetime, end_s);
        return WITHDRAWN_NOT;
    }
    if (was == WITHDRAWN_KEY ||
        end_sooner(access, lifetime, end_s, access->lifetimes.warn_ms, false))
        return WITHDRAWN_KEY;
    return WITHDRAWN_NOT;
}

static void check_keys_of(struct session *session)
{
    struct access *access = &session->env->access;
    struct identity *identity = session->identity;

    if (!identity)
        return;
    if (!identity->is_guest)
        identity->withdrawn = (unsigned char)check_key(
            access, &identity->lifetime, identity->key, identity->end_s,
            (enum withdrawn)identity->withdrawn);
    list_each(link, &session->memberships.all) {
        struct membership_token *token =
            list_entry(link, struct membership, link)->token;

        if (token)
            token->withdrawn = (unsigned char)check_key(
                access, &token->lifetime, token->key, token->end_s,
                (enum withdrawn)token->withdrawn);
    }
}

void session_check_keys(void *owner)
{
    struct session_env *env = owner;

    list_each(link, &env->conn.all)
        check_keys_of(session_of_link(link));
}

/* ---- revocations ---- */

/* Which tokens are looked at: those that one entry is about, or, name.base NULL, all that have not been
 * withdrawn before. */
struct look {
    struct session_env *env;
    struct json_text name;
    uint64_t grace_ms;
};

static bool is_revoked(const struct look *look, struct json_text user,
                       struct json_text jti, uint64_t issued_s, unsigned withdrawn)
{
    if (look->name.base ? !revocations_is_about(look->name, user, jti)
                        : withdrawn == WITHDRAWN_TOKEN)
        return false;
    return revocations_has(&look->env->policy.revoked.table, user, jti, issued_s);
}

/* The first membership whose room token is revoked and that has no grace, or NULL. */
static struct membership *find_revoked(const struct look *look, struct session *session)
{
    list_each(link, &session->memberships.all) {
        struct membership *m = list_entry(link, struct membership, link);
        struct membership_token *token = m->token;

        if (!token || !m->member.room ||
            !is_revoked(look, identity_user(session->identity),
                        (struct json_text){token->jti, token->jti_len}, token->issued_s,
                        token->withdrawn))
            continue;
        token->withdrawn = WITHDRAWN_TOKEN;
        if (look->grace_ms == 0)
            return m;
        end_sooner(&look->env->access, &token->lifetime, token->end_s, look->grace_ms,
                   true);
    }
    return NULL;
}

static void check_session(const struct look *look, struct session *session)
{
    struct identity *identity = session->identity;
    struct membership *m;

    if (!identity)
        return;
    if (is_revoked(look, identity_user(identity), identity_jti(identity),
                   identity->issued_s, identity->withdrawn)) {
        identity->withdrawn = WITHDRAWN_TOKEN;
        if (look->grace_ms == 0) {
            conn_close(&session->conn, CONN_END_UNAUTHORIZED);
            return;
        }
        end_sooner(&look->env->access, &identity->lifetime, identity->end_s,
                   look->grace_ms, true);
    }
    while ((m = find_revoked(look, session)))
        membership_put_out(m, "rights");
}

static void check_sessions(const struct look *look)
{
    list_each(link, &look->env->conn.all)
        check_session(look, session_of_link(link));
}

static void on_revoked_order(void *owner, struct json_text name, uint64_t grace_secs)
{
    check_sessions(&(struct look){owner, name, 1000 * grace_secs});
}

static void on_revoked_read(void *owner)
{
    check_sessions(&(struct look){.env = owner});
}

/* ---- classes ---- */

static void on_classes(void *owner)
{
    struct session_env *env = owner;

    shards_set_classes(env->shards, &env->policy.classes.table);
    list_each(link, &env->conn.all)
        session_count_rights(session_of_link(link));
}

const struct policy_hooks session_policy_hooks = {
    .on_revoked_order = on_revoked_order,
    .on_revoked_read = on_revoked_read,
    .on_classes = on_classes,
};
