/* listen.h - the sockets that programs listen on. For start-up: names are resolved, blocking. */
#ifndef COMMON_LISTEN_H
#define COMMON_LISTEN_H

/* Binds a TCP socket on `address` (host:port), the value of the setting `name`. With `shared`,
 * SO_REUSEPORT, so that several sockets of this process share the port; else it listens as well,
 * because Linux lets two be bound to an address until one of them does. The descriptor; where
 * that cannot be, one line on stderr says so and the program ends with 2. */
int listen_bind(const char *name, const char *address, int shared);

#endif
