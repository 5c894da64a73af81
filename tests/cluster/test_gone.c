/* test_gone.c - a gateway and the master of its registry are killed at once, and neither comes back: its
 * members are gone within two leases; where the next master has not heard of the node, the room tells
 * (SPEC-SCALE S3, T10).
 */
#include <setjmp.h>
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

/* Rooms in use live for six leases, and are renewed each three fifths of that. */
enum { MASTERS = 3 };

static struct redis_cluster cluster;
static struct fleet fleet;
static char room[32];

/* What a group has of its own. */
struct group {
    long lease_ms, node_timeout_ms;
};

static const struct group kept = {6000, 2000}, lost = {2000, 1000};

static long every_ms(const struct group *group)
{
    return group->lease_ms * 6 * 3 / 5;
}

static unsigned shard(void)
{
    return shard_of(room, strlen(room), SHARD_OF_CLUSTER);
}

static unsigned registry(void)
{
    char key[64];
    int len = snprintf(key, sizeof(key), "rc:shard:{%u}:nodes", shard_of_tag(shard()));

    return (unsigned)redis_cluster_owner(&cluster,
                                         cluster_slot_of_key(key, (size_t)len));
}

/* One whose slot is at the master of its registry. */
static void choose_room(void)
{
    unsigned i = 0;

    do
        snprintf(room, sizeof(room), "gone-%u", i++);
    while ((unsigned)redis_cluster_owner(
               &cluster, cluster_slot_of_room(room, strlen(room))) != registry());
}

static int start(void **state, const struct group *group)
{
    char url[64], lease[64];
    const char *const settings[] = {url, lease, "ROOMCAST_ROOM_TTL_SECS=1",
                                    "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};

    *state = (void *)group;
    redis_cluster_open(&cluster,
                       &(struct redis_cluster_opts){
                           .masters = MASTERS,
                           .replicas = 1,
                           .node_timeout_ms = (unsigned)group->node_timeout_ms});
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    snprintf(lease, sizeof(lease), "ROOMCAST_LEASE_SECS=%ld", group->lease_ms / 1000);
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    fleet.redis_port = redis_cluster_port(&cluster, MASTERS); /* a replica */
    choose_room();
    return 0;
}

static int start_kept(void **state)
{
    return start(state, &kept);
}

static int start_lost(void **state)
{
    return start(state, &lost);
}

static int stop(void **state)
{
    (void)state;
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

/* ---- the end ---- */

struct pair {
    struct chat *ann, *bob;
    int64_t killed_ms;
};

/* The nodes that are left have been heard for a whole lease by then. */
static struct pair enter(const struct group *group)
{
    struct pair pair = {chat_enter(fleet.gateways[0].port, room, "ann"),
                        chat_enter(fleet.gateways[1].port, room, "bob"), 0};

    chat_expect_silence(pair.bob, group->lease_ms + group->lease_ms / 3);
    return pair;
}

static void kill_both(struct pair *pair)
{
    unsigned master = registry();

    pair->killed_ms = wait_now_ms();
    fleet_kill_gateway(&fleet, 0); /* says nothing to anybody */
    redis_cluster_kill(&cluster, master);
}

static void expect_gone(struct pair *pair, long within_ms)
{
    int64_t end_ms = pair->killed_ms + within_ms;

    do
        if (!chat_recv(pair->bob, (long)(end_ms - wait_now_ms())))
            fail_msg("ann is not gone after %ld ms", within_ms);
    while (strcmp(chat_get_text(pair->bob, "type"), "member_left") != 0);
    print_message("    after %lld ms\n", (long long)(wait_now_ms() - pair->killed_ms));
    assert_string_equal(chat_get_text(pair->bob, "user"), "ann");
    assert_string_equal(chat_get_text(pair->bob, "reason"), "expired");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:members", room),
                     1);
    chat_abort(pair->ann);
    chat_close(pair->bob);
}

static void members_of_a_gateway_go_within_two_leases(void **state)
{
    struct pair pair = enter(*state);

    kill_both(&pair);
    /* On a machine that is busy the election takes longer: a lease later at most. */
    expect_gone(&pair, 3 * kept.lease_ms);
}

/* What gateway 0 is named in the registry. */
static void find_node(char *name, size_t size)
{
    char part[32];
    redisReply *nodes = redis_cmd_reply(
        fleet.redis_port, "ZRANGE rc:shard:{%u}:nodes 0 -1", shard_of_tag(shard()));

    assert_non_null(nodes);
    snprintf(part, sizeof(part), "-%d-", (int)fleet.gateways[0].process.pid);
    name[0] = '\0';
    for (size_t i = 0; i < nodes->elements; i++)
        if (strstr(nodes->element[i]->str, part) &&
            redis_cmd_number(fleet.redis_port, "HEXISTS rc:{%s}:nodes %s", room,
                             nodes->element[i]->str) == 1)
            snprintf(name, size, "%s", nodes->element[i]->str);
    assert_true(name[0]);
    freeReplyObject(nodes);
}

/* As if it had not been replicated: the next master knows the room, and no such node. */
static void members_of_a_node_that_the_registry_lost_go_as_the_room_tells(void **state)
{
    struct pair pair = enter(*state);
    unsigned tag = shard_of_tag(shard());
    char node[320];

    find_node(node, sizeof(node));
    kill_both(&pair);
    redis_cluster_wait_well(&cluster);
    redis_cmd(fleet.redis_port, "ZREM rc:shard:{%u}:nodes %s", tag, node);
    redis_cmd(fleet.redis_port, "DEL rc:shard:{%u}:node:%s", tag, node);
    redis_cmd(fleet.redis_port, "DEL rc:shard:{%u}:node:%s:rooms", tag, node);
    expect_gone(&pair, 3 * every_ms(&lost) + 2 * lost.lease_ms);
}

int main(void)
{
    const struct CMUnitTest of_kept[] = {
        cmocka_unit_test(members_of_a_gateway_go_within_two_leases),
    };
    const struct CMUnitTest of_lost[] = {
        cmocka_unit_test(members_of_a_node_that_the_registry_lost_go_as_the_room_tells),
    };
    int failed;

    redis_cmd_follow();
    failed = cmocka_run_group_tests(of_kept, start_kept, stop);
    return failed + cmocka_run_group_tests(of_lost, start_lost, stop);
}
