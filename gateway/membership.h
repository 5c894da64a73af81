/* membership.h - one connection's part in one room, from the join to its end: the answer to the
 * join, the batches of the history, the messages.
 *
 *     membership_add -> membership_join -> joined -> join_ack, history_batch -> live
 *                                    \-> refused: dropped
 *     membership_drop at any state
 *
 * The memory lives until the turn of the loop ends, so that nothing is freed inside its own
 * callbacks.
 */
#ifndef GATEWAY_MEMBERSHIP_H
#define GATEWAY_MEMBERSHIP_H

#include "gateway/catchup.h"
#include "gateway/conn.h"
#include "gateway/history_cache.h"
#include "gateway/identity.h"
#include "gateway/request.h"
#include "gateway/room.h"
#include "gateway/slot.h"

struct membership_read;

/* A room token, as long as it counts. */
struct membership_token {
    struct lifetime lifetime; /* first */
    struct membership *membership;
    uint64_t key;             /* print of what it was verified with */
    uint32_t issued_s, end_s; /* its own */
    unsigned char withdrawn;  /* enum withdrawn */
    unsigned char jti_len;
    char jti[];
};

/* What the memberships of a worker share; `reply` is borrowed. */
struct membership_env {
    struct strbuf *reply; /* scratch for one answer or event */
    struct list dead;     /* memberships, freed at the end of the turn */
};

/* The rooms that one connection is in; the pointers are borrowed. */
struct memberships {
    struct membership_env *env;
    struct conn *conn;
    struct request_window *requests;
    struct slot *slot;
    struct list all; /* membership, the oldest first */
    uint32_t count;
};

struct membership {
    struct member member;   /* first: a member is its membership */
    struct memberships *in; /* NULL: dropped */
    struct list link;
    struct request_turns turns;
    struct slot_wait slot;
    struct membership_read *read;   /* in flight */
    struct membership_token *token; /* that it is in by; NULL: the connection's */
    uint64_t members;               /* for the join_ack */
    uint64_t since_seq;
    char since_epoch[PROTO_EPOCH_LEN + 1]; /* empty: no resume, or in vain */
    bool has_slot;                         /* it was its turn, and no read has begun */
    unsigned char rights;                  /* RIGHT_… */
};

void membership_env_init(struct membership_env *env, struct strbuf *reply);

/* Frees what was dropped in this turn. */
void membership_end_turn(struct membership_env *env);

/* `memberships` has its pointers. */
void memberships_init(struct memberships *memberships);

/* The client can take more: all that are behind go on. */
void memberships_go_on(struct memberships *memberships);

/* The connection has ended: drops all. */
void memberships_end(struct memberships *memberships);

/* The one in this room, or NULL. */
struct membership *membership_find(struct memberships *memberships,
                                   struct json_text room);

/* One in no room yet; membership_join next. */
struct membership *membership_add(struct memberships *memberships);

/* Begins the join, or the repeated join, of one of `rooms` that `req` asks for; `bytes` is what it
 * counts. The answer comes later or, where Redis refuses just now, before this returns. */
void membership_join(struct membership *membership, struct rooms *rooms,
                     const struct proto_request *req, size_t bytes);

/* Takes it out of its connection, and its member out of the room if it is still in. What was
 * deferred is dispatched and finds nobody in. Nothing if it was dropped before. */
void membership_drop(struct membership *membership, enum leave_reason reason);

/* Tells the client that it is out of the room, and drops it. The others hear that it was kicked. */
void membership_put_out(struct membership *membership, const char *reason);

/* Its rights from now on. */
void membership_set_rights(struct membership *membership, unsigned rights);

/* It is in by a room token from now on, whose claims are these; or by none. */
void membership_set_token(struct membership *membership, struct lifetimes *lifetimes,
                          const struct jwt_claims *claims);
void membership_drop_token(struct membership *membership);
struct membership *membership_of_token(struct lifetime *lifetime);

/* Adds the fields of a history_batch behind its type, and the closing brace. */
void membership_add_batch(struct strbuf *out, const struct room *room,
                          const struct json_text *lines, size_t count, bool more);

static inline struct membership *membership_of_member(struct member *member)
{
    return (struct membership *)(void *)member;
}

/* The one that a request is about; NULL: it was dropped meanwhile. */
static inline struct membership *membership_of_request(const struct request *request)
{
    return request->turns ? list_entry(request->turns, struct membership, turns) : NULL;
}

#endif
