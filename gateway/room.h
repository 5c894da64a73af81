/* room.h - the part of a room that this worker sees: its users, and the members whose
 * sockets end here. Knows neither sockets nor Redis; what must go up or out is a
 * callback given at rooms_init.
 *
 * A user is in a room once, however many connections it has; a member is one
 * connection's part in one room. A user outlives its last member by the grace, so that
 * a client that reconnects was never gone.
 *
 * How a member gets the messages, first from the history and then live, is catchup.h.
 *
 * Over 400 lines because a room is one struct for all modules that keep something of it.
 */
#ifndef GATEWAY_ROOM_H
#define GATEWAY_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/classes.h"
#include "common/cluster.h"
#include "common/config.h"
#include "common/list.h"
#include "common/map.h"
#include "common/metrics.h"
#include "common/proto.h"
#include "gateway/frame.h"
#include "gateway/leave.h"
#include "gateway/room_log.h"
#include "gateway/terms.h"
#include "gateway/withheld.h"

struct cluster_master;
struct history_batch;
struct history_cache;
struct history_entry;
struct join;
struct member;
struct room;
struct rooms;

enum { ROOM_DOUBTS = 200 }; /* a tick of 100 ms, so 2,000 a second */

enum room_class { ROOM_MESSAGE, ROOM_PRESENCE, ROOM_SIGNAL, ROOM_ALWAYS };

/* A member's way from the join to live. Only member_set_state changes it.
 *
 *     room_join -> WAITING -> JOINING -> FIRST_BATCH -> IN_HISTORY -> CATCHING_UP -> LIVE
 *                     ^          |            |  ^                         ^           |
 *                     +----------+------------+  |                         +-----------+
 *                      the room was recreated    |            its queue is full
 *                                                +-- from any later state: it joined again
 */
enum member_state {
    MEMBER_WAITING,     /* its join cannot go out yet */
    MEMBER_JOINING,     /* its join is in flight */
    MEMBER_FIRST_BATCH, /* Redis knows it; the ack and the first batch come next */
    MEMBER_IN_HISTORY,  /* is given the history in batches */
    MEMBER_CATCHING_UP, /* is given messages one by one, of the ring or the history */
    MEMBER_LIVE,        /* is given what the room gets */
};

/* What has to be sent to Redis next about a room. X(id, word) */
#define ROOM_STEPS(X)                                                                  \
    X(ROOM_STEP_WAIT, "wait")   /* for Redis, an answer, or nothing is to be done */   \
    X(ROOM_STEP_STUCK, "stuck") /* Redis refused: not before the next heartbeat */     \
    X(ROOM_STEP_CLOSE, "close") /* nobody is in any more */                            \
    X(ROOM_STEP_REGISTER, "register") /* in the node's set of rooms */                 \
    X(ROOM_STEP_SYNC, "sync")         /* compare with Redis who is in */               \
    X(ROOM_STEP_JOIN, "join")         /* it is ready: scripts about members may run */

enum room_step {
#define X(id, word) id,
    ROOM_STEPS(X)
#undef X
};

/* The result of a join that Redis has taken. */
struct room_joined {
    char epoch[PROTO_EPOCH_LEN + 1];
    struct token token;
    uint64_t seq, rev, members;
    uint64_t changed;   /* rev of the latest deletion or edit of the history */
    uint64_t epoch_seq; /* of a sync: the last number before this epoch began */
};

/* How a join ended. `wait_ms`: how long a ban still lasts, 0: for good. */
typedef void (*room_joined_fn)(struct member *member, enum proto_error error,
                               const struct room_joined *joined, uint64_t wait_ms);

/* What a member's owner does; the owner embeds struct member. */
struct member_calls {
    /* Queues for the client. False: not taken, its queue is too long. */
    bool (*deliver)(struct member *member, struct frame *frame, enum room_class class);
    /* Starts to read the history after message `after`; ends in catchup_on_history or
     * _failed. False: not now, catchup_go_on will be called. */
    bool (*read)(struct member *member, uint64_t after);
    /* Answers the join: the history goes up to `until`, and Redis holds it from `oldest` on.
     * Whether the client resumes: then the history begins after the cursor. */
    bool (*ack)(struct member *member, uint64_t until, uint64_t oldest);
    /* A batch of the history for the client, after the ack. */
    void (*batch)(struct member *member, const struct history_batch *batch);
    /* Out of the room by somebody else's will; the frame that says so was delivered. */
    void (*removed)(struct member *member);
};

/* A member's way along the log, unless it is live; catchup.c. */
struct progress {
    uint64_t cursor;        /* the last message that the client was given */
    uint64_t until;         /* up to here in batches, later ones as events */
    uint64_t reading_after; /* the cursor when the read began */
    bool is_reading;
};

struct member {
    struct list link;  /* in the room's list of its state */
    struct room *room; /* NULL: in none */
    struct room_user *user;
    const struct member_calls *calls;
    room_joined_fn on_joined;
    struct join *join; /* in flight */
    struct progress progress;
    uint64_t rev; /* of the join: older notices are not for it */
    enum member_state state;
    bool has_ack;   /* the client was told that it is in */
    bool moderates; /* what is only asked of others is not asked of it */
};

struct room_user {
    struct room *room;
    struct list grace; /* in rooms->grace, while has no member */
    uint64_t grace_until_ms;
    uint64_t rev;        /* of the last join */
    uint64_t kicked_rev; /* of the last kick that was heard; 0: none */
    unsigned members, joins_in_flight;
    enum leave_reason reason;
    bool is_in;          /* Redis has been told */
    bool is_unsure;      /* how its last join ended is not known */
    bool is_leaving;     /* a leave is in flight, or has to go out again: joins wait */
    bool restarts_grace; /* its grace begins again */
    struct list leave;   /* joins_leaves.h, while it leaves; then in room->unanswered */
    unsigned char name_len;
    char name[];
};

/* What each module keeps of a room; only the module and the room's making touch it. */
struct room_catchup {
    bool keeps_ring; /* the log's, also when all members are live */
};

struct room_deliver {
    char heard_epoch[PROTO_EPOCH_LEN + 1];
    uint64_t heard;   /* the highest number seen in a notice of that epoch */
    uint64_t noticed; /* the last number of a notice under the room's token */
    /* The room's number in the answer of its last join or sync, and the last canary that was sent
     * before that answer was read. */
    uint64_t answered, answered_canary;
    uint64_t answered_ns;     /* of a cluster: when it was read, of uv_hrtime */
    struct withheld withheld; /* notices under another token */
    bool is_backfilling;
    bool backfill_again; /* more was heard meanwhile */
    bool is_outdated;    /* a message was deleted, or the log was reset, meanwhile */
};

struct room_announce {
    uint64_t rev;              /* of the last change that live members were told of */
    uint64_t told;             /* they were told of every one up to this */
    struct list announcements; /* for members without ack */
    unsigned announcements_count;
};

struct room_history_cache {
    struct history_entry *entry; /* NULL: none */
    uint64_t read_ms;            /* the last history read for a client; 0: none yet */
};

struct room_outbox {
    struct list messages, dirty;
    bool is_busy; /* a call is in flight */
};

struct room_joins_leaves {
    struct list joins, leaves, dirty;
};

struct room_renewal {
    struct list link; /* in its slot */
    uint32_t at;      /* of the users: the next renewal looks at this one first */
};

struct room_cluster {
    struct cluster_turn turn;    /* of calls that change the room */
    struct cluster_master *home; /* where it is subscribed; NULL: nowhere */
    struct cluster_master *
        synced; /* where that was so when it was last joined or synced; NULL: not yet */
    const uint64_t *proven_ns; /* what its master told before has come; NULL: no home */
    uint64_t homeless_ms;      /* since when; 0: not */
    uint64_t asked_ms;         /* when the worker that reads was last asked for it */
};

struct room_status {
    bool is_down;   /* as its clients were told */
    bool must_tell; /* that has changed */
};

struct room_bus {
    uint64_t asked; /* the number of the request for its notices */
};

struct room {
    struct rooms *rooms;
    const struct class_rules *rules;            /* what its class says; never NULL */
    struct list waiting, joining, behind, live; /* members, by state */
    struct map users;
    struct list unanswered; /* users whose leave may not have been done */
    unsigned refs;          /* calls in flight that will come back to this struct */

    /* Where it stands with Redis. */
    bool is_subscribed;
    bool is_registered; /* in the node's set of rooms, answered on this connection */
    bool may_be_known;  /* something of it may stand in Redis under this node */
    bool is_calling;    /* registering, syncing or closing: one of them at a time */
    bool needs_sync;
    bool is_stuck; /* such a call failed: not before the next heartbeat */
    bool was_deaf; /* notices may have been missed since the last sync */
    bool is_told;  /* Redis was told of who is in, under this node's name */

    struct room_log log;
    struct terms terms; /* whose log it is; terms.h */
    struct list doubted,
        deaf; /* in rooms' lists, while it waits for its turn to be synced */
    struct room_catchup catchup;
    struct room_deliver deliver;
    struct room_announce announce;
    struct room_history_cache history_cache;
    struct room_outbox outbox;
    struct room_joins_leaves joins_leaves;
    struct room_renewal renewal;
    struct room_bus bus;
    struct room_cluster cluster;
    struct room_status status;

    unsigned short slot;        /* in a Redis Cluster */
    struct strbuf message_head; /* of a message's JSON, up to the sequence number */
    unsigned char name_len;
    char name[];
};

/* What goes out to Redis. Each call ends in the room_on_… function of its name, never
 * from inside the call. Whose room it is, its `rooms` says. */
struct room_hooks {
    void (*subscribe)(struct room *room);   /* the first user came */
    void (*unsubscribe)(struct room *room); /* it is freed next */
    void (*register_)(struct room *room);
    void (*join)(struct room *room, struct join *join);
    void (*leave)(struct room *room, struct room_user *user);
    void (*sync)(struct room *room);
    void (*close)(struct room *room);
    void (*backfill)(struct room *room, uint64_t after);
};

/* What the layers above must be told; set by deliver_init and history_cache_init. */
struct room_observer {
    void (*on_subscribed)(struct room *room);
    /* Epoch and numbers are known now. */
    void (*on_adopted)(struct room *room, const struct room_joined *state);
    void (*on_synced)(struct room *room, const struct room_joined *state);
    void (*on_acked)(struct member *member); /* its client has the join_ack */
    void (*on_member_gone)(struct room *room);
    void (*on_freed)(struct room *room);
    void (*on_uncached)(struct room *room); /* it is freed; may be NULL */
};

struct rooms {
    struct map map;
    const struct classes *classes;       /* borrowed; never NULL */
    struct classes no_classes;           /* until rooms_set_classes */
    struct history_cache *history_cache; /* that clients' reads go through; borrowed */
    struct list grace;                   /* users without members, soonest first */
    struct room_hooks hooks;
    struct room_observer observer;
    struct metrics *metrics;
    uint64_t grace_ms;
    struct room_logs logs;
    /* Rooms that wait for their turn to be synced: under another server's token; after notices were
     * dropped. */
    struct list doubted, deaf;
    /* The node's canaries, by number: what Redis told before the one that was heard has come. */
    uint64_t canary_sent, canary_heard;
    unsigned doubts_left; /* so many may be synced for it now */
    bool is_up;           /* Redis can be asked; else nothing is pumped */
    bool has_stuck;       /* some room is stuck */
};

/* A join in flight; outlives the member if its connection ends meanwhile. */
struct join {
    struct list link; /* joins_leaves.h */
    struct room *room;
    struct room_user *user;
    struct member *member; /* NULL: gone */
    room_joined_fn on_done;
    bool moderates; /* the member does */
};

void rooms_init(struct rooms *rooms, const struct room_hooks *hooks,
                struct metrics *metrics, const struct config *config);

/* What holds in it is what its class says now. */
void room_set_class(struct room *room);

/* Rooms are of these classes from now on; again where they have changed. */
void rooms_set_classes(struct rooms *rooms, const struct classes *classes);

/* Frees all rooms, which must have neither members nor calls in flight. */
void rooms_deinit(struct rooms *rooms);

struct room *room_find(struct rooms *rooms, const char *name, size_t len);

/* Puts `member` (calls set, else zeroed) into the room as `user`, state JOINING. The
 * join goes out when the room is subscribed; `on_done` tells how it ended, with the
 * member still in the room on PROTO_OK and out of it otherwise. */
void room_join(struct rooms *rooms, struct member *member, struct json_text name,
               struct json_text user, room_joined_fn on_done);

/* A join that was not acked goes out again, because the room it was for is gone. */
void room_join_again(struct member *member);

/* The same once more for a member that is in: Redis is asked again, and the member
 * stays in whatever the answer. */
void room_rejoin(struct member *member, room_joined_fn on_done);

/* Takes the member out, at any state. May free the room. */
void room_leave(struct member *member, enum leave_reason reason, uint64_t now_ms);

/* Moves the member to a state that its own may go to (else aborts), and into that state's list
 * of its room. */
void member_set_state(struct member *member, enum member_state state);

/* Whether it is in the list `behind`: Redis knows it, and it has not all that the room has. */
bool member_is_behind(const struct member *member);

/* The user of this name; a new one has no member yet: it gets one, or is freed. */
struct room_user *room_user_get(struct room *room, struct json_text name);
void room_user_free(struct room_user *user);

/* If no member and no join of the user is left, it leaves, now or after its grace; one that Redis
 * does not know is freed. */
void room_user_leave_if_alone(struct room_user *user, uint64_t now_ms);

/* Its leave is answered. Frees the user, unless somebody has joined as it meanwhile. */
void room_user_left(struct room_user *user);

/* Starts the leave of users whose grace is over, or of all that are in grace. Returns ms
 * until the next one, 0: none. */
uint64_t rooms_end_grace(struct rooms *rooms, uint64_t now_ms, bool all);

/* Nobody could come back meanwhile: each grace that is under way begins again. */
void room_restart_grace(struct room *room);

/* Removes a user in grace at once; nothing for others. */
void room_end_grace(struct room_user *user, enum leave_reason reason);

/* The room was closed: Redis has none of its users any more, and need not be told that they
 * leave. Users in grace are freed. */
void room_forget_users(struct room *room);

/* What has to be sent next, and its word. */
enum room_step room_next_step(const struct room *room);
const char *room_step_word(enum room_step step);

/* Takes the next step. */
void room_pump(struct room *room);

/* Whether scripts about its members may run: the next step is JOIN. */
bool room_is_ready(const struct room *room);

/* Members whose join has not gone out are answered: Redis cannot be asked. */
void room_fail_waiting(struct room *room);

/* Something is not as believed: compare with Redis, now, or with the next room_pump. */
void room_needs_sync(struct room *room);
void room_doubt(struct room *room);

/* Something of the room came under another token than its own: it is synced, but no more than
 * ROOM_DOUBTS of all in the time between two calls of rooms_doubt_more. Once for each token. */
void room_doubt_token(struct room *room, struct token token);
void rooms_doubt_more(struct rooms *rooms);

/* Whether Redis has been told of everybody in every room, but for rooms that it refuses. */
bool rooms_are_synced(const struct rooms *rooms);

/* Redis lost something of this node: each room is compared with it. */
void rooms_doubt_all(struct rooms *rooms);

/* Notices were dropped: each room is synced, after those that are doubted, and no faster. */
void rooms_on_dropped(struct rooms *rooms);

/* Does this with all rooms; it may free any. */
void rooms_each(struct rooms *rooms, void (*what)(struct room *room));

/* Pumps all rooms. */
void rooms_pump(struct rooms *rooms);

/* Redis can be asked, or cannot any more: then joins that wait fail, and nothing of what
 * Redis was told is sure. */
void rooms_set_up(struct rooms *rooms, bool is_up);

/* This worker took another name in Redis: everything is to be told again. */
void rooms_on_renamed(struct rooms *rooms);

/* Redis answered, or did not (`ok` false, PROTO_UNAVAILABLE: the outcome is unknown). */
void room_on_subscribed(struct room *room);
void room_on_registered(struct room *room, bool ok);
void room_on_joined(struct join *join, enum proto_error error,
                    const struct room_joined *joined, uint64_t wait_ms);
void room_on_left(struct room *room, struct room_user *user, bool ok);

/* The same where no answer came: it leaves once more, for the same reason, when the room is ready again. */
void room_on_leave_unanswered(struct room *room, struct room_user *user);
void room_on_synced(struct room *room, bool ok, const struct room_joined *state);
void room_on_closed(struct room *room, bool ok);

/* Begins an event that the gateway itself makes: its type and the room. */
void room_begin_event(const struct room *room, struct strbuf *out, const char *type);

/* Adds the epoch of the room's log to an event. */
void room_add_epoch(const struct room *room, struct strbuf *out);

/* A ref keeps the room. room_unref gives it back: a call came back, or its caller is done with
 * the room. It takes the next step, and frees the room if that was the last of it. */
static inline struct room *room_ref(struct room *room)
{
    room->refs++;
    return room;
}
void room_unref(struct room *room);

static inline struct json_text room_name_of(const struct room *room)
{
    return (struct json_text){room->name, room->name_len};
}

/* What each message of the room begins with, up to its number; borrowed. */
static inline struct json_text room_head(const struct room *room)
{
    return (struct json_text){room->message_head.data, room->message_head.len};
}

#endif
