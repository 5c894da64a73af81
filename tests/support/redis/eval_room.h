/* eval_room.h - the scripts about one room, called with KEYS and ARGV as a gateway
 * gives them (docs/redis.md names the keys; nothing of the gateway's is used).
 *
 *     static struct eval_room room;
 *
 *     eval_room_begin(&room, &redis);
 *     assert_string_equal(eval_room_join(&room, "node-1", "ann"),
 *                         "('ok' '00000000000000e1' 0 1 1 0 1)");
 *
 * Replies are eval.h's text.
 */
#ifndef TESTS_SUPPORT_REDIS_EVAL_ROOM_H
#define TESTS_SUPPORT_REDIS_EVAL_ROOM_H

#include <stdbool.h>

#include "tests/support/redis/eval.h"

/* Epochs that tests use: they are always 16 digits long. */
#define EPOCH_1 "00000000000000e1"
#define EPOCH_2 "00000000000000e2"

enum {
    EVAL_ROOM_KEEP_MS = 900000,
    EVAL_ROOM_TTL_MS = 300000,
    EVAL_ROOM_EVERY_MS = 540000,
    EVAL_ROOM_ON_MS = 2180000,
    EVAL_ROOM_PATIENCE_MS = 20000,
};

struct eval_room {
    struct eval *redis;
    const char *name;
    const char *epoch;       /* for the room, if a call creates it */
    bool told;               /* of a sync: Redis was told of the node's users before */
    unsigned long long last; /* of a sync: the last message seen, */
    const char *digest;      /* and its line's SHA-1; NULL: not known */
    const char *limits;      /* of a join, as its ARGV[8] says; NULL: none */
    const char *token;       /* under which the room was seen; NULL: none */
    unsigned slow_ms; /* of a publish; 0: no slow mode, which does not concern `mod` */
    unsigned events_max, history_limit, history_max_bytes, dedupe_ms, keys_max;
};

/* What no script writes as the end of a ban or mute, up to a NULL: each counts as for good. */
extern const char *const eval_room_odd_times[];

/* No number of a message, or of a room's last one, and no rev, up to a NULL. */
extern const char *const eval_room_odd_seqs[];

/* The start of a test: forgets everything in Redis. The room is called lobby, EPOCH_1
 * is the epoch it would get, and the limits are a gateway's defaults. 0. */
int eval_room_begin(struct eval_room *room, struct eval *redis);

/* Fixtures of tests about one room: a group's setup puts the room into *state and its Redis
 * into the room. The end of a test expects that the books balance. */
int eval_room_begin_test(void **state);
int eval_room_end_test(void **state);
int eval_room_teardown(void **state);

/* One message to publish; `key` NULL: none. */
struct eval_message {
    const char *user, *key, *tail;
};

const char *eval_room_join(const struct eval_room *room, const char *node,
                           const char *user);
const char *eval_room_leave(const struct eval_room *room, const char *node,
                            const char *user);
/* Several at once, up to a NULL. */
const char *eval_room_join_all(const struct eval_room *room, const char *node,
                               const char *const *users);
const char *eval_room_leave_all(const struct eval_room *room, const char *node,
                                const char *const *users);
/* Of somebody who was put out: `members` does not hold them for this node any more. */
const char *eval_room_leave_after_kick(const struct eval_room *room, const char *node,
                                       const char *user);
/* `users`: those whom the node knows as told, up to NULL; NULL: none. */
const char *eval_room_renew(const struct eval_room *room, const char *node,
                            const char *const *users);

/* As far as `most` users. */
const char *eval_room_reap(const struct eval_room *room, const char *dead,
                           unsigned most);

/* `users`: name and rev of the join in turn, up to a NULL. */
const char *eval_room_sync(const struct eval_room *room, const char *node,
                           const char *known, const char *const *users);

/* A new epoch, in place of `known`. */
const char *eval_room_remake(const struct eval_room *room, const char *known,
                             const char *epoch);

/* Messages with the same user and key name one of KEYS, as a gateway does it. */
const char *eval_room_publish(const struct eval_room *room, const char *node,
                              const struct eval_message *messages, unsigned count);

/* One message without a key: {"user":…,"text":…}. */
const char *eval_room_say(const struct eval_room *room, const char *node,
                          const char *user, const char *text);

/* `after` or `before` is "". */
const char *eval_room_history(const struct eval_room *room, const char *after,
                              const char *before, unsigned limit, unsigned max_bytes);

/* See eval_notices. */
const char *eval_room_notices(const struct eval_room *room);

/* A notice's event: one JSON object, and nothing behind it, about this room and `user`. */
void eval_room_expect_event(const struct eval_room *room, const char *event,
                            const char *user);

/* ---- a look into Redis ---- */

/* Puts something odd in the place of a room's rev; fails unless that is still its rev. */
void eval_room_set_rev(const struct eval_room *room, const char *rev);
void eval_room_expect_rev(const struct eval_room *room, const char *rev);

/* The name of a key: "meta", "on:node-1"; to be freed. */
char *eval_room_key(const struct eval_room *room, const char *suffix);

/* HGET; to be freed, NULL if there is none. */
char *eval_room_field(const struct eval_room *room, const char *suffix,
                      const char *field);
long long eval_room_number(const struct eval_room *room, const char *suffix,
                           const char *field);
bool eval_room_has_key(const struct eval_room *room, const char *suffix);

/* Fails unless the key expires in `ms`, less what the test may have taken. */
void eval_room_expect_ttl(const struct eval_room *room, const char *suffix, long ms);

/* What must be so whenever a script has run: every key of a room but bans and mutes
 * expires, and while there is a room `members` says of each user on how many nodes they
 * came in under its epoch, and of nobody else; `nodes` names these nodes, and none without users. */
void eval_room_expect_books_balance(const struct eval_room *room);

#endif
