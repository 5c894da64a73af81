/* test_pacing.c - a client that sends too much is read later, and no more than that: nothing
 * is refused, nothing is lost, the order is kept, and the others do not wait for it.
 *
 * No test here needs a fast machine: a bucket gives a lower bound of the time, and a
 * bystander has to be answered before a backlog that takes minutes is worked off.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS_MEMORY = 0 }; /* a sanitizer holds on to what is freed */
#else
enum { COUNTS_MEMORY = 1 };
#endif

enum {
    BURST = 20,
    PER_SEC = 50,
    FLOOD = 60, /* frames, beyond the burst by 40 */
    FLOOD_MS = (FLOOD - BURST) * 1000 / PER_SEC - 100, /* at least */
    MESSAGE_BYTES = 65536,
    BYTES_PER_SEC = 65536,
    FLOODERS = 200,
};

static struct fleet fleet;
static struct admin admin;

/* The gateways, each with one limit. */
enum { FRAMES, BYTES, SLOW, MESSAGES };

static int port_of(unsigned gateway)
{
    return fleet.gateways[gateway].port;
}

static double paced(unsigned gateway, const char *why)
{
    char name[64];

    snprintf(name, sizeof(name), q("roomcast_paced_total{why='%s'}"), why);
    return fleet_metric(&fleet, gateway, name);
}

static void add_text(struct strbuf *out, const char *text)
{
    wire_print_frame(out,
                     &(struct wire_frame){.head = WIRE_FIN | WIRE_TEXT,
                                          .bytes = text,
                                          .len = strlen(text)},
                     0x01020304);
}

static void send_all(struct wire *w, struct strbuf *bytes)
{
    assert_true(wire_send(w, bytes->data, bytes->len));
    strbuf_deinit(bytes);
}

/* ---- slowed, in order, not refused ---- */

static const struct {
    const char *name, *request; /* with an id */
    const char *type, *code;    /* of the answer */
} kinds[] = {
    {"pings", "{\"id\":%d,\"type\":\"ping\"}", "pong", NULL},
    {"an unknown type", "{\"id\":%d,\"type\":\"shout\"}", "error", "unknown_type"},
    {"messages", "{\"id\":%d,\"type\":\"message\",\"room\":\"flood\",\"text\":\"x\"}",
     "message_ack", NULL},
    {"signals with a bad kind",
     "{\"id\":%d,\"type\":\"signal\",\"room\":\"flood\",\"kind\":1}", "error",
     "bad_request"},
    {"histories", "{\"id\":%d,\"type\":\"get_history\",\"room\":\"flood\",\"limit\":1}",
     "history_batch", NULL},
    {"members", "{\"id\":%d,\"type\":\"get_members\",\"room\":\"flood\"}",
     "member_list", NULL},
    {"joins", "{\"id\":%d,\"type\":\"join\",\"room\":\"flood\",\"user\":\"ann\"}",
     "join_ack", NULL},
};

enum { PINGS = 0, SAID = 2, HISTORIES = 4 };

static void expect_answer(struct chat *chat, size_t kind, int id)
{
    do
        assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
    while (!chat_has(chat, "id"));
    assert_int_equal(chat_get_number(chat, "id"), id);
    assert_string_equal(chat_get_text(chat, "type"), kinds[kind].type);
    if (kinds[kind].code)
        assert_string_equal(chat_get_text(chat, "code"), kinds[kind].code);
}

static int64_t flood_ms(struct chat *ann, size_t kind)
{
    int64_t began_ms = wait_now_ms();
    struct strbuf bytes = {0};

    for (int id = 0; id < FLOOD; id++) {
        char text[128];

        snprintf(text, sizeof(text), kinds[kind].request, id);
        add_text(&bytes, text);
    }
    send_all(chat_wire(ann), &bytes);
    for (int id = 0; id < FLOOD; id++)
        expect_answer(ann, kind, id);
    return wait_now_ms() - began_ms;
}

static void requests_beyond_the_bucket_wait_in_order(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < COUNT(kinds); kind++) {
        struct chat *ann = chat_enter(port_of(FRAMES), "flood", "ann");
        double before = paced(FRAMES, "requests");

        print_message("  %s\n", kinds[kind].name);
        assert_true(flood_ms(ann, kind) >= FLOOD_MS);
        assert_true(paced(FRAMES, "requests") > before);
        chat_close(ann);
    }
    assert_true(fleet_metric(&fleet, FRAMES,
                             q("roomcast_errors_total{code='rate_limited'}")) == 0);
}

static void messages_have_a_bucket_of_their_own(void **state)
{
    struct chat *ann = chat_enter(port_of(MESSAGES), "flood", "ann");

    (void)state;
    flood_ms(ann, PINGS);
    flood_ms(ann, HISTORIES);
    assert_true(paced(MESSAGES, "messages") == 0);
    assert_true(flood_ms(ann, SAID) >= FLOOD_MS);
    assert_true(paced(MESSAGES, "messages") > 0);
    assert_true(paced(MESSAGES, "requests") == 0);
    chat_close(ann);
}

static void expect_pong(struct wire *w, unsigned char number)
{
    struct wire_frame frame;

    assert_true(wire_read_frame(w, &frame, WIRE_DEADLINE_MS));
    assert_int_equal(frame.head, WIRE_FIN | WIRE_PONG);
    assert_int_equal(frame.len, 1);
    assert_int_equal(*(const unsigned char *)frame.bytes, number);
}

static struct wire *open_wire(unsigned gateway)
{
    struct wire *w = wire_open(port_of(gateway));

    wire_upgrade(w, "/ws", "");
    return w;
}

static void control_frames_take_tokens_too(void **state)
{
    struct wire *w = open_wire(FRAMES);
    double before = paced(FRAMES, "frames");
    int64_t began_ms = wait_now_ms();
    struct strbuf bytes = {0};

    (void)state;
    for (unsigned char i = 0; i < FLOOD; i++)
        wire_print_frame(
            &bytes,
            &(struct wire_frame){.head = WIRE_FIN | WIRE_PING, .bytes = &i, .len = 1},
            i);
    send_all(w, &bytes);
    for (unsigned char i = 0; i < FLOOD; i++)
        expect_pong(w, i);
    assert_true(wait_now_ms() - began_ms >= FLOOD_MS);
    assert_true(paced(FRAMES, "frames") > before);
    wire_free(w);
}

static void each_fragment_takes_a_token(void **state)
{
    static const char text[] =
        "{\"type\":\"ping\",\"id\":\"0123456789012345678901234567"
        "89\"}";
    struct chat *ann = chat_open(port_of(FRAMES));
    double before = paced(FRAMES, "frames");
    int64_t began_ms = wait_now_ms();
    struct strbuf bytes = {0};

    (void)state;
    for (size_t i = 0; i < FLOOD; i++) { /* of one byte, or of none */
        unsigned head =
            (i == 0 ? WIRE_TEXT : WIRE_CONTINUATION) | (i + 1 == FLOOD ? WIRE_FIN : 0);

        wire_print_frame(
            &bytes,
            &(struct wire_frame){.head = (unsigned char)head,
                                 .bytes = text + (i < strlen(text) ? i : strlen(text)),
                                 .len = i < strlen(text)},
            7);
    }
    assert_true(strlen(text) <= FLOOD);
    send_all(chat_wire(ann), &bytes);
    chat_expect(ann, "pong");
    assert_true(wait_now_ms() - began_ms >= FLOOD_MS);
    assert_true(paced(FRAMES, "frames") > before);
    chat_close(ann);
}

/* Sends so many of the largest message, cut before its last byte. */
static void add_large(struct strbuf *bytes, int count)
{
    char *text = calloc(1, MESSAGE_BYTES + 1);

    memset(text, ' ', MESSAGE_BYTES);
    memcpy(text, q("{'type':'ping'"), 14);
    text[MESSAGE_BYTES - 1] = '}';
    for (int i = 0; i < count; i++)
        add_text(bytes, text);
    free(text);
}

static void bytes_beyond_the_bucket_wait(void **state)
{
    struct chat *ann = chat_open(port_of(BYTES));
    double before = paced(BYTES, "bytes");
    int64_t began_ms = wait_now_ms();
    struct strbuf bytes = {0};

    (void)state;
    add_large(&bytes, 3); /* one is the burst, so the other two take two seconds */
    send_all(chat_wire(ann), &bytes);
    for (int i = 0; i < 3; i++)
        chat_expect(ann, "pong");
    assert_true(wait_now_ms() - began_ms >= 1500);
    assert_true(paced(BYTES, "bytes") > before);
    chat_close(ann);
}

static void half_a_frame_costs_its_bytes(void **state)
{
    struct chat *ann = chat_open(port_of(BYTES));
    int64_t began_ms = wait_now_ms();
    struct strbuf bytes = {0};
    double got;

    (void)state;
    add_large(&bytes, 2);
    got = fleet_metric(&fleet, BYTES, "roomcast_received_bytes_total");
    assert_true(wire_send(chat_wire(ann), bytes.data, bytes.len - 1));
    do
        assert_true(wait_now_ms() - began_ms < CHAT_DEADLINE_MS);
    while (fleet_metric(&fleet, BYTES, "roomcast_received_bytes_total") <
           got + (double)bytes.len - 1);
    assert_true(wait_now_ms() - began_ms >= 500);
    assert_true(wire_send(chat_wire(ann), bytes.data + bytes.len - 1, 1));
    chat_expect(ann, "pong");
    chat_expect(ann, "pong");
    strbuf_deinit(&bytes);
    chat_close(ann);
}

static void a_gateway_that_echoes_does_not_pace(void **state)
{
    unsigned gateway = fleet_add(
        &fleet,
        (const char *[]){"ROOMCAST_ECHO=1", "ROOMCAST_REQUESTS_PER_SEC=1",
                         "ROOMCAST_REQUESTS_BURST=1", "ROOMCAST_BYTES_PER_SEC=100",
                         "ROOMCAST_BYTES_BURST=1", NULL});
    struct wire *w = open_wire(gateway);
    struct strbuf bytes = {0};
    struct wire_frame frame;

    (void)state;
    add_large(&bytes, 4);
    for (int i = 0; i < FLOOD; i++)
        add_text(&bytes, q("{'type':'ping'}"));
    send_all(w, &bytes);
    for (int i = 0; i < 4 + FLOOD; i++)
        assert_true(wire_read_frame(w, &frame, WIRE_DEADLINE_MS));
    wire_free(w);
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- the others ---- */

/* Sends frames whose backlog takes minutes on SLOW. */
static void add_backlog(struct strbuf *bytes)
{
    for (int i = 0; i < 500; i++)
        add_text(bytes, q("{'type':'ping'}"));
}

static double pings(unsigned gateway)
{
    return fleet_metric(&fleet, gateway, q("roomcast_requests_total{type='ping'}"));
}

static void a_bystander_does_not_wait_for_200_that_flood(void **state)
{
    struct wire **flooders = calloc(FLOODERS, sizeof(struct wire *));
    struct chat *bob = chat_enter(port_of(SLOW), "calm", "bob");
    double before = pings(SLOW);

    (void)state;
    for (int i = 0; i < FLOODERS; i++) {
        struct strbuf bytes = {0};

        flooders[i] = open_wire(SLOW);
        add_backlog(&bytes);
        send_all(flooders[i], &bytes);
    }
    for (int i = 0; i < 5; i++) {
        chat_send(bob, "{'type':'ping'}");
        chat_expect_skipping(bob, "pong");
        chat_say(bob, "calm", "nobody minds");
    }
    print_message("  %.0f of %d were answered\n", pings(SLOW) - before, 500 * FLOODERS);
    assert_true(pings(SLOW) - before < 250.0 * FLOODERS);
    for (int i = 0; i < FLOODERS; i++)
        wire_free(flooders[i]);
    free(flooders);
    chat_close(bob);
}

/* ---- memory ---- */

enum { PUMPS = 50, PUMP_MS = 3000, PUMP_BYTES = 65536, COST_MAX_KIB = 16 * 1024 };

/* 50 that never read, and write as fast as it is taken: whole requests, one message of a
 * byte a frame, messages that are never complete. */
static void add_pumped(struct strbuf *bytes, int kind)
{
    unsigned char part[] = {0, 0x81, 0, 0, 0, 0, ' '};

    while (bytes->len < PUMP_BYTES) {
        if (kind == 0)
            add_text(bytes, q("{'type':'ping'}"));
        else if (kind == 1)
            strbuf_add(bytes, part, sizeof(part));
        else
            add_large(bytes, 1);
    }
}

static int open_pump(int port, int kind)
{
    static const char head[] =
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned char first[] = {WIRE_TEXT, 0x81, 0, 0, 0, 0, ' '};

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, head, sizeof(head) - 1, 0), sizeof(head) - 1);
    if (kind == 1) /* the others are its continuations */
        assert_int_equal(send(fd, first, sizeof(first), 0), sizeof(first));
    return fd;
}

static void a_flood_costs_no_memory(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_REQUESTS_PER_SEC=50",
                                           "ROOMCAST_BYTES_PER_SEC=262144", NULL});
    struct process *process = &fleet.gateways[gateway].process;
    struct chat *bob = chat_enter(port_of(gateway), "calm", "bob");
    long before = process_resident_kib(process), cost = 0;
    int64_t end_ms = wait_now_ms() + PUMP_MS;
    struct strbuf bytes[3] = {0};
    struct pollfd pumps[PUMPS];
    size_t at[PUMPS] = {0};

    (void)state;
    for (int kind = 0; kind < 3; kind++)
        add_pumped(&bytes[kind], kind);
    for (int i = 0; i < PUMPS; i++)
        pumps[i] = (struct pollfd){open_pump(port_of(gateway), i % 3), POLLOUT, 0};
    while (wait_left_ms(end_ms) > 0 && poll(pumps, PUMPS, 50) >= 0)
        for (int i = 0; i < PUMPS; i++) {
            const struct strbuf *from = &bytes[i % 3];
            ssize_t n = pumps[i].revents
                            ? send(pumps[i].fd, from->data + at[i], from->len - at[i],
                                   MSG_DONTWAIT | MSG_NOSIGNAL)
                            : 0;

            at[i] = (at[i] + (n > 0 ? (size_t)n : 0)) % from->len;
        }
    cost = process_resident_kib(process) - before;
    print_message("  %ld KiB for %d\n", cost, PUMPS);
    if (COUNTS_MEMORY)
        assert_true(cost < COST_MAX_KIB);
    chat_say(bob, "calm", "still served");
    for (int i = 0; i < PUMPS; i++)
        close(pumps[i].fd);
    for (int kind = 0; kind < 3; kind++)
        strbuf_deinit(&bytes[kind]);
    chat_close(bob);
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- deliveries and pings ---- */

static void a_paced_client_hears_what_the_others_say(void **state)
{
    struct chat *ann = chat_enter(port_of(SLOW), "hears", "ann");
    struct chat *bob = chat_enter(port_of(SLOW), "hears", "bob");
    struct strbuf bytes = {0};
    int pongs = 0;

    (void)state;
    add_backlog(&bytes);
    send_all(chat_wire(ann), &bytes);
    chat_say(bob, "hears", "hello");
    do {
        assert_true(chat_recv(ann, CHAT_DEADLINE_MS));
        pongs += strcmp(chat_get_text(ann, "type"), "pong") == 0;
    } while (strcmp(chat_get_text(ann, "type"), "message") != 0);
    assert_true(pongs < 250);
    chat_abort(ann);
    chat_close(bob);
}

/* SLOW pings each second, and these answers stand behind the backlog. */
static void pongs_that_are_not_read_are_not_missed(void **state)
{
    struct wire *w = open_wire(SLOW);
    struct strbuf bytes = {0};
    struct wire_frame frame;
    int heard = 0;

    (void)state;
    add_backlog(&bytes);
    send_all(w, &bytes);
    while (heard < 5) { /* pings of the gateway, none of which is answered */
        assert_true(wire_read_frame(w, &frame, WIRE_DEADLINE_MS));
        assert_int_not_equal(frame.head, WIRE_FIN | WIRE_CLOSE);
        heard += frame.head == (WIRE_FIN | WIRE_PING);
    }
    wire_abort(w);
}

/* No pong can come inside a frame. */
static void a_slow_upload_is_a_sign_of_life(void **state)
{
    struct wire *w = open_wire(SLOW);
    int64_t end_ms = wait_now_ms() + 4500; /* more than four pings */
    struct strbuf bytes = {0};
    struct wire_frame frame;

    (void)state;
    add_text(&bytes, q("{'type':'ping'}"));
    for (size_t i = 0; i < bytes.len; i++) {
        assert_true(wire_send(w, bytes.data + i, 1));
        while (i + 1 < bytes.len && wait_left_ms(end_ms) > 0 &&
               wire_read_frame(w, &frame, 200))
            assert_int_equal(frame.head, WIRE_FIN | WIRE_PING);
    }
    do
        assert_true(wire_read_frame(w, &frame, WIRE_DEADLINE_MS));
    while (frame.head == (WIRE_FIN | WIRE_PING));
    assert_int_equal(frame.head, WIRE_FIN | WIRE_TEXT);
    strbuf_deinit(&bytes);
    wire_free(w);
}

/* ---- operators, and the end ---- */

static struct chat *enter_paced(const char *room, const char *user)
{
    struct chat *chat = chat_enter(port_of(SLOW), room, user);
    struct strbuf bytes = {0};

    add_backlog(&bytes);
    send_all(chat_wire(chat), &bytes);
    return chat;
}

static void a_paced_client_is_kicked_and_disconnected_at_once(void **state)
{
    struct chat *ann = enter_paced("order", "ann");
    double before = pings(SLOW);

    (void)state;
    admin_post(&admin, 200, NULL, "/api/rooms/order/kick/ann");
    chat_expect_skipping(ann, "kicked");
    chat_abort(ann);
    ann = enter_paced("order", "ann");
    admin_post(&admin, 200, NULL, "/api/users/ann/disconnect");
    assert_int_equal(chat_wait_close(ann, CHAT_DEADLINE_MS), 4503);
    assert_true(pings(SLOW) - before < 500);
    chat_abort(ann);
}

struct fds {
    pid_t pid;
    unsigned count;
};

static unsigned count_fds(pid_t pid)
{
    unsigned count = 0;
    char path[64];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count++;
    closedir(dir);
    return count;
}

static bool are_fewer_fds(void *data)
{
    const struct fds *fds = data;

    return count_fds(fds->pid) < fds->count;
}

/* It never reads, never closes, and floods on. */
static void a_client_that_floods_after_the_close_is_cut(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_REQUESTS_PER_SEC=50",
                                           "ROOMCAST_FIRST_JOIN_SECS=1", NULL});
    struct wire *w = open_wire(gateway);
    struct strbuf bytes = {0};

    (void)state;
    add_backlog(&bytes);
    while (wire_send(w, bytes.data, bytes.len))
        ;
    assert_true(fleet_metric(&fleet, gateway,
                             q("roomcast_disconnects_total{reason='idle'}")) == 1);
    strbuf_deinit(&bytes);
    wire_free(w);
    fleet_stop_gateway(&fleet, gateway);
}

/* Nothing more can come, so the socket goes before its time. */
static void the_peers_close_ends_the_wait_for_its_fin(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_FIRST_JOIN_SECS=1", NULL});
    struct fds fds = {.pid = fleet.gateways[gateway].process.pid};
    struct wire *w = open_wire(gateway);
    struct strbuf bytes = {0};
    int64_t began_ms;

    (void)state;
    fds.count = count_fds(fds.pid);
    add_backlog(&bytes);
    wire_print_frame(&bytes,
                     &(struct wire_frame){
                         .head = WIRE_FIN | WIRE_CLOSE, .bytes = "\x0f\xa3", .len = 2},
                     1);
    assert_int_equal(wire_wait_end(w, WIRE_DEADLINE_MS), WIRE_ENDED);
    began_ms = wait_now_ms();
    assert_int_equal(count_fds(fds.pid), fds.count); /* it waits for us */
    send_all(w, &bytes);
    assert_true(wait_until(are_fewer_fds, &fds, WIRE_DEADLINE_MS));
    print_message("  after %d ms\n", (int)(wait_now_ms() - began_ms));
    wire_free(w);
    fleet_stop_gateway(&fleet, gateway);
}

static long cpu_ms(pid_t pid)
{
    unsigned long user = 0, system = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file,
                            "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
                            "%lu %lu",
                            &user, &system),
                     2);
    fclose(file);
    return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

static bool nobody_is_there(void *data)
{
    return fleet_metric(&fleet, *(unsigned *)data, "roomcast_connections") == 0;
}

enum { SPEAKERS = 20, LARGE = 60000, STOPPED_MS = 2500 };

static double messages(unsigned gateway)
{
    return fleet_metric(&fleet, gateway, q("roomcast_requests_total{type='message'}"));
}

static void say_large(struct chat *chat, int room)
{
    char *text = malloc(LARGE + 1);
    struct strbuf json = {0}, bytes = {0};

    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    strbuf_add_format(&json, q("{'type':'message','room':'own-%d','text':'%s'}"), room,
                      text);
    add_text(&bytes, json.data);
    add_text(&bytes, json.data);
    send_all(chat_wire(chat), &bytes);
    strbuf_deinit(&json);
    free(text);
}

/* Redis stands still, but not for so long that its connection would be given up: after that
 * nothing is known. Each first message is taken, and the second ones wait in the network. */
static void large_messages_wait_while_redis_has_enough_of_them(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_REDIS_DEADLINE_MS=10000",
                                           "ROOMCAST_WORKERS=1", NULL});
    pid_t pid = fleet.gateways[gateway].process.pid;
    struct chat *speakers[SPEAKERS], *bob = chat_enter(port_of(gateway), "calm", "bob");
    int64_t began_ms;
    double taken;
    long before, spent;
    char room[16];

    (void)state;
    for (int i = 0; i < SPEAKERS; i++) {
        snprintf(room, sizeof(room), "own-%d", i);
        speakers[i] = chat_enter(port_of(gateway), room, "ann");
    }
    process_signal(&fleet.redis.process, SIGSTOP);
    began_ms = wait_now_ms();
    for (int i = 0; i < SPEAKERS; i++)
        say_large(speakers[i], i);
    for (int i = 0; i < 50; i++) {
        chat_send(bob, "{'type':'ping'}");
        chat_expect(bob, "pong");
    }
    before = cpu_ms(pid);
    poll(NULL, 0, 500);
    spent = cpu_ms(pid) - before;
    taken = messages(gateway);
    if (wait_now_ms() - began_ms < STOPPED_MS) {
        print_message("  %.0f were taken, %ld ms of 500\n", taken, spent);
        assert_true(taken <= SPEAKERS + 5);
        assert_true(spent < 250);
    }
    process_signal(&fleet.redis.process, SIGCONT);
    for (int i = 0; i < SPEAKERS; i++) {
        if (wait_now_ms() - began_ms < STOPPED_MS) {
            chat_expect_skipping(speakers[i], "message_ack");
            chat_expect_skipping(speakers[i], "message_ack");
        }
        chat_abort(speakers[i]);
    }
    chat_say(bob, "calm", "still served");
    chat_close(bob);
    fleet_stop_gateway(&fleet, gateway);
}

/* The client is in the queue, because answers have come, when its socket turns out to be
 * gone. The loop must not turn for its sake any more. */
static void a_gateway_rests_when_the_queued_client_is_gone(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_REQUESTS_PER_SEC=1",
                                           "ROOMCAST_REQUESTS_BURST=6",
                                           "ROOMCAST_REQUESTS_IN_FLIGHT=4", NULL});
    pid_t pid = fleet.gateways[gateway].process.pid;
    struct chat *ann = chat_enter(port_of(gateway), "gone", "ann");
    struct strbuf bytes = {0};
    long before;

    (void)state;
    for (int i = 0; i < 20; i++)
        add_text(&bytes, q("{'type':'get_members','room':'gone'}"));
    process_signal(&fleet.redis.process, SIGSTOP);
    send_all(chat_wire(ann), &bytes);
    while (fleet_metric(&fleet, gateway,
                        q("roomcast_requests_total{type='get_members'}")) < 4)
        ;
    chat_abort(ann);
    process_signal(&fleet.redis.process, SIGCONT);
    assert_true(wait_until(nobody_is_there, &gateway, CHAT_DEADLINE_MS));
    before = cpu_ms(pid);
    poll(NULL, 0, 1000);
    print_message("  %ld ms of a second\n", cpu_ms(pid) - before);
    assert_true(cpu_ms(pid) - before < 500);
    fleet_stop_gateway(&fleet, gateway);
}

static void a_gateway_with_paced_clients_drains(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_REQUESTS_PER_SEC=1",
                                           "ROOMCAST_REQUESTS_BURST=10", NULL});
    struct chat *ann = chat_enter(port_of(gateway), "drain", "ann");
    struct strbuf bytes = {0};

    (void)state;
    add_backlog(&bytes);
    send_all(chat_wire(ann), &bytes);
    fleet_stop_gateway(&fleet, gateway);
    assert_int_equal(chat_wait_close(ann, CHAT_DEADLINE_MS), 4000);
    chat_abort(ann);
}

static void a_close_of_the_client_counts_as_its_own(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } closes[] = {{"", 0},         {"\x03\xe8", 2}, {"\x03\xea", 2},
                  {"\x03\xeb", 2}, {"\x03\xef", 2}, {"\x03\xf1", 2},
                  {"\x13\x87", 2}, {"\x03\xed", 2}, {"\x03", 1}};
    unsigned gateway = fleet_add(&fleet, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(closes); i++) {
        struct wire *w = open_wire(gateway);

        wire_send_frame(w, &(struct wire_frame){.head = WIRE_FIN | WIRE_CLOSE,
                                                .bytes = closes[i].bytes,
                                                .len = closes[i].len});
        wire_wait_end(w, WIRE_DEADLINE_MS);
        wire_free(w);
    }
    assert_true(fleet_metric(&fleet, gateway,
                             q("roomcast_disconnects_total{reason='client'}")) ==
                COUNT(closes));
    fleet_stop_gateway(&fleet, gateway);
}

static int start(void **state)
{
    static const char *const frames[] = {"ROOMCAST_REQUESTS_PER_SEC=50",
                                         "ROOMCAST_REQUESTS_BURST=20",
                                         "ROOMCAST_JOINS_PER_SEC=0", NULL};
    static const char *const bytes[] = {"ROOMCAST_BYTES_PER_SEC=65536",
                                        "ROOMCAST_BYTES_BURST=1", NULL};
    static const char *const slow[] = {"ROOMCAST_REQUESTS_PER_SEC=1",
                                       "ROOMCAST_REQUESTS_BURST=20",
                                       "ROOMCAST_PING_INTERVAL_SECS=1", NULL};
    static const char *const messages[] = {"ROOMCAST_MESSAGES_PER_SEC=50",
                                           "ROOMCAST_MESSAGES_BURST=20", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    fleet_add(&fleet, frames);
    fleet_add(&fleet, bytes);
    fleet_add(&fleet, slow);
    fleet_add(&fleet, messages);
    admin_start(&admin, &fleet, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_beyond_the_bucket_wait_in_order),
        cmocka_unit_test(messages_have_a_bucket_of_their_own),
        cmocka_unit_test(control_frames_take_tokens_too),
        cmocka_unit_test(each_fragment_takes_a_token),
        cmocka_unit_test(bytes_beyond_the_bucket_wait),
        cmocka_unit_test(half_a_frame_costs_its_bytes),
        cmocka_unit_test(a_bystander_does_not_wait_for_200_that_flood),
        cmocka_unit_test(a_paced_client_hears_what_the_others_say),
        cmocka_unit_test(pongs_that_are_not_read_are_not_missed),
        cmocka_unit_test(a_slow_upload_is_a_sign_of_life),
        cmocka_unit_test(a_paced_client_is_kicked_and_disconnected_at_once),
        cmocka_unit_test(a_flood_costs_no_memory),
        cmocka_unit_test(a_gateway_that_echoes_does_not_pace),
        cmocka_unit_test(a_client_that_floods_after_the_close_is_cut),
        cmocka_unit_test(the_peers_close_ends_the_wait_for_its_fin),
        cmocka_unit_test(large_messages_wait_while_redis_has_enough_of_them),
        cmocka_unit_test(a_gateway_rests_when_the_queued_client_is_gone),
        cmocka_unit_test(a_gateway_with_paced_clients_drains),
        cmocka_unit_test(a_close_of_the_client_counts_as_its_own),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
