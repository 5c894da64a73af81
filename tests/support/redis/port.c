/* port.c - see port.h.
 *
 * The claim is a name in the abstract space of Unix sockets: binding it fails while
 * another process has it, and it is gone when that process is.
 */
#include "tests/support/redis/port.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Below the range that the kernel gives to outgoing connections. */
enum { PORT_FIRST = 20000, PORT_COUNT = 12000 };

static bool claim(int port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "roomcast-port-%d",
                       port);

    if (bind(fd, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) ==
        0)
        return true; /* fd stays open: it is the claim */
    close(fd);
    return false;
}

static bool is_free(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool free;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return free;
}

int port_take(void)
{
    static int next = -1;

    if (next < 0)
        next = (int)((unsigned)getpid() * 37U % PORT_COUNT);
    for (int tries = 0; tries < PORT_COUNT; tries++) {
        int port = PORT_FIRST + next;

        next = (next + 1) % PORT_COUNT;
        if (is_free(port) && claim(port))
            return port;
    }
    fprintf(stderr, "no free port\n");
    abort();
}
