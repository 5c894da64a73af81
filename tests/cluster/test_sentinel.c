/* test_sentinel.c - gateways and the admin service behind Sentinels: these go one by one, want a
 * password, speak TLS, or name what is no master.
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

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/redis/redis_sentinels.h"
#include "tests/support/unit/certificates.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 60000, ASKS = 3 };

#define RECONNECTS q("roomcast_redis_reconnects_total{shard='0'}")
#define CONNECTION_ERRORS q("roomcast_redis_errors_total{kind='connection'}")

static struct fleet fleet;
static struct redis_sentinels sentinels; /* of each test its own */
static struct certificates files;
static int tls_port;

static void open_sentinels(unsigned count, int master_port, const char *lines)
{
    redis_sentinels_open(
        &sentinels, &(struct redis_sentinels_opts){
                        .count = count, .master_port = master_port, .lines = lines});
}

static int close_sentinels(void **state)
{
    (void)state;
    redis_cmd_set_password(NULL);
    redis_sentinels_close(&sentinels);
    return 0;
}

/* With more settings, up to NULL; takes `url`. Its readiness is not waited for. */
static unsigned launch(char *url, const char *const *more)
{
    char *setting = print_text("ROOMCAST_REDIS_URL=%s", url);
    const char *settings[8] = {setting, "ROOMCAST_LEASE_SECS=2"};
    unsigned gateway;

    for (unsigned n = 2; more && *more; n++)
        settings[n] = *more++;
    gateway = fleet_launch(&fleet, settings);
    free(setting);
    free(url);
    return gateway;
}

static void expect_readyz(unsigned gateway, int status, const char *text)
{
    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", status, text);
}

/* It says so, is not ready, and goes. */
static void expect_why_not(char *url, const char *const *more, const char *text)
{
    unsigned gateway = launch(url, more);

    print_message("  %s\n", text);
    expect_readyz(gateway, 503, text);
    fleet_expect_logged(&fleet, gateway, text);
    fleet_stop_gateway(&fleet, gateway);
}

static void expect_well(unsigned gateway)
{
    struct chat *ann;

    expect_readyz(gateway, 200, "ready");
    ann = chat_enter(fleet.gateways[gateway].port, "well", "ann");
    chat_say(ann, "well", "hello");
    chat_close(ann);
}

/* ---- one by one ---- */

struct metric {
    unsigned gateway;
    const char *name;
    double at_least;
};

static bool has_reached(void *data)
{
    const struct metric *metric = data;

    return fleet_metric(&fleet, metric->gateway, metric->name) >= metric->at_least;
}

static void await_more(unsigned gateway, const char *name, double more)
{
    struct metric metric = {gateway, name, fleet_metric(&fleet, gateway, name) + more};

    assert_true(wait_until(has_reached, &metric, PATIENCE_MS));
}

static void cut_all(void)
{
    redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal SKIPME yes");
    redis_cmd(fleet.redis_port, "CLIENT KILL TYPE pubsub");
}

/* Both links come back. */
static void expect_comes_back(unsigned gateway)
{
    struct metric metric = {gateway, RECONNECTS,
                            fleet_metric(&fleet, gateway, RECONNECTS) + 2};

    cut_all();
    assert_true(wait_until(has_reached, &metric, PATIENCE_MS));
    expect_well(gateway);
}

static void sentinels_may_go_one_by_one(void **state)
{
    unsigned gateway;

    (void)state;
    open_sentinels(3, fleet.redis_port, NULL);
    redis_sentinels_wait_well(&sentinels, 0);
    gateway = launch(redis_sentinels_url(&sentinels, "redis+sentinel", ""), NULL);
    expect_well(gateway);
    process_kill(&sentinels.servers[0].process);
    expect_comes_back(gateway);
    /* One that sleeps takes connections, and does not answer. */
    process_signal(&sentinels.servers[1].process, SIGSTOP);
    expect_comes_back(gateway);
    process_signal(&sentinels.servers[1].process, SIGCONT);
    process_kill(&sentinels.servers[1].process);
    expect_comes_back(gateway);
    /* With none, what there is goes on, and that none answers is counted and logged, */
    process_kill(&sentinels.servers[2].process);
    await_more(gateway, CONNECTION_ERRORS, ASKS);
    fleet_expect_logged(&fleet, gateway, "no Sentinel answers");
    expect_well(gateway);
    /* but no connection is made, until there is one again. */
    cut_all();
    expect_readyz(gateway, 503, "no Sentinel answers");
    redis_server_start(&sentinels.servers[1]);
    expect_well(gateway);
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- what they refuse, and what they name ---- */

static void what_sentinels_refuse_is_told(void **state)
{
    static const char *const right[] = {"ROOMCAST_SENTINEL_PASSWORD=hush", NULL};
    static const char *const wrong[] = {"ROOMCAST_SENTINEL_PASSWORD=loud", NULL};
    static const char *const user[] = {"ROOMCAST_SENTINEL_USER=asker",
                                       "ROOMCAST_SENTINEL_PASSWORD=secret", NULL};
    unsigned gateway;
    char *url;

    (void)state;
    open_sentinels(1, fleet.redis_port, NULL);
    redis_cmd(redis_sentinels_port(&sentinels, 0),
              "ACL SETUSER asker on >secret -@all +auth +sentinel|get-master-addr-by-"
              "name");
    redis_cmd(redis_sentinels_port(&sentinels, 0), "ACL SETUSER default resetpass "
                                                   ">hush");
    redis_cmd_set_password("hush");
    url = redis_sentinels_url(&sentinels, "redis+sentinel", "");
    expect_why_not(strdup(url), NULL, "the Sentinels refuse the user or the password");
    expect_why_not(strdup(url), wrong, "the Sentinels refuse the user or the password");
    redis_cmd_set_password(NULL);
    gateway = launch(strdup(url), right);
    expect_well(gateway);
    fleet_stop_gateway(&fleet, gateway);
    gateway = launch(url, user);
    expect_well(gateway);
    fleet_stop_gateway(&fleet, gateway);
}

/* The login of the URL is Redis's. */
static void the_login_is_of_redis(void **state)
{
    unsigned gateway;

    (void)state;
    open_sentinels(1, fleet.redis_port, NULL);
    redis_cmd(fleet.redis_port, "ACL SETUSER boss on >p@ss ~* &* +@all");
    expect_why_not(redis_sentinels_url(&sentinels, "redis+sentinel", "boss:wrong@"),
                   NULL, "Redis refuses the user or the password");
    gateway =
        launch(redis_sentinels_url(&sentinels, "redis+sentinel", "boss:p%40ss@"), NULL);
    expect_well(gateway);
    fleet_stop_gateway(&fleet, gateway);
}

static void a_master_that_none_knows_is_told(void **state)
{
    (void)state;
    open_sentinels(1, fleet.redis_port, NULL);
    expect_why_not(print_text("redis+sentinel://127.0.0.1:%d/other",
                              redis_sentinels_port(&sentinels, 0)),
                   NULL, "the Sentinels know no master of this name");
}

static void a_replica_is_no_master(void **state)
{
    static char place[32];
    static const char *const args[] = {"--replicaof", place, NULL};
    struct redis_server replica;
    unsigned gateway;

    (void)state;
    snprintf(place, sizeof(place), "127.0.0.1 %d", fleet.redis_port);
    redis_server_open(&replica, &(struct redis_server_opts){.args = args});
    open_sentinels(1, replica.port, NULL);
    gateway = launch(redis_sentinels_url(&sentinels, "redis+sentinel", ""), NULL);
    expect_readyz(gateway, 503, "the Redis that the Sentinels name is no master");
    redis_cmd(replica.port, "REPLICAOF NO ONE");
    expect_readyz(gateway, 200, "ready");
    fleet_stop_gateway(&fleet, gateway);
    redis_server_close(&replica);
}

/* ---- TLS ---- */

static void sentinels_and_their_master_may_speak_tls(void **state)
{
    char *ca =
        print_text("ROOMCAST_REDIS_CA_FILE=%s", certificates_path(&files, "ca.pem"));
    char *other_ca = print_text("ROOMCAST_REDIS_CA_FILE=%s",
                                certificates_path(&files, "other-ca.pem"));
    const char *const trusting[] = {ca, NULL};
    const char *const mistaken[] = {other_ca, NULL};
    int port = port_take();
    char *lines = print_text("tls-port %d\ntls-replication yes\n"
                             "tls-auth-clients no\ntls-ca-cert-file %s\n"
                             "tls-cert-file %s\ntls-key-file %s\n",
                             port, certificates_path(&files, "ca.pem"),
                             certificates_path(&files, "redis.pem"),
                             certificates_path(&files, "redis.key"));
    char *url =
        print_text("rediss+sentinel://127.0.0.1:%d/%s", port, REDIS_SENTINELS_MASTER);
    char *setting = print_text("ROOMCAST_REDIS_URL=%s", url);
    struct admin admin;
    unsigned gateway;

    (void)state;
    open_sentinels(1, tls_port, lines);
    expect_why_not(strdup(url), mistaken, "TLS: wrong CA");
    gateway = launch(url, trusting);
    expect_well(gateway);
    admin_start(&admin, &fleet, (const char *[]){setting, ca, NULL});
    admin_get(&admin, 200, "/api/rooms");
    admin_stop(&admin);
    fleet_stop_gateway(&fleet, gateway);
    free(setting);
    free(lines);
    free(other_ca);
    free(ca);
}

/* ---- beginning and end ---- */

static int start(void **state)
{
    static char port[16], paths[3][CERTIFICATES_PATH_MAX];
    static const char *const args[] = {"--tls-port",
                                       port,
                                       "--tls-auth-clients",
                                       "no",
                                       "--tls-ca-cert-file",
                                       paths[0],
                                       "--tls-cert-file",
                                       paths[1],
                                       "--tls-key-file",
                                       paths[2],
                                       NULL};

    (void)state;
    certificates_open(&files);
    certificates_add(&files, "other-ca", &(struct certificate){.is_ca = true});
    certificates_add(&files, "redis", &(struct certificate){.names = "IP:127.0.0.1"});
    tls_port = port_take();
    snprintf(port, sizeof(port), "%d", tls_port);
    strcpy(paths[0], certificates_path(&files, "ca.pem"));
    strcpy(paths[1], certificates_path(&files, "redis.pem"));
    strcpy(paths[2], certificates_path(&files, "redis.key"));
    return fleet_start(&fleet, &(struct fleet_opts){.redis_args = args});
}

static int stop(void **state)
{
    (void)state;
    certificates_close(&files);
    return fleet_stop(&fleet);
}

#define TEST(test) cmocka_unit_test_teardown(test, close_sentinels)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sentinels_may_go_one_by_one),
        TEST(what_sentinels_refuse_is_told),
        TEST(the_login_is_of_redis),
        TEST(a_master_that_none_knows_is_told),
        TEST(a_replica_is_no_master),
        TEST(sentinels_and_their_master_may_speak_tls),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
