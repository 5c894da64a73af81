/* test_stderr.c - programs whose log nobody reads, and loops that stand still: who serves
 * must not wait for either, and says so. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

enum { DEADLINE_MS = 30000, ROOMS = 100 };

static struct fleet fleet;

static int start(void **state)
{
    (void)state;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
}

static int stop(void **state)
{
    (void)state;
    return fleet_stop(&fleet);
}

/* A gateway whose stderr is a pipe. This process holds both ends and reads nothing. */
struct unread {
    struct process process;
    int port, ops_port, pipe_fd;
    char *path;
};

static void start_unread(struct unread *u)
{
    char *listen, *ops, *redis;

    u->port = port_take();
    u->ops_port = port_take();
    u->path = print_text("%s/stderr", fleet.dir);
    listen = print_text("ROOMCAST_LISTEN=127.0.0.1:%d", u->port);
    ops = print_text("ROOMCAST_OPS_LISTEN=127.0.0.1:%d", u->ops_port);
    redis = print_text("ROOMCAST_REDIS_URL=redis://127.0.0.1:%d", fleet.redis_port);
    assert_int_equal(mkfifo(u->path, 0600), 0);
    u->pipe_fd = open(u->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    assert_true(u->pipe_fd >= 0);
    process_start_roomcast(&u->process, "roomcast-gateway",
                           (const char *[]){listen, ops, redis, "ROOMCAST_WORKERS=1",
                                            "ROOMCAST_DRAIN_SECS=0", NULL},
                           u->path);
    free(listen);
    free(ops);
    free(redis);
}

static bool is_ready(void *data)
{
    return http_get_status(((struct unread *)data)->ops_port, "/readyz") == 200;
}

static bool has_dropped_lines(void *data)
{
    struct unread *u = data;

    process_signal(&u->process, SIGUSR1); /* a line a room */
    return http_get_metric(u->ops_port, "roomcast_log_dropped_total") > 0;
}

static bool is_pipe_full(const struct unread *u)
{
    struct pollfd fd = {.fd = u->pipe_fd, .events = POLLOUT};

    return poll(&fd, 1, 0) == 0;
}

static bool ends_within(struct unread *u)
{
    process_signal(&u->process, SIGTERM);
    return process_wait(&u->process, DEADLINE_MS) == 0;
}

static void a_gateway_whose_log_nobody_reads_serves_and_stops(void **state)
{
    struct unread u = {0};
    struct chat *chat;

    (void)state;
    start_unread(&u);
    assert_true(wait_until(is_ready, &u, DEADLINE_MS));
    chat = chat_open(u.port);
    for (int i = 0; i < ROOMS; i++) {
        char room[24];

        snprintf(room, sizeof(room), "room-%d", i);
        chat_join(chat, room, "ann");
    }
    assert_true(wait_until(has_dropped_lines, &u, DEADLINE_MS));
    assert_true(is_pipe_full(&u));

    chat_send(chat, "{'type':'ping'}");
    chat_expect_skipping(chat, "pong");
    assert_int_equal(http_get_status(u.ops_port, "/healthz"), 200);
    assert_int_equal(http_get_status(u.ops_port, "/readyz"), 200);
    chat_abort(chat);
    assert_true(ends_within(&u));
    close(u.pipe_fd);
    unlink(u.path);
    free(u.path);
}

/* The threads of the gateway but for its first, which serves the ops port. */
static unsigned find_others(pid_t pid, pid_t *out, unsigned most)
{
    char *path = print_text("/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) && count < most) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (tid > 0 && tid != pid)
            out[count++] = tid;
    }
    closedir(dir);
    free(path);
    return count;
}

static void halt(pid_t tid)
{
    assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
    assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
    assert_int_equal(waitpid(tid, NULL, __WALL), tid);
}

static bool says_that_it_stands_still(void *data)
{
    struct http_answer answer = {0};
    bool says;

    http_get(&answer, *(int *)data, "/readyz");
    says = answer.status == 503 && strstr(answer.body, "its loop does not turn");
    http_get_deinit(&answer);
    return says;
}

static void a_loop_that_does_not_turn_is_not_ready(void **state)
{
    pid_t others[64];
    int ops_port = fleet.gateways[0].ops_port;
    unsigned count = find_others(fleet.gateways[0].process.pid, others, 64);

    (void)state;
    assert_in_range(count, 1, 63);
    for (unsigned i = 0; i < count; i++)
        halt(others[i]);
    assert_true(wait_until(says_that_it_stands_still, &ops_port, DEADLINE_MS));
    assert_int_equal(http_get_status(ops_port, "/healthz"), 503);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(ptrace(PTRACE_DETACH, others[i], NULL, NULL), 0);
    fleet_wait_all_ready(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_whose_log_nobody_reads_serves_and_stops),
        cmocka_unit_test(a_loop_that_does_not_turn_is_not_ready),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
