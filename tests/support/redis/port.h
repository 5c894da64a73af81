/* port.h - TCP ports for tests that run side by side.
 *
 * The gateway listens with SO_REUSEPORT, so two tests that picked the same port would
 * share their clients instead of failing. A port is therefore claimed for the life of
 * the test process, in a way that the kernel gives back by itself.
 */
#ifndef TESTS_SUPPORT_REDIS_PORT_H
#define TESTS_SUPPORT_REDIS_PORT_H

/* A port of 127.0.0.1 that nobody listens on and no other test is given. */
int port_take(void);

#endif
