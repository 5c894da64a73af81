/* fleet.c - see fleet.h. */
#include "tests/support/fleet/fleet.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/shard_of.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

enum { ARGS_MAX = 64 };

static void fail_with_log(struct fleet *fleet, const char *what, const char *log_path)
{
    fleet->failed = true;
    process_print_log(log_path);
    fail_msg("%s; the logs stay in %s", what, fleet->dir);
}

void fleet_start_redis(struct fleet *fleet)
{
    redis_server_start(&fleet->redis);
}

void fleet_kill_redis(struct fleet *fleet)
{
    process_kill(&fleet->redis.process);
}

void fleet_forget_redis(struct fleet *fleet)
{
    redis_server_forget(&fleet->redis);
}

void fleet_restart_redis(struct fleet *fleet)
{
    fleet_kill_redis(fleet);
    fleet_start_redis(fleet);
}

static bool is_ready_or_dead(void *data)
{
    struct fleet_gateway *g = data;
    struct http_answer answer = {0};
    bool is_ready = false;

    if (!process_is_running(&g->process))
        return true;
    if (http_get_try(&answer, g->ops_port, "/readyz")) /* of a list all are */
        is_ready = answer.status == 200 && strcmp(answer.body, "ready\n") == 0;
    http_get_deinit(&answer);
    return is_ready;
}

void fleet_wait_ready(struct fleet *fleet, unsigned index)
{
    struct fleet_gateway *g = &fleet->gateways[index];

    if (!wait_until(is_ready_or_dead, g, FLEET_DEADLINE_MS) ||
        !process_is_running(&g->process))
        fail_with_log(fleet, "a gateway does not get ready", g->log_path);
}

void fleet_wait_all_ready(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++)
        if (process_is_running(&fleet->gateways[i].process))
            fleet_wait_ready(fleet, i);
}

static void launch(struct fleet_gateway *g)
{
    process_start_roomcast(&g->process, "roomcast-gateway",
                           (const char *const *)g->settings, g->log_path);
}

void fleet_launch_gateway(struct fleet *fleet, unsigned index)
{
    assert_true(fleet->gateways[index].down);
    fleet->gateways[index].down = false;
    launch(&fleet->gateways[index]);
}

void fleet_start_gateway(struct fleet *fleet, unsigned index)
{
    fleet_launch_gateway(fleet, index);
    fleet_wait_ready(fleet, index);
}

/* Sets one up and starts it, without waiting. */
struct redis_server *fleet_shard(struct fleet *fleet, unsigned shard)
{
    assert_true(shard < FLEET_SHARDS_MAX);
    return shard == 0 ? &fleet->redis : &fleet->shards[shard];
}

unsigned fleet_shard_of(const struct fleet *fleet, const char *room)
{
    return shard_of(room, strlen(room), fleet->shards_count ? fleet->shards_count : 1);
}

char *fleet_list_setting(struct fleet *fleet, const unsigned *shards, unsigned count)
{
    const char *password = fleet->redis.opts.password;
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_text(&text, "ROOMCAST_REDIS_URL=");
    for (unsigned i = 0; i < count; i++)
        strbuf_add_format(&text, "%sredis://%s%s%s127.0.0.1:%d", i > 0 ? "," : "",
                          password ? ":" : "", password ? password : "",
                          password ? "@" : "", fleet_shard(fleet, shards[i])->port);
    return text.data;
}

static char *whole_list_setting(struct fleet *fleet)
{
    static const unsigned shards[FLEET_SHARDS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};

    return fleet_list_setting(fleet, shards,
                              fleet->shards_count ? fleet->shards_count : 1);
}

unsigned fleet_workers(void)
{
    const char *workers = getenv("ROOMCAST_TEST_WORKERS");

    return workers ? (unsigned)strtoul(workers, NULL, 10) : 1;
}

unsigned fleet_launch(struct fleet *fleet, const char *const *settings)
{
    unsigned index = fleet->count++;
    struct fleet_gateway *g = &fleet->gateways[index];
    unsigned n = 0;

    assert_true(index < FLEET_MAX);
    g->port = port_take();
    g->ops_port = port_take();
    g->log_path = print_text("%s/gateway-%u.log", fleet->dir, index);
    g->settings = xcalloc(ARGS_MAX, sizeof(*g->settings));
    g->settings[n++] = print_text("ROOMCAST_LISTEN=127.0.0.1:%d", g->port);
    g->settings[n++] = print_text("ROOMCAST_OPS_LISTEN=127.0.0.1:%d", g->ops_port);
    g->settings[n++] = whole_list_setting(fleet);
    g->settings[n++] = print_text("ROOMCAST_WORKERS=%u", fleet_workers());
    g->settings[n++] = xstrdup("ROOMCAST_DRAIN_SECS=1");
    g->settings[n++] = xstrdup("ROOMCAST_REQUESTS_PER_SEC=0");
    g->settings[n++] = xstrdup("ROOMCAST_BYTES_PER_SEC=0");
    for (; settings && *settings; settings++) {
        assert_true(n + 1 < ARGS_MAX);
        g->settings[n++] = xstrdup(*settings);
    }
    launch(g);
    return index;
}

unsigned fleet_add(struct fleet *fleet, const char *const *settings)
{
    unsigned index = fleet_launch(fleet, settings);

    fleet_wait_ready(fleet, index);
    return index;
}

int fleet_start(struct fleet *fleet, const struct fleet_opts *opts)
{
    *fleet = (struct fleet){0};
    redis_server_open(&fleet->redis, &(struct redis_server_opts){
                                         .args = opts->redis_args,
                                         .conf = opts->redis_conf,
                                         .password = opts->redis_password,
                                     });
    fleet->redis_port = fleet->redis.port;
    fleet->dir = fleet->redis.dir;
    fleet->shards_count = opts->shards;
    for (unsigned i = 1; i < opts->shards; i++)
        redis_server_open(fleet_shard(fleet, i), &fleet->redis.opts);
    for (unsigned i = 0; i < opts->gateways; i++)
        fleet_launch(fleet, opts->settings);
    fleet_wait_all_ready(fleet);
    return 0;
}

/* Waits for the end after a SIGTERM. False: it was not a good one. */
static bool has_stopped_well(struct fleet *fleet, struct fleet_gateway *g)
{
    int status = process_wait(&g->process, FLEET_DEADLINE_MS);

    if (status == 0)
        return true;
    process_kill(&g->process);
    process_print_log(g->log_path);
    print_error("a gateway stops with %d, not 0, after SIGTERM\n", status);
    fleet->failed = true;
    return false;
}

void fleet_stop_gateway(struct fleet *fleet, unsigned index)
{
    struct fleet_gateway *g = &fleet->gateways[index];

    assert_true(process_is_running(&g->process));
    process_signal(&g->process, SIGTERM);
    g->down = true;
    assert_true(has_stopped_well(fleet, g));
}

void fleet_kill_gateway(struct fleet *fleet, unsigned index)
{
    struct fleet_gateway *g = &fleet->gateways[index];

    assert_true(process_is_running(&g->process));
    process_kill(&g->process);
    g->down = true;
}

static void free_gateway(struct fleet_gateway *g)
{
    for (char **setting = g->settings; setting && *setting; setting++)
        free(*setting);
    free(g->settings);
    unlink(g->log_path);
    free(g->log_path);
}

int fleet_stop(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++)
        process_signal(&fleet->gateways[i].process, SIGTERM);
    for (unsigned i = 0; i < fleet->count; i++)
        if (!fleet->gateways[i].down)
            has_stopped_well(fleet, &fleet->gateways[i]);
    if (fleet->failed) { /* cmocka does not count a teardown that fails */
        process_kill(&fleet->redis.process);
        for (unsigned i = 1; i < fleet->shards_count; i++)
            process_kill(&fleet_shard(fleet, i)->process);
        print_error("the logs stay in %s\n", fleet->dir);
        exit(EXIT_FAILURE);
    }
    for (unsigned i = 0; i < fleet->count; i++)
        free_gateway(&fleet->gateways[i]);
    redis_server_close(&fleet->redis);
    for (unsigned i = 1; i < fleet->shards_count; i++)
        redis_server_close(fleet_shard(fleet, i));
    *fleet = (struct fleet){0};
    return 0;
}

int fleet_teardown(void **state)
{
    return fleet_stop(*state);
}

void fleet_expect_logged(const struct fleet *fleet, unsigned index, const char *text)
{
    process_expect_logged(fleet->gateways[index].log_path, text);
}

double fleet_metric(const struct fleet *fleet, unsigned index, const char *name)
{
    return http_get_metric(fleet->gateways[index].ops_port, name);
}
