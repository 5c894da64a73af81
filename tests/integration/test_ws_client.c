/* test_ws_client.c - the project's own client against a gateway that echoes: what is sent,
 * what comes back, and every way to end, at every step.
 *
 * Each test runs a loop of its own and asserts that it ends by itself and holds nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "client/ws_client.h"
#include "common/strbuf.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/port.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PATIENCE_MS = 30000 };

struct peer {
    struct ws_client *client;
    void (*on_open)(struct peer *peer);
    void (*on_text)(struct peer *peer, const char *text, size_t len);
    int opened, texts, closed;
    int code;
    char why[128];
};

static struct fleet fleet;

static void on_open(void *owner)
{
    struct peer *peer = owner;

    peer->opened++;
    if (peer->on_open)
        peer->on_open(peer);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct peer *peer = owner;

    peer->texts++;
    if (peer->on_text)
        peer->on_text(peer, text, len);
}

static void on_close(void *owner, int code, const char *why)
{
    struct peer *peer = owner;

    peer->closed++;
    peer->code = code;
    snprintf(peer->why, sizeof(peer->why), "%s", why);
}

static struct ws_client_opts opts_for(struct peer *peer)
{
    return (struct ws_client_opts){.host = "127.0.0.1",
                                   .port = fleet.gateways[0].port,
                                   .owner = peer,
                                   .on_open = on_open,
                                   .on_text = on_text,
                                   .on_close = on_close};
}

static void on_patience_over(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void on_walk(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Runs the loop until the peer has nothing left in it. */
static void run(uv_loop_t *loop, struct peer *peer)
{
    uv_timer_t patience;

    uv_timer_init(loop, &patience);
    uv_timer_start(&patience, on_patience_over, PATIENCE_MS, 0);
    uv_unref((uv_handle_t *)&patience);
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(peer->closed, 1);
    uv_walk(loop, on_walk, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

/* Opens with these options and runs. */
static void talk_with(struct peer *peer, const struct ws_client_opts *opts)
{
    uv_loop_t loop;

    uv_loop_init(&loop);
    peer->client = ws_client_open(&loop, opts);
    run(&loop, peer);
}

static void talk(struct peer *peer)
{
    struct ws_client_opts opts = opts_for(peer);

    talk_with(peer, &opts);
}

static void send_hello(struct peer *peer)
{
    ws_client_send(peer->client, "hello", 5);
}

static void close_normally(struct peer *peer)
{
    ws_client_close(peer->client, 1000);
}

static void check_hello(struct peer *peer, const char *text, size_t len)
{
    assert_int_equal(len, 5);
    assert_memory_equal(text, "hello", 5);
    close_normally(peer);
}

static void what_is_sent_comes_back(void **state)
{
    struct peer peer = {.on_open = send_hello, .on_text = check_hello};

    (void)state;
    talk(&peer);
    assert_int_equal(peer.opened, 1);
    assert_int_equal(peer.texts, 1);
    assert_int_equal(peer.code, 1000);
}

/* The nth message: lengths around those where the header grows, and some large ones. */
static size_t nth_len(int n)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 300000};

    return n < (int)COUNT(lens) ? lens[n] : (size_t)n;
}

enum { MANY = 2000 };

static void send_many(struct peer *peer)
{
    struct strbuf text = {0};

    for (int n = 0; n < MANY; n++) {
        size_t len = nth_len(n);

        strbuf_reset(&text, SIZE_MAX);
        memset(strbuf_reserve(&text, len + 1), 'a' + n % 26, len);
        ws_client_send(peer->client, text.data, len);
    }
    strbuf_deinit(&text);
}

static void check_many(struct peer *peer, const char *text, size_t len)
{
    int n = peer->texts - 1;

    assert_int_equal(len, nth_len(n));
    if (len > 0) {
        assert_int_equal(text[0], 'a' + n % 26);
        assert_int_equal(text[len - 1], 'a' + n % 26);
    }
    if (peer->texts == MANY)
        close_normally(peer);
}

static void many_messages_of_one_turn_come_back_in_order(void **state)
{
    struct peer peer = {.on_open = send_many, .on_text = check_many};

    (void)state;
    talk(&peer);
    assert_int_equal(peer.texts, MANY);
    assert_int_equal(peer.code, 1000);
}

static void send_large(struct peer *peer)
{
    struct strbuf text = {0};

    memset(strbuf_reserve(&text, 16 << 20), 'L', 16 << 20);
    ws_client_send(peer->client, text.data, 16 << 20);
    strbuf_deinit(&text);
}

static void check_large(struct peer *peer, const char *text, size_t len)
{
    assert_int_equal(len, 16 << 20);
    assert_int_equal(text[len - 1], 'L');
    close_normally(peer);
}

static void sixteen_mebibytes_come_back(void **state)
{
    struct peer peer = {.on_open = send_large, .on_text = check_large};

    (void)state;
    talk(&peer);
    assert_int_equal(peer.texts, 1);
    assert_int_equal(peer.code, 1000);
}

static void send_no_utf8(struct peer *peer)
{
    ws_client_send(peer->client, "\xff", 1);
}

static void the_code_of_a_server_that_closes_is_told(void **state)
{
    struct peer peer = {.on_open = send_no_utf8};

    (void)state;
    talk(&peer);
    assert_int_equal(peer.code, 1007);
}

/* Every way to end, at every step. */

static void abort_now(struct peer *peer)
{
    ws_client_abort(peer->client);
}

static void close_twice_and_send(struct peer *peer)
{
    ws_client_close(peer->client, 4999);
    ws_client_close(peer->client, 1000);
    ws_client_send(peer->client, "late", 4);
}

static void close_and_abort(struct peer *peer)
{
    ws_client_close(peer->client, 1000);
    ws_client_abort(peer->client);
    ws_client_abort(peer->client);
    ws_client_close(peer->client, 1000);
}

static void pause_and_close(struct peer *peer)
{
    ws_client_pause(peer->client);
    ws_client_close(peer->client, 1000);
}

static void send_and_abort(struct peer *peer)
{
    send_many(peer);
    ws_client_abort(peer->client);
}

static const struct {
    const char *name;
    void (*end)(struct peer *peer);
    int code;
} ends[] = {
    {"close", close_normally, 1000},
    {"abort", abort_now, 1006},
    {"close twice", close_twice_and_send, 4999},
    {"close and abort", close_and_abort, 1006},
    {"pause and close", pause_and_close, 1000},
    {"send and abort", send_and_abort, 1006},
};

static void it_may_be_ended_when_it_opens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct peer peer = {.on_open = ends[i].end};

        print_message("  %s\n", ends[i].name);
        talk(&peer);
        assert_int_equal(peer.code, ends[i].code);
        assert_int_equal(peer.texts, 0);
    }
}

static void (*end_on_text)(struct peer *peer);

static void send_three(struct peer *peer)
{
    send_hello(peer);
    send_hello(peer);
    send_hello(peer);
}

static void end_it(struct peer *peer, const char *text, size_t len)
{
    (void)text;
    (void)len;
    end_on_text(peer);
}

static void it_may_be_ended_by_a_message_and_then_gets_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct peer peer = {.on_open = send_three, .on_text = end_it};

        print_message("  %s\n", ends[i].name);
        end_on_text = ends[i].end;
        talk(&peer);
        assert_int_equal(peer.code, ends[i].code);
        assert_int_equal(peer.texts, 1);
    }
}

static void it_may_be_ended_before_it_is_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++) {
        /* After this many turns of the loop: before and after the connect. */
        for (int turns = 0; turns < 4; turns++) {
            struct peer peer = {0};
            struct ws_client_opts opts = opts_for(&peer);
            uv_loop_t loop;

            uv_loop_init(&loop);
            peer.client = ws_client_open(&loop, &opts);
            for (int turn = 0; turn < turns && !peer.opened; turn++)
                uv_run(&loop, UV_RUN_NOWAIT);
            ends[i].end(&peer);
            assert_int_equal(peer.closed, 0);
            run(&loop, &peer);
            if (!peer.opened)
                assert_int_equal(peer.code, 1006);
        }
    }
}

static void a_closed_port_is_told(void **state)
{
    struct peer peer = {0};
    struct ws_client_opts opts = opts_for(&peer);

    (void)state;
    opts.port = port_take();
    talk_with(&peer, &opts);
    assert_int_equal(peer.opened, 0);
    assert_int_equal(peer.code, 1006);
    assert_string_equal(peer.why, uv_strerror(UV_ECONNREFUSED));
}

static void an_address_that_is_none_is_told(void **state)
{
    struct peer peer = {0};
    struct ws_client_opts opts = opts_for(&peer);

    (void)state;
    opts.host = "no..name"; /* nobody is asked about it */
    talk_with(&peer, &opts);
    assert_int_equal(peer.opened, 0);
    assert_int_equal(peer.code, 1006);
}

static void a_name_stands_for_its_addresses(void **state)
{
    struct peer peer = {.on_open = send_hello, .on_text = check_hello};
    struct ws_client_opts opts = opts_for(&peer);

    (void)state;
    opts.host = "localhost";
    talk_with(&peer, &opts);
    assert_int_equal(peer.texts, 1);
    assert_int_equal(peer.code, 1000);
}

static void it_may_be_ended_while_a_name_is_looked_up(void **state)
{
    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        struct peer peer = {0};
        struct ws_client_opts opts = opts_for(&peer);
        uv_loop_t loop;

        opts.host = "localhost";
        uv_loop_init(&loop);
        peer.client = ws_client_open(&loop, &opts);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        ws_client_abort(peer.client);
        run(&loop, &peer);
        assert_int_equal(peer.closed, 1);
    }
}

static void a_refusal_is_told(void **state)
{
    struct peer peer = {0};
    struct ws_client_opts opts = opts_for(&peer);

    (void)state;
    opts.path = "/nothing";
    opts.protocol = "roomcast.v1";
    talk_with(&peer, &opts);
    assert_int_equal(peer.opened, 0);
    assert_int_equal(peer.code, 1006);
    assert_string_equal(peer.why, "the server refuses the handshake");
}

/* A slow client: stops reading, and goes on later. */

static struct peer *paused;

static void on_paused_long_enough(uv_timer_t *timer)
{
    assert_int_equal(paused->texts, 0);
    ws_client_resume(paused->client);
    uv_close((uv_handle_t *)timer, NULL);
}

static void pause_and_send(struct peer *peer)
{
    ws_client_pause(peer->client);
    send_hello(peer);
}

static void a_paused_client_reads_nothing_until_it_resumes(void **state)
{
    struct peer peer = {.on_open = pause_and_send, .on_text = check_hello};
    struct ws_client_opts opts = opts_for(&peer);
    uv_timer_t resume;
    uv_loop_t loop;

    (void)state;
    paused = &peer;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &resume);
    uv_timer_start(&resume, on_paused_long_enough, 500, 0);
    peer.client = ws_client_open(&loop, &opts);
    run(&loop, &peer);
    assert_int_equal(peer.texts, 1);
    assert_int_equal(peer.code, 1000);
}

static bool nobody_is_connected(void *data)
{
    (void)data;
    return fleet_metric(&fleet, 0, "roomcast_connections") == 0;
}

static void the_gateway_forgets_them_all(void **state)
{
    (void)state;
    assert_true(wait_until(nobody_is_connected, NULL, PATIENCE_MS));
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 1,
                                                    .settings = (const char *[]){
                                                        "ROOMCAST_ECHO=1", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_comes_back),
        cmocka_unit_test(many_messages_of_one_turn_come_back_in_order),
        cmocka_unit_test(sixteen_mebibytes_come_back),
        cmocka_unit_test(the_code_of_a_server_that_closes_is_told),
        cmocka_unit_test(it_may_be_ended_when_it_opens),
        cmocka_unit_test(it_may_be_ended_by_a_message_and_then_gets_no_more),
        cmocka_unit_test(it_may_be_ended_before_it_is_open),
        cmocka_unit_test(a_closed_port_is_told),
        cmocka_unit_test(an_address_that_is_none_is_told),
        cmocka_unit_test(a_name_stands_for_its_addresses),
        cmocka_unit_test(it_may_be_ended_while_a_name_is_looked_up),
        cmocka_unit_test(a_refusal_is_told),
        cmocka_unit_test(a_paused_client_reads_nothing_until_it_resumes),
        cmocka_unit_test(the_gateway_forgets_them_all),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
