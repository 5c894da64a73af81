/* session.h - what one client is to us above its socket: the rooms it is in, the requests
 * it waits for, its rate of joins.
 *
 * Order: requests of a connection about one room take effect in the order sent. Messages
 * may follow each other into the outbox; anything else waits until what came before it
 * is answered, and what comes behind it waits too (`deferred`).
 *
 * Bounds: a client that does not read its answers is not read either, once it has
 * `requests_in_flight` unanswered requests or IN_FLIGHT_MESSAGES times the largest
 * message in flight. Large answers (history, members) are one at a time a connection, and
 * only as its socket drains (`slot`). Of those that a client asks for by name, Redis has
 * few at a time a worker to read (`reads`), so that nothing else waits long behind them.
 *
 * The memory lives until the socket is gone and the last answer has come.
 */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "common/proto.h"
#include "gateway/catchup.h"
#include "gateway/conn.h"
#include "gateway/history_cache.h"
#include "gateway/joins_leaves.h"
#include "gateway/limit.h"
#include "gateway/outbox.h"
#include "gateway/room.h"
#include "gateway/store.h"

struct membership;
struct session;

/* What all sessions of a worker share; owned by the worker. */
struct session_env {
    struct conn_env conn;
    struct rooms rooms;
    struct store store;
    struct outbox outbox;
    struct history_cache history_cache;
    struct joins_leaves joins_leaves;
    struct list dead_memberships, dead_sessions; /* freed at the end of the turn */
    struct list resuming;                        /* sessions that are read again then */
    struct list reads_waiting; /* slot_wait, of requests with the slot */
    unsigned reads;            /* large ones that Redis is asked for */
    struct strbuf reply;       /* scratch for one answer or event */
    unsigned sessions;         /* not freed yet */
    bool is_up;                /* Redis takes requests */
    /* A request as text. `turn_of` is NULL, or the membership it has waited for: it does
     * not wait for that one again. */
    void (*dispatch)(struct session *session, const char *text, size_t len,
                     const struct membership *turn_of);
};

/* Waits for its turn to have something large read for the connection. */
struct slot_wait {
    struct list link;
    void (*go)(struct slot_wait *wait);
};

struct session {
    struct conn conn; /* first: a conn is its session */
    struct session_env *env;
    struct list memberships;
    struct list pending; /* requests that wait for an answer and are not deferred */
    struct list slot_waiting;
    struct list dead, resuming;
    struct limit joins;
    uint32_t in_flight_bytes;
    uint32_t rooms_count;
    uint32_t in_flight;
    bool slot_taken, is_gone, is_over; /* over its bound of requests in flight */
};

struct membership {
    struct member member;    /* first: a member is its membership */
    struct session *session; /* NULL: dropped */
    struct list link;        /* in the session */
    struct list deferred;    /* requests */
    struct slot_wait slot;
    struct request *busy;      /* the request that others wait for; NULL: none */
    struct history_read *read; /* in flight */
    unsigned messages;         /* in the outbox */
    uint64_t members;          /* for the join_ack */
    uint64_t since_seq;
    char since_epoch[PROTO_EPOCH_LEN + 1]; /* empty: no resume, or in vain */
    bool has_slot;                         /* it was its turn, and no read has begun */
};

/* A request that is not answered yet. */
struct request {
    struct list link;
    struct session *session;
    struct membership *membership; /* NULL: gone */
    uint64_t started_ns;
    struct slot_wait slot;
    uint64_t before; /* get_history */
    unsigned limit;
    char *cursor; /* get_members; owned */
    enum request_type type;
    uint32_t size, bytes; /* of this block; what it counts in flight */
    uint32_t text_len;    /* deferred: the request itself, in `data` behind the id */
    uint16_t id_len;
    char data[];
};

extern const struct conn_events session_events;

/* A socket waits at `listener`. */
void session_accept(struct session_env *env, uv_stream_t *listener);

void session_env_init(struct session_env *env);

/* Reads on from those whose requests were answered, and frees what died in this turn. */
void session_end_turn(struct session_env *env);

/* Answers. */
void session_send_error(struct session *session, struct json_text id,
                        enum proto_error error, const char *text, uint64_t wait_ms);
void session_send(struct session *session, const struct strbuf *json);

/* A request that will be answered later; ends with session_end. `membership` may be NULL;
 * `bytes` is what it counts in flight. */
struct request *session_begin(struct session *session, struct membership *membership,
                              const struct proto_request *req, size_t bytes);
void session_end(struct request *request);
struct json_text session_id(const struct request *request);

/* Whether a request of `type` must wait for its turn; session_defer then keeps it. */
bool session_must_wait(const struct membership *membership, enum request_type type);
void session_defer(struct membership *membership, const struct proto_request *req,
                   const char *text, size_t len);

/* Something that others wait for was answered: go on with what was deferred. */
void session_go_on(struct membership *membership);

struct membership *session_find(struct session *session, struct json_text room);
struct membership *session_add_membership(struct session *session);

/* room_joined_fn for op_join: answers `busy`, or goes on with the history. */
void session_on_joined(struct member *member, enum proto_error error,
                       const struct room_joined *joined, uint64_t wait_ms);

/* Takes it out of the session, and its member out of the room if it is still in. What was
 * deferred is dispatched and finds nobody in. The memory lives until the turn ends. */
void session_drop_membership(struct membership *membership, enum leave_reason reason);

/* Adds the fields of a history_batch behind its type, and the closing brace. */
void session_add_batch(struct strbuf *out, const struct room *room,
                       const struct json_text *lines, size_t count, bool more);

/* Takes the slot, or waits for it: then wait->go is called with the slot taken. */
bool session_take_slot(struct session *session, struct slot_wait *wait);
void session_leave_slot(struct session *session);

/* Begins a large read for a request with the slot. False: Redis has enough of them, and
 * request->slot.go comes again. */
bool session_begin_read(struct request *request);

/* The read is answered: ends a request that others of its room wait for. */
void session_end_read(struct request *request);

/* Whether the room is still there when its turn comes; if not, answers and ends. */
bool session_is_still_in(struct request *request);

#endif
