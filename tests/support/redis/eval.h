/* eval.h - the scripts of lua/, called on a redis-server of the test's own.
 *
 *     static struct eval redis;
 *
 *     eval_begin(&redis, SCRIPT_RENEW);
 *     eval_key(&redis, "rc:{%s}:meta", room);
 *     eval_arg(&redis, "%d", 60000);
 *     assert_string_equal(eval_run(&redis), "('00000000000000e1' 7 1)");
 *
 * Each call is made as a user who may touch the call's KEYS and nothing else, so that a
 * script which makes up a key fails here as it would fail in a cluster.
 *
 * A reply is compared as text: strings in single quotes, numbers as they are, `nil`,
 * lists in round brackets, an error reply with a `!` in front.
 */
#ifndef TESTS_SUPPORT_REDIS_EVAL_H
#define TESTS_SUPPORT_REDIS_EVAL_H

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

#include "common/scripts.h"
#include "common/strbuf.h"
#include "tests/support/redis/redis_server.h"

enum { EVAL_ARGS_MAX = 2048 };

struct eval {
    struct redis_server server; /* of a cluster: none of its own */
    int port;
    bool is_cluster;
    bool asks; /* ASKING before each call */
    redisContext *admin, *caller, *notices;
    enum script script;
    const char *argv[EVAL_ARGS_MAX];
    size_t lens[EVAL_ARGS_MAX];
    unsigned argc, keys;
    /* Else tokens and terms are left out of replies and notices: they name this Redis. */
    bool shows_tokens;
    struct strbuf text, notices_text, state;
};

/* Starts Redis and connects; 0, as a fixture wants it. */
int eval_start(struct eval *e);
int eval_stop(struct eval *e);

/* The same at a node of a cluster that is there. The names of the fleet's keys are those of the
 * first shard then, and the scripts those of a cluster (scripts_init). Nodes of a cluster refuse
 * nothing (eval_refuse), and what the scripts publish is not among the notices: they listen to
 * all channels, which SPUBLISH does not reach. */
void eval_start_at_node(struct eval *e, int port);

/* How a key or channel of the fleet is called there: rc:shard:{10}:nodes for rc:nodes. Borrowed
 * until the next call. */
const char *eval_name(const struct eval *e, const char *name);

/* A group's teardown that stops what its setup has put into *state. */
int eval_teardown(void **state);

/* Forgets all keys and notices, and reverses eval_refuse: the start of a test. */
int eval_reset(struct eval *e);

/* The port for redis_cmd. */
int eval_port(const struct eval *e);

/* Puts a call together: first the keys, then the arguments, in the manner of printf;
 * all is copied. */
void eval_begin(struct eval *e, enum script script);
void eval_key(struct eval *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void eval_arg(struct eval *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void eval_arg_bytes(struct eval *e, const void *bytes, size_t len);

/* Calls; the reply as text, borrowed until the next call. The same call can be made
 * again. */
const char *eval_run(struct eval *e);

/* All notices since the last time, with an empty line between two; "" if there were
 * none. A notice on another channel than `channel` fails (NULL: on any is right).
 * Borrowed until the next call. */
const char *eval_notices(struct eval *e, const char *channel);

/* A text that is the same if and only if all of Redis is the same, the times of expiry
 * included; to be freed by the caller. */
char *eval_state(struct eval *e);

/* Redis's clock. */
long long eval_now_ms(struct eval *e);

/* Redis takes no writes from now on, as far as the reason goes. */
enum eval_refusal { EVAL_OOM, EVAL_READONLY, EVAL_NOREPLICAS };
void eval_refuse(struct eval *e, enum eval_refusal why);
void eval_refuse_no_more(struct eval *e);

#endif
