/* test_redis_cluster.c - the clusters that tests run on do what redis_cluster.h says, and
 * common/cluster_map.h and cluster_error.h understand what they answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_error.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"

#define KEY "rc:{lobby}:meta"

static struct redis_cluster cluster;

static unsigned slot(void)
{
    return cluster_slot_of_key(KEY, strlen(KEY));
}

static int open_cluster(void **state)
{
    (void)state;
    redis_cluster_open(&cluster,
                       &(struct redis_cluster_opts){.masters = 3, .replicas = 1});
    return 0;
}

static int close_cluster(void **state)
{
    (void)state;
    redis_cluster_close(&cluster);
    return 0;
}

static int delete_key(void **state)
{
    (void)state;
    redis_cmd(redis_cluster_port_of_key(&cluster, KEY), "DEL " KEY);
    return 0;
}

static void expect_answer(int port, const char *begin, const char *command)
{
    redisReply *reply = redis_cmd_reply(port, command);

    assert_non_null(reply);
    if (strncmp(reply->str ? reply->str : "", begin, strlen(begin)) != 0)
        fail_msg("%s: %s", command, reply->str);
    freeReplyObject(reply);
}

static void slots_are_spread_over_the_masters(void **state)
{
    (void)state;
    assert_int_equal(redis_cluster_owner(&cluster, 0), 0);
    assert_int_equal(redis_cluster_owner(&cluster, 5460), 0);
    assert_int_equal(redis_cluster_owner(&cluster, 5461), 1);
    assert_int_equal(redis_cluster_owner(&cluster, 16383), 2);
    for (unsigned master = 0; master < 3; master++)
        assert_int_equal(redis_cluster_replica(&cluster, master), 3 + master);
}

static void a_slot_moves_with_its_keys(void **state)
{
    unsigned from = (unsigned)redis_cluster_owner(&cluster, slot()),
             to = (from + 1) % 3;

    (void)state;
    redis_cmd(redis_cluster_port(&cluster, from), "SET " KEY " 7");
    redis_cluster_move(&cluster, slot(), 1, to);
    assert_int_equal(redis_cluster_owner(&cluster, slot()), to);
    assert_int_equal(redis_cmd_number(redis_cluster_port(&cluster, to), "GET " KEY), 7);
    expect_answer(redis_cluster_port(&cluster, from), "MOVED", "GET " KEY);
    redis_cluster_move(&cluster, slot(), 1, from);
    assert_int_equal(redis_cmd_number(redis_cluster_port(&cluster, from), "GET " KEY),
                     7);
}

static void the_map_is_what_the_masters_say(void **state)
{
    static const struct cluster_host asked = {"127.0.0.1", 1};
    unsigned from = (unsigned)redis_cluster_owner(&cluster, slot()),
             to = (from + 1) % 3;
    struct cluster_map before, after;
    bool has_moved[CLUSTER_SLOTS];
    struct cluster_host owner;
    redisReply *reply;
    unsigned moved;

    (void)state;
    reply = redis_cmd_reply(redis_cluster_port(&cluster, from), "CLUSTER SLOTS");
    assert_true(cluster_map_parse(&before, reply, &asked));
    freeReplyObject(reply);
    assert_int_equal(before.unserved, 0);
    assert_int_equal(before.masters_count, 3);
    assert_int_equal(cluster_map_owner(&before, slot())->port,
                     redis_cluster_port(&cluster, from));
    redis_cluster_move(&cluster, slot() - 1, 2, to);
    reply = redis_cmd_reply(redis_cluster_port(&cluster, to), "CLUSTER SLOTS");
    assert_true(cluster_map_parse(&after, reply, &asked));
    freeReplyObject(reply);
    assert_int_equal(cluster_map_compare(&before, &after, has_moved), 2);
    assert_true(has_moved[slot()] && has_moved[slot() - 1]);
    reply = redis_cmd_reply(redis_cluster_port(&cluster, from), "GET " KEY);
    assert_true(cluster_error_owner(reply->str, &asked, &moved, &owner));
    freeReplyObject(reply);
    assert_int_equal(moved, slot());
    assert_true(cluster_host_equals(&owner, cluster_map_owner(&after, slot())));
    redis_cluster_move(&cluster, slot() - 1, 2, from);
    cluster_map_deinit(&before);
    cluster_map_deinit(&after);
}

static void a_slot_can_stay_open(void **state)
{
    unsigned from = (unsigned)redis_cluster_owner(&cluster, slot()),
             to = (from + 1) % 3;
    int port = redis_cluster_port(&cluster, from);

    (void)state;
    redis_cmd(port, "SET " KEY " 7");
    redis_cluster_open_slot(&cluster, slot(), to);
    expect_answer(port, "7", "GET " KEY);
    expect_answer(port, "ASK", "GET rc:{lobby}:gone");
    redis_cluster_migrate_key(&cluster, slot(), KEY, to);
    expect_answer(port, "ASK", "GET " KEY);
    assert_int_equal(redis_cluster_owner(&cluster, slot()), from);
    redis_cluster_reverse_slot(&cluster, slot(), to);
    expect_answer(port, "7", "GET " KEY);
    redis_cluster_open_slot(&cluster, slot(), to);
    redis_cluster_migrate_keys(&cluster, slot(), to);
    redis_cluster_end_slot(&cluster, slot(), to);
    assert_int_equal(redis_cmd_number(redis_cluster_port(&cluster, to), "GET " KEY), 7);
    redis_cluster_move(&cluster, slot(), 1, from);
}

static void a_replica_takes_over_when_it_is_told(void **state)
{
    static const char *const ways[] = {"", "FORCE", "TAKEOVER"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        unsigned master = (unsigned)redis_cluster_owner(&cluster, slot()),
                 replica = redis_cluster_replica(&cluster, master);

        redis_cluster_fail_over(&cluster, replica, ways[i]);
        redis_cluster_wait_well(&cluster);
        assert_int_equal(redis_cluster_owner(&cluster, slot()), replica);
        assert_int_equal(redis_cluster_replica(&cluster, replica), master);
    }
}

static void a_replica_takes_over_from_a_dead_master(void **state)
{
    unsigned master = (unsigned)redis_cluster_owner(&cluster, slot()),
             replica = redis_cluster_replica(&cluster, master);

    (void)state;
    redis_cluster_kill(&cluster, master);
    assert_int_equal(redis_cluster_owner(&cluster, slot()), REDIS_CLUSTER_NONE);
    redis_cluster_wait_well(&cluster);
    assert_int_equal(redis_cluster_owner(&cluster, slot()), replica);
    redis_cluster_start(&cluster, master);
    redis_cluster_wait_well(&cluster);
    assert_int_equal(redis_cluster_replica(&cluster, replica), master);
}

static void a_replica_takes_over_from_a_stopped_master(void **state)
{
    unsigned master = (unsigned)redis_cluster_owner(&cluster, slot()),
             replica = redis_cluster_replica(&cluster, master);

    (void)state;
    redis_cluster_stop(&cluster, master);
    redis_cluster_wait_well(&cluster);
    assert_int_equal(redis_cluster_owner(&cluster, slot()), replica);
    redis_cluster_go_on(&cluster, master);
    redis_cluster_wait_well(&cluster);
    assert_int_equal(redis_cluster_owner(&cluster, slot()), replica);
}

#define TEST(f) cmocka_unit_test_setup(f, delete_key)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slots_are_spread_over_the_masters),
        TEST(a_slot_moves_with_its_keys),
        TEST(the_map_is_what_the_masters_say),
        TEST(a_slot_can_stay_open),
        TEST(a_replica_takes_over_when_it_is_told),
        TEST(a_replica_takes_over_from_a_dead_master),
        TEST(a_replica_takes_over_from_a_stopped_master),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
