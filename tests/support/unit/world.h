/* world.h - what the parts of room_world.c share: its state, what clients are given (world_clients.c),
 * and calls, reads and notices between the room and the plain Redis (world_link.c).
 */
#ifndef TESTS_SUPPORT_UNIT_WORLD_H
#define TESTS_SUPPORT_UNIT_WORLD_H

#include "gateway/history_cache.h"
#include "tests/support/unit/plain_redis.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { WORLD_CLIENTS = 6, WORLD_CALLS_MAX = 64 };

/* What a client has of a message. */
enum view { UNSEEN, ORIGINAL, TOMBSTONE, MISSING };

struct world_shape; /* room_world.h */

struct client {
    struct rig_client *rig;
    unsigned user, life; /* life: how often it joined */
    bool has_ack, is_fresh, in_batches;
    char epoch[PROTO_EPOCH_LEN + 1], since_epoch[PROTO_EPOCH_LEN + 1];
    uint64_t cursor, until, rev, last_rev;
    bool was_told_why; /* that it is put out */
    unsigned char view[PLAIN_MAX];
    bool got[PLAIN_MAX]; /* changes, by rev */
};

struct reader {
    struct client *client;
    unsigned life;
};

/* A call that changes something. */
struct call {
    enum rig_kind kind;
    struct room *room;
    struct join *join;
    struct room_user *user;
    unsigned who;
    bool is_counted, is_executed, is_closed;
    struct room_joined state;
    /* of a sync */
    char known[PROTO_EPOCH_LEN + 1];
    uint64_t seq, rev, told, deleted[PLAIN_MAX];
    bool has_moved;
    struct plain_user users[PLAIN_LOCAL];
    unsigned users_count, deleted_count;
};

/* A read of the history: what Redis answered. */
struct read {
    bool is_executed, exists;
    bool was_outdated; /* it was asked again */
    char epoch[PROTO_EPOCH_LEN + 1];
    uint64_t seq, oldest, first, changed;
    size_t count;
    bool is_deleted[PLAIN_MAX];
};

struct world_state {
    const struct world_shape *shape;
    unsigned seed, step;
    uint64_t random;
    struct plain_redis redis;
    struct history_cache cache;
    struct client clients[WORLD_CLIENTS];
    struct call calls[WORLD_CALLS_MAX];
    unsigned calls_count;
    struct read reads[STORE_RIG_MAX];
    unsigned reads_count;
    bool is_up, is_linked; /* is_linked: calls reach Redis */
    bool is_traced;
    char odd_epoch[PROTO_EPOCH_LEN + 1];
    /* Deletions that a sync did not look for: it looks up to the room's log, but a member may
     * have read on in the history. */
    bool is_untold[PLAIN_MAX];
};

extern struct world_state world;

/* Prints a line if one seed is run alone. */
void world_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails the test and names the seed. */
#define world_check(condition) world_require(condition, __FILE__, __LINE__, #condition)
void world_require(bool condition, const char *file, int line, const char *text);

/* From 0 to n - 1. */
unsigned world_pick(unsigned n);

struct room *world_room(void);

/* ---- clients ---- */

void world_open_clients(void);
struct client *world_client(const struct rig_client *rig_client);
void world_join(struct client *c);
void world_leave(struct client *c);
void world_rejoin(struct client *c);
void world_turn_slow(struct client *c);

/* Once nothing is under way: it has all that it must have. */
void world_check_client(const struct client *c);

/* ---- between the room and Redis ---- */

void world_open_link(void);

/* One of what is under way goes on, if something is. */
void world_run_calls(void);
void world_run_reads(void);
void world_run_notes(void);

/* In order and as it should be. */
void world_run_all_notes(void);
void world_run_first_call(void);
void world_run_first_read(void);

/* What was under way fails, whether Redis has taken it or not; then that is told. */
void world_break_link(void);
void world_fail_all(void);

/* Reads that were begun are known from now on. */
void world_note_reads(void);

/* A read of a client's, of the history after this message. */
void world_read(struct member *member, uint64_t after);

#endif
