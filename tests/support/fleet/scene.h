/* scene.h - three gateways, each behind a proxy of its own to one Redis, and guests who talk
 * all the time and come back whenever they are cut off; and the checker who knows what all
 * of them were told.
 *
 *     scene_start(&scene, &opts);
 *     scene_begin(&scene, "FLUSHALL");          the fault begins
 *     redis_cmd(scene.fleet.redis_port, "FLUSHALL");
 *     scene_run(&scene, 1000);                  while they talk
 *     scene_end(&scene);                        mended: waits, compares, judges
 *     scene_stop(&scene);
 *
 * scene_end waits until every gateway is ready, everybody is in, and everything said
 * is acked and has come to everybody, or was named as gone; then Redis must hold exactly
 * the members whose sockets are open, node by node, and nothing of nodes that are dead.
 * Nothing may be lost or doubled: that fails the test.
 */
#ifndef TESTS_SUPPORT_FLEET_SCENE_H
#define TESTS_SUPPORT_FLEET_SCENE_H

#include <uv.h>

#include "client/chat_client.h"
#include "tests/support/fleet/checker.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/proxy.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/unit/wait.h"

enum {
    SCENE_GATEWAYS = 3,
    SCENE_ROOMS = 4,
    SCENE_GUESTS = 18,
    SCENE_EACH = 2, /* rooms a guest is in */
    SCENE_DEADLINE_MS = 90000,
};

struct scene;

struct scene_guest {
    struct scene *scene;
    int64_t away_since_ms; /* 0: it is in its rooms */
    struct chat_client *client;
    char user[16];
    unsigned rooms[SCENE_EACH];
    struct checker_member *members[SCENE_EACH];
    uint64_t *said; /* message number by the id of what was said */
    uint64_t said_cap;
    uint64_t last_id;
    uint64_t waiting; /* said and not acked */
    uint64_t owed,
        owed_until; /* of these, at the end of the fault, and their last id */
};

struct scene {
    struct fleet fleet;
    struct redis_cluster cluster; /* in place of the fleet's Redis; no proxies then */
    struct proxy *proxies[SCENE_GATEWAYS];
    uv_loop_t loop;
    uv_timer_t talk, look;
    struct scene_guest guests[SCENE_GUESTS];
    struct checker *checker;
    uint64_t said; /* messages, also their numbers */
    size_t text_bytes;
    long lease_ms;                  /* of the gateways; set by the owner */
    bool is_asleep[SCENE_GATEWAYS]; /* stopped by the test: not to be asked */
    bool is_new[SCENE_GATEWAYS];    /* started in this fault: not ready by nature */
    unsigned closed;                /* guests */
    int odd_pids[SCENE_GATEWAYS], pids[SCENE_GATEWAYS];

    /* Of the fault at hand. */
    const char *name;
    int64_t begun_ms, mended_ms, unready_ms, recovered_ms; /* -1: not */
    unsigned left;           /* member_left about somebody who stays */
    char first_left[160];    /* who saw whom leaving where, and why */
    int64_t longest_away_ms; /* a guest was out of its rooms, from a look to a look */
    struct checker_verdict verdict;
};

struct scene_opts {
    const char *const *settings;                   /* of each gateway */
    const char *const *of_gateway[SCENE_GATEWAYS]; /* of one; may be NULL */
    const char *const *redis_args;
    /* Called when Redis is there: gives ROOMCAST_REDIS_URL=… of the gateways, to be freed, in place
     * of their proxies' addresses. NULL: not. */
    char *(*place)(struct scene *scene);
    unsigned masters; /* of a Redis Cluster, with a replica each; 0: one Redis */
    int odd_pids
        [SCENE_GATEWAYS]; /* what a gateway believes to be its pid; 0: the true one */
};

/* Starts everything and waits until all guests are in. */
void scene_start(struct scene *scene, const struct scene_opts *opts);

void scene_begin(struct scene *scene, const char *name);

/* Turns the loop, so that guests talk and read. */
void scene_run(struct scene *scene, long ms);
bool scene_run_until(struct scene *scene, wait_condition_fn condition, void *data,
                     long deadline_ms);

/* The fault is over: waits until the gateways are ready and the guests are back. scene_end
 * begins with it if it was not called. */
void scene_recover(struct scene *scene);

/* Ends the fault as said above, and prints a row of docs/reliability.md's table, also to the
 * file of $ROOMCAST_FAULTS_TABLE. */
void scene_end(struct scene *scene);

/* Sends a signal to a gateway, and remembers whether it can be asked. */
void scene_signal(struct scene *scene, unsigned gateway, int signal);

/* Waits for the end of a gateway that was told to stop, and starts it again; likewise for
 * one that is down. Turns the loop meanwhile. */
void scene_await_exit(struct scene *scene, unsigned gateway);
void scene_restart(struct scene *scene, unsigned gateway);

/* Which gateway a node of rc:nodes is, by the pid in its name; -1: none that runs. */
int scene_gateway_of(struct scene *scene, const char *node);

const char *scene_room(unsigned i);

void scene_stop(struct scene *scene);

#endif
