/* test_healthcheck.c - `--healthcheck`: a program that asks the one that runs with the same
 * settings, and says by its exit status whether that is well.
 */
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

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/port.h"

enum { PATH_BYTES = 512, CHECK_MS = 60000 };

static struct fleet fleet;

/* The exit status of `program --healthcheck` with these settings. */
static int check(const char *program, const char *const *settings)
{
    struct process p = {0};
    char path[PATH_BYTES], log_path[PATH_BYTES];
    int status;

    snprintf(path, sizeof(path), "%s/%s", getenv("ROOMCAST_BIN"), program);
    snprintf(log_path, sizeof(log_path), "%s/check.log", fleet.dir);
    process_start(&p, (const char *[]){path, "--healthcheck", NULL}, settings,
                  log_path);
    status = process_wait(&p, CHECK_MS);
    process_kill(&p);
    unlink(log_path);
    return status;
}

static int check_gateway(void)
{
    return check("roomcast-gateway", (const char *const *)fleet.gateways[0].settings);
}

static void a_gateway_that_runs_is_well(void **state)
{
    (void)state;
    assert_int_equal(check_gateway(), 0);
}

static void a_gateway_without_redis_is_well_too(void **state)
{
    (void)state;
    fleet_kill_redis(&fleet);
    assert_int_equal(check_gateway(), 0);
    fleet_start_redis(&fleet);
    fleet_wait_all_ready(&fleet);
}

static void one_that_does_not_answer_is_not_well(void **state)
{
    (void)state;
    process_signal(&fleet.gateways[0].process, SIGSTOP);
    assert_int_equal(check_gateway(), 1);
    process_signal(&fleet.gateways[0].process, SIGCONT);
    fleet_wait_all_ready(&fleet);
    assert_int_equal(check_gateway(), 0);
}

static void nobody_is_not_well(void **state)
{
    char ops[64];

    (void)state;
    snprintf(ops, sizeof(ops), "ROOMCAST_OPS_LISTEN=127.0.0.1:%d", port_take());
    assert_int_equal(check("roomcast-gateway", (const char *[]){ops, NULL}), 1);
}

static void what_listens_everywhere_is_asked_on_the_loopback(void **state)
{
    char ops[64];

    (void)state;
    snprintf(ops, sizeof(ops), "ROOMCAST_OPS_LISTEN=0.0.0.0:%d",
             fleet.gateways[0].ops_port);
    assert_int_equal(check("roomcast-gateway", (const char *[]){ops, NULL}), 0);
}

static void bad_settings_are_refused_as_ever(void **state)
{
    (void)state;
    assert_int_equal(check("roomcast-gateway",
                           (const char *[]){"ROOMCAST_OPS_LISTEN=nowhere", NULL}),
                     2);
    assert_int_equal(check("roomcast-admin", NULL), 2);
}

static void an_admin_service_that_runs_is_well(void **state)
{
    struct admin admin;

    (void)state;
    admin_start(&admin, &fleet, NULL);
    assert_int_equal(check("roomcast-admin", (const char *const *)admin.settings), 0);
    admin_kill(&admin);
    assert_int_equal(check("roomcast-admin", (const char *const *)admin.settings), 1);
    admin_deinit(&admin);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_that_runs_is_well),
        cmocka_unit_test(a_gateway_without_redis_is_well_too),
        cmocka_unit_test(one_that_does_not_answer_is_not_well),
        cmocka_unit_test(nobody_is_not_well),
        cmocka_unit_test(what_listens_everywhere_is_asked_on_the_loopback),
        cmocka_unit_test(bad_settings_are_refused_as_ever),
        cmocka_unit_test(an_admin_service_that_runs_is_well),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
