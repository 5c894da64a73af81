/* faults.c - see faults.h. */
#include "tests/support/fleet/faults.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"

enum {
    GRACE_MS = 1500,
    LOOKS_MS = 300,
    LEASE_MS = 3000,
    LONG_LEASE_MS = 6000,
    ODD_PID = 4242,
    TALK_MS = 1000
};

static void ask(struct scene *scene, const char *command)
{
    redis_cmd(scene->fleet.redis_port, command);
}

/* ---- Redis ---- */

static void killed_and_restarted_with_its_data(struct scene *scene)
{
    fleet_kill_redis(&scene->fleet);
    scene_run(scene, TALK_MS);
    fleet_start_redis(&scene->fleet);
}

static void killed_and_restarted_empty(struct scene *scene)
{
    fleet_kill_redis(&scene->fleet);
    fleet_forget_redis(&scene->fleet);
    scene_run(scene, TALK_MS);
    fleet_start_redis(&scene->fleet);
}

static void emptied_with_the_links_up(struct scene *scene)
{
    scene_run(scene, TALK_MS);
    ask(scene, "FLUSHALL");
    scene_run(scene, TALK_MS);
}

static void out_of_memory(struct scene *scene)
{
    ask(scene, "CONFIG SET maxmemory 1");
    scene_run(scene, 3 * TALK_MS);
    ask(scene, "CONFIG SET maxmemory 0");
}

static void demoted_with_the_links_kept(struct scene *scene)
{
    static int nobody;

    if (!nobody)
        nobody = port_take();
    redis_cmd(scene->fleet.redis_port, "REPLICAOF 127.0.0.1 %d", nobody);
    scene_run(scene, 3 * TALK_MS);
    ask(scene, "REPLICAOF NO ONE");
}

static void scripts_flushed(struct scene *scene)
{
    for (int i = 0; i < 5; i++) {
        ask(scene, "SCRIPT FLUSH");
        scene_run(scene, TALK_MS / 5);
    }
}

static void sleep_redis(struct scene *scene, long ms)
{
    process_signal(&scene->fleet.redis.process, SIGSTOP);
    scene_run(scene, ms);
    process_signal(&scene->fleet.redis.process, SIGCONT);
}

static void stopped_for_5_s(struct scene *scene)
{
    sleep_redis(scene, 5000);
}

static void stopped_for_longer_than_the_lease(struct scene *scene)
{
    sleep_redis(scene, scene->lease_ms + 2000);
}

/* ---- the links ---- */

static void subscriptions_killed(struct scene *scene)
{
    for (int i = 0; i < 3; i++) {
        ask(scene, "CLIENT KILL TYPE pubsub");
        scene_run(scene, TALK_MS / 2);
    }
}

static void commands_killed(struct scene *scene)
{
    for (int i = 0; i < 3; i++) {
        ask(scene, "CLIENT KILL TYPE normal");
        scene_run(scene, TALK_MS / 2);
    }
}

/* They reach Redis, and it answers to nobody: the next connection must end the old one
 * before it asks again. */
static void cut_with_commands_unread(struct scene *scene)
{
    scene->text_bytes = 30000;
    process_signal(&scene->fleet.redis.process, SIGSTOP);
    scene_run(scene, 700); /* 28 messages, each by two guests at most */
    for (int g = 0; g < SCENE_GATEWAYS; g++)
        proxy_cut(scene->proxies[g], PROXY_COMMANDS);
    scene_run(scene, 50);
    process_signal(&scene->fleet.redis.process, SIGCONT);
    scene->text_bytes = 32;
}

static void output_buffer_full(struct scene *scene)
{
    struct proxy_weather slow = {.bytes_per_s = 2000};

    redis_cmd(scene->fleet.redis_port, "CONFIG SET client-output-buffer-limit %s",
              "pubsub 100000 0 0");
    proxy_set(scene->proxies[1], PROXY_NOTICES, slow);
    scene->text_bytes = 20000;
    scene_run(scene, 3 * TALK_MS);
    scene->text_bytes = 32;
    proxy_set(scene->proxies[1], PROXY_NOTICES, (struct proxy_weather){0});
    redis_cmd(scene->fleet.redis_port, "CONFIG SET client-output-buffer-limit %s",
              "pubsub 33554432 8388608 60");
}

static void half_open(struct scene *scene)
{
    proxy_set(scene->proxies[1], PROXY_ALL,
              (struct proxy_weather){.is_half_open = true});
    scene_run(scene, 4 * TALK_MS);
    proxy_set(scene->proxies[1], PROXY_ALL, (struct proxy_weather){0});
}

/* Not for longer: heartbeats rest meanwhile, and the last pause before the next attempt to connect may be
 * nearly as long as all before. */
static void deaf(struct scene *scene)
{
    proxy_set(scene->proxies[2], PROXY_NOTICES,
              (struct proxy_weather){.is_closed = true});
    scene_run(scene, TALK_MS / 2);
    proxy_set(scene->proxies[2], PROXY_NOTICES, (struct proxy_weather){0});
}

static void delayed_and_throttled(struct scene *scene)
{
    struct proxy_weather bad = {.delay_ms = 200, .bytes_per_s = 50000};

    for (int g = 0; g < SCENE_GATEWAYS; g++)
        proxy_set(scene->proxies[g], PROXY_ALL, bad);
    scene_run(scene, 3 * TALK_MS);
    for (int g = 0; g < SCENE_GATEWAYS; g++)
        proxy_set(scene->proxies[g], PROXY_ALL, (struct proxy_weather){0});
}

/* ---- gateways ---- */

static void gateway_killed(struct scene *scene)
{
    scene_run(scene, TALK_MS);
    fleet_kill_gateway(&scene->fleet, 0);
    scene_recover(scene);
    scene_run(scene, scene->lease_ms);
    scene_restart(scene, 0);
}

struct node {
    struct scene *scene;
    char name[320];
};

/* As rc:nodes has it. */
static void find_node(struct node *node, int gateway)
{
    redisReply *reply =
        redis_cmd_reply(node->scene->fleet.redis_port, "ZRANGE rc:nodes 0 -1");

    assert_non_null(reply);
    for (size_t i = 0; i < reply->elements; i++)
        if (scene_gateway_of(node->scene, reply->element[i]->str) == gateway)
            snprintf(node->name, sizeof(node->name), "%s", reply->element[i]->str);
    freeReplyObject(reply);
}

static bool has_members_again(void *data)
{
    const struct node *node = data;

    return redis_cmd_number(node->scene->fleet.redis_port, "HLEN rc:{%s}:on:%s",
                            scene_room(0), node->name) > 0;
}

/* Its members were put back under a name that Redis has forgotten; or, if a heartbeat came
 * first, under another one, which does no harm. */
static void gateway_killed_after_redis_was_emptied(struct scene *scene)
{
    struct node node = {.scene = scene};

    scene_run(scene, TALK_MS);
    find_node(&node, 0);
    ask(scene, "FLUSHALL");
    if (!scene_run_until(scene, has_members_again, &node, scene->lease_ms / 2))
        print_message("  a heartbeat came first\n");
    fleet_kill_gateway(&scene->fleet, 0);
    scene_recover(scene);
    scene_run(scene, scene->lease_ms);
    scene_restart(scene, 0);
}

static void gateway_stopped_past_its_lease(struct scene *scene)
{
    scene_signal(scene, 1, SIGSTOP);
    scene_run(scene, 2 * scene->lease_ms);
    scene_signal(scene, 1, SIGCONT);
}

/* Gateway 2 believes to have the same pid in each life. */
static void gateway_restarted_under_the_same_name_and_pid(struct scene *scene)
{
    scene_run(scene, TALK_MS);
    fleet_kill_gateway(&scene->fleet, 2);
    scene_restart(scene, 2);
}

/* Gateway 1 is 30 s ahead all the time. */
static void clock_30_s_off(struct scene *scene)
{
    scene_run(scene, 2 * TALK_MS);
}

struct claim {
    struct scene *scene;
    int holder; /* the gateway */
};

static bool is_claimed(void *data)
{
    struct claim *claim = data;
    int port = claim->scene->fleet.redis_port;
    redisReply *keys = redis_cmd_reply(port, "KEYS rc:node:*:claim");
    char *holder = NULL;

    if (keys && keys->type == REDIS_REPLY_ARRAY && keys->elements > 0)
        holder = redis_cmd_text(port, "GET %s", keys->element[0]->str);
    claim->holder = holder ? scene_gateway_of(claim->scene, holder) : -1;
    free(holder);
    freeReplyObject(keys);
    return claim->holder >= 0;
}

/* The links are slow, so that reaping takes a while. */
static void gateway_killed_while_it_reaps_another(struct scene *scene)
{
    struct claim claim = {scene, -1};

    for (int g = 0; g < SCENE_GATEWAYS; g++)
        proxy_set(scene->proxies[g], PROXY_COMMANDS,
                  (struct proxy_weather){.delay_ms = 100});
    fleet_kill_gateway(&scene->fleet, 0);
    assert_true(scene_run_until(scene, is_claimed, &claim, 10 * scene->lease_ms));
    fleet_kill_gateway(&scene->fleet, (unsigned)claim.holder);
    for (int g = 0; g < SCENE_GATEWAYS; g++)
        proxy_set(scene->proxies[g], PROXY_COMMANDS, (struct proxy_weather){0});
    scene_recover(scene);
    scene_run(scene, scene->lease_ms);
    scene_restart(scene, 0);
    scene_restart(scene, (unsigned)claim.holder);
}

static bool is_forgotten(void *data)
{
    struct scene *scene = data;

    return redis_cmd_number(scene->fleet.redis_port, "EXISTS %s", "rc:{lonely}:meta") ==
           0;
}

/* The room of one who lost the gateway is still there when they come back, and goes once
 * nobody comes. ROOMCAST_ROOM_TTL_SECS is 1. */
static void room_that_lives_shorter_than_the_lease(struct scene *scene)
{
    struct chat *ann = chat_open(scene->fleet.gateways[0].port), *again;
    char epoch[32];

    chat_join(ann, "lonely", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    chat_say(ann, "lonely", "x");
    fleet_kill_gateway(&scene->fleet, 0);
    scene_run(scene, scene->lease_ms * 3 / 4);
    again = chat_open(scene->fleet.gateways[1].port);
    chat_join(again, "lonely", "ann");
    assert_string_equal(chat_get_text(again, "epoch"), epoch);
    assert_true(chat_get_number(again, "seq") == 1);
    chat_abort(again);
    chat_abort(ann);
    scene_restart(scene, 0);
    assert_true(scene_run_until(scene, is_forgotten, scene, 20 * scene->lease_ms));
}

/* ---- clients ---- */

static void rolling_restart(struct scene *scene)
{
    for (unsigned g = 0; g < SCENE_GATEWAYS; g++) {
        scene_signal(scene, g, SIGTERM);
        scene_await_exit(scene, g);
        scene_restart(scene, g);
    }
}

static double sum_of(struct scene *scene, const char *metric)
{
    double sum = 0;

    for (unsigned g = 0; g < SCENE_GATEWAYS; g++)
        sum += fleet_metric(&scene->fleet, g, metric);
    return sum;
}

static void clients_that_do_not_read(struct scene *scene)
{
    double before = sum_of(scene, "roomcast_slow_consumers_total");

    scene->text_bytes = 30000;
    for (int i = 0; i < 3; i++)
        chat_client_pause(scene->guests[i].client);
    scene_run(scene, 6 * TALK_MS);
    scene->text_bytes = 32;
    assert_true(sum_of(scene, "roomcast_slow_consumers_total") > before);
    for (int i = 0; i < 3; i++)
        chat_client_resume(scene->guests[i].client);
}

static void all_clients_cut_at_once(struct scene *scene)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SCENE_GUESTS; i++)
            chat_client_cut(scene->guests[i].client);
        scene_run(scene, TALK_MS / 2);
    }
}

const struct fault faults_all[] = {
    {FAULTS_REDIS, "Redis killed, restarted with its data",
     killed_and_restarted_with_its_data, false, false},
    {FAULTS_REDIS, "Redis killed, restarted empty", killed_and_restarted_empty, true,
     false},
    {FAULTS_REDIS, "Redis emptied with the links up (`FLUSHALL`)",
     emptied_with_the_links_up, true, false},
    {FAULTS_REDIS, "Redis out of memory", out_of_memory, false, false},
    {FAULTS_REDIS, "Redis demoted to a replica, links kept",
     demoted_with_the_links_kept, false, false},
    {FAULTS_REDIS, "`SCRIPT FLUSH`", scripts_flushed, false, false},
    {FAULTS_STOPPED, "Redis stopped for 5 s (`SIGSTOP`)", stopped_for_5_s, false,
     false},
    {FAULTS_STOPPED, "Redis stopped for longer than the lease",
     stopped_for_longer_than_the_lease, false, false},
    {FAULTS_LINKS, "`CLIENT KILL TYPE pubsub`", subscriptions_killed, false, false},
    {FAULTS_LINKS, "`CLIENT KILL TYPE normal`", commands_killed, false, false},
    {FAULTS_LINKS, "cut with 500 kB of commands unread", cut_with_commands_unread,
     false, false},
    {FAULTS_LINKS, "subscription killed for its output buffer", output_buffer_full,
     false, false},
    {FAULTS_LINKS, "a gateway's links half open", half_open, false, true},
    {FAULTS_LINKS, "a gateway's subscription cut", deaf, false, false},
    {FAULTS_LINKS, "links delayed by 200 ms, 50 kB/s", delayed_and_throttled, false,
     false},
    {FAULTS_GATEWAYS, "gateway killed", gateway_killed, false, false},
    {FAULTS_GATEWAYS, "Redis emptied, and a gateway killed right after it",
     gateway_killed_after_redis_was_emptied, true, false},
    {FAULTS_GATEWAYS, "gateway stopped past its lease, continued",
     gateway_stopped_past_its_lease, false, true},
    {FAULTS_GATEWAYS, "gateway killed, restarted under the same name and pid",
     gateway_restarted_under_the_same_name_and_pid, false, false},
    {FAULTS_GATEWAYS, "gateway's clock 30 s off", clock_30_s_off, false, false},
    {FAULTS_GATEWAYS, "gateway killed while it reaps another",
     gateway_killed_while_it_reaps_another, false, true},
    {FAULTS_GATEWAYS, "gateway killed, room TTL shorter than the lease",
     room_that_lives_shorter_than_the_lease, false, false},
    {FAULTS_CLIENTS, "rolling restart of three gateways (drain)", rolling_restart,
     false, false},
    {FAULTS_CLIENTS, "clients that do not read", clients_that_do_not_read, false,
     false},
    {FAULTS_CLIENTS, "all clients cut at once", all_clients_cut_at_once, false, false},
};

const unsigned faults_count = sizeof(faults_all) / sizeof(faults_all[0]);

/* ---- playing them ---- */

void faults_play(struct scene *scene, const struct fault *fault)
{
    scene_begin(scene, fault->name);
    scene->fleet.failed = true; /* the logs stay, unless all is well */
    fault->play(scene);
    scene_end(scene);
    if (!fault->may_go)
        assert_int_equal(scene->verdict.gone, 0);
    if (scene->left > 0)
        print_message("  %u were seen leaving (%s); somebody was away for %lld ms\n",
                      scene->left, scene->first_left,
                      (long long)scene->longest_away_ms);
    if (!fault->may_part && scene->longest_away_ms < GRACE_MS - LOOKS_MS)
        assert_int_equal(scene->left, 0);
    scene->fleet.failed = false;
}

/* An environment for a gateway with an odd clock or pid. */
static const char *const *odd(const char *setting)
{
    static char preload[512];
    static const char *settings[3][4];
    static unsigned count;
    const char **own = settings[count++ % 3];

    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/../tests/libodd_process.so",
             getenv("ROOMCAST_BIN"));
    own[0] = preload;
    own[1] = "ASAN_OPTIONS=detect_stack_use_after_return=1:verify_asan_link_order=0";
    own[2] = setting;
    return own;
}

void faults_start(struct scene *scene, enum faults_kind kind)
{
    static const char *const redis_args[] = {"--appendonly", "yes", "--appendfsync",
                                             "no", NULL};
    static const char *const settings[] = {
        "ROOMCAST_LEASE_SECS=3",       "ROOMCAST_PRESENCE_GRACE_MS=1500" /* GRACE_MS */,
        "ROOMCAST_HISTORY_LIMIT=300",  "ROOMCAST_REDIS_DEADLINE_MS=1000",
        "ROOMCAST_JOINS_PER_SEC=0",    "ROOMCAST_DRAIN_SECS=4",
        "ROOMCAST_REQUESTS_PER_SEC=0", "ROOMCAST_BYTES_PER_SEC=0",
        "ROOMCAST_SLOW_SECS=3",        "ROOMCAST_SEND_QUEUE_MAX_BYTES=65536",
        "ROOMCAST_ROOM_TTL_SECS=1",    NULL};
    static const char *const long_lease[] = {"ROOMCAST_LEASE_SECS=6", NULL};
    struct scene_opts opts = {.settings = settings, .redis_args = redis_args};

    for (int g = 0; kind == FAULTS_STOPPED && g < SCENE_GATEWAYS; g++)
        opts.of_gateway[g] = long_lease;
    if (kind == FAULTS_GATEWAYS) {
        opts.of_gateway[1] = odd("ODD_CLOCK_MS=30000");
        opts.of_gateway[2] = odd("ODD_PID=4242");
        opts.odd_pids[2] = ODD_PID;
    }
    scene_start(scene, &opts);
    scene->lease_ms = kind == FAULTS_STOPPED ? LONG_LEASE_MS : LEASE_MS;
}

static struct scene scene;

static void is_lived_through(void **state)
{
    if (scene.fleet.failed) /* whatever follows would say the same */
        skip();
    faults_play(&scene, *state);
}

static int stop(void **state)
{
    (void)state;
    scene_stop(&scene);
    return 0;
}

static struct CMUnitTest test_of(const struct fault *fault)
{
    return (struct CMUnitTest){.name = fault->name,
                               .test_func = is_lived_through,
                               .initial_state = (void *)fault};
}

int faults_run(enum faults_kind kind)
{
    struct CMUnitTest tests[sizeof(faults_all) / sizeof(faults_all[0])];
    size_t count = 0;

    for (unsigned i = 0; i < faults_count; i++)
        if (faults_all[i].kind == kind)
            tests[count++] = test_of(&faults_all[i]);
    faults_start(&scene, kind);
    return _cmocka_run_group_tests("faults", tests, count, NULL, stop);
}
