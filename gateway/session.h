/* session.h - what one client is to us above its socket: the rooms it is in (membership.h), the
 * requests it waits for (request.h), its large answers (slot.h), its rate of joins.
 *
 * A client that does not read its answers is not read either, once it has
 * `requests_in_flight` unanswered requests or IN_FLIGHT_MESSAGES times the largest message in
 * flight.
 *
 * The memory lives until the socket is gone and the last answer has come.
 */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "common/proto.h"
#include "gateway/access.h"
#include "gateway/conn.h"
#include "gateway/membership.h"
#include "gateway/policy.h"
#include "gateway/request.h"
#include "gateway/shards.h"
#include "gateway/slot.h"
#include "gateway/token_bucket.h"
#include "gateway/user_limit.h"

struct session;

/* What all sessions of a worker share; owned by the worker. */
struct session_env {
    struct conn_env conn;
    struct shards *shards; /* borrowed */
    struct access access;
    struct policy policy;
    struct user_limit users;
    struct request_env requests;
    struct membership_env memberships;
    struct slot_reads reads;
    struct list dead;     /* sessions, freed at the end of the turn */
    struct list resuming; /* sessions that are read again then */
    struct strbuf reply;  /* scratch for one answer or event */
    unsigned count;       /* sessions, not freed yet */
    /* A request as text. `turn_of` is NULL, or the room's turns that it has waited for: it does
     * not wait for those again. */
    void (*dispatch)(struct session *session, struct json_text text,
                     const struct request_turns *turn_of);
};

struct session {
    struct conn conn; /* first: a conn is its session */
    struct session_env *env;
    struct identity *identity; /* NULL: nobody, or anybody where auth is off */
    struct memberships memberships;
    struct request_window requests;
    struct slot slot;
    struct list turn; /* in one of env's lists for the end of the turn, or in none */
    uint64_t serial;  /* of user_limit.h; 0: it is not counted */
    struct token_bucket joins;
    bool is_gone;
    bool has_new_ack; /* an auth_ack, and no join since */
};

extern const struct conn_events session_events;

/* A socket waits at `listener`. */
void session_accept(struct session_env *env, uv_stream_t *listener);

void session_env_init(struct session_env *env, struct shards *shards,
                      const struct config *config);

/* Who they are: needs a loop, env->conn, and shards that are open. */
void session_env_open(struct session_env *env, uv_loop_t *loop);
void session_env_close(struct session_env *env);
void session_env_deinit(struct session_env *env); /* once the loop has ended */

/* Clients that are in a room of `shard` with status.must_tell learn whether its Redis can be asked; where there
 * are several shards also which of their rooms that is about (SPEC-SCALE S9). */
void session_tell_status(struct session_env *env, const struct shard *shard);

/* Reads on from those whose requests were answered, and frees what died in this turn. */
void session_end_turn(struct session_env *env);

/* Answers. */
void session_send_error(struct session *session, struct json_text id,
                        enum proto_error error);
void session_send_refusal(struct session *session, struct json_text id,
                          const struct proto_refusal *refusal);
void session_send(struct session *session, const struct strbuf *json);

void session_send_auth_ack(struct session *session, struct json_text id);
void session_send_unauthorized(struct session *session, struct json_text id,
                               enum jwt_result why);

/* It is this one from now on, whose lifetime ends at `end_s` (0: never); an earlier one is
 * freed. */
void session_set_identity(struct session *session, struct identity *identity,
                          uint64_t end_s);

/* It is nobody again. */
void session_drop_identity(struct session *session);

/* of conn_events: with a token it must be a good one; without, it comes later. */
int session_on_upgrade(struct conn *conn, const struct upgrade_request *req);

/* A newer connection of `user` has taken the place of the one with this serial. */
void session_replace(struct session_env *env, uint64_t serial, struct json_text user);

/* The rights in its rooms are those of its identity now: what it may not read is left. */
void session_count_rights(struct session *session);

/* session_withdraw.c: sessions whose token is not accepted any more. For access_hooks, with the
 * session_env; for policy_init. */
void session_check_keys(void *owner);
extern const struct policy_hooks session_policy_hooks;

/* Tokens are asked for, and it has brought none. */
static inline bool session_is_nobody(const struct session *session)
{
    return session->env->access.is_on && !session->identity;
}

/* How its user is shown, if a token says so. */
static inline struct json_text session_name(const struct session *session)
{
    return session->identity ? identity_name(session->identity)
                             : (struct json_text){NULL, 0};
}

static inline struct session *session_of_conn(struct conn *conn)
{
    return (struct session *)(void *)conn;
}

static inline struct session *session_of_request(const struct request *request)
{
    return list_entry(request->window, struct session, requests);
}

/* Takes the slot for a request, or waits for it; then `start` is called, with the slot. It may
 * be called again: session_begin_read. */
void session_start_large(struct request *request,
                         void (*start)(struct slot_wait *wait));

/* Begins the read of a request with the slot, for its membership. NULL: there is none any more,
 * and the request was answered; or Redis has enough reads, and `start` comes again. */
struct membership *session_begin_read(struct request *request);

/* The read is answered: ends the request, and others go on. */
void session_end_read(struct request *request);

#endif
