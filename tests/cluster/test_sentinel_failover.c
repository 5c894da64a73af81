/* test_sentinel_failover.c - three gateways behind Sentinels whose master changes, by command and by
 * its death, while guests talk: what is acked comes to everybody, or is named as gone.
 *
 * Until the Sentinel that is asked knows of the new master, the old one goes on acking what it will
 * lose.
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

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/scene.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/redis/redis_sentinels.h"

/* Sentinels that were kept from running for two seconds do nothing for thirty (tilt), perhaps again. */
enum { PATIENCE_MS = 150000, TALK_MS = 1000, SWITCH_MS = 10000 };

static struct scene scene;
static struct redis_server second; /* beside scene.fleet.redis */
static struct redis_sentinels sentinels;
static struct admin admin;
static char *url;

static struct redis_server *server_at(int port)
{
    return port == second.port ? &second : &scene.fleet.redis;
}

static struct redis_server *other_of(const struct redis_server *server)
{
    return server == &second ? &scene.fleet.redis : &second;
}

static bool is_linked(void *data)
{
    char *info = redis_cmd_text(*(int *)data, "INFO replication");
    bool is = strstr(info, "master_link_status:up") != NULL;

    free(info);
    return is;
}

static char *open_sentinels(struct scene *s)
{
    static char place[32];
    static const char *const args[] = {"--repl-diskless-sync-delay", "0", "--replicaof",
                                       place, NULL};

    snprintf(place, sizeof(place), "127.0.0.1 %d", s->fleet.redis_port);
    redis_server_open(&second, &(struct redis_server_opts){.args = args});
    assert_true(wait_until(is_linked, &second.port, PATIENCE_MS));
    redis_sentinels_open(
        &sentinels,
        &(struct redis_sentinels_opts){.count = 3, .master_port = s->fleet.redis_port});
    redis_sentinels_wait_well(&sentinels, 1);
    url = redis_sentinels_url(&sentinels, "redis+sentinel", "");
    return print_text("ROOMCAST_REDIS_URL=%s", url);
}

/* ---- a new master ---- */

static bool all_have_moved(void *data)
{
    char text[32];

    snprintf(text, sizeof(text), "port=%d", *(int *)data);
    for (int g = 0; g < SCENE_GATEWAYS; g++) {
        /* The log tells each move of each of the two links. */
        const struct fleet_gateway *gateway = &scene.fleet.gateways[g];

        if (!process_has_logged(gateway->log_path, text))
            return false;
    }
    return true;
}

static bool sentinels_agree(void *data)
{
    for (unsigned i = 0; i < sentinels.count; i++)
        if (redis_sentinels_master_port(&sentinels, i) != *(int *)data)
            return false;
    return true;
}

/* Waits until all know the new master, and goes on there. */
static void follow_to(int port)
{
    int64_t since = wait_now_ms();

    if (!scene_run_until(&scene, all_have_moved, &port, PATIENCE_MS))
        fail_msg("not all gateways have gone to the new master");
    print_message("  all gateways are there after %lld ms\n",
                  (long long)(wait_now_ms() - since));
    assert_true(wait_now_ms() - since < SWITCH_MS);
    assert_true(scene_run_until(&scene, sentinels_agree, &port, PATIENCE_MS));
    scene.fleet.redis_port = port;
}

/* The other one is its replica again, so that it may take over. */
static void await_replica(int master_port)
{
    int port = other_of(server_at(master_port))->port;

    if (!scene_run_until(&scene, is_linked, &port, PATIENCE_MS)) {
        for (unsigned i = 0; i < sentinels.count; i++)
            process_print_log(sentinels.servers[i].log_path);
        process_print_log(server_at(port)->log_path);
        fail_msg("the Redis at port %d is no replica again", port);
    }
    redis_sentinels_wait_well(&sentinels, 1);
}

static void expect_admin(void)
{
    admin_wait_ready(&admin);
    admin_get(&admin, 200, "/api/rooms/red");
    assert_true(admin_number(&admin, "members") > 0);
}

static void finish(const char *what)
{
    scene_run(&scene, TALK_MS);
    scene_end(&scene);
    print_message("  %s: %llu acked, %llu of them named as gone\n", what,
                  (unsigned long long)scene.verdict.acked,
                  (unsigned long long)scene.verdict.gone);
    expect_admin();
}

static void a_failover_by_command_loses_nothing_silently(void **state)
{
    int port = other_of(server_at(scene.fleet.redis_port))->port;

    (void)state;
    expect_admin();
    scene_begin(&scene, "SENTINEL FAILOVER");
    scene_run(&scene, TALK_MS);
    redis_cmd(redis_sentinels_port(&sentinels, 0), "SENTINEL FAILOVER %s",
              REDIS_SENTINELS_MASTER);
    follow_to(port);
    finish("by command");
    await_replica(port);
}

static void a_master_that_dies_is_followed_by_another(void **state)
{
    struct redis_server *dead = server_at(scene.fleet.redis_port);
    int port = other_of(dead)->port;

    (void)state;
    scene_begin(&scene, "the master of the Sentinels killed");
    scene_run(&scene, TALK_MS);
    process_kill(&dead->process);
    assert_true(scene_run_until(&scene, sentinels_agree, &port, PATIENCE_MS));
    scene.fleet.redis_port = port;
    redis_server_start(dead);
    finish("by death");
    await_replica(port);
}

/* It acks nothing meanwhile, and comes back as a master that nobody asks. */
static void a_master_that_stops_is_followed_by_another(void **state)
{
    struct redis_server *asleep = server_at(scene.fleet.redis_port);
    int port = other_of(asleep)->port;

    (void)state;
    scene_begin(&scene, "the master of the Sentinels stopped");
    scene_run(&scene, TALK_MS);
    process_signal(&asleep->process, SIGSTOP);
    assert_true(scene_run_until(&scene, sentinels_agree, &port, PATIENCE_MS));
    scene.fleet.redis_port = port;
    fleet_wait_all_ready(&scene.fleet); /* who is there is not asked again */
    scene_run(&scene, TALK_MS);
    process_signal(&asleep->process, SIGCONT);
    finish("by sleep");
    await_replica(port);
}

static int start(void **state)
{
    char *setting;

    (void)state;
    scene_start(&scene,
                &(struct scene_opts){
                    .settings = (const char *[]){"ROOMCAST_LEASE_SECS=3", NULL},
                    .redis_args = (const char *[]){"--repl-diskless-sync-delay", "0",
                                                   "--replica-priority", "100", NULL},
                    .place = open_sentinels,
                });
    scene.lease_ms = 3000;
    setting = print_text("ROOMCAST_REDIS_URL=%s", url);
    admin_start(&admin, &scene.fleet, (const char *[]){setting, NULL});
    free(setting);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    admin_stop(&admin);
    scene_stop(&scene);
    redis_sentinels_close(&sentinels);
    redis_server_close(&second);
    free(url);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failover_by_command_loses_nothing_silently),
        cmocka_unit_test(a_master_that_dies_is_followed_by_another),
        cmocka_unit_test(a_master_that_stops_is_followed_by_another),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
