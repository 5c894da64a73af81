/* driver.c - a gateway's worker without a kernel below and a Redis behind it, for
 * counting what one delivery, one publish and one join cost in user space.
 *
 *     instructions CASE        plays it and prints how many allocations there were;
 *                              under callgrind --collect-atstart=no, what is collected
 *                              are the operations of the case
 *     instructions CASE where  also who allocated, one chain of callers a paragraph
 *     instructions --list      the cases, how many operations each plays, and of how
 *                              many units (deliveries, messages) an operation consists
 *
 *     main -> worker_start -> uv_thread_create -> run -> uv_run -> play
 *
 * The worker is the gateway's own, from the listener to the two links; only uv_run,
 * which it calls once, is replaced here by what plays the case, a turn of the real loop
 * at a time. So all of it runs on one thread, in an order that never changes. An
 * operation is as many turns as the loop would take: turns end with a look for events,
 * so what one turn reads the next one writes.
 *
 * Every operation is checked by what was written: an error reply would cost less.
 *
 * Over 400 lines because all cases share the clients and the turns.
 */
#include <assert.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "common/scripts.h"
#include "gateway/worker.h"
#include "tests/instructions/answers.h"
#include "tests/instructions/count.h"
#include "tests/instructions/kernel.h"

enum {
    CLIENTS = 1000,
    WARM_UP = 16,
    TURNS_MAX = 64, /* until something has come */
    MASK_BYTES = 4,
};

static struct {
    uv_loop_t *loop;
    int (*run)(uv_loop_t *loop, uv_run_mode mode);
    int fds[CLIENTS];
    unsigned clients;
    uint64_t seq;
    bool is_warm; /* from here on operations count */
} driver;

/* ---- what libuv does not do here ---- */

static struct {
    uv_getaddrinfo_t *req;
    uv_getaddrinfo_cb on_resolved;
} resolving[2];
static unsigned resolving_count;

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req,
                   uv_getaddrinfo_cb on_resolved, const char *node, const char *service,
                   const struct addrinfo *hints)
{
    (void)loop, (void)node, (void)service, (void)hints;
    assert(resolving_count < 2);
    resolving[resolving_count].req = req;
    resolving[resolving_count++].on_resolved = on_resolved;
    return 0;
}

void uv_freeaddrinfo(struct addrinfo *found)
{
    (void)found;
}

static void resolve(void)
{
    static struct sockaddr_in address = {.sin_family = AF_INET};
    static struct addrinfo found = {.ai_addr = (struct sockaddr *)&address};

    while (resolving_count > 0) {
        resolving_count--;
        resolving[resolving_count].on_resolved(resolving[resolving_count].req, 0,
                                               &found);
    }
}

int uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *arg)
{
    (void)thread;
    entry(arg);
    return 0;
}

/* ---- turns ---- */

static void turn(void)
{
    driver.run(driver.loop, UV_RUN_NOWAIT);
}

static void begin_count(void)
{
    if (driver.is_warm)
        count_begin();
}

static void end_count(void)
{
    if (driver.is_warm)
        count_end();
}

static void pass_seconds(unsigned seconds)
{
    for (unsigned i = 0; i < 10 * seconds; i++) {
        kernel_wait_ms(100);
        turn();
    }
}

/* ---- clients ---- */

/* A client's text frame. */
static void say(int fd, const char *json)
{
    size_t len = strlen(json);
    unsigned char header[8] = {0x81};
    size_t header_len = 2;

    assert(len < 65536);
    if (len < 126) {
        header[1] = (unsigned char)(0x80 | len);
    } else {
        header[1] = 0x80 | 126;
        header[2] = (unsigned char)(len >> 8);
        header[3] = (unsigned char)len;
        header_len = 4;
    }
    memset(header + header_len, 0, MASK_BYTES); /* a mask that changes nothing */
    kernel_feed(fd, header, header_len + MASK_BYTES);
    kernel_feed(fd, json, len);
}

/* Turns until the client has been sent something since `before`. */
static void await(int fd, uint64_t before)
{
    for (int i = 0; kernel_written_bytes(fd) == before; i++) {
        assert(i < TURNS_MAX);
        turn();
    }
}

static int connect_client(void)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    int before = kernel_last_accepted(), fd;

    kernel_add_client();
    while ((fd = kernel_last_accepted()) == before)
        turn();
    kernel_feed(fd, request, sizeof(request) - 1);
    await(fd, 0);
    return fd;
}

static void connect_clients(unsigned count)
{
    for (; driver.clients < count; driver.clients++)
        driver.fds[driver.clients] = connect_client();
}

static void say_join(unsigned client, const char *room)
{
    char json[256];

    snprintf(json, sizeof(json),
             "{\"type\":\"join\",\"id\":1,\"room\":\"%s\",\"user\":\"user-%04u\"}",
             room, client);
    say(driver.fds[client], json);
}

static void join(unsigned client, const char *room)
{
    uint64_t before = kernel_written_bytes(driver.fds[client]);

    say_join(client, room);
    await(driver.fds[client], before);
    turn();
}

/* `count` clients in one room, all of them live, and the upkeep of the join over. */
static void fill_room(unsigned count)
{
    connect_clients(count);
    for (unsigned i = 0; i < count; i++)
        join(i, "lobby");
    driver.seq = ANSWERS_HISTORY;
    pass_seconds(15);
}

/* ---- deliveries ---- */

static uint64_t frame_bytes(uint64_t seq)
{
    struct strbuf text = {NULL, 0, 0};
    uint64_t len;

    answers_add_message(&text, "lobby", seq);
    len = 4 + text.len; /* the header of 126 to 65535 bytes */
    strbuf_deinit(&text);
    return len;
}

/* One notice, and what was written to every client is exactly its messages. */
static void notify(unsigned messages)
{
    uint64_t before = kernel_written_bytes(driver.fds[0]), expected = before;
    uint64_t writes = kernel_writes(driver.fds[0]);

    answers_notify("lobby", driver.seq + 1, driver.seq + messages);
    for (unsigned i = 0; i < messages; i++)
        expected += frame_bytes(++driver.seq);
    begin_count();
    turn();
    turn();
    end_count();
    for (unsigned i = 1; i < driver.clients; i++)
        assert(kernel_written_bytes(driver.fds[i]) - before > 0);
    assert(kernel_written_bytes(driver.fds[0]) == expected);
    assert(kernel_writes(driver.fds[driver.clients - 1]) > 0);
    assert(kernel_writes(driver.fds[0]) == writes + 1);
}

static void prepare_thousand(void)
{
    fill_room(CLIENTS);
}

static void prepare_ten(void)
{
    fill_room(10);
}

static void deliver_one(unsigned n)
{
    (void)n;
    notify(1);
}

static void deliver_eight(unsigned n)
{
    (void)n;
    notify(8);
}

/* ---- messages ---- */

static void prepare_publisher(void)
{
    fill_room(1);
    kernel_written(driver.fds[0]); /* is kept from now on */
}

static void say_message(unsigned n, bool has_key)
{
    char key[32] = "", json[512];

    if (has_key)
        snprintf(key, sizeof(key), ",\"key\":\"key-%08u\"", n);
    snprintf(json, sizeof(json),
             "{\"type\":\"message\",\"id\":%u,\"room\":\"lobby\",\"text\":\"%0*d\"%s}",
             1000 + n % 1000, ANSWERS_TEXT_BYTES, 0, key);
    say(driver.fds[0], json);
}

static unsigned count_acks(void)
{
    struct strbuf *written = kernel_written(driver.fds[0]);
    unsigned count = 0;

    for (char *at = written->data; count < 1000; count++) {
        at = memmem(at, (size_t)(written->data + written->len - at), "\"message_ack\"",
                    13);
        if (!at++)
            break;
    }
    written->len = 0;
    return count;
}

static void publish(unsigned n, unsigned messages, bool has_key)
{
    for (unsigned i = 0; i < messages; i++)
        say_message(n * messages + i, has_key);
    begin_count();
    turn(); /* reads the requests */
    turn(); /* sends the call, reads the reply */
    turn(); /* writes the acks */
    end_count();
    assert(count_acks() == messages);
}

static void publish_one(unsigned n)
{
    publish(n, 1, false);
}

static void publish_key(unsigned n)
{
    publish(n, 1, true);
}

static void publish_many(unsigned n)
{
    publish(n, 64, false);
}

static void publish_many_keys(unsigned n)
{
    publish(n, 64, true);
}

/* ---- joins ---- */

/* The joins are the last thing that the clients do, so each client is used once. */
static void prepare_joins(void)
{
    connect_clients(CLIENTS);
    join(CLIENTS - 1, "lobby");
    join(CLIENTS - 2, "lobby"); /* from here on the history is in the ring */
}

static void count_join(unsigned client, const char *room)
{
    int fd = driver.fds[client];
    struct strbuf *written = kernel_written(fd);
    uint64_t before = kernel_written_bytes(fd);

    say_join(client, room);
    begin_count();
    await(fd, before);
    end_count();
    assert(memmem(written->data, written->len, "\"join_ack\"", 10));
    assert(memmem(written->data, written->len, "\"history_batch\"", 15));
    assert(memmem(written->data, written->len, "\"seq\":100,", 10));
    turn();
}

/* Into a room that this worker has not got: subscribe, register, join, history. */
static void join_new(unsigned n)
{
    char room[32];

    snprintf(room, sizeof(room), "room-%04u", n);
    count_join(n, room);
}

static void join_known(unsigned n)
{
    count_join(n, "lobby");
}

/* ---- the cases ---- */

static const struct play {
    const char *name;
    unsigned operations, units;
    void (*prepare)(void);
    void (*operate)(unsigned n);
} plays[] = {
    {"delivery", 32, CLIENTS, prepare_thousand, deliver_one},
    {"delivery-of-8", 32, 8 * CLIENTS, prepare_thousand, deliver_eight},
    {"delivery-to-10", 256, 10, prepare_ten, deliver_one},
    {"publish", 256, 1, prepare_publisher, publish_one},
    {"publish-key", 256, 1, prepare_publisher, publish_key},
    {"publish-of-64", 32, 64, prepare_publisher, publish_many},
    {"publish-key-of-64", 32, 64, prepare_publisher, publish_many_keys},
    {"join-new-room", 64, 1, prepare_joins, join_new},
    {"join-known-room", 64, 1, prepare_joins, join_known},
};

enum { N_PLAYS = sizeof(plays) / sizeof(plays[0]) };

static const struct play *chosen;
static bool wants_chains;

static void play(void)
{
    for (int i = 0; i < TURNS_MAX; i++) { /* the links come up */
        turn();
        resolve();
    }
    chosen->prepare();
    for (unsigned i = 0; i < WARM_UP; i++)
        chosen->operate(i);
    driver.is_warm = true;
    for (unsigned i = 0; i < chosen->operations; i++)
        chosen->operate(WARM_UP + i);
    printf("%llu\n", (unsigned long long)count_allocations());
    if (wants_chains)
        count_print_allocations();
    exit(0);
}

int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    void *real = dlsym(RTLD_NEXT, "uv_run");

    (void)mode;
    memcpy(&driver.run, &real, sizeof(driver.run));
    driver.loop = loop;
    play();
    return 0;
}

static const struct play *find_play(const char *name)
{
    for (size_t i = 0; i < N_PLAYS; i++)
        if (strcmp(plays[i].name, name) == 0)
            return &plays[i];
    return NULL;
}

static void start(const struct config *config)
{
    static struct worker_shared shared;
    static struct metrics *metrics[1];
    static struct inbox *inboxes[1];

    shared.config = config;
    shared.address = "gateway:9001";
    shared.metrics = metrics;
    shared.inboxes = inboxes;
    shared.count = shared.shards = 1;
    shared.max_connections = KERNEL_FDS_MAX;
    worker_start(worker_new(&shared, 0, kernel_listen_fd()));
}

static int list_plays(void)
{
    for (size_t i = 0; i < N_PLAYS; i++)
        printf("%s %u %u\n", plays[i].name, plays[i].operations, plays[i].units);
    return 0;
}

int main(int argc, char **argv)
{
    static struct config config;
    char *settings[] = {argv[0],
                        "--redis-url=redis://127.0.0.1:6379",
                        "--log-level=warn",
                        "--requests-per-sec=0",
                        "--bytes-per-sec=0",
                        NULL}; /* what is fed comes at once */
    void *frames[1];
    int rc;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list_plays();
    wants_chains = argc == 3 && strcmp(argv[2], "where") == 0;
    chosen = argc == 2 || wants_chains ? find_play(argv[1]) : NULL;
    if (!chosen) {
        fprintf(stderr, "usage: instructions --list | CASE [where]\n");
        return 2;
    }
    rc = config_load(&config, CONFIG_GATEWAY, 5, settings);
    assert(rc == CONFIG_RUN);
    backtrace(frames, 1); /* allocates when it is called first */
    scripts_init(false);
    answers_init();
    kernel_on_poll(answers_give);
    start(&config);
    return 1;
}
