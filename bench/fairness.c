/* fairness.c - roomcast-bench-fairness: what one client waits for while many others flood.
 *
 *     roomcast-bench-fairness PORT KIND FLOODERS WARMUP_SECS SECONDS
 *
 * The flooders are bare sockets that write the same bytes again and again as fast as they
 * are taken, and drop what comes; all are in one thread. The bystander is another one: it
 * asks, waits for the answer, and takes the time. It sends 40 requests a second, half of
 * them pings, half messages, and so stays within the limits of a gateway.
 *
 *     main -> start_flood -> on_event (drop, write) ... the flood's thread
 *          -> measure -> ask -> take_answer         ... ours
 *
 * Prints one JSON object. Exit 1 where the gateway does not answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "bench/wire.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    FLOOD_BYTES = 64 * 1024, /* of the bytes that are repeated, at least */
    SEND_BUFFER = 64 * 1024, /* so that the kernel does not hold a gigabyte */
    TEXT_BYTES = 100,
    FRAGMENTS = 60000, /* of one byte each */
    EVENTS = 64,
    LARGE_BYTES = 64 * 1024,
    MESSAGE_BYTES = 48 * 1024, /* of a large one: what Redis keeps of it is longer */
    DEPTH = 30,
    HISTORY = 100, /* messages before the flood of get_history */
    ASK_MS = 25,
    ANSWER_MS = 30000,
};

struct flooder {
    struct strbuf first, bytes; /* the upgrade and the join; what is repeated */
    size_t at;                  /* in the one, then in the other */
    bool is_in, is_lost;
    int fd;
};

struct flood {
    struct flooder *flooders;
    unsigned count;
    int epoll;
    pthread_t thread;
    atomic_bool is_over;
    _Atomic unsigned lost;
    _Atomic uint64_t sent_bytes;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void give_up(const char *what)
{
    fprintf(stderr, "roomcast-bench-fairness: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void sleep_ms(unsigned ms)
{
    poll(NULL, 0, (int)ms);
}

/* ---- what is sent ---- */

__attribute__((format(printf, 2, 3))) static void add_text(struct strbuf *out,
                                                           const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    wire_add(out, WIRE_TEXT, text, (size_t)len);
}

static void add_ping(struct strbuf *out, unsigned nth)
{
    (void)nth;
    add_text(out, "{\"type\":\"ping\"}");
}

static void add_control(struct strbuf *out, unsigned nth)
{
    (void)nth;
    wire_add(out, WIRE_PING, "", 0);
}

static void add_unknown(struct strbuf *out, unsigned nth)
{
    (void)nth;
    add_text(out, "{\"type\":\"shout\"}");
}

/* As deep as may be, again and again, so that all of it has to be looked at. `text` is the
 * request up to that; freed. */
static void add_deep(struct strbuf *out, struct strbuf *text, size_t bytes)
{
    strbuf_add_text(text, "[0");
    while (text->len + 2 * DEPTH + 4 < bytes) {
        strbuf_add_char(text, ',');
        for (int i = 0; i < DEPTH; i++)
            strbuf_add_char(text, '[');
        for (int i = 0; i < DEPTH; i++)
            strbuf_add_char(text, ']');
    }
    strbuf_add_text(text, "]}");
    wire_add(out, WIRE_TEXT, text->data, text->len);
    strbuf_deinit(text);
}

static void add_nested(struct strbuf *out, unsigned nth)
{
    struct strbuf text = {NULL, 0, 0};

    (void)nth;
    strbuf_add_text(&text, "{\"type\":\"ping\",\"a\":");
    add_deep(out, &text, LARGE_BYTES);
}

static void add_large_message(struct strbuf *out, unsigned nth)
{
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_format(
        &text,
        "{\"type\":\"message\",\"room\":\"flood-%u\",\"text\":\"\",\"data\":", nth);
    add_deep(out, &text, MESSAGE_BYTES);
}

static void add_signal(struct strbuf *out, unsigned nth)
{
    add_text(
        out,
        "{\"type\":\"signal\",\"room\":\"flood-%u\",\"kind\":\"typing\",\"data\":1}",
        nth);
}

static void add_message(struct strbuf *out, unsigned nth)
{
    char text[TEXT_BYTES + 1];

    memset(text, 'x', TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    add_text(out, "{\"type\":\"message\",\"room\":\"flood-%u\",\"text\":\"%s\"}", nth,
             text);
}

static void add_join(struct strbuf *out, unsigned nth)
{
    add_text(out, "{\"type\":\"join\",\"room\":\"flood-%u\",\"user\":\"u%u\"}", nth,
             nth);
}

static void add_leave_and_join(struct strbuf *out, unsigned nth)
{
    add_text(out, "{\"type\":\"leave\",\"room\":\"flood-%u\"}", nth);
    add_join(out, nth);
}

static void add_history(struct strbuf *out, unsigned nth)
{
    add_text(out, "{\"type\":\"get_history\",\"room\":\"flood-%u\"}", nth);
}

/* Frames so large that hardly a read ends with one. */
static void add_half(struct strbuf *out, unsigned nth)
{
    char text[LARGE_BYTES - 1];

    (void)nth;
    memset(text, ' ', sizeof(text));
    memcpy(text, "{\"type\":\"ping\"", 14);
    text[sizeof(text) - 1] = '}';
    wire_add(out, WIRE_TEXT, text, sizeof(text));
}

/* One message of many frames. */
static void add_bytes(struct strbuf *out, unsigned nth)
{
    unsigned char frame[] = {WIRE_TEXT, 0x81, 0, 0, 0, 0, ' '};

    (void)nth;
    for (int i = 1; i <= FRAGMENTS; i++) {
        strbuf_add(out, frame, sizeof(frame));
        frame[0] = i + 1 == FRAGMENTS ? 0x80 : 0;
    }
}

static const struct kind {
    const char *name;
    void (*add)(struct strbuf *out, unsigned nth);
} kinds[] = {
    {"none", NULL},
    {"ping", add_ping},
    {"websocket-ping", add_control},
    {"unknown-type", add_unknown},
    {"nested-json", add_nested},
    {"signal", add_signal},
    {"message", add_message},
    {"large-message", add_large_message},
    {"join-leave", add_leave_and_join},
    {"get-history", add_history},
    {"half-frames", add_half},
    {"1-byte-frames", add_bytes},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* ---- the flood ---- */

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        give_up("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void lose(struct flood *flood, struct flooder *f)
{
    f->is_lost = true;
    flood->lost++;
    close(f->fd);
}

static void drop_input(struct flood *flood, struct flooder *f)
{
    static char bytes[256 * 1024];
    ssize_t n = recv(f->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        lose(flood, f);
}

static void write_some(struct flood *flood, struct flooder *f)
{
    const struct strbuf *from = f->is_in ? &f->bytes : &f->first;
    ssize_t n =
        send(f->fd, from->data + f->at, from->len - f->at, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        lose(flood, f);
    if (n <= 0)
        return;
    flood->sent_bytes += (uint64_t)n;
    f->at += (size_t)n;
    if (f->at < from->len)
        return;
    f->at = 0;
    f->is_in = true;
}

static void *run_flood(void *data)
{
    struct flood *flood = data;
    struct epoll_event events[EVENTS];

    while (!flood->is_over) {
        int count = epoll_wait(flood->epoll, events, EVENTS, 100);

        for (int i = 0; i < count; i++) {
            struct flooder *f = events[i].data.ptr;

            if (events[i].events & ~(unsigned)EPOLLOUT)
                drop_input(flood, f);
            if (!f->is_lost && events[i].events & EPOLLOUT)
                write_some(flood, f);
        }
    }
    return NULL;
}

static void start_flooder(struct flood *flood, unsigned nth, const struct kind *kind,
                          int port)
{
    struct flooder *f = &flood->flooders[nth];
    struct epoll_event event = {EPOLLIN | EPOLLOUT, {.ptr = f}};
    int bytes = SEND_BUFFER;

    wire_add_upgrade(&f->first, "/ws");
    add_join(&f->first, nth);
    for (int i = 0; i < HISTORY && kind->add == add_history; i++)
        add_message(&f->first, nth);
    while (f->bytes.len < FLOOD_BYTES)
        kind->add(&f->bytes, nth);
    f->fd = connect_to(port);
    setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (epoll_ctl(flood->epoll, EPOLL_CTL_ADD, f->fd, &event) < 0)
        give_up("epoll_ctl");
}

static void start_flood(struct flood *flood, const struct kind *kind, unsigned count,
                        int port)
{
    flood->count = kind->add ? count : 0;
    flood->flooders = xcalloc(count, sizeof(*flood->flooders));
    flood->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < flood->count; i++)
        start_flooder(flood, i, kind, port);
    if (pthread_create(&flood->thread, NULL, run_flood, flood) != 0)
        give_up("pthread_create");
}

static void stop_flood(struct flood *flood)
{
    flood->is_over = true;
    pthread_join(flood->thread, NULL);
    for (unsigned i = 0; i < flood->count; i++) {
        struct flooder *f = &flood->flooders[i];

        if (!f->is_lost)
            close(f->fd);
        strbuf_deinit(&f->first);
        strbuf_deinit(&f->bytes);
    }
    free(flood->flooders);
    close(flood->epoll);
}

/* ---- the bystander ---- */

struct bystander {
    int fd;
    struct strbuf in, out;
    unsigned asked;
    struct histogram pings, messages;
    uint64_t worst_ping_ns, worst_message_ns;
};

static void send_out(struct bystander *b)
{
    if (send(b->fd, b->out.data, b->out.len, MSG_NOSIGNAL) != (ssize_t)b->out.len)
        give_up("the bystander cannot send");
    b->out.len = 0;
}

static void receive(struct bystander *b)
{
    char bytes[16 * 1024];
    struct pollfd wait = {.fd = b->fd, .events = POLLIN};
    ssize_t n = poll(&wait, 1, ANSWER_MS) == 1 ? read(b->fd, bytes, sizeof(bytes)) : -1;

    if (n <= 0)
        give_up("the bystander is not answered");
    strbuf_add(&b->in, bytes, (size_t)n);
}

/* Takes the next frame; whether `text` stands in it. Pings are answered. */
static bool take_frame(struct bystander *b, const char *text)
{
    struct wire_frame frame;
    ssize_t n;
    bool is_it;

    while ((n = wire_take(b->in.data, b->in.len, &frame)) == 0)
        receive(b);
    if (n < 0 || frame.opcode == WIRE_CLOSE)
        give_up("the bystander is closed");
    is_it = memmem(frame.text, frame.len, text, strlen(text)) != NULL;
    if (frame.opcode == WIRE_PING) {
        wire_add(&b->out, WIRE_PONG, frame.text, frame.len);
        send_out(b);
    }
    strbuf_drop_front(&b->in, (size_t)n);
    return is_it;
}

static void come_in(struct bystander *b, int port)
{
    ssize_t n;

    b->fd = connect_to(port);
    wire_add_upgrade(&b->out, "/ws");
    send_out(b);
    while ((n = wire_take_upgrade(b->in.data ? b->in.data : "", b->in.len)) == 0)
        receive(b);
    if (n < 0)
        give_up("the bystander is refused");
    strbuf_drop_front(&b->in, (size_t)n);
    add_text(&b->out, "{\"type\":\"join\",\"room\":\"calm\",\"user\":\"bystander\"}");
    send_out(b);
    while (!take_frame(b, "\"join_ack\""))
        ;
}

static void ask(struct bystander *b, bool is_ping)
{
    char id[32];
    uint64_t began_ns = now_ns(), *worst;

    snprintf(id, sizeof(id), "\"id\":%u,", ++b->asked);
    if (is_ping)
        add_text(&b->out, "{%s\"type\":\"ping\"}", id);
    else
        add_text(&b->out,
                 "{%s\"type\":\"message\",\"room\":\"calm\",\"text\":\"hello\"}", id);
    id[strlen(id) - 1] = '\0'; /* in the answer it may be the last */
    send_out(b);
    while (!take_frame(b, id))
        ;
    began_ns = now_ns() - began_ns;
    histogram_add(is_ping ? &b->pings : &b->messages, began_ns);
    worst = is_ping ? &b->worst_ping_ns : &b->worst_message_ns;
    *worst = began_ns > *worst ? began_ns : *worst;
}

static void measure(struct bystander *b, unsigned seconds)
{
    uint64_t end_ns = now_ns() + seconds * (uint64_t)1000000000;

    while (now_ns() < end_ns) {
        ask(b, b->asked % 2 == 0);
        sleep_ms(ASK_MS);
    }
}

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static void print(const struct bystander *b, const struct flood *flood,
                  const char *kind)
{
    printf("{\"kind\":\"%s\",\"asked\":%u,\"ping_p50_ms\":%.3f,\"ping_p99_ms\":%.3f,"
           "\"ping_worst_ms\":%.3f,\"message_p50_ms\":%.3f,\"message_p99_ms\":%.3f,"
           "\"message_worst_ms\":%.3f,\"lost\":%u,\"sent_bytes\":%llu}\n",
           kind, b->asked, ms(histogram_quantile(&b->pings, 0.5)),
           ms(histogram_quantile(&b->pings, 0.99)), ms(b->worst_ping_ns),
           ms(histogram_quantile(&b->messages, 0.5)),
           ms(histogram_quantile(&b->messages, 0.99)), ms(b->worst_message_ns),
           flood->lost, (unsigned long long)flood->sent_bytes);
}

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static int list_kinds(void)
{
    for (size_t i = 0; i < KINDS; i++)
        printf("%s\n", kinds[i].name);
    return 0;
}

int main(int argc, char **argv)
{
    static struct bystander bystander;
    static struct flood flood;
    const struct kind *kind = argc == 6 ? find_kind(argv[2]) : NULL;
    int port = argc == 6 ? atoi(argv[1]) : 0;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list_kinds();
    if (!kind) {
        fprintf(stderr, "usage: roomcast-bench-fairness --list | PORT KIND FLOODERS "
                        "WARMUP_SECS SECONDS\n");
        return 2;
    }
    come_in(&bystander, port);
    start_flood(&flood, kind, (unsigned)atoi(argv[3]), port);
    sleep_ms((unsigned)atoi(argv[4]) * 1000);
    measure(&bystander, (unsigned)atoi(argv[5]));
    stop_flood(&flood);
    print(&bystander, &flood, kind->name);
    close(bystander.fd);
    strbuf_deinit(&bystander.in);
    strbuf_deinit(&bystander.out);
    return 0;
}
