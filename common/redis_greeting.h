/* redis_greeting.h - what a new connection to Redis says first, and learns: who we are, which
 * database, that the connection before it ends, and whether this Redis is what the URL says. Pure: commands out, replies in.
 *
 *     redis_greeting_begin -> redis_greeting_next, each to be sent, until it is false
 *                          -> redis_greeting_take, each reply -> GOES_ON ... DONE, or REFUSED
 *
 * INFO is asked for the mode, and behind Sentinels for the role. CLIENT SETNAME is a courtesy. Where CLIENT INFO or CLIENT KILL is refused for good, what was sent
 * on a lost connection may run later, and redis_greeting_take_ended is false.
 */
#ifndef COMMON_REDIS_GREETING_H
#define COMMON_REDIS_GREETING_H

#include <stdbool.h>

#include "common/redis_command.h"
#include "common/redis_loss.h"
#include "common/redis_url.h"
#include "common/reply_arena.h"

enum { REDIS_GREETING_STEPS_MAX = 8 };

/* All borrowed, for the life of the greeting. */
struct redis_identity {
    const char *user, *password; /* NULL: none */
    const char *name;            /* CLIENT SETNAME */
    int db;
    enum redis_form form; /* what it must be */
};

/* A connection by Redis's own words: id=… and addr=… of CLIENT INFO. */
struct redis_greeting_client {
    char id[24], addr[64]; /* id empty: none */
};

/* Zeroed but for `me` is ready. */
struct redis_greeting {
    struct redis_identity me;
    unsigned next_step;
    unsigned sent[REDIS_GREETING_STEPS_MAX]; /* steps, in order */
    unsigned sent_count, taken_count;
    struct redis_greeting_client self, old; /* this connection, and the one before */
    bool was_kill_obeyed;
    enum redis_why why; /* once REFUSED */
};

enum redis_greeting_result {
    REDIS_GREETING_GOES_ON,
    REDIS_GREETING_DONE,
    REDIS_GREETING_REFUSED
};

/* A new connection is there. */
void redis_greeting_begin(struct redis_greeting *greeting);

/* Puts the next command together. False: all were sent. */
bool redis_greeting_next(struct redis_greeting *greeting, struct redis_command *cmd);

/* The next reply, with `status` as of redis_reply_fn. */
enum redis_greeting_result redis_greeting_take(struct redis_greeting *greeting,
                                               int status, const redisReply *reply);

/* Whether this error, which is the next reply, takes a right that one can live without. */
bool redis_greeting_is_bearable(const struct redis_greeting *greeting,
                                const redisReply *reply);

/* The connection is lost: the next one is to end it. */
void redis_greeting_on_lost(struct redis_greeting *greeting);

/* Once it is DONE: whether the connection before, which there was, has been ended. Asked once. */
bool redis_greeting_take_ended(struct redis_greeting *greeting);

#endif
