/* proxy.c - see proxy.h.
 *
 *     the gateway -> up.from, up.bytes, up.to -> Redis
 *     Redis -> down.from, down.bytes, down.to -> the gateway
 *
 * Each pipe keeps what it has read with the time at which it may go on; it reads no more
 * while it keeps much, so that a slow pipe fills the buffers behind it, as a slow network
 * does. The thread looks at everything with poll, at least every 2 ms while something
 * waits.
 */
#include "tests/support/fleet/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/strbuf.h"
#include "tests/support/unit/wait.h"

enum {
    LINKS_MAX = 64,
    KEEP_BYTES = 128 * 1024, /* in a pipe */
    PARTS_MAX = 256,
    HEAD_BYTES = 2048, /* in which the name must stand */
    WAIT_MS = 2,
};

struct part {
    int64_t due_ms;
    size_t len;
};

struct pipe {
    struct strbuf bytes;
    struct part parts[PARTS_MAX];
    unsigned parts_count;
    double allowance; /* bytes that may pass now */
};

struct link {
    int client, server;     /* -1: closed */
    enum proxy_which which; /* 0: not known yet */
    struct pipe up, down;
    struct strbuf head;
};

struct proxy {
    pthread_t thread;
    pthread_mutex_t lock;
    int listener, to;
    bool closing;
    struct proxy_weather weather[PROXY_ALL];
    unsigned cuts; /* a bit a kind */
    struct link links[LINKS_MAX];
    unsigned count;
    int64_t turned_ms;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* With a RST. */
static void cut_fd(int *fd)
{
    struct linger none = {1, 0};

    if (*fd >= 0)
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close_fd(fd);
}

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static const struct proxy_weather *weather_of(const struct proxy *proxy,
                                              const struct link *link)
{
    static const struct proxy_weather fair;

    return link->which ? &proxy->weather[link->which] : &fair;
}

static void let_in(struct proxy *proxy)
{
    struct sockaddr_in address = local(proxy->to);
    struct link *link = &proxy->links[proxy->count];
    int on = 1;

    memset(link, 0, sizeof(*link));
    link->client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (link->client < 0)
        return;
    link->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(link->server, (struct sockaddr *)&address, sizeof(address)) < 0) {
        cut_fd(&link->client);
        close_fd(&link->server);
        return;
    }
    fcntl(link->server, F_SETFL, O_NONBLOCK);
    setsockopt(link->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(link->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    proxy->count++;
}

static void learn_name(struct link *link, const char *bytes, size_t len)
{
    if (link->which || link->head.len > HEAD_BYTES)
        return;
    strbuf_add(&link->head, bytes, len);
    if (strstr(link->head.data, "-notices"))
        link->which = PROXY_NOTICES;
    else if (strstr(link->head.data, "-commands"))
        link->which = PROXY_COMMANDS;
}

/* False: the other side has ended. */
static bool take(struct pipe *pipe, int from, unsigned delay_ms, struct link *link)
{
    char bytes[16 * 1024];
    ssize_t n;

    while (pipe->bytes.len < KEEP_BYTES && pipe->parts_count < PARTS_MAX) {
        n = recv(from, bytes, sizeof(bytes), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n <= 0)
            return false;
        if (pipe == &link->up)
            learn_name(link, bytes, (size_t)n);
        strbuf_add(&pipe->bytes, bytes, (size_t)n);
        pipe->parts[pipe->parts_count++] =
            (struct part){wait_now_ms() + delay_ms, (size_t)n};
    }
    return true;
}

static void drop_sent(struct pipe *pipe, size_t len)
{
    strbuf_drop_front(&pipe->bytes, len);
    while (len > 0 && pipe->parts_count > 0) {
        size_t part = pipe->parts[0].len < len ? pipe->parts[0].len : len;

        len -= part;
        pipe->parts[0].len -= part;
        if (pipe->parts[0].len == 0)
            memmove(pipe->parts, pipe->parts + 1,
                    --pipe->parts_count * sizeof(pipe->parts[0]));
    }
}

static void give(struct pipe *pipe, int to, unsigned bytes_per_s, int64_t passed_ms)
{
    int64_t now_ms = wait_now_ms();
    size_t len = 0;
    ssize_t n;

    for (unsigned i = 0; i < pipe->parts_count && pipe->parts[i].due_ms <= now_ms; i++)
        len += pipe->parts[i].len;
    if (bytes_per_s) {
        pipe->allowance += bytes_per_s / 1000.0 * (double)passed_ms;
        if (pipe->allowance > bytes_per_s)
            pipe->allowance = bytes_per_s;
        if ((double)len > pipe->allowance)
            len = (size_t)pipe->allowance;
    }
    if (len == 0 || to < 0)
        return;
    n = send(to, pipe->bytes.data, len, MSG_NOSIGNAL);
    if (n <= 0)
        return;
    pipe->allowance = bytes_per_s ? pipe->allowance - (double)n : 0;
    drop_sent(pipe, (size_t)n);
}

static void end_link(struct link *link)
{
    close_fd(&link->client);
    close_fd(&link->server);
}

static void turn_link(struct proxy *proxy, struct link *link, int64_t passed_ms)
{
    const struct proxy_weather *weather = weather_of(proxy, link);

    if (weather->is_closed)
        cut_fd(&link->client);
    if (weather->is_half_open && link->client >= 0)
        return;
    if (link->client >= 0 && !take(&link->up, link->client, weather->delay_ms, link)) {
        give(&link->up, link->server, 0, 0);
        end_link(link);
        return;
    }
    if (!take(&link->down, link->server, weather->delay_ms, link)) {
        give(&link->down, link->client, 0, 0);
        end_link(link);
        return;
    }
    give(&link->up, link->server, weather->bytes_per_s, passed_ms);
    if (link->client >= 0)
        give(&link->down, link->client, weather->bytes_per_s, passed_ms);
    else
        drop_sent(&link->down, link->down.bytes.len);
}

static void free_link(struct link *link)
{
    end_link(link);
    strbuf_deinit(&link->up.bytes);
    strbuf_deinit(&link->down.bytes);
    strbuf_deinit(&link->head);
}

static bool has_waiting(const struct link *link)
{
    return link->up.bytes.len > 0 || link->down.bytes.len > 0;
}

static void wait_for_bytes(struct proxy *proxy)
{
    struct pollfd fds[2 * LINKS_MAX + 1] = {{proxy->listener, POLLIN, 0}};
    nfds_t count = 1;
    int wait_ms = 20;

    for (unsigned i = 0; i < proxy->count; i++) {
        const struct link *link = &proxy->links[i];

        if (weather_of(proxy, link)->is_half_open)
            continue;
        fds[count++] = (struct pollfd){link->client, POLLIN, 0};
        fds[count++] = (struct pollfd){link->server, POLLIN, 0};
        if (has_waiting(link))
            wait_ms = WAIT_MS;
    }
    pthread_mutex_unlock(&proxy->lock);
    poll(fds, count, wait_ms);
    if (wait_ms == WAIT_MS) /* what waits is not to be polled for at full speed */
        poll(NULL, 0, 1);
    pthread_mutex_lock(&proxy->lock);
}

static void turn(struct proxy *proxy)
{
    int64_t now_ms = wait_now_ms(), passed_ms = now_ms - proxy->turned_ms;

    proxy->turned_ms = now_ms;
    for (unsigned i = 0; i < proxy->count; i++) {
        struct link *link = &proxy->links[i];

        if (proxy->cuts & link->which)
            cut_fd(&link->client);
        turn_link(proxy, link, passed_ms);
        if (link->server < 0) {
            free_link(link);
            proxy->links[i--] = proxy->links[--proxy->count];
        }
    }
    proxy->cuts = 0;
    if (proxy->count < LINKS_MAX && !proxy->weather[PROXY_COMMANDS].is_half_open &&
        !proxy->weather[PROXY_NOTICES].is_half_open)
        let_in(proxy);
}

static void *run(void *data)
{
    struct proxy *proxy = data;

    pthread_mutex_lock(&proxy->lock);
    while (!proxy->closing) {
        wait_for_bytes(proxy);
        turn(proxy);
    }
    for (unsigned i = 0; i < proxy->count; i++)
        free_link(&proxy->links[i]);
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

struct proxy *proxy_open(int port, int to)
{
    struct sockaddr_in address = local(port);
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    int on = 1;

    proxy->to = to;
    proxy->turned_ms = wait_now_ms();
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(proxy->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(proxy->listener, 64) < 0) {
        perror("proxy");
        abort();
    }
    pthread_mutex_init(&proxy->lock, NULL);
    if (pthread_create(&proxy->thread, NULL, run, proxy) != 0)
        abort();
    return proxy;
}

void proxy_set(struct proxy *proxy, enum proxy_which which,
               struct proxy_weather weather)
{
    pthread_mutex_lock(&proxy->lock);
    if (which & PROXY_COMMANDS)
        proxy->weather[PROXY_COMMANDS] = weather;
    if (which & PROXY_NOTICES)
        proxy->weather[PROXY_NOTICES] = weather;
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_cut(struct proxy *proxy, enum proxy_which which)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->cuts |= which;
    pthread_mutex_unlock(&proxy->lock);
}

bool proxy_holds(struct proxy *proxy, const char *text)
{
    bool holds = false;

    pthread_mutex_lock(&proxy->lock);
    for (unsigned i = 0; i < proxy->count; i++) {
        const struct strbuf *up = &proxy->links[i].up.bytes;

        holds |= up->len > 0 && memmem(up->data, up->len, text, strlen(text));
    }
    pthread_mutex_unlock(&proxy->lock);
    return holds;
}

void proxy_close(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->closing = true;
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    pthread_mutex_destroy(&proxy->lock);
    close_fd(&proxy->listener);
    free(proxy);
}
