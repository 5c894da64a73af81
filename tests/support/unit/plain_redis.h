/* plain_redis.h - what Redis keeps of the one room of room_world.h, as the scripts of lua/ change it,
 * without Redis: a plain model.
 */
#ifndef TESTS_SUPPORT_UNIT_PLAIN_REDIS_H
#define TESTS_SUPPORT_UNIT_PLAIN_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/notice.h"
#include "common/proto.h"

enum {
    PLAIN_USERS =
        8, /* the first ones come in through this node, the others through another */
    PLAIN_LOCAL = 4,  /* so many */
    PLAIN_MAX = 1000, /* numbers and revs */
    PLAIN_NOTES = 3000,
    PLAIN_LINE = 100, /* bytes of each message */
};

/* A notice on its way. */
struct plain_note {
    enum notice_kind kind;
    char epoch[PROTO_EPOCH_LEN + 1];
    uint64_t rev, first, last;
    unsigned users[PLAIN_LOCAL], users_count;
};

/* What raised the rev. */
struct plain_change {
    enum notice_kind kind; /* NOTICE_MESSAGE: nothing that is told */
    unsigned user;
    bool is_lost; /* the node was deaf */
};

struct plain_redis {
    bool exists;
    unsigned epochs;
    char epoch[PROTO_EPOCH_LEN + 1], closed[PROTO_EPOCH_LEN + 1];
    uint64_t seq, rev, oldest, limit;
    uint64_t changed;   /* rev of the latest deletion */
    uint64_t epoch_seq; /* the last number before this epoch began */
    bool is_deleted[PLAIN_MAX];
    char on[PLAIN_LOCAL][PROTO_EPOCH_LEN + 1]; /* of this node: the epoch, or empty */
    unsigned members[PLAIN_USERS];
    uint64_t kicked_rev[PLAIN_LOCAL];
    struct plain_change changes[PLAIN_MAX];
    bool is_heard; /* this node hears its notices */
    struct plain_note notes[PLAIN_NOTES];
    unsigned notes_count;
};

/* A user as a call of sync.lua names it. */
struct plain_user {
    unsigned user;
    uint64_t rev;
};

void plain_name(unsigned user, char out[8]);
unsigned plain_user(const char *name, size_t len);

void plain_publish(struct plain_redis *r, unsigned count);
bool plain_delete(struct plain_redis *r, uint64_t seq);
void plain_join(struct plain_redis *r, unsigned user);
void plain_leave(struct plain_redis *r, unsigned user, bool is_counted);
void plain_kick(struct plain_redis *r, unsigned user);
void plain_close(struct plain_redis *r);

/* Removes all of this node's users. */
void plain_reap(struct plain_redis *r);

/* Users of the other node come or go, with one notice. */
void plain_far(struct plain_redis *r, unsigned first, unsigned count);

/* sync.lua and remake.lua, and the users that are too much: false, the room was closed. Those
 * that were kicked are left in `users`, in front; their number in `count`. */
bool plain_sync(struct plain_redis *r, const char *known, uint64_t seq, uint64_t rev,
                struct plain_user *users, unsigned *count);

/* Redis loses the room, or only the last of what came in. */
void plain_lose(struct plain_redis *r);
void plain_go_back(struct plain_redis *r, uint64_t seq, uint64_t rev);

/* The node is deaf: what is on its way is lost. */
void plain_set_heard(struct plain_redis *r, bool is_heard);

/* It was not heard. */
void plain_lose_note(struct plain_redis *r, const struct plain_note *note);

void plain_take_note(struct plain_redis *r, unsigned i, struct plain_note *out);

#endif
