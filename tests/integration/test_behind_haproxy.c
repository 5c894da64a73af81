/* test_behind_haproxy.c - what one address may have where a real HAProxy says whose connection it is: by
 * `send-proxy`, by `send-proxy-v2` and by X-Forwarded-For (SPEC-PUBLIC P4).
 *
 *     clients from 127.0.0.x -> HAProxy, from 127.0.0.2 on -> three gateways, one for each way
 *
 * Needs `haproxy` of the PATH.
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

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/user_token.h"
#include "tests/support/redis/port.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

enum {
    WAYS = 3,
    PENDING_MAX = 200,
    USERS = 300,
    HALF = USERS / 2,
    PATIENCE_MS = 30000
};

static const struct {
    const char *name, *mode, *option, *server;
    const char *protocol; /* a setting of the gateway */
} ways[WAYS] = {
    {"send-proxy", "tcp", "", "send-proxy", "ROOMCAST_PROXY_PROTOCOL=1"},
    {"send-proxy-v2", "tcp", "", "send-proxy-v2", "ROOMCAST_PROXY_PROTOCOL=1"},
    {"X-Forwarded-For", "http", "option forwardfor", "", "ROOMCAST_PROXY_PROTOCOL=0"},
};

static struct fleet fleet;
static struct process haproxy;
static int ports[WAYS]; /* of HAProxy */
static char config_path[512], log_path[512];

/* ---- HAProxy ---- */

static void write_config(void)
{
    FILE *file = fopen(config_path, "w");

    assert_non_null(file);
    fprintf(file, "global\n    log stdout format raw local0 notice\n    maxconn 4000\n"
                  "defaults\n    timeout connect 5s\n    timeout client 120s\n"
                  "    timeout server 120s\n    timeout tunnel 120s\n");
    for (unsigned i = 0; i < WAYS; i++)
        fprintf(file,
                "listen way-%u\n    mode %s\n    %s\n    bind 127.0.0.1:%d\n"
                "    server gateway 127.0.0.1:%d source 127.0.0.2 %s\n",
                i, ways[i].mode, ways[i].option, ports[i], fleet.gateways[i].port,
                ways[i].server);
    assert_int_equal(fclose(file), 0);
}

static bool has_come_up(void *data)
{
    struct wire *w =
        process_is_running(&haproxy) ? wire_try_open(ports[WAYS - 1]) : NULL;
    bool is_up = w != NULL;

    (void)data;
    wire_free(w);
    return is_up || !process_is_running(&haproxy);
}

static void start_haproxy(void)
{
    snprintf(config_path, sizeof(config_path), "%s/haproxy.cfg", fleet.dir);
    snprintf(log_path, sizeof(log_path), "%s/haproxy.log", fleet.dir);
    for (unsigned i = 0; i < WAYS; i++)
        ports[i] = port_take();
    write_config();
    process_start(&haproxy, (const char *[]){"haproxy", "-db", "-f", config_path, NULL},
                  NULL, log_path);
    if (!wait_until(has_come_up, NULL, PATIENCE_MS) || !process_is_running(&haproxy)) {
        process_print_log(log_path);
        fail_msg("haproxy does not start");
    }
}

/* ---- clients ---- */

static struct wire *ask_from(unsigned way, const char *source, const char *lines)
{
    struct wire *w = wire_open_from(ports[way], source);

    assert_true(wire_send_text(w, USUAL));
    assert_true(wire_send_text(w, lines));
    assert_true(wire_send_text(w, END));
    return w;
}

static struct wire *enter(unsigned way, const char *source, const char *lines)
{
    struct wire *w = ask_from(way, source, lines);

    http_upgrade_expect_101(w, NULL);
    return w;
}

static void expect_429(unsigned way, const char *source, const char *lines)
{
    struct wire *w = ask_from(way, source, lines);

    assert_true(wire_read_head(w, PATIENCE_MS));
    if (!strstr(wire_get_head(w), " 429 "))
        fail_msg("%s: %s", ways[way].name, wire_get_head(w));
    assert_non_null(strcasestr(wire_get_head(w), "\r\nretry-after: 5\r\n"));
    wire_free(w);
}

static void an_address_over_its_limit_gets_429_and_another_does_not(void **state)
{
    static struct wire *in[PENDING_MAX];

    (void)state;
    for (unsigned way = 0; way < WAYS; way++) {
        struct wire *other;

        print_message("  %s\n", ways[way].name);
        for (int i = 0; i < PENDING_MAX; i++)
            in[i] = enter(way, "127.0.0.7", "");
        expect_429(way, "127.0.0.7", "");
        /* whatever it says of itself */
        expect_429(way, "127.0.0.7", "X-Forwarded-For: 203.0.113.9\r\n");
        expect_429(way, "127.0.0.7",
                   "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.10\r\n");
        expect_429(way, "127.0.0.7", "X-Forwarded-For: junk\r\n");
        other = enter(way, "127.0.0.8", "X-Forwarded-For: 127.0.0.7\r\n");
        wire_free(other);
        for (int i = 0; i < PENDING_MAX; i++)
            wire_free(in[i]);
        assert_true(
            fleet_metric(&fleet, way,
                         "roomcast_refused_connects_total{reason=\"pending\"}") == 4);
        fleet_expect_logged(&fleet, way,
                            "connect_refused address=127.0.0.7 why=pending");
    }
}

static void authenticate(struct wire *wires[], struct chat *chats[], int count)
{
    for (int i = 0; i < count; i++) {
        char user[24];
        char *token;

        snprintf(user, sizeof(user), "user-%d", i);
        token = user_token(user, 600, "");
        chats[i] = chat_new(wires[i]);
        chat_send(chats[i], "{'type':'auth','token':'%s'}", token);
        free(token);
    }
    for (int i = 0; i < count; i++)
        chat_expect(chats[i], "auth_ack");
}

static void three_hundred_users_of_one_address_are_all_in(void **state)
{
    static struct wire *wires[USERS];
    static struct chat *chats[USERS];

    (void)state;
    for (unsigned way = 0; way < WAYS; way++) {
        print_message("  %s\n", ways[way].name);
        for (int half = 0; half < USERS; half += HALF) {
            for (int i = half; i < half + HALF; i++)
                wires[i] = enter(way, "127.0.0.9", "");
            authenticate(wires + half, chats + half, HALF);
        }
        assert_true(fleet_metric(&fleet, way, "roomcast_connections") >= USERS);
        for (int i = 0; i < USERS; i++)
            chat_expect_usable(chats[i]);
        for (int i = 0; i < USERS; i++)
            chat_abort(chats[i]);
    }
}

/* ---- the group ---- */

static int start(void **state)
{
    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    for (unsigned i = 0; i < WAYS; i++) {
        const char *const settings[] = {"ROOMCAST_AUTH=jwt",
                                        "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                        "ROOMCAST_TRUSTED_PROXIES=127.0.0.2",
                                        "ROOMCAST_ADDRESS_PENDING_MAX=200",
                                        "ROOMCAST_ADDRESS_CONNECTS_PER_SEC=20",
                                        "ROOMCAST_ADDRESS_CONNECTS_BURST=1000",
                                        "ROOMCAST_HANDSHAKE_SECS=120",
                                        ways[i].protocol,
                                        NULL};

        assert_int_equal(fleet_add(&fleet, settings), i);
    }
    start_haproxy();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    process_signal(&haproxy, SIGTERM);
    process_wait(&haproxy, PATIENCE_MS);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_over_its_limit_gets_429_and_another_does_not),
        cmocka_unit_test(three_hundred_users_of_one_address_are_all_in),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
