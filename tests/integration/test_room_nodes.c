/* test_room_nodes.c - what rc:{ROOM}:nodes is good for (SPEC-SCALE S3): members of a dead gateway go
 * also where Redis lost the registry, a gateway that left a room half is told to look, an expired
 * room costs the fleet few scripts, and a Redis that stood still renames nobody.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/expiring.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

/* What follows from the settings: rooms in use live for 6 s, and are renewed each 3.6 s. */
enum { LEASE_MS = 1000, EVERY_MS = 3600, PATIENCE_MS = 60000 };

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=1",
                                           "ROOMCAST_ROOM_TTL_SECS=1",
                                           "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};
    static const char *const redis_args[] = {"--notify-keyspace-events", "Kx", NULL};

    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 2,
                                                    .settings = settings,
                                                    .redis_args = redis_args});
}

static int port(void)
{
    return fleet.redis.port;
}

static char *only_node_of(const char *room)
{
    redisReply *nodes = redis_cmd_reply(port(), "HKEYS rc:{%s}:nodes", room);
    char *node;

    assert_int_equal(nodes->elements, 1);
    node = strdup(nodes->element[0]->str);
    freeReplyObject(nodes);
    return node;
}

/* ---- nodes that are gone ---- */

/* As after a Redis that went back to an older state: it has the room, but not who was in it. */
static void the_members_of_a_dead_gateway_go_though_the_registry_was_lost(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "lost", "ann"), *bob;
    char *node = only_node_of("lost");
    int64_t killed;

    (void)state;
    bob = chat_enter(fleet.gateways[1].port, "lost", "bob");
    chat_expect_skipping(ann, "member_joined");
    fleet_kill_gateway(&fleet, 0);
    killed = wait_now_ms();
    redis_cmd(port(), "ZREM rc:nodes %s", node);
    redis_cmd(port(), "DEL rc:node:%s rc:node:%s:rooms", node, node);
    do /* a busy machine may keep Redis from answering for a lease */
        assert_true(chat_recv(bob, 4 * (3 * EVERY_MS + 2 * LEASE_MS)));
    while (strcmp(chat_get_text(bob, "type"), "status") == 0);
    assert_string_equal(chat_get_text(bob, "type"), "member_left");
    assert_string_equal(chat_get_text(bob, "user"), "ann");
    assert_string_equal(chat_get_text(bob, "reason"), "expired");
    /* Not before it was silent by its own interval. */
    assert_true(wait_now_ms() - killed >= EVERY_MS);
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:{lost}:nodes %s", node), 0);
    free(node);
    chat_abort(ann);
    chat_close(bob);
    fleet_start_gateway(&fleet, 0);
}

struct ghost {
    const char *room, *node;
};

static bool ghost_is_gone(void *data)
{
    const struct ghost *ghost = data;

    return redis_cmd_number(port(), "HEXISTS rc:{%s}:members ghost", ghost->room) ==
               0 &&
           redis_cmd_number(port(), "HEXISTS rc:{%s}:nodes %s", ghost->room,
                            ghost->node) == 0;
}

/* Redis says that it has a member in the room, but it does not say so itself. */
static void a_living_gateway_without_the_room_is_told_to_look(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "elsewhere", "ann"), *bob;
    char *node = only_node_of("elsewhere"), *epoch;
    struct ghost ghost = {"half", node};

    (void)state;
    bob = chat_enter(fleet.gateways[1].port, "half", "bob");
    epoch = redis_cmd_text(port(), "HGET rc:{half}:meta epoch");
    redis_cmd(port(), "HSET rc:{half}:on:%s ghost %s", node, epoch);
    redis_cmd(port(), "EXPIRE rc:{half}:on:%s 600", node);
    redis_cmd(port(), "HSET rc:{half}:members ghost 1");
    redis_cmd(port(), "HSET rc:{half}:nodes %s %s", node, "1000 1000");
    assert_true(wait_until(ghost_is_gone, &ghost, PATIENCE_MS));
    assert_true(fleet_metric(&fleet, 0, "roomcast_nodes_renamed_total") == 0);
    chat_expect_skipping(bob, "member_left");
    assert_string_equal(chat_get_text(bob, "user"), "ghost");
    free(node);
    free(epoch);
    chat_close(ann);
    chat_close(bob);
}

/* ---- a Redis that stands still ---- */

static bool never(void *data)
{
    (void)data;
    return false;
}

/* Nobody could beat meanwhile, so nobody is dead. */
static void a_redis_that_stood_still_past_the_lease_renames_nobody(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "still", "ann"), *bob;

    (void)state;
    bob = chat_enter(fleet.gateways[1].port, "still", "bob");
    chat_expect_skipping(ann, "member_joined");
    process_signal(&fleet.redis.process, SIGSTOP);
    wait_until(never, NULL, 3 * LEASE_MS);
    process_signal(&fleet.redis.process, SIGCONT);
    fleet_wait_all_ready(&fleet);
    chat_send(bob, "{'type':'message','room':'still','text':'hi'}");
    do { /* nobody is seen leaving */
        assert_true(chat_recv(ann, FLEET_DEADLINE_MS));
        assert_string_not_equal(chat_get_text(ann, "type"), "member_left");
    } while (strcmp(chat_get_text(ann, "type"), "message") != 0);
    for (unsigned i = 0; i < 2; i++)
        assert_true(fleet_metric(&fleet, i, "roomcast_nodes_renamed_total") == 0);
    chat_close(ann);
    chat_close(bob);
}

/* ---- expired rooms ---- */

static bool no_room_is_listed(void *data)
{
    (void)data;
    return redis_cmd_number(port(), "ZCARD rc:rooms") == 0;
}

/* Three processes with eight workers each; only the first worker of each hears of it. */
static void an_expired_room_costs_the_fleet_at_most_three_scripts(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=10",
                                           "ROOMCAST_ROOM_TTL_SECS=1",
                                           "ROOMCAST_WORKERS=8",
                                           "ROOMCAST_PRESENCE_GRACE_MS=0",
                                           "ROOMCAST_MAX_ROOMS=1000",
                                           "ROOMCAST_JOINS_PER_SEC=0",
                                           NULL};
    struct expiring expiring = {
        .ports = {port()}, .ports_count = 1, .is_unlisted = no_room_is_listed};

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        fleet_stop_gateway(&fleet, i); /* they would hear of it too */
    for (unsigned i = 0; i < 3; i++)
        fleet_add(&fleet, settings);
    expiring.gateway_port = fleet.gateways[2].port;
    expiring_expect_few_scripts(&expiring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_living_gateway_without_the_room_is_told_to_look),
        cmocka_unit_test(a_redis_that_stood_still_past_the_lease_renames_nobody),
        cmocka_unit_test(the_members_of_a_dead_gateway_go_though_the_registry_was_lost),
        cmocka_unit_test(an_expired_room_costs_the_fleet_at_most_three_scripts),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
