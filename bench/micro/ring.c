/* ring.c - what a room's ring of recent messages costs (gateway/room_log.c): to add a
 * message to a full one, to fill an empty one from a history, to read from it what a
 * client that joins is given.
 *
 *     roomcast-bench-ring [--rounds N]
 *
 * Prints a table in markdown. A figure is the median of the rounds; in a round a step
 * is repeated until ROUND_NS have passed. There are neither members nor a Redis.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/frame.h"
#include "gateway/pool.h"
#include "gateway/room_log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    ROUND_NS = 50 * 1000 * 1000,
    STEPS = 64, /* between two looks at the clock */
    ROUNDS_DEFAULT = 5,
    ROUNDS_MAX = 50,
    MESSAGES_MAX = 1000,
    EVENT_BYTES_MAX = 4096,
};

static struct {
    struct room_logs logs;
    struct room_log log;
    struct metrics metrics;
    struct json_text lines[PROTO_BATCH_MESSAGES];
    struct history history;
    char event[EVENT_BYTES_MAX];
    size_t event_len;
    struct frame *frame;
} bench;

/* Of this thread's own time: what else the machine does is left out. */
static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- the steps ---- */

/* A message of which the frame is there, as for every notice of one message. */
static void add_shared(void)
{
    room_log_append(&bench.log, frame_ref(bench.frame), true);
}

/* The frame is made for the ring, as for each message of a notice of several. */
static void add_new(void)
{
    room_log_append(&bench.log, frame_new_text(bench.event, bench.event_len), true);
}

static void fill(void)
{
    room_log_drop(&bench.log);
    room_log_fill(&bench.log, &bench.history);
}

static void read_all(void)
{
    struct history out;

    room_log_read(&bench.log, 0, bench.lines, &out);
}

static void read_last(void)
{
    struct history out;

    room_log_read(&bench.log, room_log_seq(&bench.log) - 1, bench.lines, &out);
}

static const struct step {
    const char *name;
    void (*run)(void);
    bool is_full; /* it runs with a ring that is as full as it gets */
    bool is_each; /* a run is about all of the messages in the ring */
} steps[] = {
    {"add, the frame is shared", add_shared, true, false},
    {"add, with a frame of its own", add_new, true, false},
    {"fill from a history", fill, false, true},
    {"read all", read_all, false, true},
    {"read the last one", read_last, false, false},
};

enum { N_STEPS = COUNT(steps) };

/* ---- a room ---- */

static void begin_room(uint64_t messages, size_t event_len)
{
    static struct json_text lines[MESSAGES_MAX];

    bench.logs = (struct room_logs){.history_max_bytes = SIZE_MAX};
    room_log_init(&bench.log, &bench.logs);
    room_log_limit(&bench.log, messages);
    room_log_start(&bench.log, "00000000000000e1", messages);
    memset(bench.event, 'x', event_len);
    bench.event_len = event_len;
    bench.frame = frame_new_text(bench.event, event_len);
    for (uint64_t i = 0; i < messages; i++)
        lines[i] = (struct json_text){bench.event, event_len};
    bench.history = (struct history){
        .epoch = room_log_epoch(&bench.log),
        .seq = messages,
        .oldest = 1,
        .first = 1,
        .lines = lines,
        .count = messages,
    };
    room_log_fill(&bench.log, &bench.history);
}

static void end_room(void)
{
    room_log_deinit(&bench.log);
    frame_unref(bench.frame);
}

/* ---- measuring ---- */

/* Nanoseconds a run. */
static double time_step(const struct step *step)
{
    uint64_t start = now_ns(), runs = 0, passed;

    do {
        for (int i = 0; i < STEPS; i++)
            step->run();
        runs += STEPS;
        passed = now_ns() - start;
    } while (passed < ROUND_NS);
    return (double)passed / (double)runs;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(const struct step *step, int rounds, uint64_t messages,
                        size_t event_len)
{
    double figures[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        begin_room(messages, event_len);
        figures[i] = time_step(step);
        end_room();
    }
    qsort(figures, (size_t)rounds, sizeof(figures[0]), compare);
    return figures[rounds / 2];
}

static void print_row(const struct step *step, int rounds, uint64_t messages,
                      size_t event_len)
{
    double ns = median_of(step, rounds, messages, event_len);
    char count[32] = "full";

    if (!step->is_full)
        snprintf(count, sizeof(count), "%llu", (unsigned long long)messages);
    printf("| %s | %s | %zu | %.1f | %.1f |\n", step->name, count, event_len, ns,
           step->is_each ? ns / (double)messages : ns);
}

static void print_table(int rounds)
{
    static const struct {
        uint64_t messages;
        size_t event_len;
    } rings[] = {{100, 200}, {1000, 200}, {100, 4000}};

    printf("| ring | messages in it | bytes each | ns a call | ns a message |\n"
           "|---|---:|---:|---:|---:|\n");
    for (int k = 0; k < N_STEPS; k++)
        for (size_t i = steps[k].is_full ? 1 : 0; i < COUNT(rings); i++)
            print_row(&steps[k], rounds, rings[i].messages, rings[i].event_len);
}

static int print_help(void)
{
    printf("roomcast-bench-ring: what a room's ring of recent messages costs\n\n"
           "  --rounds N   of each figure, 1 to %d (default %d)\n"
           "  --help       print this\n",
           ROUNDS_MAX, ROUNDS_DEFAULT);
    return 0;
}

int main(int argc, char **argv)
{
    int rounds = ROUNDS_DEFAULT;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_help();
    if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
        rounds = atoi(argv[2]);
    else if (argc != 1)
        rounds = 0;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "--rounds: a number from 1 to %d, and nothing else\n",
                ROUNDS_MAX);
        return 2;
    }
    pool_init(&bench.metrics);
    print_table(rounds);
    pool_deinit();
    return 0;
}
