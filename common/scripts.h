/* scripts.h - the Lua scripts of lua/, built into the binary, called by their digest.
 *
 * EVALSHA first; a Redis that does not know the script (restarted, failed over, SCRIPT
 * FLUSH) answers NOSCRIPT, and the call is sent again with the source, which loads it.
 * What each script takes and returns stands at its head.
 */
#ifndef COMMON_SCRIPTS_H
#define COMMON_SCRIPTS_H

#include "common/redis_link.h"

/* One row a script: X(id, name) is lua/<name>.lua. */
#define SCRIPTS(X)                                                                     \
    X(SCRIPT_AUDIT, audit)                                                             \
    X(SCRIPT_FORGET, forget)                                                           \
    X(SCRIPT_CANARY, canary)                                                           \
    X(SCRIPT_CHANGES, changes)                                                         \
    X(SCRIPT_CLAIM, claim)                                                             \
    X(SCRIPT_CLASSES, classes)                                                         \
    X(SCRIPT_CLOSE, close)                                                             \
    X(SCRIPT_DELETE, delete)                                                           \
    X(SCRIPT_EDIT, edit)                                                               \
    X(SCRIPT_HEARTBEAT, heartbeat)                                                     \
    X(SCRIPT_HISTORY, history)                                                         \
    X(SCRIPT_INDEX, index)                                                             \
    X(SCRIPT_JOIN, join)                                                               \
    X(SCRIPT_KICK, kick)                                                               \
    X(SCRIPT_LEAVE, leave)                                                             \
    X(SCRIPT_MEMBERS, members)                                                         \
    X(SCRIPT_MODERATE, moderate)                                                       \
    X(SCRIPT_POLICY, policy)                                                           \
    X(SCRIPT_PUBLISH, publish)                                                         \
    X(SCRIPT_REGISTER, register)                                                       \
    X(SCRIPT_REMAKE, remake)                                                           \
    X(SCRIPT_RENEW, renew)                                                             \
    X(SCRIPT_RESTORE, restore)                                                         \
    X(SCRIPT_REVOKE, revoke)                                                           \
    X(SCRIPT_RIGHTS, rights)                                                           \
    X(SCRIPT_REPORT, report)                                                           \
    X(SCRIPT_ROOM, room)                                                               \
    X(SCRIPT_ROOMS, rooms)                                                             \
    X(SCRIPT_SAMPLE, sample)                                                           \
    X(SCRIPT_SETTLE, settle)                                                           \
    X(SCRIPT_SWEEP, sweep)                                                             \
    X(SCRIPT_SYNC, sync)                                                               \
    X(SCRIPT_REAP, reap)                                                               \
    X(SCRIPT_UNINDEX, unindex)                                                         \
    X(SCRIPT_USER, user)

enum script {
#define X(id, name) id,
    SCRIPTS(X)
#undef X
        SCRIPTS_COUNT
};

/* Computes the digests; once, before any thread starts. Where Redis is a cluster the scripts publish
 * by SPUBLISH, which stays with the master of the slot. */
void scripts_init(bool is_cluster);

/* Tells Redis all scripts, so that a call after this is not sent twice and overtaken. */
void scripts_load(struct redis_link *link);

/* Begins `cmd` as a call of `script` with `keys` keys; the caller adds KEYS, then ARGV. */
void scripts_begin(struct redis_command *cmd, enum script script, unsigned keys);

/* Sends it; as redis_link_send, but the first NOSCRIPT never reaches `on_reply`. */
int scripts_send(struct redis_link *link, enum script script,
                 const struct redis_command *cmd, redis_reply_fn on_reply, void *data)
    __attribute__((warn_unused_result));

/* The source, for tests: NUL-terminated, static. */
const char *scripts_source(enum script script);

#endif
