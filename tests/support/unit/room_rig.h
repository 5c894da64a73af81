/* room_rig.h - rooms of a worker without sockets and Redis, for unit tests: what they ask of Redis
 * is written down and answered when the test says so, what a client is given is written down in a
 * word or two, and the clock is a number.
 *
 * The room's name is `r`; a message's line is of rig_add_line. With the real deliver.c, announce.c
 * and catchup.c.
 */
#ifndef TESTS_SUPPORT_UNIT_ROOM_RIG_H
#define TESTS_SUPPORT_UNIT_ROOM_RIG_H

#include "common/config.h"
#include "common/metrics.h"
#include "common/notice.h"
#include "common/strbuf.h"
#include "gateway/announce.h"
#include "gateway/catchup.h"
#include "gateway/room.h"

#define RIG_EPOCH "00000000000000e1"
#define RIG_OTHER_EPOCH "00000000000000e2"

/* What was asked of Redis; RIG_READ: member_calls.read. */
enum rig_kind {
    RIG_SUBSCRIBE,
    RIG_UNSUBSCRIBE,
    RIG_REGISTER,
    RIG_JOIN,
    RIG_LEAVE,
    RIG_SYNC,
    RIG_CLOSE,
    RIG_BACKFILL,
    RIG_READ,
};

struct rig_call {
    enum rig_kind kind;
    struct room
        *room; /* has a ref, but of RIG_SUBSCRIBE, RIG_UNSUBSCRIBE and RIG_READ */
    struct join *join;
    struct room_user *user;
    struct member *member;
    uint64_t after;
};

enum { RIG_CALLS_MAX = 1024, RIG_CLIENTS_MAX = 16 };

/* A client; of the rig's, until rig_close. */
struct rig_client {
    struct member member;    /* first */
    const char *user, *room; /* room NULL: `r` */
    struct strbuf given;     /* what it was given since the test last looked */
    bool is_slow;            /* takes no message; a read does not begin */
    bool has_since; /* it resumes after `since` of that epoch; NULL: RIG_EPOCH */
    uint64_t since;
    const char *since_epoch;
    bool is_answered; /* its join */
    enum proto_error error;
    uint64_t wait_ms;
    bool is_removed;
    /* Each event, ack or batch, instead of writing it down; NULL: it is written down. */
    void (*on_event)(struct rig_client *client, const char *text, size_t len);
    void (*on_ack)(struct rig_client *client, uint64_t until, bool recovered);
    void (*on_batch)(struct rig_client *client, const struct history_batch *batch);
};

struct rig {
    struct metrics metrics;
    struct config config;
    struct rooms rooms;
    uint64_t now_ms;
    struct rig_call calls[RIG_CALLS_MAX]; /* not answered yet, the oldest first */
    unsigned calls_count;
    struct rig_client clients[RIG_CLIENTS_MAX];
    unsigned clients_count;
    /* A read of a member's begins; NULL: it is written down as RIG_READ. */
    void (*on_read)(struct member *member, uint64_t after);
};

/* One for a test program. Redis can be asked. */
extern struct rig rig;
void rig_open(void);

/* Ends all members, answers everything, and frees the rooms. */
void rig_close(void);

/* ---- Redis ---- */

/* How many of these are not answered yet. */
unsigned rig_count(enum rig_kind kind);

/* Takes out the oldest one; fails the test if there is none. */
struct rig_call rig_take(enum rig_kind kind);

/* The oldest one is answered: as it should be, or that Redis is away. */
void rig_subscribed(void);
void rig_registered(bool ok);
void rig_joined(const char *epoch, uint64_t seq, uint64_t rev);
void rig_refused(enum proto_error error);
void rig_left(bool ok);
void rig_leave_unanswered(void);
void rig_synced(const char *epoch, uint64_t seq, uint64_t rev);
void rig_closed(bool ok);

/* `history` NULL: it failed. */
void rig_read(const struct history *history);
void rig_backfilled(const struct history *history);

/* Messages `first` to `last` of a room at `seq` that holds those from `oldest` on; none if
 * `first` is after `last`. Good until the next call. */
const struct history *rig_history(uint64_t seq, uint64_t oldest, uint64_t first,
                                  uint64_t last);

/* ---- clients ---- */

/* One more, in no room yet. `user` is borrowed. */
struct rig_client *rig_client(const char *user);

/* Joins, also once more after it left; joins again, while it is in. */
void rig_join(struct rig_client *client);
void rig_rejoin(struct rig_client *client);
void rig_leave(struct rig_client *client, enum leave_reason reason);

/* What it was given is this, and from now on nothing. Words, with a comma between them:
 *     ack 5, batch 1-3 more, batch none, 4 (a message), x4 (a deleted one), gap 2-3, reset 7,
 *     joined ann, left ann, kicked, closed, deleted 4, signal ann */
#define rig_assert_given(client, wanted)                                               \
    rig_assert_given_at(client, wanted, __FILE__, __LINE__)
void rig_assert_given_at(struct rig_client *client, const char *wanted,
                         const char *file, int line);

/* A room with a live member for each of the clients (a list that ends with NULL), at message `seq`
 * and this rev; what they were given for it is forgotten. */
struct room *rig_live(uint64_t seq, uint64_t rev, struct rig_client *client, ...);

/* ---- notices ---- */

/* The line of a message. */
void rig_add_line(struct strbuf *out, uint64_t seq);

/* Delivers one with this epoch. */
void rig_notice(const char *epoch, enum notice_kind kind, uint64_t rev, uint64_t first,
                uint64_t last, const char *users, const char *lines);

/* Of RIG_EPOCH: messages; who came or went (one user); a kick; a closing; a deletion; a signal. */
void rig_messages(uint64_t first, uint64_t last);
void rig_presence(enum notice_kind kind, uint64_t rev, const char *user);
void rig_kick(uint64_t rev, const char *user);
void rig_close_room(uint64_t rev);
void rig_delete(uint64_t rev, uint64_t seq);
void rig_signal(const char *user);

/* The number or the text of a field of an event; 0 or an empty text if it has none. */
uint64_t rig_number(const char *text, size_t len, const char *field);
void rig_text(const char *text, size_t len, const char *field, char out[64]);

#endif
