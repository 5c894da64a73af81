/* healthcheck.c - see healthcheck.h.
 *
 * Blocking sockets, because nothing else runs in this process: connect, send, read the head
 * of the answer, each with the same deadline. The answer ends with its connection.
 */
#include "common/healthcheck.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <uv.h>

#include "common/config_address.h"

enum { DEADLINE_SECS = 3, ANSWER_BYTES = 4096 };

static const char request[] =
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* What listens everywhere is asked on the loopback. */
static const char *host_to_ask(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

/* A connected socket, or a libuv code. */
static int connect_to(const struct addrinfo *at)
{
    const struct timeval deadline = {.tv_sec = DEADLINE_SECS};
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return uv_translate_sys_error(errno);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
    if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
        int rc = errno == EINPROGRESS ? UV_ETIMEDOUT : uv_translate_sys_error(errno);

        close(fd);
        return rc;
    }
    return fd;
}

static int open_socket(const char *address)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char *host, *port;
    int rc = config_split_address(address, NULL, &host, &port);

    if (rc < 0)
        return rc;
    if (getaddrinfo(host_to_ask(host), port, &hints, &found) == 0) {
        for (const struct addrinfo *at = found; at; at = rc < 0 ? at->ai_next : NULL)
            rc = connect_to(at);
        freeaddrinfo(found);
    } else {
        rc = UV_EADDRNOTAVAIL;
    }
    free(host);
    free(port);
    return rc;
}

/* Reads until the end of the stream, or as much as fits. */
static int ask(int fd, char answer[ANSWER_BYTES])
{
    size_t len = 0;
    ssize_t got = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);

    while (got > 0 && len < ANSWER_BYTES - 1) {
        got = recv(fd, answer + len, ANSWER_BYTES - 1 - len, 0);
        len += got > 0 ? (size_t)got : 0;
    }
    answer[len] = '\0';
    if (got < 0)
        return errno == EAGAIN ? UV_ETIMEDOUT : uv_translate_sys_error(errno);
    return 0;
}

int healthcheck_run(const char *address)
{
    static const char good[] = "HTTP/1.1 200 ";
    char answer[ANSWER_BYTES] = "";
    int fd = open_socket(address), rc = fd;
    const char *body;

    if (fd >= 0) {
        rc = ask(fd, answer);
        close(fd);
    }
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", address, uv_strerror(rc));
        return 1;
    }
    if (strncmp(answer, good, sizeof(good) - 1) == 0)
        return 0;
    body = strstr(answer, "\r\n\r\n");
    fprintf(stderr, "%s: is not well: %s\n", address, body ? body + 4 : answer);
    return 1;
}
