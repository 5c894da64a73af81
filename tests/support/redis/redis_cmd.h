/* redis_cmd.h - one command to the Redis of a test, and its answer.
 *
 * The format is hiredis' (%s, %b, %d; words are split at the spaces of the format, not
 * of what is put in). A connection is made for each command, so a Redis that was
 * restarted needs no care. No connection and an error reply fail the test, except with
 * redis_cmd_reply.
 *
 *     redis_cmd(port, "SET %s %s", "rc:{a b}:meta", "x");
 *     assert_int_equal(redis_cmd_number(port, "HLEN rc:{%s}:members", room), 2);
 */
#ifndef TESTS_SUPPORT_REDIS_REDIS_CMD_H
#define TESTS_SUPPORT_REDIS_REDIS_CMD_H

#include <stdbool.h>

#include <hiredis/hiredis.h>

/* What Redis asks for, from now on; borrowed, NULL: nothing. */
void redis_cmd_set_password(const char *password);

/* From now on, where a Redis Cluster has the key elsewhere, the one that has it is asked. */
void redis_cmd_follow(void);

/* Runs the command; what it answers does not matter. */
void redis_cmd(int port, const char *format, ...);

/* The integer, or a string that is a number; 0 for nil. */
long long redis_cmd_number(int port, const char *format, ...);

/* The string, to be freed by the caller, or NULL for nil. */
char *redis_cmd_text(int port, const char *format, ...);

/* The whole reply, also an error reply; for freeReplyObject. NULL: no connection. */
redisReply *redis_cmd_reply(int port, const char *format, ...);

/* The port of the Redis of a cluster that has the key. */
int redis_cmd_port_of(int port, const char *key);

/* Whether Redis answers PING. */
bool redis_cmd_is_up(int port);

#endif
