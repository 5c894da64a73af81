/* test_minority.c - a master of a Redis Cluster that has lost its majority takes no writes, although a node
 * would still hear itself there: its shards are not ready (SPEC-SCALE T8). The slots of one that is away, and
 * has no replica, are counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { MASTERS = 3 };

static struct redis_cluster cluster;
static struct fleet fleet;

static int start(void **state)
{
    static char url[64];
    static const char *const settings[] = {url, "ROOMCAST_LEASE_SECS=30", NULL};

    (void)state;
    redis_cluster_open(&cluster, &(struct redis_cluster_opts){.masters = MASTERS});
    redis_cmd_follow();
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 1, .settings = settings});
}

static int stop(void **state)
{
    (void)state;
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

/* Shard 0 is on the master that goes on. */
static bool says_that_shard_0_is_not_ready(void *data)
{
    struct http_answer answer = {0};
    bool is_so = http_get_try(&answer, fleet.gateways[0].ops_port, "/readyz") &&
                 answer.status == 503 && strstr(answer.body, "shard 0: ");

    (void)data;
    http_get_deinit(&answer);
    return is_so;
}

static void a_master_without_majority_is_not_ready(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "ann's", "ann");

    (void)state;
    for (unsigned m = 1; m < MASTERS; m++)
        redis_cluster_stop(&cluster, m);
    assert_true(wait_until(says_that_shard_0_is_not_ready, NULL, FLEET_DEADLINE_MS));
    for (unsigned m = 1; m < MASTERS; m++)
        redis_cluster_go_on(&cluster, m);
    redis_cluster_wait_well(&cluster);
    fleet_wait_all_ready(&fleet);
    chat_join(ann, "ann's", "ann");
    assert_true(chat_say(ann, "ann's", "hello") > 0);
    chat_close(ann);
}

static double unserved(void)
{
    return fleet_metric(&fleet, 0, "roomcast_redis_slots_unserved");
}

static bool are_unserved(void *data)
{
    return (unserved() > 0) == *(bool *)data;
}

/* CLUSTER SLOTS goes on to name it. */
static void slots_of_a_killed_master_are_unserved_until_it_is_back(void **state)
{
    bool are = true, are_not = false;

    (void)state;
    assert_true(unserved() == 0);
    redis_cluster_kill(&cluster, 1);
    assert_true(wait_until(are_unserved, &are, FLEET_DEADLINE_MS));
    assert_in_range((uint64_t)unserved(), REDIS_CLUSTER_SLOTS / MASTERS,
                    REDIS_CLUSTER_SLOTS / MASTERS + 1);
    redis_cluster_start(&cluster, 1);
    redis_cluster_wait_well(&cluster);
    assert_true(wait_until(are_unserved, &are_not, FLEET_DEADLINE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_master_without_majority_is_not_ready),
        cmocka_unit_test(slots_of_a_killed_master_are_unserved_until_it_is_back),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
