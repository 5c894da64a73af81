/* test_never_reading_clients.c - ten clients that send requests and never read a byte, ten
 * of each kind, may cost a gateway 32 MiB together, and it serves the others meanwhile.
 *
 * They are bare sockets with a small receive buffer that write as long as the gateway
 * takes anything: the handshake and then many more requests than it will. What they cost
 * is the growth of its resident memory when nothing moves any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* A sanitizer holds on to what is freed, and takes its time. */
enum { COUNTS_MEMORY = 0, OFFERED_BYTES = 2 * 1024 * 1024 };
#else
enum { COUNTS_MEMORY = 1, OFFERED_BYTES = 16 * 1024 * 1024 };
#endif

enum {
    FLOODERS = 10,
    COST_MAX_KIB = 32 * 1024,
    LARGE_TEXT = 60000,
    LARGE_HISTORY = 50, /* messages of LARGE_TEXT */
    MANY_ROOMS = 100,
    MANY_MEMBERS = 1000,
    QUIET_ASKS = 25, /* so many times in a row nothing has moved */
    PATIENCE_MS = 60000
};

static struct fleet fleet;

/* ---- what the flooders send ---- */

__attribute__((format(printf, 2, 3))) static void add_request(struct strbuf *frames,
                                                              const char *format, ...)
{
    static uint32_t mask = 1;
    va_list args;
    char *text;

    va_start(args, format);
    text = print_args(format, args);
    va_end(args);
    mask = mask * 1664525U + 1013904223U;
    wire_print_frame(frames,
                     &(struct wire_frame){.head = WIRE_FIN | WIRE_TEXT,
                                          .bytes = text,
                                          .len = strlen(text)},
                     mask);
    free(text);
}

static void add_join(struct strbuf *frames, const char *room, unsigned nth)
{
    add_request(frames, q("{'type':'join','room':'%s','user':'u%u'}"), room, nth);
}

/* Again and again what stands after `from`, until it is as much as is offered. */
static void repeat(struct strbuf *frames, size_t from)
{
    size_t len = frames->len - from;
    char *block = xmemdup(frames->data + from, len);

    while (frames->len < OFFERED_BYTES)
        strbuf_add(frames, block, len);
    free(block);
}

/* The same request over and over. */
static void repeat_request(struct strbuf *frames, const char *request)
{
    size_t from = frames->len;

    add_request(frames, "%s", request);
    repeat(frames, from);
}

static void add_histories(struct strbuf *frames, unsigned nth)
{
    add_join(frames, "large-0", nth);
    repeat_request(frames, q("{'type':'get_history','room':'large-0'}"));
}

static void add_messages(struct strbuf *frames, unsigned nth)
{
    char text[LARGE_TEXT + 1], room[32];
    size_t from;

    memset(text, 'x', LARGE_TEXT);
    text[LARGE_TEXT] = '\0';
    snprintf(room, sizeof(room), "own-%u", nth);
    add_join(frames, room, nth);
    from = frames->len;
    add_request(frames, q("{'type':'message','room':'%s','text':'%s'}"), room, text);
    repeat(frames, from);
}

static void add_pings(struct strbuf *frames, unsigned nth)
{
    add_join(frames, "quiet", nth);
    repeat_request(frames, q("{'type':'ping'}"));
}

static void add_joins(struct strbuf *frames, unsigned nth)
{
    size_t from = frames->len;

    for (unsigned i = 0; i < MANY_ROOMS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "large-%u", i);
        add_join(frames, room, nth);
    }
    repeat(frames, from);
}

static void add_member_lists(struct strbuf *frames, unsigned nth)
{
    add_join(frames, "full", nth);
    repeat_request(frames, q("{'type':'get_members','room':'full',"
                             "'limit':1000}"));
}

static void add_control_pings(struct strbuf *frames, unsigned nth)
{
    size_t from;

    add_join(frames, "quiet", nth);
    from = frames->len;
    wire_print_frame(frames,
                     &(struct wire_frame){.head = WIRE_FIN | WIRE_PING, .len = 125}, 0);
    repeat(frames, from);
}

static void add_empty_control_pings(struct strbuf *frames, unsigned nth)
{
    size_t from;

    add_join(frames, "quiet", nth);
    from = frames->len;
    wire_print_frame(frames, &(struct wire_frame){.head = WIRE_FIN | WIRE_PING}, 0);
    repeat(frames, from);
}

static void add_signals(struct strbuf *frames, unsigned nth)
{
    add_join(frames, "quiet", nth);
    repeat_request(frames, q("{'type':'signal','room':'quiet','kind':'x'}"));
}

static void add_nonsense(struct strbuf *frames, unsigned nth)
{
    (void)nth;
    repeat_request(frames, q("{'id':'0123456789abcdef0123456789abcdef'}"));
}

static const struct {
    const char *name;
    void (*add)(struct strbuf *frames, unsigned nth);
} kinds[] = {
    {"get_history of a large history", add_histories},
    {"messages of 60 KB", add_messages},
    {"pings", add_pings},
    {"joins of many rooms with a large history", add_joins},
    {"get_members", add_member_lists},
    {"WebSocket pings", add_control_pings},
    {"WebSocket pings without a payload", add_empty_control_pings},
    {"signals", add_signals},
    {"requests that are refused", add_nonsense},
};

/* ---- a flooder: a socket that writes, and nothing else ---- */

struct flooder {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct strbuf frames;
};

static void on_written(uv_write_t *req, int status)
{
    (void)req;
    (void)status; /* cancelled in the end, or all was taken */
}

static void on_connected(uv_connect_t *req, int status)
{
    struct flooder *flooder = req->data;
    uv_buf_t bytes = uv_buf_init(flooder->frames.data, (unsigned)flooder->frames.len);

    assert_int_equal(status, 0);
    uv_write(&flooder->write, (uv_stream_t *)&flooder->tcp, &bytes, 1, on_written);
}

static void open_flooder(struct flooder *flooder, uv_loop_t *loop, unsigned nth,
                         unsigned kind, int port)
{
    struct sockaddr_in address;
    int receive_bytes = 4096;

    strbuf_add_text(&flooder->frames, USUAL END);
    kinds[kind].add(&flooder->frames, nth);
    uv_tcp_init_ex(loop, &flooder->tcp, AF_INET);
    uv_recv_buffer_size((uv_handle_t *)&flooder->tcp, &receive_bytes);
    uv_ip4_addr("127.0.0.1", port, &address);
    flooder->connect.data = flooder;
    uv_tcp_connect(&flooder->connect, &flooder->tcp, (struct sockaddr *)&address,
                   on_connected);
}

/* ---- what it costs ---- */

struct quiet {
    unsigned gateway, asked;
    double moved;
};

/* Neither a byte nor an answer in either direction for a while. */
static bool is_quiet(void *data)
{
    struct quiet *quiet = data;
    double moved =
        fleet_metric(&fleet, quiet->gateway, "roomcast_received_bytes_total") +
        fleet_metric(&fleet, quiet->gateway, "roomcast_sent_bytes_total") +
        fleet_metric(&fleet, quiet->gateway, "roomcast_send_queue_bytes");

    quiet->asked = moved > 0 && moved == quiet->moved ? quiet->asked + 1 : 0;
    quiet->moved = moved;
    return quiet->asked >= QUIET_ASKS;
}

static bool nobody_is_connected(void *data)
{
    const struct quiet *quiet = data;

    return fleet_metric(&fleet, quiet->gateway, "roomcast_connections") == 0;
}

static void expect_served(unsigned gateway)
{
    struct chat *ann = chat_open(fleet.gateways[gateway].port);

    chat_join(ann, "others", "ann");
    chat_say(ann, "others", "still served");
    chat_close(ann);
}

/* Ten of one kind against a gateway of their own: what they cost, in KiB. */
static long flood(unsigned kind)
{
    static const char *const settings[] = {
        "ROOMCAST_SLOW_SECS=3600", "ROOMCAST_PING_INTERVAL_SECS=3600",
        "ROOMCAST_JOINS_PER_SEC=0", "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};
    struct quiet quiet = {.gateway = fleet_add(&fleet, settings)};
    struct fleet_gateway *g = &fleet.gateways[quiet.gateway];
    struct flooder *flooders = calloc(FLOODERS, sizeof(*flooders));
    long before, after;
    uv_loop_t loop;

    uv_loop_init(&loop);
    expect_served(quiet.gateway);
    before = process_resident_kib(&g->process);
    for (unsigned i = 0; i < FLOODERS; i++)
        open_flooder(&flooders[i], &loop, i, kind, g->port);
    assert_true(loop_run_until(&loop, is_quiet, &quiet, PATIENCE_MS));
    after = process_resident_kib(&g->process);
    expect_served(quiet.gateway);
    for (unsigned i = 0; i < FLOODERS; i++)
        uv_close((uv_handle_t *)&flooders[i].tcp, NULL);
    loop_close(&loop);
    for (unsigned i = 0; i < FLOODERS; i++)
        strbuf_deinit(&flooders[i].frames);
    free(flooders);
    assert_true(wait_until(nobody_is_connected, &quiet, PATIENCE_MS));
    fleet_stop_gateway(&fleet, quiet.gateway);
    return after - before;
}

static void fill_rooms(void)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);
    char text[LARGE_TEXT + 1];

    memset(text, 'x', LARGE_TEXT);
    text[LARGE_TEXT] = '\0';
    for (int i = 0; i < MANY_ROOMS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "large-%d", i);
        chat_join(ann, room, "ann");
        for (int n = 0; n < (i == 0 ? LARGE_HISTORY : 5); n++)
            chat_say(ann, room, text);
    }
    chat_join(ann, "full", "ann");
    for (int i = 0; i < MANY_MEMBERS - 20; i++)
        redis_cmd(fleet.redis_port, "HSET rc:{full}:members %s%d 1",
                  "a-name-of-some-length-as-people-have-them-these-days-", i);
    chat_close(ann);
}

static void ten_that_never_read_cost_little(void **state)
{
    long worst = 0;

    (void)state;
    fill_rooms();
    for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
        long cost;

        print_message("  %s\n", kinds[kind].name);
        cost = flood(kind);
        print_message("    %ld KiB\n", cost);
        worst = cost > worst ? cost : worst;
    }
    if (COUNTS_MEMORY)
        assert_in_range(worst, 0, COST_MAX_KIB);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 1,
                                            .settings = (const char *[]){
                                                "ROOMCAST_PRESENCE_GRACE_MS=0", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_that_never_read_cost_little),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
