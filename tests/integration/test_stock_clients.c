/* test_stock_clients.c - clients that nobody here wrote hold a conversation over two
 * gateways: Debian's python3-websockets on one, npm's ws on the other, both ways round.
 *
 * What is said and checked is in tests/clients/talk.py and talk.mjs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { TALK_MS = 60000, PATH_BYTES = 512 };

struct client {
    const char *program;
    char script[PATH_BYTES];
};

struct side {
    struct process process;
    char log_path[PATH_BYTES];
};

static struct fleet fleet;
static struct client python = {.program = "/usr/bin/python3"};
static struct client node = {.program = "node"};

static void start_side(struct side *side, const struct client *client, unsigned gateway,
                       const char *room, const char *role)
{
    char url[64];

    snprintf(side->log_path, sizeof(side->log_path), "%s/%s.log", fleet.dir, role);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/ws", fleet.gateways[gateway].port);
    process_start(
        &side->process,
        (const char *[]){client->program, client->script, url, room, role, NULL}, NULL,
        side->log_path);
}

static void expect_success(struct side *side)
{
    if (process_wait(&side->process, TALK_MS) != 0) {
        process_print_log(side->log_path);
        process_kill(&side->process);
        fail_msg("a client is not content");
    }
    remove(side->log_path);
}

static bool has_opening(void *data)
{
    return redis_cmd_number(fleet.redis_port, "LLEN rc:{%s}:history", data) == 1;
}

/* The first on gateway 0, the second, once there is a message, on gateway 1. */
static void talk(const struct client *first, const struct client *second, char *room)
{
    struct side sides[2] = {0};

    start_side(&sides[0], first, 0, room, "first");
    if (!wait_until(has_opening, room, TALK_MS))
        process_print_log(sides[0].log_path);
    start_side(&sides[1], second, 1, room, "second");
    expect_success(&sides[0]);
    expect_success(&sides[1]);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:members", room),
                     0);
}

static void python_talks_to_node(void **state)
{
    char room[] = "python first";

    (void)state;
    talk(&python, &node, room);
}

static void node_talks_to_python(void **state)
{
    char room[] = "n\xc5\x8d"
                  "de/first:%";

    (void)state;
    talk(&node, &python, room);
}

static void python_talks_to_python(void **state)
{
    char room[] = "only python";

    (void)state;
    talk(&python, &python, room);
}

static int start(void **state)
{
    const char *source = getenv("ROOMCAST_SOURCE");

    *state = &fleet;
    if (!source)
        fail_msg("ROOMCAST_SOURCE is not set: the directory with tests/clients");
    snprintf(python.script, sizeof(python.script), "%s/tests/clients/talk.py", source);
    snprintf(node.script, sizeof(node.script), "%s/tests/clients/talk.mjs", source);
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_talks_to_node),
        cmocka_unit_test(node_talks_to_python),
        cmocka_unit_test(python_talks_to_python),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
