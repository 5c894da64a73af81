/* fd_poll.c - see fd_poll.h. */
#include "client/fd_poll.h"

#include <fcntl.h>

int fd_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int rc = uv_poll_init(loop, poll, fd);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags);
    return rc;
}
