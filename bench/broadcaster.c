/* broadcaster.c - see broadcaster.h. Loopback only, one thread, bounded in time.
 *
 * One turn of the loop:
 *
 *     read every ready socket -> take_frame, once a message: ways->on_message
 *     ways->flush_room, once a room that was spoken in
 *
 * Only roomcast-bench speaks to it, so what is not expected ends the connection, and a
 * frame is taken to be masked and shorter than 64 KiB.
 */
#include "bench/broadcaster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "common/xalloc.h"

enum {
    ROOMS_MAX = 16384,
    EVENTS_MAX = 1024,
    READ_BYTES = 64 * 1024,
    SECONDS_MAX = 3600,
};

struct broadcaster {
    const struct broadcaster_ways *ways;
    int epoll, listener, signals;
    struct broadcaster_room *rooms[ROOMS_MAX];
    struct list spoken;
    unsigned clients_count;
    uint64_t now_ms;
    bool stopping;
    char bytes[READ_BYTES + 1];
};

static void drop_client(struct broadcaster *b, struct broadcaster_client *c)
{
    list_remove(&c->member);
    close(c->fd);
    strbuf_deinit(&c->held);
    b->ways->deinit_client(c);
    free(c);
}

static void watch(struct broadcaster *b, int fd, void *owner, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    if (epoll_ctl(b->epoll, op, fd, &event) < 0)
        abort();
}

void broadcaster_watch_writable(struct broadcaster *b, struct broadcaster_client *c,
                                bool is_wanted)
{
    watch(b, c->fd, c, is_wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

void broadcaster_cut(struct broadcaster_client *c)
{
    shutdown(c->fd, SHUT_RDWR);
}

/* The header of an unmasked text frame; only lengths below 64 KiB. */
static void add_header(struct strbuf *out, size_t len)
{
    unsigned char header[4] = {0x81, (unsigned char)len};
    size_t header_len = 2;

    if (len > 125) {
        header[1] = 126;
        header[2] = (unsigned char)(len >> 8);
        header[3] = (unsigned char)len;
        header_len = 4;
    }
    strbuf_add(out, header, header_len);
}

static void add_reply(struct strbuf *out, const char *type, uint64_t seq)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "{\"type\":\"%s\",\"seq\":%" PRIu64 "}",
                       type, seq);

    add_header(out, (size_t)len);
    strbuf_add(out, text, (size_t)len);
}

void broadcaster_add_ack(struct strbuf *out, const struct broadcaster_room *room)
{
    add_reply(out, "message_ack", room->seq);
}

void broadcaster_add_event(struct broadcaster *b, struct strbuf *out,
                           const struct broadcaster_client *from, const char *text,
                           size_t len)
{
    char head[160], tail[48];
    int head_len = snprintf(head, sizeof(head),
                            "{\"type\":\"message\",\"room\":\"bench-0000-%05u\","
                            "\"seq\":%" PRIu64 ",\"user\":\"user-%05u\",\"text\":\"",
                            from->room->number, from->room->seq, from->number);
    int tail_len = snprintf(tail, sizeof(tail), "\",\"ts\":%" PRIu64 "}", b->now_ms);

    add_header(out, (size_t)head_len + len + (size_t)tail_len);
    strbuf_add(out, head, (size_t)head_len);
    strbuf_add(out, text, len);
    strbuf_add(out, tail, (size_t)tail_len);
}

static void say(struct broadcaster *b, struct broadcaster_client *c, const char *text,
                size_t len)
{
    c->room->seq++;
    list_remove(&c->room->spoken);
    list_add(&b->spoken, &c->room->spoken);
    b->ways->on_message(b, c, text, len);
}

static struct broadcaster_room *get_room(struct broadcaster *b, unsigned number)
{
    struct broadcaster_room *room = b->rooms[number];

    if (!room) {
        room = b->rooms[number] = xcalloc(1, b->ways->room_bytes);
        room->number = number;
        list_init(&room->members);
        list_init(&room->spoken);
    }
    return room;
}

static bool join(struct broadcaster *b, struct broadcaster_client *c, const char *text,
                 size_t len)
{
    struct strbuf reply = {0};
    unsigned number;
    char word[16] = "";

    memcpy(word, text, len < sizeof(word) ? len : sizeof(word) - 1);
    if (sscanf(word, "join %u", &number) != 1 || number >= ROOMS_MAX)
        return false;
    c->room = get_room(b, number);
    list_add(&c->room->members, &c->member);
    add_reply(&reply, "join_ack", c->room->seq);
    b->ways->send(b, c, &reply);
    strbuf_deinit(&reply);
    return true;
}

/* Takes one frame off the front: its whole length, 0 when more must come, or -1. */
static ssize_t take_frame(struct broadcaster *b, struct broadcaster_client *c,
                          char *bytes, size_t len)
{
    size_t text_len, head = 2;
    const char *mask;
    char *text;

    if (len < 2)
        return 0;
    text_len = (unsigned char)bytes[1] & 0x7f;
    if ((unsigned char)bytes[0] != 0x81 || !(bytes[1] & 0x80) || text_len == 127)
        return -1;
    if (text_len == 126) {
        head = 4;
        if (len < head)
            return 0;
        text_len = (size_t)(unsigned char)bytes[2] << 8 | (unsigned char)bytes[3];
    }
    if (len < head + 4 + text_len)
        return 0;
    mask = bytes + head;
    text = bytes + head + 4;
    for (size_t i = 0; i < text_len; i++)
        text[i] ^= mask[i & 3];
    if (c->room)
        say(b, c, text, text_len);
    else if (!join(b, c, text, text_len))
        return -1;
    return (ssize_t)(head + 4 + text_len);
}

static void accept_upgrade(struct broadcaster_client *c, const char *key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char joined[24 + sizeof(guid) - 1], digest[SHA_DIGEST_LENGTH], accept[29];
    char answer[256];
    int len;

    memcpy(joined, key, 24);
    memcpy(joined + 24, guid, sizeof(guid) - 1);
    SHA1(joined, sizeof(joined), digest);
    EVP_EncodeBlock(accept, digest, sizeof(digest));
    len = snprintf(answer, sizeof(answer),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   (char *)accept);
    if (write(c->fd, answer, (size_t)len) != len)
        broadcaster_cut(c);
    c->is_upgraded = true;
}

static ssize_t take_upgrade(struct broadcaster_client *c, const char *bytes, size_t len)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    const char *key = memmem(bytes, len, name, sizeof(name) - 1);

    if (!end)
        return len < READ_BYTES / 2 ? 0 : -1;
    if (!key || end - key < (ssize_t)sizeof(name) - 1 + 24)
        return -1;
    accept_upgrade(c, key + sizeof(name) - 1);
    return end + 4 - bytes;
}

/* Takes all that is complete; the number of bytes taken, or -1. */
static ssize_t take_bytes(struct broadcaster *b, struct broadcaster_client *c,
                          char *bytes, size_t len)
{
    size_t done = 0;

    for (;;) {
        ssize_t n = c->is_upgraded ? take_frame(b, c, bytes + done, len - done)
                                   : take_upgrade(c, bytes + done, len - done);

        if (n < 0)
            return n;
        if (n == 0)
            return (ssize_t)done;
        done += (size_t)n;
    }
}

static void on_readable(struct broadcaster *b, struct broadcaster_client *c)
{
    size_t held = c->held.len;
    ssize_t n, taken;

    if (held)
        memcpy(b->bytes, c->held.data, held);
    n = recv(c->fd, b->bytes + held, READ_BYTES - held, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    taken = n > 0 ? take_bytes(b, c, b->bytes, held + (size_t)n) : -1;
    if (taken < 0) {
        drop_client(b, c);
        return;
    }
    strbuf_reset(&c->held, 0);
    if ((size_t)taken < held + (size_t)n)
        strbuf_add(&c->held, b->bytes + taken, held + (size_t)n - (size_t)taken);
}

static void on_connection(struct broadcaster *b)
{
    for (;;) {
        int fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int on = 1;
        struct broadcaster_client *c;

        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c = xcalloc(1, b->ways->client_bytes);
        c->fd = fd;
        c->number = b->clients_count++;
        list_init(&c->member);
        watch(b, fd, c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void on_client(struct broadcaster *b, struct broadcaster_client *c,
                      uint32_t events)
{
    if (events & EPOLLOUT)
        b->ways->on_writable(b, c);
    if (events & ~(uint32_t)EPOLLOUT)
        on_readable(b, c);
}

static void turn(struct broadcaster *b)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(b->epoll, events, EVENTS_MAX, -1);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    b->now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &b->listener)
            on_connection(b);
        else if (events[i].data.ptr == &b->signals)
            b->stopping = true;
        else
            on_client(b, events[i].data.ptr, events[i].events);
    }
    list_each(link, &b->spoken) {
        list_remove(link);
        b->ways->flush_room(b, list_entry(link, struct broadcaster_room, spoken));
    }
}

static int open_listener(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 4096) < 0) {
        fprintf(stderr, "port %d: %s\n", port, strerror(errno));
        exit(2);
    }
    return fd;
}

/* SIGTERM and SIGINT, and SIGALRM after the time that it may run, end the loop. */
static int open_signals(unsigned seconds)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    alarm(seconds);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int broadcaster_main(const struct broadcaster_ways *ways, int argc, char **argv)
{
    struct broadcaster *b;
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 600;

    if (argc > 3 || port < 1 || port > 65535 || seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: %s PORT [SECONDS]\n", ways->name);
        return 2;
    }
    raise_file_limit();
    b = xcalloc(1, sizeof(*b));
    b->ways = ways;
    list_init(&b->spoken);
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->listener = open_listener((int)port);
    b->signals = open_signals((unsigned)seconds);
    watch(b, b->listener, &b->listener, EPOLLIN, EPOLL_CTL_ADD);
    watch(b, b->signals, &b->signals, EPOLLIN, EPOLL_CTL_ADD);
    while (!b->stopping)
        turn(b);
    _exit(0); /* there is nothing to put in order: the kernel closes the sockets */
}
