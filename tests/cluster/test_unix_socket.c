/* test_unix_socket.c - a fleet whose Redis is at the path of a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 60000 };

static struct fleet fleet;
static struct admin admin;
static char dir[] = "/tmp/roomcast-test-XXXXXX";

static void people_talk_in_the_database_of_the_url(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "lobby", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "lobby", "bob");

    (void)state;
    chat_say(ann, "lobby", "hello");
    chat_expect_skipping(bob, "message");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "DBSIZE"), 0);
    admin_get(&admin, 200, "/api/rooms/lobby");
    assert_int_equal(admin_number(&admin, "members"), 2);
    admin_post(&admin, 200, "{\"reason\":\"spam\"}", "/api/rooms/lobby/kick/bob");
    chat_expect_skipping(bob, "kicked");
    chat_close(ann);
    chat_close(bob);
}

static bool is_unready(void *data)
{
    return http_get_status(*(int *)data, "/readyz") == 503;
}

static void a_redis_that_comes_back_at_the_socket_is_found(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "back", "ann");

    (void)state;
    fleet_kill_redis(&fleet);
    assert_true(wait_until(is_unready, &fleet.gateways[0].ops_port, PATIENCE_MS));
    assert_true(wait_until(is_unready, &admin.port, PATIENCE_MS));
    fleet_start_redis(&fleet);
    fleet_wait_all_ready(&fleet);
    admin_wait_ready(&admin);
    chat_expect_skipping(ann, "reset");
    chat_say(ann, "back", "hello");
    chat_close(ann);
}

static int start(void **state)
{
    static char path[64];
    static const char *const args[] = {"--unixsocket", path, NULL};
    const char *settings[] = {NULL, "ROOMCAST_LEASE_SECS=2", NULL};
    char *url = print_text(
        "ROOMCAST_REDIS_URL=redis+unix://:hush@%s/r%%20%%40%%3F.sock?db=3", dir);

    *state = &admin;
    snprintf(path, sizeof(path), "%s/r @?.sock", dir);
    settings[0] = url;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2,
                                             .settings = settings,
                                             .redis_password = "hush",
                                             .redis_args = args});
    admin_start(&admin, &fleet, settings);
    free(url);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_talk_in_the_database_of_the_url),
        cmocka_unit_test(a_redis_that_comes_back_at_the_socket_is_found),
    };
    int failed;

    if (!mkdtemp(dir))
        return 1;
    failed = cmocka_run_group_tests(tests, start, admin_teardown);
    files_remove(dir);
    return failed;
}
