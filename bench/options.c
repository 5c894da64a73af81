/* options.c - see options.h. */
#include "bench/options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, FLAG, URL, PID, REDIS_PID, TARGET };

static const struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    long fallback, min, max;
    const char *help;
} options_table[] = {
#define FIELD(f) offsetof(struct options, f)
    {"url", URL, 0, 0, 0, 0, "host:port of a server, on loopback; repeat it for more"},
    {"target", TARGET, 0, 0, 0, 0, "what it is, see below (default roomcast)"},
    {"connections", NUMBER, FIELD(connections), 100, 1, 100000, "clients in all"},
    {"at-once", NUMBER, FIELD(at_once), 64, 1, 4096, "clients that come in at a time"},
    {"rooms", NUMBER, FIELD(rooms), 1, 1, 16384, "rooms that they are spread over"},
    {"publishers", NUMBER, FIELD(publishers), 1, 0, 100000, "clients a room that talk"},
    {"window", NUMBER, FIELD(window), 1, 1, 256, "unanswered messages a publisher"},
    {"rate", NUMBER, FIELD(rate), 0, 0, 1000000,
     "messages a second and publisher, 0: as fast as the window allows"},
    {"size", NUMBER, FIELD(size), 100, 16, 60000, "bytes of a message's text"},
    {"keys", FLAG, FIELD(keys), 0, 0, 0, "give each message a key"},
    {"idle", FLAG, FIELD(idle), 0, 0, 0, "join, and then do nothing"},
    {"warmup", NUMBER, FIELD(warmup), 1, 0, 60, "seconds before it counts"},
    {"seconds", NUMBER, FIELD(seconds), 5, 1, 600, "seconds that count"},
    {"pid", PID, 0, 0, 0, 0, "a server's process to measure; repeat it for more"},
    {"redis-pid", REDIS_PID, 0, 0, 0, 0, "Redis's process to measure"},
    {"redis-port", NUMBER, FIELD(redis_port), 0, 0, 65535,
     "Redis's port on this machine, to count its commands; 0: do not"},
    {"json", FLAG, FIELD(json), 0, 0, 0, "print one JSON object"},
#undef FIELD
};

enum { N_OPTIONS = sizeof(options_table) / sizeof(options_table[0]) };

static void print_help(void)
{
    printf("roomcast-bench: clients for a roomcast gateway, or what it is compared"
           " with, on this machine, and what they cost\n\n");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options_table[i];

        printf("  --%-12s %s", o->name, o->help);
        if (o->kind == NUMBER)
            printf(" (default %ld, %ld to %ld)", o->fallback, o->min, o->max);
        printf("\n");
    }
    printf("  --%-12s %s\n  --%-12s %s\n", "help", "print this", "version",
           "print the version");
    printf("targets:\n");
    protocol_print_help();
}

static bool read_number(const char *text, long min, long max, long *out)
{
    char *end;

    *out = strtol(text, &end, 10);
    return *text && !*end && *out >= min && *out <= max;
}

static bool read_url(struct options *options, const char *text)
{
    struct sockaddr_in *url = &options->urls[options->url_count];
    const char *colon = strrchr(text, ':');
    char host[32] = "";
    long port;

    if (!colon || (size_t)(colon - text) >= sizeof(host) ||
        !read_number(colon + 1, 1, 65535, &port) ||
        options->url_count == OPTIONS_LIST_MAX)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    url->sin_family = AF_INET;
    url->sin_port = htons((uint16_t)port);
    options->url_count++;
    return inet_pton(AF_INET, host, &url->sin_addr) == 1 &&
           ntohl(url->sin_addr.s_addr) >> 24 == 127;
}

static bool read_value(struct options *options, const struct option *o,
                       const char *text)
{
    long number;

    switch (o->kind) {
    case NUMBER:
        return read_number(text, o->min, o->max, (long *)((char *)options + o->offset));
    case URL:
        return read_url(options, text);
    case PID:
        if (options->pid_count == OPTIONS_LIST_MAX ||
            !read_number(text, 1, 1 << 30, &number))
            return false;
        options->pids[options->pid_count++] = (pid_t)number;
        return true;
    case REDIS_PID:
        if (!read_number(text, 1, 1 << 30, &number))
            return false;
        options->redis_pid = (pid_t)number;
        return true;
    case TARGET:
        options->protocol = protocol_find(text);
        return options->protocol != NULL;
    case FLAG:
        break;
    }
    return false;
}

static const struct option *find_option(const char *argument)
{
    if (strncmp(argument, "--", 2) == 0)
        for (size_t i = 0; i < N_OPTIONS; i++)
            if (strcmp(argument + 2, options_table[i].name) == 0)
                return &options_table[i];
    return NULL;
}

static enum options_outcome complain(const char *name, const char *reason)
{
    fprintf(stderr, "%s: %s\n", name, reason);
    return OPTIONS_EXIT_BAD;
}

static enum options_outcome check(const struct options *options)
{
    if (options->url_count == 0)
        return complain("--url", "is missing");
    if (options->publishers > options->connections / options->rooms)
        return complain("--publishers", "more than a room has clients");
    if (options->protocol->echo_is_ack && options->publishers > 1)
        return complain("--publishers", "this target cannot have more than 1 a room");
    return OPTIONS_RUN;
}

enum options_outcome options_load(struct options *options, int argc, char **argv)
{
    *options = (struct options){.protocol = protocol_find("roomcast")};
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (options_table[i].kind == NUMBER)
            *(long *)((char *)options + options_table[i].offset) =
                options_table[i].fallback;

    for (int i = 1; i < argc; i++) {
        const struct option *o = find_option(argv[i]);

        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return OPTIONS_EXIT_OK;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("roomcast-bench %s\n", ROOMCAST_VERSION);
            return OPTIONS_EXIT_OK;
        }
        if (!o) {
            argv[i][strcspn(argv[i], "=")] =
                '\0'; /* what is after it may be a secret */
            return complain(argv[i], "unknown option");
        }
        if (o->kind == FLAG)
            *(bool *)((char *)options + o->offset) = true;
        else if (i + 1 == argc)
            return complain(argv[i], "needs a value");
        else if (!read_value(options, o, argv[++i]))
            return complain(argv[i - 1], "not a value that it takes");
    }
    return check(options);
}
