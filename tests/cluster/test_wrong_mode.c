/* test_wrong_mode.c - a URL that is for another kind of Redis than is there: the gateway and the
 * admin service never get ready, and say what to write instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/redis/redis_sentinels.h"

static struct fleet fleet;
static struct redis_server cluster;
static struct redis_sentinels sentinels;

/* Takes `url`. */
static void expect_never_ready(char *url, const char *text)
{
    char *setting = print_text("ROOMCAST_REDIS_URL=%s", url);
    const char *const settings[] = {setting, NULL};
    const char *const with_token[] = {setting, "AUTH_TOKEN=" ADMIN_TOKEN, NULL};
    unsigned i = fleet_launch(&fleet, settings);
    struct admin admin;

    print_message("  %s\n", url);
    admin_launch(&admin, &fleet, with_token);
    http_get_await(fleet.gateways[i].ops_port, "/readyz", 503, text);
    http_get_await(admin.port, "/readyz", 503, text);
    fleet_expect_logged(&fleet, i, text);
    process_expect_logged(admin.log_path, text);
    admin_stop(&admin);
    fleet_stop_gateway(&fleet, i);
    free(setting);
    free(url);
}

static void a_cluster_is_told_from_one_redis(void **state)
{
    static const char text[] = "is a Redis Cluster: use redis+cluster://";

    (void)state;
    expect_never_ready(print_text("redis://127.0.0.1:%d", cluster.port), text);
    /* In a cluster there is no database but 0: that is not what is told. */
    expect_never_ready(print_text("redis://127.0.0.1:%d/3", cluster.port), text);
    expect_never_ready(print_text("redis+sentinel://127.0.0.1:%d/m", cluster.port),
                       text);
}

static void a_sentinel_is_told_from_a_redis(void **state)
{
    static const char text[] = "is a Sentinel: use redis+sentinel://";
    int port = redis_sentinels_port(&sentinels, 0);

    (void)state;
    expect_never_ready(print_text("redis://127.0.0.1:%d", port), text);
    expect_never_ready(print_text("redis://127.0.0.1:%d/3", port), text);
}

static void a_redis_is_told_from_a_sentinel(void **state)
{
    (void)state;
    expect_never_ready(
        print_text("redis+sentinel://127.0.0.1:%d/mymaster", fleet.redis_port),
        "is not a Sentinel: use redis://");
}

static void a_password_that_is_wrong_is_told(void **state)
{
    (void)state;
    expect_never_ready(print_text("redis://:wrong@127.0.0.1:%d", fleet.redis_port),
                       "Redis refuses the user or the password");
}

static void a_right_to_the_map_that_is_missing_is_told(void **state)
{
    (void)state;
    redis_cmd(
        cluster.port,
        "ACL SETUSER lost reset on >secret ~rc:* &rc:* +@read +@write +@pubsub "
        "+@scripting +@connection -@dangerous +time +info +client|kill +client|info");
    expect_never_ready(
        print_text("redis+cluster://lost:secret@127.0.0.1:%d", cluster.port),
        "the right +cluster|slots is needed");
}

static int start(void **state)
{
    static char bus_port[16];
    static const char *const args[] = {"--cluster-enabled", "yes", "--cluster-port",
                                       bus_port, NULL};

    (void)state;
    snprintf(bus_port, sizeof(bus_port), "%d", port_take());
    fleet_start(&fleet, &(struct fleet_opts){0});
    redis_server_open(&cluster, &(struct redis_server_opts){.args = args});
    redis_sentinels_open(&sentinels, &(struct redis_sentinels_opts){
                                         .count = 1, .master_port = fleet.redis_port});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_sentinels_close(&sentinels);
    redis_server_close(&cluster);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_is_told_from_one_redis),
        cmocka_unit_test(a_sentinel_is_told_from_a_redis),
        cmocka_unit_test(a_redis_is_told_from_a_sentinel),
        cmocka_unit_test(a_password_that_is_wrong_is_told),
        cmocka_unit_test(a_right_to_the_map_that_is_missing_is_told),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
