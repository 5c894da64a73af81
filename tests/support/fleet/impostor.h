/* impostor.h - what stands in the place of Redis and cannot be trusted: it passes everything on
 * to a real one, but answers some commands as the test says.
 *
 *     struct impostor *i = impostor_open(port, redis_port);
 *     impostor_answer(i, "heartbeat", "*1\r\n$-1\r\n", 10);
 *     assert_true(wait_until(was_asked_twice, i, 5000));      (impostor_count)
 *     impostor_answer(i, NULL, NULL, 0);
 *     impostor_close(i);
 *
 * It runs in threads of its own, one a connection.
 */
#ifndef TESTS_SUPPORT_FLEET_IMPOSTOR_H
#define TESTS_SUPPORT_FLEET_IMPOSTOR_H

#include <stddef.h>

struct impostor;

/* Listens on 127.0.0.1:`port` and stands before 127.0.0.1:`to`. */
struct impostor *impostor_open(int port, int to);

/* Each command with this verb, or which calls the script of this name, is answered with the
 * bytes and not passed on; counted from 0. NULL: all are passed on again. Copied. */
void impostor_answer(struct impostor *impostor, const char *command, const void *bytes,
                     size_t len);

/* Until the next impostor_answer its answers come so long after they were asked for, and what is
 * asked on the same connection waits behind them. */
void impostor_delay(struct impostor *impostor, unsigned late_ms);

/* Puts the bytes between the notices of each connection that has subscribed. */
void impostor_notify(struct impostor *impostor, const char *bytes);

/* How often it has answered so. */
unsigned impostor_count(struct impostor *impostor);

/* Connections that were made so far. */
unsigned impostor_connections(struct impostor *impostor);

void impostor_close(struct impostor *impostor);

#endif
