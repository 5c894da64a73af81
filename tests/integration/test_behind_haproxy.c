/* test_behind_haproxy.c - what one address may have where a real HAProxy says whose connection it is: by
 * `send-proxy`, by `send-proxy-v2`, by X-Forwarded-For, and as compose/haproxy.cfg does, the file as it stands
 * (SPEC-PUBLIC P4).
 *
 *     clients from 127.0.0.x -> HAProxy, from 127.0.0.2 on -> three gateways, one for each way
 *                            -> HAProxy with the file      -> one more
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
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/user_token.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    WAYS = 4,
    COMPOSE = WAYS - 1, /* has a HAProxy of its own */
    PENDING_MAX = 200,
    USERS = 300,
    HALF = USERS / 2,
    PATIENCE_MS = 30000
};

static const struct {
    const char *name, *mode, *option, *server;
    const char *protocol; /* settings of the gateway */
    const char *trusted;
} ways[WAYS] = {
    {"send-proxy", "tcp", "", "send-proxy", "ROOMCAST_PROXY_PROTOCOL=1", "127.0.0.2"},
    {"send-proxy-v2", "tcp", "", "send-proxy-v2", "ROOMCAST_PROXY_PROTOCOL=1",
     "127.0.0.2"},
    {"X-Forwarded-For", "http", "option forwardfor", "", "ROOMCAST_PROXY_PROTOCOL=0",
     "127.0.0.2"},
    {"compose/haproxy.cfg", "", "", "", "ROOMCAST_PROXY_PROTOCOL=0", "127.0.0.1"},
};

static struct fleet fleet;
static struct process haproxy, of_compose;
static int ports[WAYS]; /* of HAProxy */
static char config_path[512], log_path[512], compose_log_path[512];
static int compose_ops_port;

/* ---- HAProxy ---- */

static void write_config(void)
{
    FILE *file = fopen(config_path, "w");

    assert_non_null(file);
    fprintf(file, "global\n    log stdout format raw local0 notice\n    maxconn 4000\n"
                  "defaults\n    timeout connect 5s\n    timeout client 120s\n"
                  "    timeout server 120s\n    timeout tunnel 120s\n");
    for (unsigned i = 0; i < COMPOSE; i++)
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
        process_is_running(&haproxy) ? wire_try_open(ports[COMPOSE - 1]) : NULL;
    bool is_up = w != NULL;

    (void)data;
    wire_free(w);
    return is_up || !process_is_running(&haproxy);
}

static void start_haproxy(void)
{
    snprintf(config_path, sizeof(config_path), "%s/haproxy.cfg", fleet.dir);
    snprintf(log_path, sizeof(log_path), "%s/haproxy.log", fleet.dir);
    for (unsigned i = 0; i < COMPOSE; i++)
        ports[i] = port_take();
    write_config();
    process_start(&haproxy, (const char *[]){"haproxy", "-db", "-f", config_path, NULL},
                  NULL, log_path);
    if (!wait_until(has_come_up, NULL, PATIENCE_MS) || !process_is_running(&haproxy)) {
        process_print_log(log_path);
        fail_msg("haproxy does not start");
    }
}

static bool has_compose_come_up(void *data)
{
    (void)data;
    return !process_is_running(&of_compose) ||
           http_get_status(compose_ops_port, "/healthz") == 200;
}

/* Its three gateways are one here. */
static void start_compose(void)
{
    const struct fleet_gateway *gateway = &fleet.gateways[COMPOSE];
    char config[512], lines[9][64] = {"BALANCER_MAX_CONNECTIONS=4000"};
    const char *env[COUNT(lines) + 1] = {NULL};

    snprintf(config, sizeof(config), "%s/compose/haproxy.cfg",
             getenv("ROOMCAST_SOURCE"));
    snprintf(compose_log_path, sizeof(compose_log_path), "%s/compose.log", fleet.dir);
    ports[COMPOSE] = port_take();
    compose_ops_port = port_take();
    snprintf(lines[1], sizeof(lines[0]), "BALANCER_LISTEN=127.0.0.1:%d",
             ports[COMPOSE]);
    snprintf(lines[2], sizeof(lines[0]), "BALANCER_OPS_LISTEN=127.0.0.1:%d",
             compose_ops_port);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(lines[3 + i], sizeof(lines[0]), "GATEWAY_%u=127.0.0.1:%d", i + 1,
                 gateway->port);
        snprintf(lines[6 + i], sizeof(lines[0]), "GATEWAY_%u_OPS_PORT=%d", i + 1,
                 gateway->ops_port);
    }
    for (unsigned i = 0; i < COUNT(lines); i++)
        env[i] = lines[i];
    process_start(&of_compose, (const char *[]){"haproxy", "-db", "-f", config, NULL},
                  env, compose_log_path);
    if (!wait_until(has_compose_come_up, NULL, PATIENCE_MS) ||
        !process_is_running(&of_compose)) {
        process_print_log(compose_log_path);
        fail_msg("haproxy does not start with compose/haproxy.cfg");
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
        char *trusted = print_text("ROOMCAST_TRUSTED_PROXIES=%s", ways[i].trusted);
        const char *const settings[] = {"ROOMCAST_AUTH=jwt",
                                        "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                        trusted,
                                        "ROOMCAST_ADDRESS_PENDING_MAX=200",
                                        "ROOMCAST_ADDRESS_CONNECTS_PER_SEC=20",
                                        "ROOMCAST_ADDRESS_CONNECTS_BURST=1000",
                                        "ROOMCAST_HANDSHAKE_SECS=120",
                                        ways[i].protocol,
                                        NULL};

        assert_int_equal(fleet_add(&fleet, settings), i);
        free(trusted);
    }
    start_haproxy();
    start_compose();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    process_signal(&haproxy, SIGTERM);
    process_wait(&haproxy, PATIENCE_MS);
    process_signal(&of_compose, SIGTERM);
    process_wait(&of_compose, PATIENCE_MS);
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
