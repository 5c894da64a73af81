/* bench.c - roomcast-bench: what a message costs, and how long it takes.
 *
 * One run, in order:
 *
 *     open     everybody connects and joins              connects a second
 *     settle   a second in which nobody talks            memory a connection
 *     warm up  the publishers talk
 *     measure  they go on; only this counts              all other figures
 *     finish   silence until all is answered and heard   what is missing
 *
 * With --idle nobody ever talks. Exit 0 only if nothing was missing, repeated or refused.
 */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/commandstats.h"
#include "bench/options.h"
#include "bench/swarm.h"
#include "bench/usage.h"
#include "common/descriptors.h"
#include "common/xalloc.h"

enum { OPEN_SECS = 120, SETTLE_SECS = 1, FINISH_SECS = 20 };

#define SECOND_NS UINT64_C(1000000000)

/* X(name in JSON, what it says to a person); NAN: was not measured */
#define RESULTS(X)                                                                     \
    X(connects_per_s, "connect, upgrade and join, a second")                           \
    X(gateway_cpu_us_per_connect, "gateway CPU a connect, upgrade and join, us")       \
    X(bytes_per_connection, "gateway memory a connection, bytes")                      \
    X(peak_bytes_per_connection, "gateway memory a connection at its peak, bytes")     \
    X(publishes_per_s, "messages acknowledged, a second")                              \
    X(deliveries_per_s, "deliveries a second")                                         \
    X(p50_ms, "publish to delivery, median, ms")                                       \
    X(p99_ms, "publish to delivery, 99%, ms")                                          \
    X(p999_ms, "publish to delivery, 99.9%, ms")                                       \
    X(gateway_cpu_us_per_delivery, "gateway CPU a delivery, us")                       \
    X(redis_cpu_us_per_publish, "Redis CPU a message, us")                             \
    X(redis_calls_per_publish, "Redis commands a message")                             \
    X(gateway_cores, "gateway CPU, cores")                                             \
    X(redis_cores, "Redis CPU, cores")                                                 \
    X(errors, "errors")                                                                \
    X(missing, "deliveries missing")                                                   \
    X(repeats, "deliveries repeated or out of order")

struct results {
#define X(name, text) double name;
    RESULTS(X)
#undef X
    uint64_t peak_before;              /* what was resident when nobody was in */
    uint64_t acked;                    /* while it counted */
    struct commandstats before, after; /* that; empty without --redis-port */
};

/* All that is read at the ends of a phase. */
struct snapshot {
    uint64_t at_ns, gateway_ns, redis_ns;
    struct swarm_counts counts;
};

static struct snapshot take_snapshot(const struct options *o, const struct swarm *swarm)
{
    pid_t redis_pid = (pid_t)o->redis_pid;

    return (struct snapshot){
        .at_ns = swarm_now_ns(),
        .gateway_ns = usage_cpu_ns(o->pids, o->pid_count),
        .redis_ns = usage_cpu_ns(&redis_pid, redis_pid != 0),
        .counts = swarm_get_counts(swarm),
    };
}

static double ratio(uint64_t a, uint64_t b, bool is_measured)
{
    return is_measured && b > 0 ? (double)a / (double)b : NAN;
}

static void note_open(struct results *r, const struct options *o,
                      const struct snapshot *a, const struct snapshot *b)
{
    double seconds = (double)(b->at_ns - a->at_ns) / SECOND_NS;

    r->connects_per_s = (double)b->counts.joined / seconds;
    r->gateway_cpu_us_per_connect =
        ratio(b->gateway_ns - a->gateway_ns, b->counts.joined * 1000, o->pid_count > 0);
}

static void note_measured(struct results *r, const struct options *o,
                          const struct snapshot *a, const struct snapshot *b)
{
    uint64_t ns = b->at_ns - a->at_ns;
    uint64_t deliveries = b->counts.deliveries - a->counts.deliveries;
    uint64_t gateway_ns = b->gateway_ns - a->gateway_ns;
    uint64_t redis_ns = b->redis_ns - a->redis_ns;
    bool has_redis = o->redis_pid != 0, has_gateway = o->pid_count > 0;

    r->acked = b->counts.acked - a->counts.acked;
    r->publishes_per_s = (double)r->acked / (double)ns * SECOND_NS;
    r->deliveries_per_s = (double)deliveries / (double)ns * SECOND_NS;
    r->gateway_cpu_us_per_delivery = ratio(gateway_ns, deliveries * 1000, has_gateway);
    r->redis_cpu_us_per_publish = ratio(redis_ns, r->acked * 1000, has_redis);
    r->gateway_cores = ratio(gateway_ns, ns, has_gateway);
    r->redis_cores = ratio(redis_ns, ns, has_redis);
}

static void note_latency(struct results *r, const struct histogram *h)
{
    r->p50_ms = h->total ? (double)histogram_quantile(h, 0.5) / 1e6 : NAN;
    r->p99_ms = h->total ? (double)histogram_quantile(h, 0.99) / 1e6 : NAN;
    r->p999_ms = h->total ? (double)histogram_quantile(h, 0.999) / 1e6 : NAN;
}

static void read_commandstats(struct commandstats *stats, const struct options *o)
{
    if (o->redis_port == 0 || commandstats_read(stats, o->redis_port))
        return;
    fprintf(stderr, "--redis-port: Redis does not say what it executed\n");
    exit(1);
}

static void note_redis_calls(struct results *r, const struct options *o)
{
    uint64_t calls = 0;

    for (size_t i = 0; i < r->after.count; i++)
        calls += r->after.rows[i].calls -
                 commandstats_get(&r->before, r->after.rows[i].name);
    r->redis_calls_per_publish = ratio(calls, r->acked, o->redis_port != 0);
}

static double growth_per_connection(const struct options *o, uint64_t from, uint64_t to)
{
    return o->pid_count > 0 ? ((double)to - (double)from) / (double)o->connections
                            : NAN;
}

static void open_and_settle(struct results *r, const struct options *o,
                            struct swarm *swarm)
{
    uint64_t memory = usage_memory_bytes(o->pids, o->pid_count);
    struct snapshot before = take_snapshot(o, swarm), after;

    usage_reset_peak(o->pids, o->pid_count);
    r->peak_before = usage_peak_bytes(o->pids, o->pid_count);
    if (!swarm_open(swarm, before.at_ns + OPEN_SECS * SECOND_NS)) {
        fprintf(stderr, "not everybody came in: %s\n", swarm_get_complaint(swarm));
        exit(1);
    }
    after = take_snapshot(o, swarm);
    note_open(r, o, &before, &after);
    swarm_run(swarm, after.at_ns + SETTLE_SECS * SECOND_NS);
    r->bytes_per_connection =
        growth_per_connection(o, memory, usage_memory_bytes(o->pids, o->pid_count));
}

static void measure(struct results *r, const struct options *o, struct swarm *swarm)
{
    struct histogram *latency = xcalloc(1, sizeof(*latency));
    struct snapshot before, after;

    if (!o->idle)
        swarm_start_talking(swarm);
    swarm_run(swarm, swarm_now_ns() + (uint64_t)o->warmup * SECOND_NS);
    swarm_set_histogram(swarm, latency);
    read_commandstats(&r->before, o);
    before = take_snapshot(o, swarm);
    swarm_run(swarm, before.at_ns + (uint64_t)o->seconds * SECOND_NS);
    after = take_snapshot(o, swarm);
    read_commandstats(&r->after, o);
    swarm_set_histogram(swarm, NULL);
    note_measured(r, o, &before, &after);
    note_redis_calls(r, o);
    note_latency(r, latency);
    free(latency);
}

static void finish(struct results *r, const struct options *o, struct swarm *swarm)
{
    struct swarm_counts counts;

    swarm_stop_talking(swarm);
    swarm_finish(swarm, swarm_now_ns() + FINISH_SECS * SECOND_NS);
    r->peak_bytes_per_connection = growth_per_connection(
        o, r->peak_before, usage_peak_bytes(o->pids, o->pid_count));
    counts = swarm_get_counts(swarm);
    r->errors = (double)counts.errors;
    r->missing = (double)counts.missing;
    r->repeats = (double)counts.repeats;
    if (counts.errors)
        fprintf(stderr, "first error: %s\n", swarm_get_complaint(swarm));
}

static void print_redis_calls(const struct results *r)
{
    const char *comma = "";

    printf(",\"redis_calls\":{");
    for (size_t i = 0; i < r->after.count; i++) {
        uint64_t calls = r->after.rows[i].calls -
                         commandstats_get(&r->before, r->after.rows[i].name);

        if (calls == 0)
            continue;
        printf("%s\"%s\":%" PRIu64, comma, r->after.rows[i].name, calls);
        comma = ",";
    }
    printf("}");
}

static void print_json(const struct options *o, const struct results *r)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {
#define X(name, text) {#name, r->name},
        RESULTS(X)
#undef X
    };

    printf("{\"target\":\"%s\",\"connections\":%ld,\"rooms\":%ld,\"publishers\":%ld,"
           "\"window\":%ld,\"rate\":%ld,\"size\":%ld,\"keys\":%s,\"idle\":%s,"
           "\"seconds\":%ld",
           o->protocol->name, o->connections, o->rooms, o->publishers, o->window,
           o->rate, o->size, o->keys ? "true" : "false", o->idle ? "true" : "false",
           o->seconds);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (isnan(rows[i].value))
            printf(",\"%s\":null", rows[i].name);
        else
            printf(",\"%s\":%.9g", rows[i].name, rows[i].value);
    }
    printf(",\"acked\":%" PRIu64, r->acked);
    if (o->redis_port)
        print_redis_calls(r);
    printf("}\n");
}

static void print_text(const struct results *r)
{
#define X(name, text)                                                                  \
    if (!isnan(r->name))                                                               \
        printf("%-45s %14.3f\n", text, r->name);
    RESULTS(X)
#undef X
}

static void on_signal(int number)
{
    (void)number;
    _exit(0); /* there is nothing to put in order: the kernel closes the sockets */
}

/* Whether there are enough file descriptors. */
static bool raise_file_limit(const struct options *o)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (rlim_t)o->connections + 16 <= limit.rlim_cur;
}

int main(int argc, char **argv)
{
    struct options options;
    static struct results results;
    struct swarm *swarm;
    enum options_outcome outcome;

    descriptors_open_standard();
    outcome = options_load(&options, argc, argv);
    if (outcome != OPTIONS_RUN)
        return outcome == OPTIONS_EXIT_OK ? 0 : 2;
    if (!raise_file_limit(&options)) {
        fprintf(stderr, "--connections: more than this process may have files\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    swarm = swarm_new(&options);
    open_and_settle(&results, &options, swarm);
    measure(&results, &options, swarm);
    finish(&results, &options, swarm);
    if (options.json)
        print_json(&options, &results);
    else
        print_text(&results);
    swarm_free(swarm);
    options_deinit(&options);
    return results.errors + results.missing + results.repeats > 0;
}
