/* test_expiring.c - rooms of a Redis Cluster expire together: each is looked at by three processes at most,
 * whichever worker of them reads its shard's notices (SPEC-SCALE S3, T18).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/shard_of.h"
#include "tests/support/fleet/expiring.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"

enum { MASTERS = 3, GATEWAYS = 3 };

static struct redis_cluster cluster;
static struct fleet fleet;

static int start(void **state)
{
    static const char *const args[] = {"--notify-keyspace-events", "Kx", NULL};
    static char url[64];
    static const char *const settings[] = {url,
                                           "ROOMCAST_WORKERS=8",
                                           "ROOMCAST_LEASE_SECS=10",
                                           "ROOMCAST_ROOM_TTL_SECS=1",
                                           "ROOMCAST_PRESENCE_GRACE_MS=0",
                                           "ROOMCAST_MAX_ROOMS=1000",
                                           "ROOMCAST_JOINS_PER_SEC=0",
                                           NULL};

    (void)state;
    redis_cluster_open(&cluster,
                       &(struct redis_cluster_opts){.masters = MASTERS, .args = args});
    redis_cmd_follow();
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    fleet_start(&fleet,
                &(struct fleet_opts){.gateways = GATEWAYS, .settings = settings});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

static bool no_room_is_listed(void *data)
{
    (void)data;
    for (unsigned shard = 0; shard < SHARD_OF_MAX; shard++)
        if (redis_cmd_number(redis_cluster_port(&cluster, 0),
                             "ZCARD rc:shard:{%u}:rooms", shard_of_tag(shard)) > 0)
            return false;
    return true;
}

static void an_expired_room_costs_the_fleet_at_most_three_scripts(void **state)
{
    struct expiring expiring = {.ports_count = MASTERS,
                                .gateway_port = fleet.gateways[2].port,
                                .is_unlisted = no_room_is_listed};

    (void)state;
    for (unsigned m = 0; m < MASTERS; m++)
        expiring.ports[m] = redis_cluster_port(&cluster, m);
    expiring_expect_few_scripts(&expiring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expired_room_costs_the_fleet_at_most_three_scripts),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
