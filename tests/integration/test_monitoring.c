/* test_monitoring.c - monitoring/ with Debian's own Prometheus: it scrapes two gateways and
 * the admin service under load, promtool finds nothing wrong with config and rules, each
 * alert evaluates, each query of the dashboard gives a value, and who is killed is missed.
 *
 *     start -> the fleet -> the admin -> check.py prepare -> Prometheus -> the load
 *
 * Prometheus runs with the files of the repository; the ports and the intervals are other
 * ones. The load begins once everything is scraped, so that rates see it. What is asked and
 * checked is in tests/monitoring/check.py, the cases of the alerts in alerts.yml there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/port.h"
#include "tests/support/unit/wait.h"

enum {
    PATH_BYTES = 512,
    CHECK_MS = 120000,
    BIG_BYTES = 30000,
    BIG_MAX = 2000, /* so many fill every buffer on the way to a client */
};

static struct fleet fleet;
static struct admin admin;
static struct process prometheus;
static int prometheus_port;
static char source[PATH_BYTES], dir[PATH_BYTES], log_path[PATH_BYTES];
static char ports[64], url[64];

/* ---- programs ---- */

/* Runs a program to its end, which must be a success. */
static void run(const char *const *argv)
{
    struct process p = {0};

    process_start(&p, argv, NULL, log_path);
    if (process_wait(&p, CHECK_MS) != 0) {
        process_print_log(log_path);
        process_kill(&p);
        fail_msg("%s is not content", argv[0]);
    }
}

/* check.py with a command and at most two arguments. */
static void check(const char *command, const char *a, const char *b)
{
    char script[PATH_BYTES + 32];
    const char *argv[8] = {"/usr/bin/python3", script};
    unsigned count = 2;

    snprintf(script, sizeof(script), "%s/tests/monitoring/check.py", source);
    argv[count++] = command;
    if (a)
        argv[count++] = a;
    if (b)
        argv[count++] = b;
    run(argv);
}

static bool is_ready(void *data)
{
    int port = *(int *)data;

    return http_get_status(port, port == prometheus_port ? "/-/ready" : "/readyz") ==
           200;
}

static void await_ready(struct process *p, int port)
{
    if (wait_until(is_ready, &port, FLEET_DEADLINE_MS))
        return;
    process_print_log(log_path);
    process_kill(p);
    fail_msg("a program is not ready");
}

static void start_prometheus(void)
{
    char config[PATH_BYTES + 64], storage[PATH_BYTES + 64], listen[64];

    snprintf(config, sizeof(config), "--config.file=%s/prometheus.yml", dir);
    snprintf(storage, sizeof(storage), "--storage.tsdb.path=%s/data", dir);
    snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%d",
             prometheus_port);
    process_start(&prometheus,
                  (const char *[]){"prometheus", config, storage, listen,
                                   "--log.level=warn", NULL},
                  NULL, log_path);
    await_ready(&prometheus, prometheus_port);
}

/* ---- the load ---- */

static void talk(struct chat *ann, struct chat *bob)
{
    chat_join(ann, "lobby", "ann");
    chat_join(bob, "lobby", "bob");
    chat_say(ann, "lobby", "hello");
    chat_say(bob, "lobby", "hello yourself");
    chat_send(bob, "{'type':'signal','room':'lobby','kind':'typing'}");
    chat_expect_skipping(ann, "signal");
    chat_send(ann, "{'type':'get_members','room':'lobby'}");
    chat_expect_skipping(ann, "member_list");
    chat_send(ann, "{'type':'get_history','room':'lobby'}");
    chat_expect_skipping(ann, "history_batch");
    chat_send(ann, "{'type':'ping'}");
    chat_expect_skipping(ann, "pong");
    chat_leave(bob, "lobby");
}

static void be_rude(struct chat *chat)
{
    chat_send(chat, "{'type':'shout'}");
    chat_expect_skipping(chat, "error");
}

/* Says more than somebody takes who does not read. */
static void be_too_much(struct chat *talker)
{
    static char text[BIG_BYTES + 1];
    struct wire *w = wire_open_small(fleet.gateways[0].port, 4096);
    struct chat *slow;

    wire_upgrade(w, "/ws", "");
    slow = chat_new(w);
    chat_join(slow, "flood", "slow");
    chat_join(talker, "flood", "talker");
    memset(text, 'x', BIG_BYTES);
    for (int i = 0; i < BIG_MAX; i++) {
        chat_say(talker, "flood", text);
        if (fleet_metric(&fleet, 0, "roomcast_slow_consumers_total") > 0)
            break;
    }
    assert_true(fleet_metric(&fleet, 0, "roomcast_slow_consumers_total") > 0);
    chat_abort(slow);
}

static void make_load(void)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);
    struct chat *bob = chat_open(fleet.gateways[1].port);

    talk(ann, bob);
    be_rude(bob);
    be_too_much(ann);
    chat_close(ann);
    chat_close(bob);
    admin_get(&admin, 200, "/api/rooms");
    admin_get(&admin, 404, "/api/rooms/nowhere");
    assert_int_equal(admin_ask(&admin, &(struct admin_request){.path = "/api/rooms",
                                                               .token = "wrong"}),
                     401);
}

/* ---- the tests ---- */

static void promtool(const char *a, const char *b, const char *path)
{
    char file[PATH_BYTES + 64];

    snprintf(file, sizeof(file), "%s/%s", source, path);
    run((const char *[]){"promtool", a, b, file, NULL});
}

static void promtool_finds_nothing_wrong_with_config_and_rules(void **state)
{
    (void)state;
    promtool("check", "config", "monitoring/prometheus.yml");
    promtool("check", "rules", "monitoring/alerts.yml");
}

static void each_alert_fires_in_one_case_and_not_in_another(void **state)
{
    (void)state;
    promtool("test", "rules", "tests/monitoring/alerts.yml");
}

static void each_alert_has_cases_and_a_runbook_and_the_dashboard_is_sound(void **state)
{
    (void)state;
    check("documents", NULL, NULL);
}

static void everything_is_scraped(void **state)
{
    (void)state;
    check("targets", url, ports);
}

static void each_alert_evaluates_and_names_only_what_is_scraped(void **state)
{
    (void)state;
    check("alerts", url, NULL);
}

static void each_query_of_the_dashboard_gives_a_value(void **state)
{
    (void)state;
    check("dashboard", url, NULL);
}

static void a_gateway_that_is_killed_raises_an_alert(void **state)
{
    (void)state;
    fleet_kill_gateway(&fleet, 1);
    check("raised", url, "RoomcastGatewayDown");
    fleet_start_gateway(&fleet, 1);
}

static void a_redis_that_is_away_raises_an_alert(void **state)
{
    (void)state;
    fleet_kill_redis(&fleet);
    check("raised", url, "RoomcastRedisDown");
    fleet_start_redis(&fleet);
    fleet_wait_all_ready(&fleet);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_SEND_QUEUE_MAX_BYTES=65536", NULL};

    (void)state;
    if (!getenv("ROOMCAST_SOURCE") || !getenv("ROOMCAST_BIN"))
        fail_msg("ROOMCAST_SOURCE and ROOMCAST_BIN are not set");
    snprintf(source, sizeof(source), "%s", getenv("ROOMCAST_SOURCE"));
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    snprintf(dir, sizeof(dir), "%s/monitoring", fleet.dir);
    snprintf(log_path, sizeof(log_path), "%s/monitoring.log", fleet.dir);
    admin_start(&admin, &fleet,
                (const char *[]){"ROOMCAST_JWT_ISSUERS=mine=/nonexistent/jwks", NULL});
    prometheus_port = port_take();
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", prometheus_port);
    snprintf(ports, sizeof(ports), "%d,%d/%d", fleet.gateways[0].ops_port,
             fleet.gateways[1].ops_port, admin.port);
    check("prepare", dir, ports);
    start_prometheus();
    check("targets", url, ports);
    make_load();
    return 0;
}

static void end(struct process *p)
{
    process_signal(p, SIGTERM);
    process_wait(p, FLEET_DEADLINE_MS);
    process_kill(p);
}

static int stop(void **state)
{
    (void)state;
    end(&prometheus);
    admin_stop(&admin);
    run((const char *[]){"rm", "-rf", dir, NULL});
    unlink(log_path);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promtool_finds_nothing_wrong_with_config_and_rules),
        cmocka_unit_test(each_alert_fires_in_one_case_and_not_in_another),
        cmocka_unit_test(each_alert_has_cases_and_a_runbook_and_the_dashboard_is_sound),
        cmocka_unit_test(everything_is_scraped),
        cmocka_unit_test(each_alert_evaluates_and_names_only_what_is_scraped),
        cmocka_unit_test(each_query_of_the_dashboard_gives_a_value),
        cmocka_unit_test(a_gateway_that_is_killed_raises_an_alert),
        cmocka_unit_test(a_redis_that_is_away_raises_an_alert),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
