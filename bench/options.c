/* options.c - see options.h. */
#include "bench/options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/settings.h"

enum { PID_MAX = 1 << 30 };

static const char *check_url(void *target, const char *text)
{
    static const char refused[] = "must be host:port on 127.0.0.0/8, at most 16 times";
    struct options *options = target;
    const char *colon = strrchr(text, ':');
    struct sockaddr_in url = {.sin_family = AF_INET};
    char host[32] = "";
    long port;

    if (!colon || (size_t)(colon - text) >= sizeof(host) ||
        !setting_value_parse_number(colon + 1, 1, 65535, &port) ||
        options->url_count == OPTIONS_LIST_MAX)
        return refused;
    memcpy(host, text, (size_t)(colon - text));
    url.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &url.sin_addr) != 1 ||
        ntohl(url.sin_addr.s_addr) >> 24 != 127)
        return refused;
    options->urls[options->url_count++] = url;
    return NULL;
}

static const char *check_pid(void *target, const char *text)
{
    struct options *options = target;
    long pid;

    if (options->pid_count == OPTIONS_LIST_MAX ||
        !setting_value_parse_number(text, 1, PID_MAX, &pid))
        return "must be a process, at most 16 times";
    options->pids[options->pid_count++] = (pid_t)pid;
    return NULL;
}

static const char *check_target(void *target, const char *text)
{
    struct options *options = target;

    options->protocol = protocol_find(text);
    return options->protocol ? NULL : "is none of those that --help lists";
}

static const struct setting rows[] = {
#define ROW(name, kind, field, fallback, min, max, check, form, help)                  \
    {                                                                                  \
        name, kind, 1, offsetof(struct options, field), fallback, min, max, check,     \
            form, help, NULL                                                           \
    }
#define LIST(name, field, fallback, check, form, help)                                 \
    ROW(name, SETTING_LIST, field, fallback, 0, 0, check, form, help)
#define NUMBER(name, fallback, min, max, help)                                         \
    ROW(#name, SETTING_NUMBER, name, fallback, min, max, NULL, NULL, help)
#define SWITCH(name, help)                                                             \
    ROW(#name, SETTING_SWITCH, name, "0", 0, 1, NULL, "a switch", help)
    LIST("url", urls, "", check_url, "HOST:PORT on loopback, at most 16",
         "where a server is; repeat it for more"),
    ROW("target", SETTING_TEXT, target, "roomcast", 0, 0, check_target, "a target",
        "what it is, see below"),
    NUMBER(connections, "100", 1, 100000, "clients in all"),
    NUMBER(at_once, "64", 1, 4096, "clients that come in at a time"),
    NUMBER(rooms, "1", 1, 16384, "rooms that they are spread over"),
    NUMBER(publishers, "1", 0, 100000, "clients a room that talk"),
    NUMBER(window, "1", 1, 256, "unanswered messages a publisher"),
    NUMBER(rate, "0", 0, 1000000,
           "messages a second and publisher, 0: as fast as the window allows"),
    NUMBER(size, "100", 16, 60000, "bytes of a message's text"),
    SWITCH(keys, "give each message a key"),
    SWITCH(idle, "join, and then do nothing"),
    NUMBER(warmup, "1", 0, 60, "seconds before it counts"),
    NUMBER(seconds, "5", 1, 600, "seconds that count"),
    LIST("pid", pids, "", check_pid, "a process, at most 16",
         "a server's process to measure; repeat it for more"),
    NUMBER(redis_pid, "0", 0, PID_MAX, "Redis's process to measure; 0: none"),
    NUMBER(redis_port, "0", 0, 65535,
           "Redis's port on this machine, to count its commands; 0: do not"),
    SWITCH(json, "print one JSON object"),
#undef SWITCH
#undef NUMBER
#undef LIST
#undef ROW
};

static void print_targets(void)
{
    printf("\ntargets:\n");
    protocol_print_help();
}

static const struct settings settings = {
    .program = "roomcast-bench",
    .usage = "roomcast-bench: clients for a roomcast gateway, or what it is compared"
             " with, on this machine, and what they cost\n\n"
             "--help prints this, --version the version.\n",
    .print_more = print_targets,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .mask = 1,
    .blames_flags = true,
};

static bool check(const struct options *options)
{
    if (options->url_count == 0)
        return setting_value_refuse("--url", "is missing");
    if (options->publishers > options->connections / options->rooms)
        return setting_value_refuse("--publishers", "more than a room has clients");
    if (options->protocol->echo_is_ack && options->publishers > 1)
        return setting_value_refuse("--publishers",
                                    "this target cannot have more than 1 a room");
    return true;
}

enum options_outcome options_load(struct options *options, int argc, char **argv)
{
    enum settings_outcome outcome;

    *options = (struct options){0};
    outcome = settings_load(&settings, options, &argc, argv);
    if (outcome == SETTINGS_EXIT_OK) /* --help or --version */
        return OPTIONS_EXIT_OK;
    return outcome == SETTINGS_RUN && check(options) ? OPTIONS_RUN : OPTIONS_EXIT_BAD;
}

void options_deinit(struct options *options)
{
    settings_deinit(&settings, options);
}
