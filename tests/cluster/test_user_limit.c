/* test_user_limit.c - a user may have two connections on three gateways (ROOMCAST_USER_CONNECTIONS_MAX,
 * SPEC-PUBLIC P4): with one Redis, with a list of three, and in a Redis Cluster. Each test has users of its
 * own.
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

#include "common/clock.h"
#include "common/cluster_slot.h"
#include "common/keys.h"
#include "common/shard_of.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/user_token.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

enum { GATEWAYS = 3, MASTERS = 3, SHARDS = 3, PATIENCE_MS = 30000 };

static struct redis_cluster cluster;
static struct fleet fleet;
static bool is_cluster;

/* ---- clients ---- */

static void authenticate(struct chat *chat, const char *user)
{
    char *token = user_token(user, 600, "");

    chat_send(chat, "{'type':'auth','id':1,'token':'%s'}", token);
    chat_expect_skipping(chat, "auth_ack");
    free(token);
}

static struct chat *log_in(unsigned gateway, const char *user)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);

    authenticate(chat, user);
    return chat;
}

static void expect_replaced(struct chat *chat)
{
    assert_int_equal(chat_wait_close(chat, PATIENCE_MS), 4502);
    chat_abort(chat);
}

/* ---- what Redis knows ---- */

static unsigned shard_of_user(const char *user)
{
    return is_cluster ? cluster_slot_of_room(user, strlen(user)) / SHARD_OF_SLOTS
                      : fleet_shard_of(&fleet, user);
}

/* The Redis that the user is in; of a cluster any, for redis_cmd follows. */
static int port_of_user(const char *user)
{
    return is_cluster                ? redis_cluster_port(&cluster, 0)
           : fleet.shards_count == 0 ? fleet.redis_port
                                     : fleet_shard(&fleet, shard_of_user(user))->port;
}

struct conns {
    const char *user;
    long long expected;
};

static bool are_as_many(void *data)
{
    const struct conns *conns = data;

    return redis_cmd_number(port_of_user(conns->user), "ZCARD rc:user:{%s}:conns",
                            conns->user) == conns->expected;
}

/* Redis is told a moment after the client. */
static void expect_count(const char *user, long long expected)
{
    struct conns conns = {user, expected};

    assert_true(wait_until(are_as_many, &conns, PATIENCE_MS));
}

/* The node that has the latest connection of the user; to be freed. */
static char *node_of_latest(const char *user)
{
    redisReply *reply =
        redis_cmd_reply(port_of_user(user), "ZRANGE rc:user:{%s}:conns -1 -1", user);
    char *node, *space;

    assert_non_null(reply);
    assert_int_equal(reply->elements, 1);
    node = strdup(reply->element[0]->str);
    space = strchr(node, ' ');
    assert_non_null(space);
    *space = '\0';
    freeReplyObject(reply);
    return node;
}

struct node {
    const char *user;
    char *name;
};

static bool is_gone(void *data)
{
    const struct node *node = data;
    char key[KEYS_MAX_BYTES];

    keys_node_in(key, is_cluster, shard_of_user(node->user), node->name, KEY_NODE);
    return redis_cmd_number(port_of_user(node->user), "EXISTS %s", key) == 0;
}

/* Until Redis has forgotten that it lived. */
static void kill_gateway(unsigned gateway, struct node *node)
{
    fleet_kill_gateway(&fleet, gateway);
    assert_true(wait_until(is_gone, node, PATIENCE_MS));
    free(node->name);
}

/* ---- tests ---- */

static void a_third_login_closes_the_oldest_wherever_it_is(void **state)
{
    struct chat *first = log_in(0, "ann"), *second, *third, *other;
    double closed = fleet_metric(&fleet, 0, "roomcast_user_connections_closed_total");

    (void)state;
    expect_count("ann", 1);
    second = log_in(1, "ann");
    expect_count("ann", 2);
    other = log_in(1, "bob");
    authenticate(first, "ann"); /* a new token is no new connection */
    third = log_in(2, "ann");
    expect_replaced(first);
    expect_count("ann", 2);
    assert_true(fleet_metric(&fleet, 0, "roomcast_user_connections_closed_total") ==
                closed + 1);
    first = log_in(2, "ann"); /* of the same gateway as the third */
    expect_replaced(second);
    second = log_in(2, "ann");
    expect_replaced(third);
    chat_expect_usable(first);
    chat_expect_usable(other);
    chat_close(first);
    chat_close(second);
    chat_close(other);
    expect_count("ann", 0);
    expect_count("bob", 0);
}

static void guests_are_each_a_user_of_their_own(void **state)
{
    struct chat *guests[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        guests[i] = chat_open(fleet.gateways[0].port);
        chat_send(guests[i], "{'type':'auth','guest':true}");
        chat_expect(guests[i], "auth_ack");
    }
    for (int i = 0; i < 5; i++) {
        chat_expect_usable(guests[i]);
        chat_close(guests[i]);
    }
}

/* `killed` is the first or the second of the user's two connections. */
static void play_killed(const char *user, unsigned killed)
{
    struct chat *in[4];
    struct node node = {user, NULL};

    for (unsigned i = 0; i < 2; i++) {
        in[i] = log_in(i == killed ? 0 : 1, user);
        expect_count(user, i + 1);
        if (i == killed)
            node.name = node_of_latest(user);
    }
    kill_gateway(0, &node);
    in[2] = log_in(2, user);
    expect_count(user, 2); /* the dead one is removed */
    chat_expect_usable(in[1 - killed]);
    chat_expect_usable(in[2]);
    in[3] = log_in(2, user);
    expect_replaced(in[1 - killed]);
    chat_expect_usable(in[2]);
    chat_expect_usable(in[3]);
    chat_abort(in[killed]);
    chat_close(in[2]);
    chat_close(in[3]);
    expect_count(user, 0);
    fleet_start_gateway(&fleet, 0);
}

static void after_a_kill_the_third_is_in_and_the_fourth_closes_the_oldest(void **state)
{
    (void)state;
    play_killed("carl", 0);
    play_killed("dora", 1);
}

/* As where Redis was away when it went: its node lives. */
static void a_connection_that_its_gateway_has_no_more_is_removed(void **state)
{
    struct chat *first = log_in(0, "eve"), *second;
    char ghost[KEYS_MAX_BYTES];
    char *node;

    (void)state;
    expect_count("eve", 1);
    node = node_of_latest("eve");
    snprintf(ghost, sizeof(ghost), "%s 999999", node);
    redis_cmd(port_of_user("eve"), "ZADD rc:user:{eve}:conns %lld %s",
              (long long)clock_ms() - 60000, ghost);
    expect_count("eve", 2);
    second = log_in(1, "eve");
    expect_count("eve", 2);
    chat_expect_usable(first);
    chat_expect_usable(second);
    chat_close(first);
    chat_close(second);
    expect_count("eve", 0);
    free(node);
}

/* ---- while Redis is away, of one Redis ---- */

static void who_comes_while_redis_is_away_is_in_and_not_counted(void **state)
{
    struct chat *in[4];

    (void)state;
    fleet_kill_redis(&fleet);
    for (unsigned i = 0; i < 4; i++)
        in[i] = log_in(i % GATEWAYS, "finn");
    fleet_start_redis(&fleet);
    fleet_wait_all_ready(&fleet);
    chat_close(in[3]);
    in[3] = log_in(1, "finn");
    expect_count("finn", 1);
    for (unsigned i = 0; i < 4; i++) {
        chat_expect_usable(in[i]);
        chat_close(in[i]);
    }
    expect_count("finn", 0);
}

static void who_goes_while_redis_stands_still_is_removed_when_it_is_back(void **state)
{
    struct chat *gus = log_in(0, "gus");

    (void)state;
    expect_count("gus", 1);
    process_signal(&fleet.redis.process, SIGSTOP);
    fleet_expect_logged(&fleet, 0, "redis_lost"); /* it has noticed */
    chat_close(gus);
    process_signal(&fleet.redis.process, SIGCONT);
    expect_count("gus", 0);
    fleet_wait_all_ready(&fleet);
}

#define TESTS                                                                          \
    cmocka_unit_test(a_third_login_closes_the_oldest_wherever_it_is),                  \
        cmocka_unit_test(guests_are_each_a_user_of_their_own),                         \
        cmocka_unit_test(a_connection_that_its_gateway_has_no_more_is_removed),        \
        cmocka_unit_test(                                                              \
            after_a_kill_the_third_is_in_and_the_fourth_closes_the_oldest)

/* ---- places ---- */

#define SETTINGS                                                                       \
    "ROOMCAST_AUTH=jwt", "ROOMCAST_JWT_SECRET=" TOKENS_SECRET, "ROOMCAST_GUESTS=1",    \
        "ROOMCAST_LEASE_SECS=2", "ROOMCAST_USER_CONNECTIONS_MAX=2"

static void start_with(unsigned shards, const char *const *settings)
{
    memset(&fleet, 0, sizeof(fleet));
    fleet_start(&fleet, &(struct fleet_opts){.gateways = GATEWAYS,
                                             .shards = shards,
                                             .settings = settings});
}

static int start_one(void **state)
{
    static const char *const settings[] = {SETTINGS, NULL};

    *state = &fleet;
    start_with(0, settings);
    return 0;
}

static int start_list(void **state)
{
    static const char *const settings[] = {SETTINGS, NULL};

    *state = &fleet;
    start_with(SHARDS, settings);
    return 0;
}

static int start_cluster(void **state)
{
    static char url[64];
    static const char *const settings[] = {SETTINGS, url, NULL};

    (void)state;
    is_cluster = true;
    redis_cluster_open(&cluster, &(struct redis_cluster_opts){.masters = MASTERS});
    redis_cmd_follow();
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    start_with(0, settings);
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

int main(void)
{
    const struct CMUnitTest one[] = {
        TESTS,
        cmocka_unit_test(who_goes_while_redis_stands_still_is_removed_when_it_is_back),
        cmocka_unit_test(who_comes_while_redis_is_away_is_in_and_not_counted),
    };
    const struct CMUnitTest list[] = {TESTS}, of_cluster[] = {TESTS};

    return cmocka_run_group_tests_name("one Redis", one, start_one, fleet_teardown) +
           cmocka_run_group_tests_name("a list", list, start_list, fleet_teardown) +
           cmocka_run_group_tests_name("a cluster", of_cluster, start_cluster,
                                       stop_cluster);
}
