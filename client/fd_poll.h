/* fd_poll.h - uv_poll for a descriptor that others have too, such as the terminal: libuv makes
 * what it polls non-blocking, for good and for everybody, and a shell or cat that reads it
 * next would fail. Here it stays as it was; who reads or writes does so only when it may.
 */
#ifndef CLIENT_FD_POLL_H
#define CLIENT_FD_POLL_H

#include <uv.h>

/* 0, or the error: it cannot be polled (a file), and there is no handle to close. */
int fd_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
    __attribute__((warn_unused_result));

#endif
