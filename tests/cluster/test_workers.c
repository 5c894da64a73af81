/* test_workers.c - gateways of several workers on a Redis Cluster: each worker calls each master, and reads
 * the notices of its own shards for the others (SPEC-SCALE S13, T17).
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/enter_on.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { MASTERS = 3, WORKERS = 3, GATEWAYS = 2, ROOMS = 60, MESSAGES = 5, SHARDS = 64 };

enum {
    REAPED_MS = 120000
}; /* nodes of a shard one after the other, each after a lease */

static struct redis_cluster cluster;
static struct fleet fleet;
static struct chat *anns[ROOMS], *bobs[ROOMS];

static int start(void **state)
{
    static char url[64];
    static const char *const settings[] = {url, "ROOMCAST_WORKERS=3",
                                           "ROOMCAST_LEASE_SECS=6", NULL};

    (void)state;
    redis_cluster_open(&cluster,
                       &(struct redis_cluster_opts){.masters = MASTERS, .replicas = 1});
    redis_cmd_follow();
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    fleet_start(&fleet,
                &(struct fleet_opts){.gateways = GATEWAYS, .settings = settings});
    fleet.redis_port = redis_cluster_port(&cluster, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

static const char *room_name(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof(name), "room-%u", i);
    return name;
}

static void all_come_in(void)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        anns[i] = chat_open(fleet.gateways[i % GATEWAYS].port);
        bobs[i] = chat_open(fleet.gateways[(i + 1) % GATEWAYS].port);
        chat_join(anns[i], room_name(i), "ann");
        chat_join(bobs[i], room_name(i), "bob");
    }
}

static void all_go(void)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        chat_close(anns[i]);
        chat_close(bobs[i]);
    }
}

/* Each is told each message of its room once, in order. */
static void all_talk(void)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        double before = 0;

        for (int k = 0; k < MESSAGES; k++) {
            double seq = chat_say(anns[i], room_name(i), "hello");

            assert_true(k == 0 || seq == before + 1);
            before = seq;
        }
        for (int k = MESSAGES - 1; k >= 0; k--) {
            chat_expect_skipping(bobs[i], "message");
            assert_true(chat_get_number(bobs[i], "seq") == before - k);
        }
    }
}

static void every_room_is_heard_by_every_worker(void **state)
{
    (void)state;
    all_come_in();
    all_talk();
    all_go();
}

/* Redis sends each notice once a process, whichever of its workers have members. */
static void a_channel_is_subscribed_once_a_process(void **state)
{
    (void)state;
    all_come_in();
    for (unsigned i = 0; i < ROOMS; i++) {
        char channel[64];
        redisReply *reply;

        snprintf(channel, sizeof(channel), "rc:{%s}:events", room_name(i));
        reply =
            redis_cmd_reply(redis_cmd_port_of(redis_cluster_port(&cluster, 0), channel),
                            "PUBSUB SHARDNUMSUB %s", channel);
        assert_non_null(reply);
        assert_int_equal(reply->element[1]->integer, GATEWAYS);
        freeReplyObject(reply);
    }
    all_go();
}

/* Commands: each worker to each master; notices: each to the masters of the shards that it reads. */
static void links_are_as_few_as_can_be(void **state)
{
    (void)state;
    for (unsigned g = 0; g < GATEWAYS; g++)
        assert_int_equal(fleet_metric(&fleet, g, "roomcast_redis_links"),
                         2 * WORKERS * MASTERS);
}

static void rooms_go_on_where_a_replica_took_over(void **state)
{
    (void)state;
    all_come_in();
    for (unsigned m = 0; m < MASTERS; m++)
        redis_cluster_fail_over(&cluster, redis_cluster_replica(&cluster, m), "");
    redis_cluster_wait_well(&cluster);
    fleet_wait_all_ready(&fleet);
    all_talk();
    all_go();
}

static bool are_all_reaped(void *data)
{
    (void)data;
    return fleet_metric(&fleet, 1, "roomcast_nodes_reaped_total") >= WORKERS * SHARDS;
}

static bool are_all_renamed(void *data)
{
    (void)data;
    return fleet_metric(&fleet, 0, "roomcast_nodes_renamed_total") >= WORKERS * SHARDS;
}

/* Each of its nodes, one a worker and shard, was declared dead meanwhile. */
static void after_a_standstill_each_link_is_cut_once(void **state)
{
    static const char reconnects[] = "roomcast_redis_reconnects_total{shard=\"0\"}";
    double before = fleet_metric(&fleet, 0, reconnects), links;

    (void)state;
    all_come_in();
    links = fleet_metric(&fleet, 0, "roomcast_redis_links");
    process_signal(&fleet.gateways[0].process, SIGSTOP);
    assert_true(wait_until(are_all_reaped, NULL, REAPED_MS));
    process_signal(&fleet.gateways[0].process, SIGCONT);
    assert_true(wait_until(are_all_renamed, NULL, FLEET_DEADLINE_MS));
    fleet_wait_all_ready(&fleet);
    all_talk();
    assert_true(fleet_metric(&fleet, 0, reconnects) - before <= links);
    all_go();
}

/* A worker that reads for others ends last. */
static void a_drain_loses_nothing(void **state)
{
    (void)state;
    all_come_in();
    all_talk();
    all_go();
    fleet_stop_gateway(&fleet, 0);
    fleet_start_gateway(&fleet, 0);
    all_come_in();
    all_talk();
    all_go();
}

/* Its workers without clients end as nodes, and go on reading for the one that has some, also what is
 * asked for only then. */
static void until_then_it_reads_for_those_that_stay(void **state)
{
    static char url[64];
    const char *const settings[] = {url, "ROOMCAST_WORKERS=3", "ROOMCAST_DRAIN_SECS=30",
                                    "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};
    struct chat *goes, *stays, *ann;
    unsigned third;

    (void)state;
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    third = fleet_add(&fleet, settings);
    goes = enter_on(&fleet, third, 1, "end", "goes");
    stays = enter_on(&fleet, third, 1, "end", "stays");
    process_signal(&fleet.gateways[third].process, SIGTERM);
    chat_expect_skipping(goes, "reconnect");
    for (unsigned i = 0; i < ROOMS; i++) {
        ann = chat_enter(fleet.gateways[0].port, room_name(i), "ann");
        chat_join(stays, room_name(i), "stays");
        chat_say(ann, room_name(i), "hello");
        chat_expect_skipping(stays, "message");
        chat_close(ann);
    }
    chat_abort(goes);
    chat_close(stays);
    assert_int_equal(process_wait(&fleet.gateways[third].process, 20000), 0);
    fleet.gateways[third].down = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_room_is_heard_by_every_worker),
        cmocka_unit_test(a_channel_is_subscribed_once_a_process),
        cmocka_unit_test(links_are_as_few_as_can_be),
        cmocka_unit_test(rooms_go_on_where_a_replica_took_over),
        cmocka_unit_test(after_a_standstill_each_link_is_cut_once),
        cmocka_unit_test(a_drain_loses_nothing),
        cmocka_unit_test(until_then_it_reads_for_those_that_stay),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
