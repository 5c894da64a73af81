/* room.h - the part of a room that this worker sees: its users, and the members whose
 * sockets end here. Knows neither sockets nor Redis; what must go up or out is a
 * callback given at rooms_init.
 *
 * A user is in a room once, however many connections it has; a member is one
 * connection's part in one room. A user outlives its last member by the grace, so that
 * a client that reconnects was never gone.
 *
 * How a member gets the messages, first from the history and then live, is follow.h.
 */
#ifndef GATEWAY_ROOM_H
#define GATEWAY_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/list.h"
#include "common/map.h"
#include "common/metrics.h"
#include "common/proto.h"
#include "gateway/frame.h"
#include "gateway/room_log.h"

struct bus_op;
struct follow_batch;
struct join;
struct member;
struct replay;
struct room;
struct rooms;

enum room_class { ROOM_MESSAGE, ROOM_PRESENCE, ROOM_SIGNAL, ROOM_ALWAYS };

enum member_state {
    MEMBER_JOINING,   /* Redis does not know it yet, or the client has no ack yet */
    MEMBER_FOLLOWING, /* reads the history, up to where the room is */
    MEMBER_LIVE,      /* gets what the room gets */
};

/* The result of a join that Redis has taken. */
struct room_joined {
    char epoch[PROTO_EPOCH_LEN + 1];
    uint64_t seq, rev, members;
};

/* How a join ended. `wait_ms`: how long a ban still lasts, 0: for good. */
typedef void (*room_joined_fn)(struct member *member, enum proto_error error,
                               const struct room_joined *joined, uint64_t wait_ms);

/* What a member's owner does; the owner embeds struct member. */
struct member_calls {
    /* Queues for the client. False: not taken, its queue is too long. */
    bool (*deliver)(struct member *member, struct frame *frame, enum room_class class);
    /* Starts to read the history behind `after`; ends in follow_on_history or _failed.
     * False: not now, follow_again will be called. */
    bool (*read)(struct member *member, uint64_t after);
    /* Answers the join: the history goes up to `until`, and Redis holds it from `oldest` on.
     * Whether the client resumes: then the history begins behind the cursor. */
    bool (*ack)(struct member *member, uint64_t until, uint64_t oldest);
    /* A batch of the history for the client, after the ack. */
    void (*batch)(struct member *member, const struct follow_batch *batch);
    /* Out of the room by somebody else's will; the frame that says so was delivered. */
    void (*removed)(struct member *member);
};

struct member {
    struct list link;  /* in one of the room's lists */
    struct room *room; /* NULL: in none */
    struct room_user *user;
    const struct member_calls *calls;
    room_joined_fn on_joined;
    struct join *join;      /* in flight */
    uint64_t cursor;        /* the last message the client was given, unless LIVE */
    uint64_t reading_after; /* the cursor when the read began */
    uint64_t history_until; /* up to here in batches, behind it as events */
    uint64_t rev;           /* of the join: older notices are not for it */
    unsigned char state;
    bool is_reading;
    bool wants_first; /* the first batch since the join has not been sent */
    bool has_ack;     /* the client was told that it is in */
};

struct room_user {
    struct room *room;
    struct list grace; /* in rooms->grace, while has no member */
    uint64_t grace_until_ms;
    uint64_t rev; /* of the last join */
    unsigned members, joins_in_flight;
    bool is_in;   /* Redis has been told */
    bool leaving; /* a leave is in flight: joins wait */
    bool leave_at_once;
    bool grace_again;   /* its grace begins anew */
    const char *reason; /* of the leave; a literal */
    struct list leave;  /* moves.h, while leaving */
    unsigned char name_len;
    char name[];
};

struct room {
    struct rooms *rooms;
    struct list live, followers, joining; /* members, by state */
    struct list waiting;                  /* members whose join cannot go out yet */
    struct map users;

    struct room_log log;
    uint64_t rev; /* of the last change that live members were told of */
    char heard_epoch[PROTO_EPOCH_LEN + 1];
    uint64_t heard; /* the highest number seen in a notice */

    /* Where it stands with Redis. */
    bool is_subscribed;
    bool is_registered; /* in the node's set of rooms, answered on this connection */
    bool may_be_known;  /* something of it may stand in Redis under this node */
    bool is_calling;    /* registering, syncing or closing: one of them at a time */
    bool needs_sync;
    bool is_stuck; /* such a call failed: not before the next heartbeat */
    bool is_backfilling;
    bool backfill_again; /* more was heard meanwhile */
    unsigned holds;      /* calls in flight that will come back to this struct */

    struct bus_op *subscribing; /* not confirmed yet, bus.h */
    struct list renew;          /* presence.h */
    uint32_t renew_at; /* of the users: whom the next renewal looks at first; store.c */
    struct list recent; /* notices kept for members without ack, deliver.h */
    unsigned recent_count;
    bool is_told;            /* Redis was told of who is in, under this node's name */
    bool ring_is_kept;       /* the log's, also when nobody follows; follow.h */
    struct replay *replay;   /* replay.h; NULL: none */
    uint64_t replay_read_ms; /* the last history read for a client; 0: none yet */
    struct list outbox, outbox_dirty; /* outbox.h */
    bool outbox_busy;
    struct list joins, leaves, moves; /* moves.h */
    struct strbuf message_head; /* of a message's JSON, up to the sequence number */
    unsigned char name_len;
    char name[];
};

/* What goes out to Redis. Each call ends in the room_on_… function of its name, never
 * from inside the call. */
struct room_hooks {
    void *owner;
    void (*subscribe)(void *owner, struct room *room);   /* the first user came */
    void (*unsubscribe)(void *owner, struct room *room); /* it is freed next */
    void (*register_)(void *owner, struct room *room);
    void (*join)(void *owner, struct room *room, struct join *join);
    void (*leave)(void *owner, struct room *room, struct room_user *user);
    void (*sync)(void *owner, struct room *room);
    void (*close)(void *owner, struct room *room);
    void (*backfill)(void *owner, struct room *room, uint64_t after);
};

/* What the layers above (follow.h, deliver.h) must be told; set by deliver_init. */
struct room_watch {
    void (*on_adopted)(struct room *room); /* epoch and numbers are known now */
    void (*on_synced)(struct room *room, const struct room_joined *state);
    void (*on_acked)(struct member *member); /* its client has the join_ack */
    void (*on_member_gone)(struct room *room);
    void (*on_replay_lost)(struct room *room); /* it is freed; set by replay_init */
    void (*on_freed)(struct room *room);
};

struct rooms {
    struct map map;
    struct list grace; /* users without members, soonest first */
    struct room_hooks hooks;
    struct room_watch watch;
    struct metrics *metrics;
    uint64_t grace_ms;
    struct room_logs logs;
    bool is_up;     /* Redis can be asked; else nothing is pumped */
    bool has_stuck; /* some room is stuck */
};

/* A join in flight; outlives the member if its connection ends meanwhile. */
struct join {
    struct list link; /* moves.h */
    struct room *room;
    struct room_user *user;
    struct member *member; /* NULL: gone */
    room_joined_fn on_done;
};

void rooms_init(struct rooms *rooms, const struct room_hooks *hooks,
                struct metrics *metrics, const struct config *config);

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

/* Takes the member out, at any state. `at_once`: no grace. `reason` is a literal. May
 * free the room. */
void room_leave(struct member *member, bool at_once, const char *reason,
                uint64_t now_ms);

/* Starts the leave of users whose grace is over, or of all that are in grace. Returns ms
 * until the next one, 0: none. */
uint64_t rooms_end_grace(struct rooms *rooms, uint64_t now_ms, bool all);

/* Takes out a user who is in grace, at once; nothing for others. */
void room_end_grace(struct room_user *user, const char *reason);

/* The room was closed: Redis has none of its users any more, and needs not be told that they
 * leave. Those in grace are gone. */
void room_forget_users(struct room *room);

/* Sends what must go out and can. */
void room_pump(struct room *room);

/* Whether scripts about its members may run. */
bool room_is_ready(const struct room *room);

/* Something is not as believed: compare with Redis, now, or with the next room_pump. */
void room_needs_sync(struct room *room);
void room_doubt(struct room *room);

/* Whether Redis has been told of everybody in every room, but for rooms that it refuses. */
bool rooms_are_synced(const struct rooms *rooms);

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
void room_on_synced(struct room *room, bool ok, const struct room_joined *state);
void room_on_closed(struct room *room, bool ok);

/* Begins an event that the gateway itself makes: its type and the room. */
void room_begin_event(const struct room *room, struct strbuf *out, const char *type);

/* Adds the epoch of the room's log to an event. */
void room_add_epoch(const struct room *room, struct strbuf *out);

/* Gives back one of `holds`: a call came back, or its caller is done with the room. Sends
 * what can be sent now; frees the room if that was the last of it. */
void room_release(struct room *room);

/* What each message of the room begins with, up to its number; borrowed. */
static inline struct json_text room_head(const struct room *room)
{
    return (struct json_text){room->message_head.data, room->message_head.len};
}

#endif
