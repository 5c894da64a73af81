/* test_timeouts.c - how long a client may stay silent, and how a gateway takes its leave:
 * no join, no pongs, SIGTERM.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "client/ws_client.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

static struct fleet fleet;

/* ---- no join ---- */

static void expect_open(struct chat *chat)
{
    chat_send(chat, "{'type':'ping'}");
    chat_expect_skipping(chat, "pong");
}

static void who_does_not_join_in_time_is_closed_with_4003(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_FIRST_JOIN_SECS=1", NULL});
    int port = fleet.gateways[gateway].port;
    struct chat *in = chat_open(port), *left = chat_open(port);
    struct chat *silent = chat_open(port), *chatty = chat_open(port);
    struct chat *banned = chat_open(port);

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:{idle}:bans eve 0");
    chat_join(in, "idle", "ann");
    chat_join(left, "idle", "bob");
    chat_send(left, "{'type':'leave','room':'idle'}");
    expect_open(chatty);
    chat_send(chatty, "{'type':'leave','room':'idle'}");
    chat_expect_error(chatty, "not_joined");
    chat_send(banned, "{'type':'join','room':'idle','user':'eve'}");
    chat_expect_error(banned, "banned");

    assert_int_equal(chat_wait_close(silent, CHAT_DEADLINE_MS), 4003);
    assert_int_equal(chat_wait_close(chatty, CHAT_DEADLINE_MS), 4003);
    assert_int_equal(chat_wait_close(banned, CHAT_DEADLINE_MS), 4003);
    expect_open(in);
    expect_open(left); /* it has joined once */
    chat_abort(silent);
    chat_abort(chatty);
    chat_abort(banned);
    chat_close(in);
    chat_close(left);
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- no pongs ---- */

static struct wire *open_wire(unsigned gateway)
{
    struct wire *w = wire_open(fleet.gateways[gateway].port);

    wire_upgrade(w, "/ws", "");
    return w;
}

/* Reads one frame, which must be a ping or the close frame: its code, 0 for a ping. */
static int read_ping_or_close(struct wire *w, bool answers)
{
    struct wire_frame frame;
    const unsigned char *code;

    assert_true(wire_read_frame(w, &frame, WIRE_DEADLINE_MS));
    if (frame.head == (WIRE_FIN | WIRE_CLOSE)) {
        assert_true(frame.len >= 2);
        code = frame.bytes;
        return code[0] << 8 | code[1];
    }
    assert_int_equal(frame.head, WIRE_FIN | WIRE_PING);
    if (answers)
        wire_send_frame(w, &(struct wire_frame){.head = WIRE_FIN | WIRE_PONG,
                                                .bytes = frame.bytes,
                                                .len = frame.len});
    return 0;
}

static void two_missed_pongs_close_with_4002(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_PING_INTERVAL_SECS=1", NULL});
    struct wire *answers = open_wire(gateway), *misses_some = open_wire(gateway);
    struct wire *silent = open_wire(gateway);

    (void)state;
    for (int nth = 1; nth <= 6; nth++) {
        assert_int_equal(read_ping_or_close(answers, true), 0);
        assert_int_equal(read_ping_or_close(misses_some, nth % 2 == 0), 0);
        if (nth <= 3)
            assert_int_equal(read_ping_or_close(silent, false), nth == 3 ? 4002 : 0);
    }
    assert_int_equal(wire_wait_end(silent, WIRE_DEADLINE_MS), WIRE_ENDED);
    wire_free(silent);
    wire_free(answers);
    wire_free(misses_some);
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- SIGTERM ---- */

enum { GUESTS = 20, DRAIN_MS = 3000, GRACE_MS = 500, PATIENCE_MS = 30000 };

struct guest {
    struct party *party;
    struct ws_client *client;
    char user[16];
    bool is_in, is_closed;
    double after_ms; /* as `reconnect` says, -1: it has not come */
    int64_t closed_ms;
    int code;
};

struct party {
    uv_loop_t loop;
    struct guest guests[GUESTS];
    unsigned in, told, closed;
};

static void on_open(void *owner)
{
    struct guest *guest = owner;
    char text[128];
    int len = snprintf(text, sizeof(text),
                       q("{'type':'join','room':'drain','user':'%s'}"), guest->user);

    ws_client_send(guest->client, text, (size_t)len);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct guest *guest = owner;
    cJSON *json = cJSON_ParseWithLength(text, len);
    const char *type =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));

    if (strcmp(type, "join_ack") == 0) {
        guest->party->in++;
    } else if (strcmp(type, "reconnect") == 0) {
        assert_true(guest->after_ms < 0);
        guest->after_ms =
            cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "after_ms"));
        assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "reason")));
        guest->party->told++;
    }
    cJSON_Delete(json);
}

static void on_close(void *owner, int code, const char *why)
{
    struct guest *guest = owner;

    (void)why;
    guest->code = code;
    guest->closed_ms = wait_now_ms();
    guest->party->closed++;
}

static bool all_are_in(void *data)
{
    return ((struct party *)data)->in == GUESTS;
}

static bool all_are_told(void *data)
{
    return ((struct party *)data)->told == GUESTS;
}

static bool all_are_closed(void *data)
{
    return ((struct party *)data)->closed == GUESTS;
}

static void open_party(struct party *party, int port)
{
    uv_loop_init(&party->loop);
    for (int i = 0; i < GUESTS; i++) {
        struct guest *guest = &party->guests[i];

        guest->party = party;
        guest->after_ms = -1;
        snprintf(guest->user, sizeof(guest->user), "u%d", i);
        guest->client = ws_client_open(&party->loop,
                                       &(struct ws_client_opts){.host = "127.0.0.1",
                                                                .port = port,
                                                                .owner = guest,
                                                                .on_open = on_open,
                                                                .on_text = on_text,
                                                                .on_close = on_close});
    }
    assert_true(loop_run_until(&party->loop, all_are_in, party, PATIENCE_MS));
}

static int compare_after(const void *left, const void *right)
{
    double a = ((const struct guest *)left)->after_ms;
    double b = ((const struct guest *)right)->after_ms;

    return (a > b) - (a < b);
}

/* The times that were told are spread evenly from about 0 to `spread_ms` (the gateway may
 * keep a little of it for the end), and each was closed at its time: not before (both
 * clocks count whole milliseconds), and in that order. */
static void check_leave(struct party *party, double spread_ms, int64_t stopped_ms)
{
    double step_ms = spread_ms / GUESTS;

    qsort(party->guests, GUESTS, sizeof(party->guests[0]), compare_after);
    for (int i = 0; i < GUESTS; i++) {
        const struct guest *guest = &party->guests[i];
        double closed_ms = (double)(guest->closed_ms - stopped_ms);

        if (guest->code != 4000 || guest->after_ms < 0.85 * step_ms * i - 1 ||
            guest->after_ms > step_ms * (i + 1) + 1 ||
            closed_ms < guest->after_ms - 2 ||
            (i > 0 && guest->closed_ms < guest[-1].closed_ms))
            fail_msg("%s, the %dth of %d in %.0f ms: told %.0f, closed with %d at %.0f",
                     guest->user, i, GUESTS, spread_ms, guest->after_ms, guest->code,
                     closed_ms);
    }
}

/* Nobody listens any more, or the answer is 503. */
static void expect_no_handshake(int port)
{
    struct wire *w = wire_try_open(port);

    if (!w)
        return;
    wire_send_text(w, USUAL END);
    http_upgrade_expect_refusal(w, 503, NULL);
    wire_free(w);
}

static void who_is_on_a_gateway_that_stops_is_sent_away_one_by_one(void **state)
{
    struct party *party = calloc(1, sizeof(*party));
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_DRAIN_SECS=3",
                                           "ROOMCAST_PRESENCE_GRACE_MS=500", NULL});
    struct fleet_gateway *g = &fleet.gateways[gateway];
    long long nodes = redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes");
    int64_t stopped_ms;

    (void)state;
    open_party(party, g->port);
    stopped_ms = wait_now_ms();
    process_signal(&g->process, SIGTERM);
    g->down = true;
    assert_true(loop_run_until(&party->loop, all_are_told, party, PATIENCE_MS));
    assert_int_equal(http_get_status(g->ops_port, "/readyz"), 503);
    assert_int_equal(http_get_status(g->ops_port, "/healthz"), 200);
    expect_no_handshake(g->port);
    assert_true(loop_run_until(&party->loop, all_are_closed, party, PATIENCE_MS));
    check_leave(party, DRAIN_MS - GRACE_MS, stopped_ms);
    assert_int_equal(process_wait(&g->process, PATIENCE_MS), 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes"), nodes - 1);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{drain}:members"),
                     0);
    loop_close(&party->loop);
    free(party);
}

static void a_long_grace_does_not_shorten_the_leave(void **state)
{
    struct party *party = calloc(1, sizeof(*party));
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_DRAIN_SECS=2",
                                           "ROOMCAST_PRESENCE_GRACE_MS=1500", NULL});
    struct fleet_gateway *g = &fleet.gateways[gateway];
    int64_t stopped_ms;

    (void)state;
    open_party(party, g->port);
    stopped_ms = wait_now_ms();
    process_signal(&g->process, SIGTERM);
    g->down = true;
    assert_true(loop_run_until(&party->loop, all_are_closed, party, PATIENCE_MS));
    check_leave(party, 2000, stopped_ms);
    assert_int_equal(process_wait(&g->process, PATIENCE_MS), 0);
    loop_close(&party->loop);
    free(party);
}

static void a_gateway_without_clients_stops_and_is_forgotten(void **state)
{
    long long nodes = redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes");
    unsigned gateway = fleet_add(&fleet, (const char *[]){"ROOMCAST_DRAIN_SECS=3600",
                                                          "ROOMCAST_WORKERS=2", NULL});

    (void)state;
    assert_int_equal(redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes"), nodes + 2);
    fleet_stop_gateway(&fleet, gateway);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes"), nodes);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_join_in_time_is_closed_with_4003),
        cmocka_unit_test(two_missed_pongs_close_with_4002),
        cmocka_unit_test(who_is_on_a_gateway_that_stops_is_sent_away_one_by_one),
        cmocka_unit_test(a_long_grace_does_not_shorten_the_leave),
        cmocka_unit_test(a_gateway_without_clients_stops_and_is_forgotten),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
