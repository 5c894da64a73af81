/* kernel.h - the kernel, taken away: what the gateway and libuv ask of it is answered
 * here, in this process, so that what is left to count is user space alone and always
 * the same.
 *
 * kernel.c defines the system calls about sockets, epoll, time and chance themselves;
 * the program's own definitions go before those of the C library, for libuv too. So the
 * gateway, libuv, hiredis and wslay run as they are.
 *
 * The clock stands still unless kernel_wait_ms moves it; every random number is the
 * same. Written bytes are counted and dropped, or kept where somebody wants to read
 * them.
 */
#ifndef TESTS_INSTRUCTIONS_KERNEL_H
#define TESTS_INSTRUCTIONS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

enum { KERNEL_FDS_MAX = 4096 };

/* A socket to listen on. */
int kernel_listen_fd(void);

/* One more client wants to come in; the fd that accept gave for the last one, or -1. */
void kernel_add_client(void);
int kernel_last_accepted(void);

/* The next socket behind `after` (-1: the first) that the gateway connected by itself;
 * -1: no more. */
int kernel_next_connected(int after);

/* These bytes are there to be read; copies. */
void kernel_feed(int fd, const void *bytes, size_t len);

/* What was written, all in all; and the bytes themselves since somebody emptied the
 * buffer, kept for sockets that the gateway connected, and for others once it is asked
 * for. */
uint64_t kernel_written_bytes(int fd);
uint64_t kernel_writes(int fd);
struct strbuf *kernel_written(int fd);

/* Called, uncounted, whenever the loop looks for events: the world's turn. */
void kernel_on_poll(void (*on_poll)(void));

void kernel_wait_ms(uint64_t ms);

#endif
