/* test_losses.c - a master of a Redis Cluster comes back from an older snapshot: what was acked, changed or
 * ordered and is gone is said by `reset`, whatever the limit of the history; and who was put out stays out
 * (SPEC-SCALE T5b, T7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/fleet/rewind.h"
#include "tests/support/redis/redis_cmd.h"

/* No replica: the master itself comes back. */
enum { MASTERS = 3, NODE_TIMEOUT_MS = 30000 };

static struct redis_cluster cluster;
static struct fleet fleet;
static struct admin admin;
static struct rewind ways = {.fleet = &fleet, .cluster = &cluster};

static int start(void **state)
{
    char url[64], history[64];
    const char *const settings[] = {url, history, "ROOMCAST_PRESENCE_GRACE_MS=0",
                                    "ROOMCAST_LEASE_SECS=6", NULL};

    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    snprintf(history, sizeof(history), "ROOMCAST_HISTORY_LIMIT=%d", ways.limit);
    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    fleet.redis_port = redis_cluster_port(&cluster, 0);
    admin_start(&admin, &fleet, (const char *[]){url, NULL});
    return 0;
}

static void a_lost_tail_is_told_also_where_somebody_writes_on_past_it(void **state)
{
    (void)state;
    rewind_past_a_tail(&ways);
}

static void a_lost_tail_of_changes_is_told_by_reset(void **state)
{
    (void)state;
    rewind_changes(&ways);
}

static void a_kick_and_a_deletion_that_are_lost_leave_nobody_in_the_dark(void **state)
{
    (void)state;
    rewind_orders(&ways, &admin);
}

static void a_kick_and_a_ban_that_were_not_heard_count_after_a_remake(void **state)
{
    (void)state;
    rewind_unheard_orders(&ways, &admin);
}

int main(void)
{
    static const int limits[] = {0, 2, 100, 150};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_tail_is_told_also_where_somebody_writes_on_past_it),
        cmocka_unit_test(a_lost_tail_of_changes_is_told_by_reset),
        cmocka_unit_test(a_kick_and_a_deletion_that_are_lost_leave_nobody_in_the_dark),
        cmocka_unit_test(a_kick_and_a_ban_that_were_not_heard_count_after_a_remake),
    };
    int failed = 0;

    redis_cmd_follow();
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        redis_cluster_open(
            &cluster, &(struct redis_cluster_opts){.masters = MASTERS,
                                                   .node_timeout_ms = NODE_TIMEOUT_MS});
        ways.limit = limits[i];
        print_message("history limit %d\n", limits[i]);
        failed += cmocka_run_group_tests(tests, start, admin_teardown);
        redis_cluster_close(&cluster);
    }
    return failed;
}
