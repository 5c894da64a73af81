/* options.h - what roomcast-bench is asked to do. A table in options.c, for common/settings.h. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bench/protocol.h"

enum { OPTIONS_LIST_MAX = 16 };

struct options {
    struct sockaddr_in urls[OPTIONS_LIST_MAX]; /* on 127.0.0.0/8, all of them */
    size_t url_count;
    pid_t pids[OPTIONS_LIST_MAX];
    size_t pid_count;
    long redis_pid;  /* 0: none */
    long redis_port; /* 0: its commands are not counted */
    char *target;
    const struct protocol *protocol; /* what the target speaks */
    long connections, at_once, rooms, publishers, window, rate, size;
    long warmup, seconds;
    bool keys, idle, json;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_BAD };

/* Reads the flags; says what is wrong with them on stderr. Whatever comes out, deinit frees. */
enum options_outcome options_load(struct options *options, int argc, char **argv);

void options_deinit(struct options *options);

#endif
