/* floor.c - the least that a room over WebSocket can cost: a bare epoll broadcaster
 * to compare the gateway with. Loopback only, one thread, bounded in time.
 *
 * No Redis, no JSON, no history, no checks. One turn of the loop:
 *
 *     read every ready socket -> say, once a message: frame it, note it in its room
 *     flush_room, once a room that was spoken in: one writev a member
 *
 * A client speaks in short text frames: `join N` makes it a member of room number N,
 * anything after that is the text of a message. Its members get the event that
 * roomcast would send, byte for byte as long; the sender gets an acknowledgement in the
 * same write. Only roomcast-bench speaks to it, so what is not expected ends the
 * connection, and a frame is taken to be masked and shorter than 64 KiB. One file,
 * although long, so that nobody has to ask what else the floor does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "common/list.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    ROOMS_MAX = 16384,
    ROUND_FRAMES_MAX = 1000, /* one writev takes 1024 parts */
    EVENTS_MAX = 1024,
    READ_BYTES = 64 * 1024,
    WAITING_BYTES_MAX = 64 * 1024 * 1024,
    SECONDS_MAX = 3600,
};

struct client {
    struct room *room; /* NULL: has not joined */
    struct list member;
    struct strbuf held;    /* the beginning of a frame that is not all here */
    struct strbuf acks;    /* of this turn */
    struct strbuf waiting; /* what the socket did not take */
    int fd;
    unsigned number;
    bool is_upgraded;
};

struct room {
    struct list members;
    struct list spoken; /* in floor.spoken while this turn has frames */
    struct strbuf frames;
    uint32_t ends[ROUND_FRAMES_MAX]; /* where each frame ends in `frames` */
    unsigned frame_count;
    unsigned number;
    uint64_t seq;
};

struct floor {
    int epoll, listener, signals;
    struct room *rooms[ROOMS_MAX];
    struct list spoken;
    unsigned clients_count;
    uint64_t now_ms;
    bool stopping;
    char bytes[READ_BYTES + 1];
};

static void drop_client(struct client *c)
{
    list_remove(&c->member);
    close(c->fd);
    strbuf_deinit(&c->held);
    strbuf_deinit(&c->acks);
    strbuf_deinit(&c->waiting);
    free(c);
}

static void watch(struct floor *f, int fd, void *owner, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    if (epoll_ctl(f->epoll, op, fd, &event) < 0)
        abort();
}

/* Keeps what the socket did not take of `parts`, from byte `sent` on. */
static void keep_rest(struct floor *f, struct client *c, const struct iovec *parts,
                      int count, size_t sent)
{
    bool was_empty = c->waiting.len == 0;

    for (int i = 0; i < count; i++) {
        size_t skipped = sent < parts[i].iov_len ? sent : parts[i].iov_len;

        sent -= skipped;
        strbuf_add(&c->waiting, (char *)parts[i].iov_base + skipped,
                   parts[i].iov_len - skipped);
    }
    if (was_empty && c->waiting.len > 0)
        watch(f, c->fd, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    if (c->waiting.len > WAITING_BYTES_MAX)
        shutdown(c->fd, SHUT_RDWR); /* reading then says that it is gone */
}

static void send_parts(struct floor *f, struct client *c, struct iovec *parts,
                       int count, size_t len)
{
    ssize_t n = 0;

    if (c->waiting.len == 0)
        n = writev(c->fd, parts, count);
    if (n == (ssize_t)len)
        return;
    keep_rest(f, c, parts, count, n < 0 ? 0 : (size_t)n);
}

static void send_waiting(struct floor *f, struct client *c)
{
    ssize_t n = write(c->fd, c->waiting.data, c->waiting.len);

    if (n > 0)
        strbuf_drop_front(&c->waiting, (size_t)n);
    if (c->waiting.len == 0) {
        strbuf_reset(&c->waiting, 0);
        watch(f, c->fd, c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void flush_room(struct floor *f, struct room *room)
{
    struct iovec parts[ROUND_FRAMES_MAX + 1];
    int count = (int)room->frame_count;
    size_t start = 0;

    for (int i = 0; i < count; i++) {
        parts[i].iov_base = room->frames.data + start;
        parts[i].iov_len = room->ends[i] - start;
        start = room->ends[i];
    }
    list_each(link, &room->members) {
        struct client *c = list_entry(link, struct client, member);

        parts[count].iov_base = c->acks.data;
        parts[count].iov_len = c->acks.len;
        send_parts(f, c, parts, count + (c->acks.len > 0), start + c->acks.len);
        strbuf_reset(&c->acks, 4096);
    }
    strbuf_reset(&room->frames, 1024 * 1024);
    room->frame_count = 0;
    list_remove(&room->spoken);
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

static void say(struct floor *f, struct client *c, const char *text, size_t text_len)
{
    struct room *room = c->room;
    char head[160], tail[48];
    int head_len = snprintf(head, sizeof(head),
                            "{\"type\":\"message\",\"room\":\"bench-0000-%05u\","
                            "\"seq\":%" PRIu64 ",\"user\":\"user-%05u\",\"text\":\"",
                            room->number, ++room->seq, c->number);
    int tail_len = snprintf(tail, sizeof(tail), "\",\"ts\":%" PRIu64 "}", f->now_ms);

    add_header(&room->frames, (size_t)head_len + text_len + (size_t)tail_len);
    strbuf_add(&room->frames, head, (size_t)head_len);
    strbuf_add(&room->frames, text, text_len);
    strbuf_add(&room->frames, tail, (size_t)tail_len);
    room->ends[room->frame_count++] = (uint32_t)room->frames.len;
    add_reply(&c->acks, "message_ack", room->seq);

    list_remove(&room->spoken);
    list_add(&f->spoken, &room->spoken);
    if (room->frame_count == ROUND_FRAMES_MAX)
        flush_room(f, room);
}

static struct room *get_room(struct floor *f, unsigned number)
{
    struct room *room = f->rooms[number];

    if (!room) {
        room = f->rooms[number] = xcalloc(1, sizeof(*room));
        room->number = number;
        list_init(&room->members);
        list_init(&room->spoken);
    }
    return room;
}

static bool join(struct floor *f, struct client *c, const char *text, size_t len)
{
    struct strbuf reply = {0};
    struct iovec part;
    unsigned number;
    char word[16] = "";

    memcpy(word, text, len < sizeof(word) ? len : sizeof(word) - 1);
    if (sscanf(word, "join %u", &number) != 1 || number >= ROOMS_MAX)
        return false;
    c->room = get_room(f, number);
    list_add(&c->room->members, &c->member);
    add_reply(&reply, "join_ack", c->room->seq);
    part = (struct iovec){reply.data, reply.len};
    send_parts(f, c, &part, 1, reply.len);
    strbuf_deinit(&reply);
    return true;
}

/* Takes one frame off the front: its whole length, 0 when more must come, or -1. */
static ssize_t take_frame(struct floor *f, struct client *c, char *bytes, size_t len)
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
        say(f, c, text, text_len);
    else if (!join(f, c, text, text_len))
        return -1;
    return (ssize_t)(head + 4 + text_len);
}

static void accept_upgrade(struct client *c, const char *key)
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
        shutdown(c->fd, SHUT_RDWR);
    c->is_upgraded = true;
}

static ssize_t take_upgrade(struct client *c, const char *bytes, size_t len)
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
static ssize_t take_bytes(struct floor *f, struct client *c, char *bytes, size_t len)
{
    size_t done = 0;

    for (;;) {
        ssize_t n = c->is_upgraded ? take_frame(f, c, bytes + done, len - done)
                                   : take_upgrade(c, bytes + done, len - done);

        if (n < 0)
            return n;
        if (n == 0)
            return (ssize_t)done;
        done += (size_t)n;
    }
}

static void on_readable(struct floor *f, struct client *c)
{
    size_t held = c->held.len;
    ssize_t n, taken;

    if (held)
        memcpy(f->bytes, c->held.data, held);
    n = recv(c->fd, f->bytes + held, READ_BYTES - held, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    taken = n > 0 ? take_bytes(f, c, f->bytes, held + (size_t)n) : -1;
    if (taken < 0) {
        drop_client(c);
        return;
    }
    strbuf_reset(&c->held, 0);
    if ((size_t)taken < held + (size_t)n)
        strbuf_add(&c->held, f->bytes + taken, held + (size_t)n - (size_t)taken);
}

static void on_connection(struct floor *f)
{
    for (;;) {
        int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int on = 1;
        struct client *c;

        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c = xcalloc(1, sizeof(*c));
        c->fd = fd;
        c->number = f->clients_count++;
        list_init(&c->member);
        watch(f, fd, c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void on_client(struct floor *f, struct client *c, uint32_t events)
{
    if (events & EPOLLOUT)
        send_waiting(f, c);
    if (events & ~(uint32_t)EPOLLOUT)
        on_readable(f, c);
}

static void turn(struct floor *f)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(f->epoll, events, EVENTS_MAX, -1);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    f->now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &f->listener)
            on_connection(f);
        else if (events[i].data.ptr == &f->signals)
            f->stopping = true;
        else
            on_client(f, events[i].data.ptr, events[i].events);
    }
    list_each(link, &f->spoken)
        flush_room(f, list_entry(link, struct room, spoken));
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

int main(int argc, char **argv)
{
    struct floor *f;
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 600;

    if (argc > 3 || port < 1 || port > 65535 || seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: roomcast-bench-floor PORT [SECONDS]\n");
        return 2;
    }
    raise_file_limit();
    f = xcalloc(1, sizeof(*f));
    list_init(&f->spoken);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->listener = open_listener((int)port);
    f->signals = open_signals((unsigned)seconds);
    watch(f, f->listener, &f->listener, EPOLLIN, EPOLL_CTL_ADD);
    watch(f, f->signals, &f->signals, EPOLLIN, EPOLL_CTL_ADD);
    while (!f->stopping)
        turn(f);
    return 0;
}
