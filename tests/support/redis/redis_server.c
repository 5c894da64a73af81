/* redis_server.c - see redis_server.h. */
#include "tests/support/redis/redis_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/redis/files.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { ARGS_MAX = 64 };

static bool is_up_or_dead(void *data)
{
    struct redis_server *server = data;

    return !process_is_running(&server->process) || redis_cmd_is_up(server->port);
}

static unsigned add_args(const char *args[ARGS_MAX], unsigned n,
                         const char *const *more)
{
    for (; more && *more; more++) {
        assert_true(n + 1 < ARGS_MAX);
        args[n++] = *more;
    }
    return n;
}

void redis_server_start(struct redis_server *server)
{
    const struct redis_server_opts *opts = &server->opts;
    char port[16];
    const char *args[ARGS_MAX] = {"redis-server"};
    const char *const place[] = {"--port", port,        "--bind", "127.0.0.1",
                                 "--dir",  server->dir, NULL};
    const char *const forgetful[] = {"--save", "", "--appendonly", "no", NULL};
    const char *const login[] = {"--requirepass", opts->password, NULL};
    unsigned n = 1;

    snprintf(port, sizeof(port), "%d", server->port);
    if (opts->conf)
        args[n++] = opts->conf;
    n = add_args(args, n, place);
    n = add_args(args, n, opts->conf ? NULL : forgetful);
    n = add_args(args, n, opts->password ? login : NULL);
    n = add_args(args, n, opts->args);
    process_start(&server->process, args, NULL, server->log_path);
    /* Not asked again: a link that comes back ends the client that had its old number,
     * and after a restart that may be the one that asks. */
    if (wait_until(is_up_or_dead, server, REDIS_SERVER_DEADLINE_MS) &&
        process_is_running(&server->process))
        return;
    process_print_log(server->log_path);
    fail_msg("redis-server does not start; its log stays in %s", server->dir);
}

void redis_server_open(struct redis_server *server,
                       const struct redis_server_opts *opts)
{
    *server = (struct redis_server){.opts = *opts};
    redis_cmd_set_password(opts->password);
    snprintf(server->dir, sizeof(server->dir), "/tmp/roomcast-test-XXXXXX");
    if (!mkdtemp(server->dir))
        fail_msg("%s: %s", server->dir, strerror(errno));
    server->port = port_take();
    server->log_path = print_text("%s/redis.log", server->dir);
    redis_server_start(server);
}

void redis_server_forget(struct redis_server *server)
{
    static const char *const names[] = {"appendonlydir", "dump.rdb", "nodes.conf"};

    for (int i = 0; i < 3; i++) {
        char *kept = print_text("%s/%s", server->dir, names[i]);

        files_remove(kept);
        free(kept);
    }
}

void redis_server_close(struct redis_server *server)
{
    process_kill(&server->process);
    redis_server_forget(server);
    unlink(server->log_path);
    free(server->log_path);
    rmdir(server->dir);
    *server = (struct redis_server){0};
}
