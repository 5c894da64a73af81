/* test_rights.c - a Redis that refuses what a gateway could live without: CLIENT SETNAME, CLIENT
 * INFO, CLIENT KILL, one of them or all.
 *
 * Where a lost connection cannot be ended, a node takes another name after each reconnect, and
 * what the old one left is reaped once its members stand under the new one.
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
#include "tests/support/fleet/proxy.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 60000, CUTS = 3 };

static struct fleet fleet;

static bool is_ready(void *data)
{
    return http_get_status(*(int *)data, "/readyz") == 200;
}

static unsigned add_gateway(const char *user)
{
    char url[128];

    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis://%s:secret@127.0.0.1:%d",
             user, fleet.redis_port);
    return fleet_add(&fleet, (const char *[]){url, "ROOMCAST_LEASE_SECS=2", NULL});
}

/* All that docs/redis.md lists, and one word more. */
static void make_user(const char *user, const char *without)
{
    redis_cmd(
        fleet.redis_port,
        "ACL SETUSER %s reset on >secret ~rc:* &rc:* &__keyspace@0__:rc:{*}:meta "
        "+@read +@write +@pubsub +@scripting +@connection -@dangerous +time +info "
        "+client|kill +client|info %s",
        user, without);
}

/* Nobody is seen leaving before it. */
static void say_and_hear(struct chat *speaker, struct chat *listener, const char *text)
{
    chat_say_when_up(speaker, "lobby", text);
    do {
        assert_true(chat_recv(listener, CHAT_DEADLINE_MS));
        assert_string_not_equal(chat_get_text(listener, "type"), "member_left");
    } while (strcmp(chat_get_text(listener, "type"), "message") != 0 ||
             strcmp(chat_get_text(listener, "text"), text) != 0);
}

struct metric {
    int port;
    const char *name;
    double at_least;
};

static bool has_reached(void *data)
{
    const struct metric *metric = data;

    return http_get_metric(metric->port, metric->name) >= metric->at_least;
}

static void wait_metric(unsigned gateway, const char *name, double at_least)
{
    struct metric metric = {fleet.gateways[gateway].ops_port, name, at_least};

    assert_true(wait_until(has_reached, &metric, PATIENCE_MS));
}

/* Only nodes that live are known, and ann is in through one of them. */
static bool is_clean(void *data)
{
    redisReply *rooms = redis_cmd_reply(fleet.redis_port, "KEYS rc:node:*:rooms");
    redisReply *on = redis_cmd_reply(fleet.redis_port, "KEYS rc:{lobby}:on:*");
    bool clean = rooms->elements == *(size_t *)data &&
                 on->elements == *(size_t *)data &&
                 redis_cmd_number(fleet.redis_port, "HGET rc:{lobby}:members ann") == 1;

    freeReplyObject(rooms);
    freeReplyObject(on);
    return clean;
}

/* The link is cut again and again: it comes back, nobody is seen leaving, nothing is left. */
static void live_through_cuts(unsigned gateway, bool is_renamed)
{
    struct chat *ann = chat_enter(fleet.gateways[gateway].port, "lobby", "ann");
    struct chat *bob = chat_enter(fleet.gateways[0].port, "lobby", "bob");
    size_t nodes = 2;

    for (int i = 0; i < CUTS; i++) {
        char text[32];

        snprintf(text, sizeof(text), "round %u.%d", gateway, i);
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal SKIPME yes");
        wait_metric(gateway, q("roomcast_redis_reconnects_total{shard='0'}"), i + 1);
        assert_true(
            wait_until(is_ready, &fleet.gateways[gateway].ops_port, PATIENCE_MS));
        if (is_renamed)
            wait_metric(gateway, "roomcast_nodes_renamed_total", i + 1);
        assert_true(wait_until(is_clean, &nodes, PATIENCE_MS));
        say_and_hear(ann, bob, text);
    }
    assert_true(http_get_metric(fleet.gateways[gateway].ops_port,
                                "roomcast_nodes_renamed_total") >= is_renamed * CUTS);
    assert_true(wait_until(is_ready, &fleet.gateways[0].ops_port, PATIENCE_MS));
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{lobby}:members"), 2);
    chat_leave(ann, "lobby");
    chat_leave(bob, "lobby");
    chat_close(ann);
    chat_close(bob);
}

/* Redis has forgotten carol, whose join ran late, and bob is in through one node. */
static bool has_no_ghost(void *data)
{
    redisReply *on = redis_cmd_reply(fleet.redis_port, "KEYS rc:{late}:on:*");
    bool has_none = on->elements == 1 &&
                    redis_cmd_number(fleet.redis_port, "HLEN rc:{late}:nodes") == 1 &&
                    redis_cmd_number(fleet.redis_port, "HLEN rc:{late}:members") == 1;

    (void)data;
    freeReplyObject(on);
    return has_none;
}

static bool holds_carol(void *data)
{
    return proxy_holds(data, "carol");
}

/* carol's join has run: after bob's nobody else comes in or leaves, and each raises rev by one. */
static bool has_run_late(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "HGET rc:{late}:meta rev") > 1;
}

static void stop_gateway(unsigned gateway)
{
    process_signal(&fleet.gateways[gateway].process, SIGTERM);
    assert_int_equal(process_wait(&fleet.gateways[gateway].process, PATIENCE_MS), 0);
    fleet.gateways[gateway].down = true;
}

struct line {
    unsigned gateway;
    char text[128];
};

static bool is_logged(void *data)
{
    const struct line *line = data;

    return process_has_logged(fleet.gateways[line->gateway].log_path, line->text);
}

static void expect_warned(unsigned gateway, const char *right)
{
    struct line line = {.gateway = gateway};

    snprintf(line.text, sizeof(line.text), "redis_right_missing right=%s", right);
    assert_true(wait_until(is_logged, &line, PATIENCE_MS));
}

static void with_all_rights_a_node_keeps_its_name(void **state)
{
    unsigned gateway;

    (void)state;
    make_user("whole", "+ping");
    gateway = add_gateway("whole");
    live_through_cuts(gateway, false);
    assert_false(
        process_has_logged(fleet.gateways[gateway].log_path, "redis_right_missing"));
    assert_true(http_get_metric(fleet.gateways[gateway].ops_port,
                                "roomcast_nodes_renamed_total") == 0);
    assert_true(http_get_metric(fleet.gateways[gateway].ops_port,
                                q("roomcast_redis_errors_total{kind='noperm'}")) == 0);
    stop_gateway(gateway);
}

static void without_setname_all_goes_on(void **state)
{
    unsigned gateway;

    (void)state;
    make_user("nameless", "-client|setname");
    gateway = add_gateway("nameless");
    expect_warned(gateway, "client|setname");
    live_through_cuts(gateway, false);
    stop_gateway(gateway);
}

static void without_kill_a_node_takes_another_name(void **state)
{
    unsigned gateway;

    (void)state;
    make_user("harmless", "-client|kill");
    gateway = add_gateway("harmless");
    expect_warned(gateway, "client|kill"); /* before it was ever needed */
    live_through_cuts(gateway, true);
    stop_gateway(gateway);
}

/* Where the node has reaped what was under its old name by then, as it mostly has, it is found by the
 * room's own list of nodes, after three of their intervals and two leases. */
static void what_runs_late_under_the_old_name_leaves_nobody_behind(void **state)
{
    enum { LATE_MS = 4000 };
    int port = port_take();
    struct proxy *proxy = proxy_open(port, fleet.redis_port);
    struct chat *bob, *carol;
    unsigned gateway;
    char url[128];

    (void)state;
    make_user("tardy", "-client|kill");
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis://tardy:secret@127.0.0.1:%d",
             port);
    gateway = fleet_add(&fleet, (const char *[]){url, "ROOMCAST_LEASE_SECS=1",
                                                 "ROOMCAST_ROOM_TTL_SECS=1", NULL});
    bob = chat_enter(fleet.gateways[gateway].port, "late", "bob");
    carol = chat_open(fleet.gateways[gateway].port);
    /* carol's join is on its way when the connection is cut, and arrives when the node has
     * another name. */
    proxy_set(proxy, PROXY_COMMANDS, (struct proxy_weather){.delay_ms = LATE_MS});
    chat_send(carol, "{'type':'join','room':'late','user':'carol'}");
    assert_true(wait_until(holds_carol, proxy, PATIENCE_MS));
    proxy_set(proxy, PROXY_COMMANDS, (struct proxy_weather){0});
    proxy_cut(proxy, PROXY_COMMANDS);
    wait_metric(gateway, "roomcast_nodes_renamed_total", 1);
    chat_abort(carol);
    assert_true(wait_until(has_run_late, NULL, PATIENCE_MS));
    assert_true(wait_until(has_no_ghost, NULL, PATIENCE_MS));
    chat_close(bob);
    stop_gateway(gateway);
    proxy_close(proxy);
}

static void without_info_a_node_takes_another_name(void **state)
{
    unsigned gateway;

    (void)state;
    make_user("blind", "-client|info");
    gateway = add_gateway("blind");
    expect_warned(gateway, "client|info");
    live_through_cuts(gateway, true);
    stop_gateway(gateway);
}

/* A gateway does its first work without them; an operator is told before somebody is kicked. */
static void rights_that_are_needed_later_are_asked_for_at_the_start(void **state)
{
    unsigned gateway;

    (void)state;
    make_user("poor", "-xadd");
    gateway = add_gateway("poor");
    expect_warned(gateway, "\"xadd\"");
    stop_gateway(gateway);
}

/* Each script that changes a room asks for the server's id: INFO itself, not CLIENT INFO. */
static void without_the_right_to_info_a_node_is_not_ready_and_says_why(void **state)
{
    unsigned i;
    int *port;

    (void)state;
    make_user("uninformed", "");
    i = add_gateway("uninformed");
    port = &fleet.gateways[i].ops_port;
    assert_true(wait_until(is_ready, port, PATIENCE_MS));
    redis_cmd(fleet.redis_port, "ACL SETUSER uninformed -info");
    redis_cmd(fleet.redis_port, "CLIENT KILL USER uninformed");
    http_get_await(*port, "/readyz", 503, "+info");
    fleet_expect_logged(&fleet, i, "redis_refuses_info");
    redis_cmd(fleet.redis_port, "ACL SETUSER uninformed +info");
    assert_true(wait_until(is_ready, port, PATIENCE_MS));
}

/* Keys and channels, too, in the words of an ACL. */
static void keys_and_channels_that_are_refused_are_named_at_the_start(void **state)
{
    unsigned gateway;

    (void)state;
    make_user("deaf", "resetchannels");
    redis_cmd(fleet.redis_port,
              "ACL SETUSER deaf &rc:canary:* &rc:events &__keyspace@0__:rc:{*}:meta");
    gateway = add_gateway("deaf");
    expect_warned(gateway, "\"&rc:{any}:events\"");
    stop_gateway(gateway);
    make_user("keyless", "resetkeys");
    redis_cmd(fleet.redis_port,
              "ACL SETUSER keyless ~rc:{* ~rc:node* ~rc:rooms* ~rc:stats* ~rc:policy* "
              "~rc:revoked ~rc:user* ~rc:events");
    gateway = add_gateway("keyless");
    expect_warned(gateway, "\"~rc:audit\"");
    stop_gateway(gateway);
}

static void without_client_a_fleet_gets_ready_and_stays_so(void **state)
{
    static const char *const redis_args[] = {"--rename-command", "CLIENT", "KILLER",
                                             NULL};
    struct chat *ann, *bob;
    size_t nodes = 2;

    (void)state;
    fleet_stop(&fleet);
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2,
                                             .redis_args = redis_args,
                                             .settings = (const char *[]){
                                                 "ROOMCAST_LEASE_SECS=2", NULL}});
    expect_warned(0, "client|setname");
    expect_warned(0, "client|kill");
    expect_warned(0, "client|info");
    ann = chat_enter(fleet.gateways[0].port, "lobby", "ann");
    bob = chat_enter(fleet.gateways[1].port, "lobby", "bob");
    for (int i = 0; i < CUTS; i++) {
        char text[32];

        redis_cmd(fleet.redis_port, "KILLER KILL TYPE normal SKIPME yes");
        wait_metric(0, "roomcast_nodes_renamed_total", i + 1);
        assert_true(wait_until(is_ready, &fleet.gateways[0].ops_port, PATIENCE_MS));
        assert_true(wait_until(is_clean, &nodes, PATIENCE_MS));
        snprintf(text, sizeof(text), "round %d", i);
        say_and_hear(ann, bob, text);
    }
    chat_close(ann);
    chat_close(bob);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(
        &fleet, &(struct fleet_opts){
                    .gateways = 1,
                    .settings = (const char *[]){"ROOMCAST_LEASE_SECS=2", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_all_rights_a_node_keeps_its_name),
        cmocka_unit_test(without_setname_all_goes_on),
        cmocka_unit_test(without_kill_a_node_takes_another_name),
        cmocka_unit_test(what_runs_late_under_the_old_name_leaves_nobody_behind),
        cmocka_unit_test(without_info_a_node_takes_another_name),
        cmocka_unit_test(without_the_right_to_info_a_node_is_not_ready_and_says_why),
        cmocka_unit_test(rights_that_are_needed_later_are_asked_for_at_the_start),
        cmocka_unit_test(keys_and_channels_that_are_refused_are_named_at_the_start),
        cmocka_unit_test(without_client_a_fleet_gets_ready_and_stays_so),
    };

    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
