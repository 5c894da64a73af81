/* fleet.h - what an integration test runs on: a Redis of its own and some gateways, all
 * on free ports of 127.0.0.1.
 *
 *     static struct fleet fleet;
 *
 *     static int start(void **state)
 *     {
 *         *state = &fleet;
 *         return fleet_start(&fleet, &(struct fleet_opts){
 *             .gateways = 2, .settings = (const char *[]){"ROOMCAST_LEASE_SECS=2", NULL}});
 *     }
 *
 *     cmocka_run_group_tests(tests, start, fleet_teardown);
 *
 * The programs are $ROOMCAST_BIN/roomcast-gateway and redis-server of the PATH. What they
 * print is in files of a temporary directory that is removed when all went well. Where
 * something cannot be started or does not stop as it should, the test fails with the end
 * of the log.
 */
#ifndef TESTS_SUPPORT_FLEET_FLEET_H
#define TESTS_SUPPORT_FLEET_FLEET_H

#include <stdbool.h>

#include "tests/support/redis/process.h"
#include "tests/support/redis/redis_server.h"

/* How many workers a gateway has whose settings do not say. */
unsigned fleet_workers(void);

enum { FLEET_MAX = 32, FLEET_SHARDS_MAX = 8, FLEET_DEADLINE_MS = 60000 };

struct fleet_gateway {
    struct process process;
    int port, ops_port; /* kept when it is started again */
    char *log_path;
    char **settings; /* NAME=value, ends with NULL */
    bool down;       /* stopped or killed by the test, not by itself */
};

struct fleet {
    struct redis_server redis;
    int redis_port; /* of `redis`, as is the directory */
    const char *dir;
    struct redis_server shards[FLEET_SHARDS_MAX]; /* of a list, behind `redis` */
    unsigned shards_count;                        /* of the list; 0: no list */
    struct fleet_gateway gateways[FLEET_MAX];
    unsigned count; /* ever added, also those that do not run any more */
    bool failed;    /* keep the directory */
};

/* Lists end with NULL, or are NULL; `settings` are copied, the rest is borrowed: see
 * redis_server.h. */
struct fleet_opts {
    unsigned gateways;
    const char *const *settings;   /* NAME=value, for each gateway */
    const char *const *redis_args; /* e.g. "--notify-keyspace-events", "Kx" */
    const char *redis_conf;
    const char *redis_password;
    unsigned shards; /* so many Redis as a list; 0: one */
};

/* Starts Redis and the gateways, and waits until each is
 * ready. The settings beat these of every fleet: one worker, or as many as ROOMCAST_TEST_WORKERS of
 * the environment says, ROOMCAST_DRAIN_SECS=1, and
 * clients that are not paced (ROOMCAST_REQUESTS_PER_SEC=0, ROOMCAST_BYTES_PER_SEC=0).
 * 0, as a fixture wants it. */
int fleet_start(struct fleet *fleet, const struct fleet_opts *opts);

/* SIGTERM to each gateway that the test has not ended yet; each must exit with 0, also one
 * that has gone by itself, or the test program ends here. Then Redis. 0, as a fixture
 * wants it. */
int fleet_stop(struct fleet *fleet);

/* A group's teardown that stops the fleet which its setup has put into *state. */
int fleet_teardown(void **state);

/* Starts one more gateway and waits until it is ready; its index. */
unsigned fleet_add(struct fleet *fleet, const char *const *settings);

/* The same without waiting. */
unsigned fleet_launch(struct fleet *fleet, const char *const *settings);

/* Starts one that has ended again, as it was, and waits until it is ready. */
void fleet_start_gateway(struct fleet *fleet, unsigned index);

/* The same without waiting. */
void fleet_launch_gateway(struct fleet *fleet, unsigned index);

/* SIGTERM, and exit 0 is asserted. */
void fleet_stop_gateway(struct fleet *fleet, unsigned index);

/* SIGKILL. */
void fleet_kill_gateway(struct fleet *fleet, unsigned index);

/* Waits until /readyz of the gateway, or of each that runs, is 200. */
void fleet_wait_ready(struct fleet *fleet, unsigned index);
void fleet_wait_all_ready(struct fleet *fleet);

/* Redis: SIGKILL (its data is gone, unless `redis_args` have it kept); start on the same port with the same arguments.
 * fleet_restart_redis is both; the gateways notice by themselves, wait for what the test
 * is about. */
void fleet_kill_redis(struct fleet *fleet);
void fleet_start_redis(struct fleet *fleet);
void fleet_restart_redis(struct fleet *fleet);

/* The Redis that is this shard of the list, and the shard that a room is in. */
struct redis_server *fleet_shard(struct fleet *fleet, unsigned shard);
unsigned fleet_shard_of(const struct fleet *fleet, const char *room);

/* ROOMCAST_REDIS_URL=… of these shards, in this order; to be freed by the caller. */
char *fleet_list_setting(struct fleet *fleet, const unsigned *shards, unsigned count);

/* Removes what a Redis that is down has kept. */
void fleet_forget_redis(struct fleet *fleet);

/* Waits until the gateway's log has a line with `text` in it; the test fails if it does not
 * come. */
void fleet_expect_logged(const struct fleet *fleet, unsigned index, const char *text);

/* The value of a metric of one gateway; see http_get_metric. */
double fleet_metric(const struct fleet *fleet, unsigned index, const char *name);

#endif
