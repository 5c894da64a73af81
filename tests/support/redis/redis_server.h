/* redis_server.h - a redis-server of a test's own, on a free port of 127.0.0.1.
 *
 * The program is the redis-server of the PATH. What it prints and keeps is in a temporary
 * directory. Where it cannot be started, the test fails with the end of its log.
 */
#ifndef TESTS_SUPPORT_REDIS_REDIS_SERVER_H
#define TESTS_SUPPORT_REDIS_REDIS_SERVER_H

#include "tests/support/redis/process.h"

enum { REDIS_SERVER_DEADLINE_MS = 60000 };

/* All borrowed; each may be NULL. */
struct redis_server_opts {
    const char *const *args; /* e.g. "--notify-keyspace-events", "Kx"; ends with NULL */
    /* A file that it is started with, as it stands but for the port, the address and the
     * directory; NULL: none, and nothing is written to disk. */
    const char *conf;
    const char *password;
};

struct redis_server {
    struct redis_server_opts opts;
    char dir[64];
    struct process process;
    int port; /* kept when it is started again */
    char *log_path;
};

/* Takes a port, makes a directory, and starts. Its password is that of redis_cmd.h, too. */
void redis_server_open(struct redis_server *server,
                       const struct redis_server_opts *opts);

/* Starts one that was killed again, as it was, and waits until it answers. */
void redis_server_start(struct redis_server *server);

/* Removes what one that is down has kept. */
void redis_server_forget(struct redis_server *server);

/* SIGKILL, and removes the directory, if nobody else has put a file there. */
void redis_server_close(struct redis_server *server);

#endif
