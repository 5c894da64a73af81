/* listen.c - see listen.h. */
#include "common/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "common/config_address.h"

enum { EXIT_SETTINGS = 2 };

static int bind_to(const struct addrinfo *at, int shared)
{
    int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return uv_translate_sys_error(errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 ||
        (!shared && listen(fd, SOMAXCONN) < 0)) {
        int rc = uv_translate_sys_error(errno);

        close(fd);
        return rc;
    }
    return fd;
}

static int bind_name(const char *host, const char *port, int shared)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    int rc = UV_EADDRNOTAVAIL;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return rc;
    for (const struct addrinfo *at = found; at; at = rc < 0 ? at->ai_next : NULL)
        rc = bind_to(at, shared);
    freeaddrinfo(found);
    return rc;
}

int listen_bind(const char *name, const char *address, int shared)
{
    char *host = NULL, *port = NULL;
    int fd = config_split_address(address, NULL, &host, &port);

    if (fd == 0)
        fd = bind_name(host, port, shared);
    free(host);
    free(port);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", name, uv_strerror(fd));
        exit(EXIT_SETTINGS);
    }
    return fd;
}
