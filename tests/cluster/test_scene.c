/* test_scene.c - guests talk in a fleet on a Redis Cluster while slots move, and masters fail over, die and
 * stand still (SPEC-SCALE T1, T2, T5, T6).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_slot.h"
#include "tests/support/fleet/scene.h"

enum { MASTERS = 3, LEASE_MS = 6000 };

static struct scene scene;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=6",
                                           "ROOMCAST_PRESENCE_GRACE_MS=2000", NULL};

    (void)state;
    scene.lease_ms = LEASE_MS;
    scene_start(&scene, &(struct scene_opts){.settings = settings, .masters = MASTERS});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    scene_stop(&scene);
    return 0;
}

/* ---- beside those who talk ---- */

/* What a thread does to the cluster meanwhile. */
struct deed {
    void (*run)(struct deed *deed);
    unsigned node, slot;
    atomic_bool is_done;
};

static void *run_deed(void *data)
{
    struct deed *deed = data;

    deed->run(deed);
    atomic_store(&deed->is_done, true);
    return NULL;
}

static bool is_done(void *data)
{
    return atomic_load(&((struct deed *)data)->is_done);
}

static void do_meanwhile(struct deed *deed)
{
    pthread_t thread;

    atomic_store(&deed->is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, run_deed, deed), 0);
    assert_true(scene_run_until(&scene, is_done, deed, SCENE_DEADLINE_MS));
    pthread_join(thread, NULL);
}

static unsigned slot_of_room(unsigned room)
{
    return cluster_slot_of_room(scene_room(room), strlen(scene_room(room)));
}

static unsigned owner_of_room(unsigned room)
{
    return (unsigned)redis_cluster_owner(&scene.cluster, slot_of_room(room));
}

static void expect_nobody_left(void)
{
    if (scene.left == 0)
        return;
    scene.fleet.failed = true; /* the logs stay */
    fail_msg("%u were seen leaving: %s; somebody was away for %lld ms; the logs stay "
             "in %s",
             scene.left, scene.first_left, (long long)scene.longest_away_ms,
             scene.fleet.dir);
}

/* ---- nothing is lost ---- */

static void nothing_happens(void **state)
{
    (void)state;
    scene_begin(&scene, "nothing");
    scene_run(&scene, 1000);
    scene_end(&scene);
    assert_int_equal(scene.verdict.gone, 0);
}

/* The slots of all rooms among them, to the next master and back. */
static void move_slots(struct deed *deed)
{
    for (unsigned room = 0; room < SCENE_ROOMS; room++) {
        unsigned slot = slot_of_room(room), from = owner_of_room(room);

        (void)deed;
        redis_cluster_move(&scene.cluster, slot, 1, (from + 1) % MASTERS);
        redis_cluster_move(&scene.cluster, slot, 1, from);
    }
}

static void slots_move_there_and_back(void **state)
{
    struct deed deed = {.run = move_slots};

    (void)state;
    scene_begin(&scene, "slots move there and back");
    for (int i = 0; i < 3; i++)
        do_meanwhile(&deed);
    scene_end(&scene);
    assert_int_equal(scene.verdict.gone, 0);
    expect_nobody_left();
}

static void fail_over(struct deed *deed)
{
    unsigned replica = redis_cluster_replica(&scene.cluster, deed->node);

    redis_cluster_fail_over(&scene.cluster, replica, "");
    redis_cluster_wait_well(&scene.cluster);
}

static void masters_hand_over(void **state)
{
    struct deed deed = {.run = fail_over};

    (void)state;
    scene_begin(&scene, "CLUSTER FAILOVER, five times");
    for (unsigned i = 0; i < 5; i++) {
        deed.node = owner_of_room(i % SCENE_ROOMS);
        do_meanwhile(&deed);
    }
    scene_end(&scene);
    assert_int_equal(scene.verdict.gone, 0);
    expect_nobody_left();
}

static double rooms_waiting(void)
{
    double waiting = 0;

    for (unsigned g = 0; g < SCENE_GATEWAYS; g++)
        waiting += fleet_metric(&scene.fleet, g, "roomcast_redis_rooms_waiting");
    return waiting;
}

/* No script about its rooms can run meanwhile. */
static void a_slot_is_left_open(void **state)
{
    unsigned slot = slot_of_room(0), from = owner_of_room(0), to = (from + 1) % MASTERS;

    (void)state;
    scene_begin(&scene, "a slot left open for 10 s");
    redis_cluster_open_slot(&scene.cluster, slot, to);
    scene_run(&scene, 10000);
    assert_true(rooms_waiting() > 0);
    redis_cluster_migrate_keys(&scene.cluster, slot, to);
    redis_cluster_end_slot(&scene.cluster, slot, to);
    scene_end(&scene);
    assert_true(rooms_waiting() == 0);
    assert_int_equal(scene.verdict.gone, 0);
    expect_nobody_left();
    redis_cluster_move(&scene.cluster, slot, 1, from);
}

/* ---- what is lost is said ---- */

static void fail_over_by_force(struct deed *deed)
{
    unsigned replica = redis_cluster_replica(&scene.cluster, deed->node);

    redis_cluster_fail_over(&scene.cluster, replica, "TAKEOVER");
    redis_cluster_wait_well(&scene.cluster);
}

static void masters_are_replaced_by_force(void **state)
{
    struct deed deed = {.run = fail_over_by_force};

    (void)state;
    scene_begin(&scene, "CLUSTER FAILOVER TAKEOVER");
    deed.node = owner_of_room(0);
    do_meanwhile(&deed);
    scene_end(&scene);
    expect_nobody_left();
}

/* They may wait for the time when a replica can be elected again. */
static void kill_master(struct deed *deed)
{
    redis_cluster_kill(&scene.cluster, deed->node);
}

static void stop_master(struct deed *deed)
{
    redis_cluster_stop(&scene.cluster, deed->node);
}

static void wait_for_heir(struct deed *deed)
{
    (void)deed;
    redis_cluster_wait_well(&scene.cluster);
}

static void a_master_is_killed(void **state)
{
    struct deed deed = {.run = kill_master, .node = owner_of_room(0)};

    (void)state;
    scene_begin(&scene, "a master is killed");
    do_meanwhile(&deed);
    deed.run = wait_for_heir;
    do_meanwhile(&deed);
    redis_cluster_start(&scene.cluster, deed.node);
    do_meanwhile(&deed);
    scene_end(&scene);
    expect_nobody_left();
}

static void stand_still(long ms, const char *name)
{
    struct deed deed = {.run = stop_master, .node = owner_of_room(0)};

    scene_begin(&scene, name);
    do_meanwhile(&deed);
    scene_run(&scene, ms);
    redis_cluster_go_on(&scene.cluster, deed.node);
    deed.run = wait_for_heir;
    do_meanwhile(&deed);
    scene_end(&scene);
    expect_nobody_left();
}

static void a_master_stands_still_for_a_second(void **state)
{
    (void)state;
    stand_still(1000, "a master stands still for 1 s");
}

static void a_master_stands_still_for_five_seconds(void **state)
{
    (void)state;
    stand_still(5000, "a master stands still for 5 s");
}

static void a_master_stands_still_for_six_seconds(void **state)
{
    (void)state;
    stand_still(6000, "a master stands still for 6 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens),
        cmocka_unit_test(slots_move_there_and_back),
        cmocka_unit_test(a_slot_is_left_open),
        cmocka_unit_test(masters_hand_over),
        cmocka_unit_test(masters_are_replaced_by_force),
        cmocka_unit_test(a_master_is_killed),
        cmocka_unit_test(a_master_stands_still_for_a_second),
        cmocka_unit_test(a_master_stands_still_for_five_seconds),
        cmocka_unit_test(a_master_stands_still_for_six_seconds),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
