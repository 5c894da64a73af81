/* test_homes.c - a room of a Redis Cluster loses its home, and has one again: each reason is counted
 * (SPEC-SCALE S5, S9).
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

#include "common/cluster_slot.h"
#include "common/shard_of.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

/* No replica takes over while a master stands still. */
enum { MASTERS = 3, NODE_TIMEOUT_MS = 30000 };

static struct redis_cluster cluster;
static struct fleet fleet;
static struct chat *ann, *bob;

static int start(void **state)
{
    static char url[64];
    static const char *const settings[] = {url, "ROOMCAST_LEASE_SECS=30", NULL};

    (void)state;
    redis_cluster_open(
        &cluster, &(struct redis_cluster_opts){.masters = MASTERS,
                                               .node_timeout_ms = NODE_TIMEOUT_MS});
    redis_cmd_follow();
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1, .settings = settings});
    fleet.redis_port = redis_cluster_port(&cluster, 0);
    ann = chat_enter(fleet.gateways[0].port, "homes", "ann");
    bob = chat_enter(fleet.gateways[0].port, "homes", "bob");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    chat_close(ann);
    chat_close(bob);
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

static unsigned slot(void)
{
    return cluster_slot_of_room("homes", 5);
}

static unsigned owner(void)
{
    return (unsigned)redis_cluster_owner(&cluster, slot());
}

/* A reason, and how often it was counted before. */
struct reason {
    char metric[96];
    double before;
};

static double count_of(const struct reason *reason)
{
    return fleet_metric(&fleet, 0, reason->metric);
}

static struct reason reason_of(const char *why)
{
    struct reason reason;

    snprintf(reason.metric, sizeof(reason.metric),
             "roomcast_redis_homes_lost_total{why=\"%s\"}", why);
    reason.before = count_of(&reason);
    return reason;
}

static bool is_counted(void *data)
{
    const struct reason *reason = data;

    return count_of(reason) > reason->before;
}

static void expect_counted(struct reason *reason)
{
    if (!wait_until(is_counted, reason, FLEET_DEADLINE_MS))
        fail_msg("not counted: %s", reason->metric);
}

/* What is said comes. */
static void expect_talk(const char *text)
{
    double seq = chat_say_when_up(ann, "homes", text);

    do {
        chat_expect_skipping(bob, "message");
    } while (chat_get_number(bob, "seq") < seq);
    assert_true(chat_get_number(bob, "seq") == seq);
}

static void a_slot_that_moves_is_counted(void **state)
{
    struct reason moved = reason_of("moved");

    (void)state;
    redis_cluster_move(&cluster, slot(), 1, (owner() + 1) % MASTERS);
    expect_counted(&moved);
    expect_talk("it has moved");
}

static void a_link_that_is_lost_is_counted(void **state)
{
    struct reason lost = reason_of("lost");

    (void)state;
    redis_cmd(redis_cluster_port(&cluster, owner()), "CLIENT KILL TYPE pubsub");
    expect_counted(&lost);
    expect_talk("it was lost");
}

static void a_master_that_does_not_answer_is_counted(void **state)
{
    struct reason deaf = reason_of("deaf");
    unsigned master = owner();

    (void)state;
    redis_cluster_stop(&cluster, master);
    expect_counted(&deaf);
    redis_cluster_go_on(&cluster, master);
    redis_cluster_wait_well(&cluster);
    expect_talk("it was deaf");
}

/* A notice as of another server. */
static void a_doubt_is_counted(void **state)
{
    struct reason doubt = reason_of("doubt");
    int port = redis_cluster_port(&cluster, owner());
    char *epoch = redis_cmd_text(port, "HGET rc:{homes}:meta epoch"), notice[96];

    (void)state;
    snprintf(notice, sizeof(notice), "1 %s 1 closed 0 0 - 99.00000000000000aa\n{}",
             epoch);
    redis_cmd(port, "SPUBLISH %s %s", "rc:{homes}:events", notice);
    expect_counted(&doubt);
    expect_talk("it was in doubt");
    free(epoch);
}

/* It is acked at once, and refused by the slot until its deadline. */
static void who_left_while_the_slot_was_open_is_told_to_have_left(void **state)
{
    struct reason doubt = reason_of("doubt");
    unsigned from = owner(), to = (from + 1) % MASTERS;
    struct chat *eve = chat_enter(fleet.gateways[0].port, "homes", "eve");

    (void)state;
    redis_cluster_open_slot(&cluster, slot(), to);
    chat_leave(eve, "homes");
    expect_counted(&doubt);
    redis_cluster_migrate_keys(&cluster, slot(), to);
    redis_cluster_end_slot(&cluster, slot(), to);
    chat_expect_skipping(bob, "member_left");
    assert_string_equal(chat_get_text(bob, "user"), "eve");
    assert_string_equal(chat_get_text(bob, "reason"), "left");
    chat_close(eve);
}

static unsigned registry_owner(void)
{
    unsigned shard = shard_of("homes", 5, SHARD_OF_CLUSTER);
    char tag[8];
    int len = snprintf(tag, sizeof(tag), "%u", shard_of_tag(shard));

    return (unsigned)redis_cluster_owner(&cluster,
                                         cluster_slot_of_room(tag, (size_t)len));
}

static double reconnects(void)
{
    return fleet_metric(&fleet, 0, "roomcast_redis_reconnects_total{shard=\"0\"}");
}

static bool have_reconnected(void *data)
{
    return reconnects() >= *(const double *)data;
}

/* It answers, but takes nothing that is written; the canary of the room's shard goes by another master. */
static void a_master_that_refuses_canaries_is_connected_to_again(void **state)
{
    struct reason deaf;
    unsigned to = (registry_owner() + 1) % MASTERS;
    int port = redis_cluster_port(&cluster, to);
    double both;

    (void)state;
    if (owner() != to)
        redis_cluster_move(&cluster, slot(), 1, to);
    expect_talk("it is elsewhere than its registry");
    deaf = reason_of("deaf");
    both = reconnects() + 2;
    redis_cmd(port, "CONFIG SET min-replicas-to-write 1");
    expect_counted(&deaf);
    assert_true(wait_until(have_reconnected, &both, FLEET_DEADLINE_MS));
    redis_cmd(port, "CONFIG SET min-replicas-to-write 0");
    expect_talk("it takes them again");
}

/* Settings are each master's own; it is looked at when a gateway connects. */
static void each_master_that_evicts_is_named(void **state)
{
    static const char *const policies[MASTERS] = {"noeviction", "allkeys-lru",
                                                  "volatile-ttl"};
    char line[96];

    (void)state;
    for (unsigned i = 0; i < MASTERS; i++) {
        redis_cmd(redis_cluster_port(&cluster, i), "CONFIG SET maxmemory-policy %s",
                  policies[i]);
        redis_cmd(redis_cluster_port(&cluster, i),
                  "CLIENT KILL TYPE normal SKIPME yes");
    }
    for (unsigned i = 1; i < MASTERS; i++) {
        snprintf(line, sizeof(line), "port=%d maxmemory_policy=%s",
                 redis_cluster_port(&cluster, i), policies[i]);
        fleet_expect_logged(&fleet, 0, line);
    }
    snprintf(line, sizeof(line), "port=%d maxmemory_policy",
             redis_cluster_port(&cluster, 0));
    assert_false(process_has_logged(fleet.gateways[0].log_path, line));
    fleet_wait_all_ready(&fleet);
    expect_talk("they are told of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_that_moves_is_counted),
        cmocka_unit_test(a_link_that_is_lost_is_counted),
        cmocka_unit_test(a_master_that_does_not_answer_is_counted),
        cmocka_unit_test(a_doubt_is_counted),
        cmocka_unit_test(who_left_while_the_slot_was_open_is_told_to_have_left),
        cmocka_unit_test(a_master_that_refuses_canaries_is_connected_to_again),
        cmocka_unit_test(each_master_that_evicts_is_named),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
