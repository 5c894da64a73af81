/* test_ops_port.c - /metrics, /healthz and /readyz of a gateway, also without Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fleet fleet;

static int ops_port(void)
{
    return fleet.gateways[0].ops_port;
}

static void the_ops_port_serves_metrics(void **state)
{
    struct http_answer answer = {0};
    struct chat *chat = chat_open(fleet.gateways[0].port);

    (void)state;
    http_get(&answer, ops_port(), "/metrics");
    assert_int_equal(answer.status, 200);
    assert_non_null(strcasestr(answer.head, "\r\nContent-Type: text/plain"));
    assert_non_null(strstr(answer.body, "# HELP roomcast_connections "));
    assert_non_null(strstr(answer.body, "# TYPE roomcast_connections gauge\n"));
    assert_non_null(strstr(answer.body, "# TYPE roomcast_connects_total counter\n"));
    assert_non_null(strstr(answer.body, "# TYPE roomcast_publish_seconds histogram\n"));
    http_get_deinit(&answer);
    assert_true(fleet_metric(&fleet, 0, "roomcast_connections") >= 1);
    assert_true(fleet_metric(&fleet, 0, "roomcast_connects_total") >= 1);
    assert_true(fleet_metric(&fleet, 0, q("roomcast_redis_up{shard='0'}")) == 1);
    chat_close(chat);
}

static const struct {
    const char *method, *path;
    int status;
} requests[] = {
    {"GET", "/healthz", 200},  {"GET", "/readyz", 200},   {"GET", "/", 404},
    {"GET", "/ws", 404},       {"GET", "/metricsx", 404}, {"GET", "/healthz/x", 404},
    {"POST", "/metrics", 405}, {"POST", "/healthz", 405}, {"DELETE", "/readyz", 405},
};

static void the_ops_port_answers_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct http_answer answer = {0};
        char request[256];

        print_message("  %s %s\n", requests[i].method, requests[i].path);
        snprintf(request, sizeof(request),
                 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                 requests[i].method, requests[i].path);
        http_get_raw(&answer, ops_port(), request);
        assert_int_equal(answer.status, requests[i].status);
        if (answer.status == 405)
            assert_non_null(strcasestr(answer.head, "\r\nAllow: GET"));
        http_get_deinit(&answer);
    }
}

static bool is_unready(void *data)
{
    return http_get_status(*(int *)data, "/readyz") == 503;
}

static void a_gateway_without_redis_is_healthy_but_not_ready(void **state)
{
    int port = ops_port();

    (void)state;
    fleet_kill_redis(&fleet);
    assert_true(wait_until(is_unready, &port, 30000));
    assert_int_equal(http_get_status(port, "/healthz"), 200);
    fleet_start_redis(&fleet);
    fleet_wait_all_ready(&fleet);
}

static double canary_age(void)
{
    return fleet_metric(&fleet, 0, q("roomcast_canary_age_seconds{shard='0'}"));
}

static bool is_older_than(void *data)
{
    return canary_age() > *(double *)data;
}

/* Redis answers, but no notice comes: longer than two attempts to mend that. */
static void a_deaf_gateway_is_not_ready_and_its_metrics_say_how_long(void **state)
{
    int port = ops_port();
    double age;

    (void)state;
    redis_cmd(fleet.redis_port, "ACL SETUSER default resetchannels &rc:{*");
    assert_true(wait_until(is_unready, &port, 30000));
    while ((age = canary_age()) < 7) {
        assert_int_equal(http_get_status(port, "/readyz"), 503);
        assert_true(canary_age() >= age);
        assert_true(age < 3 ||
                    fleet_metric(&fleet, 0, q("roomcast_redis_up{shard='0'}")) == 0);
        assert_true(wait_until(is_older_than, &age, 30000));
    }
    redis_cmd(fleet.redis_port, "ACL SETUSER default allchannels");
    fleet_wait_all_ready(&fleet);
    assert_true(fleet_metric(&fleet, 0, q("roomcast_redis_up{shard='0'}")) == 1);
}

static bool has_tried_thrice(void *data)
{
    return fleet_metric(&fleet, 0, q("roomcast_redis_reconnects_total{shard='0'}")) >=
           *(double *)data + 3;
}

/* The attempts to mend it are no ups. */
static void members_of_a_deaf_gateway_are_told_once_that_it_is_down(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);
    double before;

    (void)state;
    chat_join(ann, "lobby", "ann");
    before = fleet_metric(&fleet, 0, q("roomcast_redis_reconnects_total{shard='0'}"));
    redis_cmd(fleet.redis_port, "ACL SETUSER default resetchannels &rc:{*");
    chat_expect(ann, "status");
    assert_string_equal(chat_get_text(ann, "redis"), "down");
    assert_true(wait_until(has_tried_thrice, &before, 60000));
    chat_send(ann, "{'type':'message','room':'lobby','text':'hi'}");
    chat_expect_error(ann, "unavailable");
    redis_cmd(fleet.redis_port, "ACL SETUSER default allchannels");
    chat_expect(ann, "status");
    assert_string_equal(chat_get_text(ann, "redis"), "up");
    chat_close(ann);
    fleet_wait_all_ready(&fleet);
}

/* The next heartbeat, a lease's third later at most, is refused like the rest. Silence alone would
 * count from the last one answered on: two thirds at least. */
static void a_redis_that_refuses_to_write_is_down_before_the_lease_ends(void **state)
{
    enum { LEASE_SECS = 20 };
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_LEASE_SECS=20", NULL});
    struct chat *ann = chat_enter(fleet.gateways[gateway].port, "full", "ann");
    int64_t since_ms = wait_now_ms();

    (void)state;
    redis_cmd(fleet.redis_port, "CONFIG SET min-replicas-to-write 1");
    assert_true(chat_recv(ann, LEASE_SECS * 1000));
    assert_string_equal(chat_get_text(ann, "type"), "status");
    assert_string_equal(chat_get_text(ann, "redis"), "down");
    assert_true(wait_now_ms() - since_ms < LEASE_SECS * 1000 * 2 / 3);
    redis_cmd(fleet.redis_port, "CONFIG SET min-replicas-to-write 0");
    assert_true(chat_recv(ann, LEASE_SECS * 1000));
    assert_string_equal(chat_get_text(ann, "redis"), "up");
    chat_say(ann, "full", "again");
    chat_close(ann);
    fleet_stop_gateway(&fleet, gateway);
    fleet_wait_all_ready(&fleet);
}

static void one_port_for_both_is_a_bad_setting(void **state)
{
    struct process p = {0};
    char listen[64], ops[64], log[512];
    int port = port_take();

    (void)state;
    snprintf(listen, sizeof(listen), "ROOMCAST_LISTEN=127.0.0.1:%d", port);
    snprintf(ops, sizeof(ops), "ROOMCAST_OPS_LISTEN=127.0.0.1:%d", port);
    snprintf(log, sizeof(log), "%s/both.log", fleet.dir);
    process_start_roomcast(&p, "roomcast-gateway", (const char *[]){listen, ops, NULL},
                           log);
    assert_int_equal(process_wait(&p, CHAT_DEADLINE_MS), 2);
    assert_true(process_has_logged(log, "ROOMCAST_LISTEN: address already in use"));
    unlink(log);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ops_port_serves_metrics),
        cmocka_unit_test(the_ops_port_answers_nothing_else),
        cmocka_unit_test(a_gateway_without_redis_is_healthy_but_not_ready),
        cmocka_unit_test(a_deaf_gateway_is_not_ready_and_its_metrics_say_how_long),
        cmocka_unit_test(members_of_a_deaf_gateway_are_told_once_that_it_is_down),
        cmocka_unit_test(a_redis_that_refuses_to_write_is_down_before_the_lease_ends),
        cmocka_unit_test(one_port_for_both_is_a_bad_setting),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
