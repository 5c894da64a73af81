/* test_descriptors.c - programs started with few file descriptors, or without the standard
 * ones: they refuse to start, or keep what operators and Redis need. */
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
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

enum { DEADLINE_MS = 30000, MANY = 200 };

static struct fleet fleet;

/* A program run by a line of sh that ends in `exec "$PROGRAM"`. */
struct odd {
    struct process process;
    int port, ops_port;
    char *log_path;
};

static void start_odd(struct odd *odd, const char *program, const char *line)
{
    char *path = print_text("PROGRAM=%s/%s", getenv("ROOMCAST_BIN"), program);
    char *listen, *ops, *admin, *redis;

    odd->port = port_take();
    odd->ops_port = port_take();
    odd->log_path = print_text("%s/odd.log", fleet.dir);
    unlink(odd->log_path);
    listen = print_text("ROOMCAST_LISTEN=127.0.0.1:%d", odd->port);
    ops = print_text("ROOMCAST_OPS_LISTEN=127.0.0.1:%d", odd->ops_port);
    admin = print_text("ROOMCAST_ADMIN_LISTEN=127.0.0.1:%d", odd->ops_port);
    redis = print_text("ROOMCAST_REDIS_URL=redis://127.0.0.1:%d", fleet.redis_port);
    process_start(&odd->process, (const char *[]){"/bin/sh", "-c", line, NULL},
                  (const char *[]){path, listen, ops, admin, redis,
                                   "AUTH_TOKEN=" ADMIN_TOKEN, "ROOMCAST_WORKERS=1",
                                   "ROOMCAST_DRAIN_SECS=0", NULL},
                  odd->log_path);
    free(path);
    free(listen);
    free(ops);
    free(admin);
    free(redis);
}

static void end_odd(struct odd *odd)
{
    process_signal(&odd->process, SIGTERM);
    assert_int_equal(process_wait(&odd->process, DEADLINE_MS), 0);
    free(odd->log_path);
}

static bool is_ready(void *data)
{
    return http_get_status(((struct odd *)data)->ops_port, "/readyz") == 200;
}

/* How many a program says that it needs, started with too few. */
static unsigned refuse_and_tell(const char *program, const char *line)
{
    struct odd odd = {0};
    unsigned need = 0;
    char *log, *needs;

    start_odd(&odd, program, line);
    assert_int_equal(process_wait(&odd.process, DEADLINE_MS), 2);
    log = files_read(odd.log_path);
    print_message("  %s", log);
    assert_int_equal(strncmp(log, "ulimit -n: ", 11), 0);
    assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
    needs = strstr(log, "needs ");
    assert_non_null(needs);
    need = (unsigned)strtoul(needs + 6, NULL, 10);
    free(log);
    free(odd.log_path);
    return need;
}

static void with_too_few_descriptors_nothing_starts(void **state)
{
    static const struct {
        const char *program, *workers;
    } starts[] = {
        {"roomcast-gateway", "1"}, {"roomcast-gateway", "4"}, {"roomcast-admin", "1"}};
    static const char format[] = "ulimit -n %u; ROOMCAST_WORKERS=%s exec \"$PROGRAM\"";

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct odd odd = {0};
        char line[128];
        unsigned need;

        snprintf(line, sizeof(line), format, 24u, starts[i].workers);
        need = refuse_and_tell(starts[i].program, line);
        snprintf(line, sizeof(line), format, need - 1, starts[i].workers);
        assert_int_equal(refuse_and_tell(starts[i].program, line), need);
        snprintf(line, sizeof(line), format, need, starts[i].workers);
        start_odd(&odd, starts[i].program, line);
        assert_true(wait_until(is_ready, &odd, DEADLINE_MS));
        end_odd(&odd);
    }
}

static bool is_away(void *data)
{
    return !is_ready(data);
}

static double connections(const struct odd *odd)
{
    return http_get_metric(odd->ops_port, "roomcast_connections");
}

/* More clients than it can serve, and half handshakes. */
static void a_crowd_of_clients_leaves_descriptors_for_operators_and_redis(void **state)
{
    struct odd odd = {0};
    struct wire *wires[MANY];
    struct chat *first;

    (void)state;
    start_odd(&odd, "roomcast-gateway", "ulimit -n 128; exec \"$PROGRAM\"");
    assert_true(wait_until(is_ready, &odd, DEADLINE_MS));
    first = chat_enter(odd.port, "lobby", "ann");
    for (int i = 0; i < MANY; i++)
        wires[i] = wire_open(odd.port);
    assert_int_equal(http_get_status(odd.ops_port, "/healthz"), 200);
    assert_int_equal(connections(&odd), 1);

    fleet_kill_redis(&fleet);
    assert_true(wait_until(is_away, &odd, DEADLINE_MS));
    fleet_start_redis(&fleet);
    assert_true(wait_until(is_ready, &odd, DEADLINE_MS));
    chat_say(first, "lobby", "still here");
    for (int i = 0; i < MANY; i++)
        wire_free(wires[i]);
    chat_abort(first);
    end_odd(&odd);
}

static void a_program_without_standard_streams_sends_its_log_to_no_client(void **state)
{
    static const char *const closed[] = {"exec \"$PROGRAM\" 2>&-",
                                         "exec \"$PROGRAM\" <&- >&- 2>&-"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct odd odd = {0};
        struct chat *ann;
        char *path, target[64];
        ssize_t len;

        start_odd(&odd, "roomcast-gateway", closed[i]);
        assert_true(wait_until(is_ready, &odd, DEADLINE_MS));
        path = print_text("/proc/%d/fd/2", (int)odd.process.pid);
        len = readlink(path, target, sizeof(target) - 1);
        assert_true(len > 0);
        target[len] = '\0';
        assert_string_equal(target, "/dev/null");
        ann = chat_enter(odd.port, "lobby", "ann");
        process_signal(&odd.process, SIGUSR1); /* logs lines */
        chat_expect_usable(ann);
        chat_expect_silence(ann, 200);
        chat_close(ann);
        end_odd(&odd);
        free(path);
    }
}

static void the_admin_service_starts_without_standard_streams(void **state)
{
    struct odd odd = {0};

    (void)state;
    start_odd(&odd, "roomcast-admin", "ulimit -n 48; exec \"$PROGRAM\" <&- >&- 2>&-");
    assert_true(wait_until(is_ready, &odd, DEADLINE_MS));
    end_odd(&odd);
}

static int start(void **state)
{
    (void)state;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
}

static int stop(void **state)
{
    (void)state;
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_too_few_descriptors_nothing_starts),
        cmocka_unit_test(a_crowd_of_clients_leaves_descriptors_for_operators_and_redis),
        cmocka_unit_test(a_program_without_standard_streams_sends_its_log_to_no_client),
        cmocka_unit_test(the_admin_service_starts_without_standard_streams),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
