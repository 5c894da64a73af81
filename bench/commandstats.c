/* commandstats.c - see commandstats.h. The reply of INFO is one line for its length, then
 * lines like cmdstat_publish:calls=12,usec=34,… INFO itself is left out.
 */
#include "bench/commandstats.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/strbuf.h"

enum { TIMEOUT_SECS = 5, READ_BYTES = 4096, REPLY_BYTES_MAX = 1024 * 1024 };

static int open_socket(long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    struct timeval timeout = {.tv_sec = TIMEOUT_SECS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Whether the whole reply is in `reply`. */
static bool is_whole(const struct strbuf *reply)
{
    const char *end = reply->len > 0 ? strchr(reply->data, '\n') : NULL;

    return end && reply->data[0] == '$' &&
           reply->len >=
               (size_t)(end + 1 - reply->data) + strtoul(reply->data + 1, NULL, 10) + 2;
}

static bool ask(struct strbuf *reply, int fd)
{
    static const char command[] = "INFO commandstats\r\n";

    if (write(fd, command, sizeof(command) - 1) != sizeof(command) - 1)
        return false;
    while (!is_whole(reply) && reply->len < REPLY_BYTES_MAX) {
        ssize_t n = read(fd, strbuf_reserve(reply, READ_BYTES), READ_BYTES);

        if (n <= 0)
            return false;
        reply->len += (size_t)n;
        reply->data[reply->len] = '\0';
    }
    return is_whole(reply);
}

bool commandstats_read(struct commandstats *out, long port)
{
    struct strbuf reply = {0};
    int fd = open_socket(port);
    bool is_read = fd >= 0 && ask(&reply, fd);

    out->count = 0;
    for (const char *at = is_read ? reply.data : NULL;
         at && out->count < COMMANDSTATS_MAX; at = strchr(at + 1, '\n')) {
        if (sscanf(at, "\ncmdstat_%39[^:]:calls=%" SCNu64, out->rows[out->count].name,
                   &out->rows[out->count].calls) == 2 &&
            strcmp(out->rows[out->count].name, "info") != 0)
            out->count++;
    }
    if (fd >= 0)
        close(fd);
    strbuf_deinit(&reply);
    return is_read;
}

uint64_t commandstats_get(const struct commandstats *stats, const char *name)
{
    for (size_t i = 0; i < stats->count; i++)
        if (strcmp(stats->rows[i].name, name) == 0)
            return stats->rows[i].calls;
    return 0;
}
