/* linger.h - ends a TCP connection whose client may still be sending, so that it can read the
 * answer: a socket that is closed with unread bytes is reset, and the answer with it
 * (RFC 9112, section 9.6).
 */
#ifndef COMMON_LINGER_H
#define COMMON_LINGER_H

#include <uv.h>

/* Takes the connected socket `fd`: nothing is sent any more, and what comes is read and dropped
 * until the client closes, at most two seconds. `on_closed` comes later in any case. */
void linger_start(uv_loop_t *loop, int fd, void (*on_closed)(void *data), void *data);

#endif
